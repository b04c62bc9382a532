//! The chores' own library: what they generate and what they check, so that tests can ask the same.

pub mod deploy;
pub mod dev;
pub mod documents;
pub mod node;
pub mod rooms;
pub mod secrets;
pub mod tidy;
pub mod workers;
