//! The gateway on memory ports, with a minimal control plane.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test equipment: whatever is odd must stop the test"
)]

mod acp;
mod acp_agent;
mod bed;
mod endings;
mod files;
mod http;
mod knowledge;
mod lease;
mod logs;
mod models;
mod money;
mod runners;
mod sessions;
mod shutdown;
