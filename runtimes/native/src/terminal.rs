//! The only module that writes to the terminal: answers to stdout, everything else to stderr.

use indicatif::{ProgressBar, ProgressStyle};
use nix::sys::stat::SFlag;
use platform::text::printable;
use std::io::{IsTerminal, Write};

/// A number of things, in the singular for one.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The text as one word of a shell.
pub fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Prints an answer to stdout. A closed pipe is not an error.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
    let _ = out.flush();
}

/// Prints a remark to stderr.
pub fn remark(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Asks a question and returns the line typed; empty without a terminal.
///
/// # Errors
/// When standard input cannot be read.
pub fn ask(question: &str) -> std::io::Result<String> {
    Ok(ask_or_end(question)?.unwrap_or_default())
}

/// Asks a question and returns the line typed; `None` at the end of standard input.
///
/// # Errors
/// When standard input cannot be read.
pub fn ask_or_end(question: &str) -> std::io::Result<Option<String>> {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(question.as_bytes());
    let _ = err.flush();
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim().to_owned()))
}

/// Whether a person types what is read.
pub fn is_typed() -> bool {
    std::io::stdin().is_terminal()
}

/// Prints an answer as JSON, alone on stdout.
pub fn say_json(value: &impl serde::Serialize) {
    say(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Whether stdout is read as it is written, by a person at a terminal or by the program at the
/// other end of a pipe or a socket. A file or a journal (whose socket systemd announces by
/// `JOURNAL_STREAM`) keeps what it is given for others to read.
pub fn is_read_live() -> bool {
    let out = std::io::stdout();
    out.is_terminal()
        || nix::sys::stat::fstat(&out).is_ok_and(|about| {
            let kind = SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT;
            let is_journal = std::env::var_os("JOURNAL_STREAM").is_some();
            kind == SFlag::S_IFIFO || (kind == SFlag::S_IFSOCK && !is_journal)
        })
}

/// Whether any of the standard streams is a terminal; false once that terminal has closed.
pub fn has_terminal() -> bool {
    std::io::stdin().is_terminal()
        || std::io::stdout().is_terminal()
        || std::io::stderr().is_terminal()
}

/// Whether stderr is a terminal; progress is drawn only then.
pub fn watched() -> bool {
    std::io::stderr().is_terminal()
}

/// A progress bar on stderr, hidden unless it is a terminal.
pub fn progress() -> ProgressBar {
    let bar = if watched() { ProgressBar::new(1) } else { ProgressBar::hidden() };
    bar.set_style(
        ProgressStyle::with_template("{bar:32} {pos}/{len} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar
}

/// A table with columns as wide as their widest cell. Control characters never reach the terminal.
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
