//! Prints findings about a skill graph and its folder.

use crate::terminal::{remark, say};
use contracts::graph::{Finding, Severity, SourceFile};
use platform::text::printable;
use skill_graph_loader::Reading;
use std::collections::BTreeMap;
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

/// Maximum hints of one kind that are printed.
const HINTS_SHOWN: usize = 5;

/// Prints all errors and warnings, and of many hints of one kind the first.
pub fn say_all(findings: &[Finding]) {
    let mut hints: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in findings {
        if finding.severity == Severity::Hint {
            let count = hints.entry(&finding.code).or_default();
            *count += 1;
            if *count > HINTS_SHOWN {
                continue;
            }
        }
        say(&line(finding));
    }
    for (code, count) in hints.iter().filter(|(_, count)| **count > HINTS_SHOWN) {
        say(&format!("hint: {} more of [{code}]; --json lists all", count - HINTS_SHOWN));
    }
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

/// Reads a folder that a command was given, or the default graph, with the way to read it.
///
/// # Errors
/// Those of [`read_folder`].
pub fn read_or_default(
    folder: Option<(&Path, Reading)>,
) -> anyhow::Result<(Vec<SourceFile>, Reading)> {
    match folder {
        Some((folder, reading)) => Ok((read_folder(folder)?, reading)),
        None => Ok((graph_folder::default_graph(), Reading::default())),
    }
}
