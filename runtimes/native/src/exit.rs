//! How a command ends: 0 done, 1 the answer is no, 2 usage, 3 cannot reach or read something.

use crate::config_file::Wrong;

/// The answer is no.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct No(pub String);

/// The command was called wrongly.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Something cannot be reached or read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// The exit code of a failure.
pub fn code(error: &anyhow::Error) -> i32 {
    if error.is::<No>() {
        1
    } else if error.is::<Usage>() || error.is::<Wrong>() {
        2
    } else {
        3
    }
}
