//! The neighbours of a service in its tests: fakes made of the types of the calls.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test equipment: a broken fake must stop the test"
)]

mod answer;
mod approvals;
mod asked;
mod neighbours;

pub use approvals::{approval, approve_answer};
pub use asked::Asked;
pub use neighbours::Neighbours;
