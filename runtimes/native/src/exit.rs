//! Exit codes: 0 success, 1 the answer is no, 2 usage, 3 something cannot be reached or read.

use graph_folder::claim_file::Changed;
use platform::config::ConfigProblem;

/// The answer is no.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct No(pub String);

/// The command line is invalid.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Something cannot be reached or read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// All problems of the configuration.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} problem(s), so nothing was started:\n{}", .0.len(), list(.0))]
pub struct Wrong(pub Vec<ConfigProblem>);

fn list(problems: &[ConfigProblem]) -> String {
    problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
}

/// The exit code for an error.
pub fn code(error: &anyhow::Error) -> i32 {
    if error.is::<No>() || error.is::<Changed>() {
        1
    } else if error.is::<Usage>() || error.is::<Wrong>() {
        2
    } else {
        3
    }
}
