//! One finding about a file: the problem, its place, and the fix.

use contracts::graph::{Finding, Severity};

/// Two agents share an id: the only error that refuses a whole graph.
pub const DUPLICATE_AGENT: &str = "duplicate_agent";

/// Maximum findings of one kind per file; more would hide the rest.
pub const FINDINGS_A_FILE_MAX: usize = 50;

/// A finding; `line` counts from 1, 0 means the whole file.
pub fn finding(
    severity: Severity,
    code: &str,
    path: &str,
    line: u32,
    message: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding {
        severity,
        code: code.to_owned(),
        path: path.to_owned(),
        line,
        message: message.into(),
        fix: fix.into(),
    }
}
