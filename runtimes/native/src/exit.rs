//! Exit codes: 0 success, 1 the answer is no, 2 usage, 3 something cannot be reached or read.

use contracts::Problem;
use graph_folder::claim_file::Changed;
use platform::config::ConfigProblem;
use serde_json::{Value, json};

/// The answer is no.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct No(pub String);

/// The server says no.
#[derive(Debug, thiserror::Error)]
#[error("{said}")]
pub struct Refused {
    /// The problem in words.
    pub said: String,
    pub problem: Problem,
}

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

/// Whether the answer is no.
pub fn is_no(error: &anyhow::Error) -> bool {
    error.is::<No>() || error.is::<Refused>() || error.is::<Changed>()
}

/// An error as `--json` prints it on stderr: the problem of the server where it has said one, else
/// `title`, `detail` and, for a configuration, `problems`; always with `exitCode`.
pub fn as_json(error: &anyhow::Error) -> Value {
    let code = code(error);
    let mut told = serde_json::Map::new();
    match error.downcast_ref::<Refused>().map(|refused| json!(refused.problem)) {
        Some(Value::Object(problem)) => told.extend(problem),
        _ => {
            told.insert("title".to_owned(), title(code).into());
            told.insert("detail".to_owned(), format!("{error:#}").into());
        }
    }
    if let Some(Wrong(problems)) = error.downcast_ref::<Wrong>() {
        let each = |problem: &ConfigProblem| json!({ "key": problem.path, "message": problem.message, "fix": problem.fix });
        told.insert("problems".to_owned(), problems.iter().map(each).collect());
    }
    told.insert("exitCode".to_owned(), code.into());
    Value::Object(told)
}

const fn title(code: i32) -> &'static str {
    match code {
        1 => "The answer is no",
        2 => "Wrong command line or configuration",
        _ => "Something cannot be reached or read",
    }
}

/// The exit code for an error.
pub fn code(error: &anyhow::Error) -> i32 {
    if is_no(error) {
        1
    } else if error.is::<Usage>() || error.is::<Wrong>() {
        2
    } else {
        3
    }
}
