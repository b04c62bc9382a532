//! Agents' programs on this machine: what they can see, their limits, and that they leave no
//! process behind.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test equipment: whatever is odd must stop the test"
)]

#[path = "../../src"]
#[allow(dead_code, reason = "what only the binary uses")]
mod native {
    pub mod away;
    pub mod http_client;
    pub mod names;
    pub mod programs;
    pub mod supervise;
}

mod attacks;
mod bed;
mod exchange;
mod handover;
mod hiding;
mod input;
mod links;
mod resting;
mod running;
