//! Prints findings about a skill graph.

use crate::terminal::printable;
use contracts::graph::{Finding, Severity};

/// A finding as text.
pub fn line(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "hint",
    };
    let line = if finding.line == 0 { String::new() } else { format!(":{}", finding.line) };
    let path = if finding.path.is_empty() {
        "the whole graph".to_owned()
    } else {
        printable(&finding.path)
    };
    format!(
        "{severity}: {path}{line}: {} [{}]\n  fix: {}",
        printable(&finding.message),
        finding.code,
        printable(&finding.fix)
    )
}
