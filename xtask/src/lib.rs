//! The library of the chores: generated documents and checks, so that tests can use them.

pub mod deploy;
pub mod dev;
pub mod documents;
pub mod fuzz;
pub mod node;
pub mod openapi;
pub mod package;
pub mod rooms;
pub mod secrets;
pub mod tidy;
pub mod workers;
