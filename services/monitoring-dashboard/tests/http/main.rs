//! The dashboard over HTTP, on memory ports.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test equipment: a broken bed must stop the test"
)]

mod approvals;
mod assistant;
mod bed;
mod chats;
mod day;
mod figures;
mod first_steps;
mod page_key;
mod pages;
mod rules;
mod schedules;
mod sign_in;
mod world;
