//! The one place that writes to the terminal: answers to stdout, everything else to stderr.

use std::io::{IsTerminal, Write};

/// An answer, to stdout. A closed pipe is not our business.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
    let _ = out.flush();
}

/// A remark, to stderr.
pub fn remark(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A question, and the line that answers it; empty where nobody can.
///
/// # Errors
/// When standard input cannot be read.
pub fn ask(question: &str) -> std::io::Result<String> {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(question.as_bytes());
    let _ = err.flush();
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// An answer as JSON, alone on stdout.
pub fn say_json(value: &impl serde::Serialize) {
    say(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Whether a person watches stderr: only then progress is drawn.
pub fn watched() -> bool {
    std::io::stderr().is_terminal()
}

/// A table: columns as wide as their widest cell; control characters of data do not reach the terminal.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let clean: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(i, name)| {
            clean
                .iter()
                .filter_map(|row| row.get(i))
                .map(|cell| cell.chars().count())
                .chain([name.len()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let head_line = line(head.to_vec());
    std::iter::once(head_line)
        .chain(clean.iter().map(|row| line(row.iter().map(String::as_str).collect())))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Text from outside as one line of visible characters.
pub fn printable(text: &str) -> String {
    text.chars().map(|ch| if ch.is_control() { ' ' } else { ch }).collect()
}

/// At most `n` characters, with an ellipsis where something was cut.
pub fn short(text: &str, n: usize) -> String {
    if text.chars().count() <= n {
        text.to_owned()
    } else {
        text.chars().take(n.saturating_sub(1)).chain(['…']).collect()
    }
}
