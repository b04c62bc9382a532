//! The dashboard over HTTP, on memory ports.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test equipment: a broken bed must stop the test"
)]

mod bed;
mod day;
mod figures;
mod pages;
mod sign_in;
mod world;
