//! The service over HTTP on memory ports.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

mod approving;
mod asking;
mod auditing;
mod backing_up;
mod breaking_ties;
mod ceiling;
mod chatting;
mod claiming;
mod deciding;
mod digesting;
mod halting;
mod halting_apart;
mod invariants;
mod kit;
mod mcp;
mod mcp_attacks;
mod noticing;
mod planning;
mod remembering;
mod replaying;
mod resting;
mod reviewing;
mod round_trips;
mod rulebook;
mod ruling;
mod settling;
mod thinking;
mod ticking;
mod tool_rules;
mod transcribing;
