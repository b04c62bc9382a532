//! One finding about a file: the problem, its place, and the fix.

use contracts::graph::{Finding, Severity};

/// Two agents share an id: the only error that refuses a whole graph.
pub const DUPLICATE_AGENT: &str = "duplicate_agent";

/// Maximum findings of one kind per file; more would hide the rest.
pub const FINDINGS_A_FILE_MAX: usize = 50;

/// Maximum hints of one kind. More become one that counts the files: a collection of hundreds has
/// the same remark about each.
pub const HINTS_MAX: usize = 5;

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

/// Findings about these items of a file; the last of the first says how many more there are.
pub fn first_of<T>(items: &[T], findings: &mut Vec<Finding>, about: impl Fn(&T) -> Finding) {
    let mut told: Vec<Finding> = items.iter().take(FINDINGS_A_FILE_MAX).map(about).collect();
    let more = items.len() - told.len();
    if let Some(last) = told.last_mut().filter(|_| more > 0) {
        last.message.push_str(&format!(", and there are {more} more of this kind"));
    }
    findings.extend(told);
}

/// The first names of a list, and the number of the others.
pub fn listed<T: AsRef<str>>(names: &[T], shown: usize) -> String {
    let first: Vec<&str> = names.iter().take(shown).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(shown);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{rest}", first.join(", "))
}
