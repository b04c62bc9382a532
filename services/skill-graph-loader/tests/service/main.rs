//! The service over HTTP on memory ports.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on must stop"
)]

mod bed;
mod http;
mod races;
mod versions;
