//! Prints findings about a skill graph and its folder.

use crate::terminal::remark;
use contracts::graph::{Finding, Severity, SourceFile};
use platform::text::printable;
use std::path::Path;

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

/// Reads all Markdown below a folder, and prints what could not be read of it.
///
/// # Errors
/// When the folder cannot be read, has no Markdown, or too much of it.
pub fn read_folder(folder: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let (files, findings) = graph_folder::read(folder)?;
    for finding in findings {
        remark(&format!("{}: {}", printable(&finding.path), printable(&finding.message)));
    }
    Ok(files)
}
