//! The log of a run's program for its owner: the last lines of its standard error, of its output
//! beside the answer, and of the work that it reported, in the order in which they came.
//!
//! A program without a format of its own prints its answer and its complaints alike, so its output
//! is part of the log unless it succeeds.

use crate::text::{clean, clip};
use contracts::run_log::{LOG_BYTES_MAX, RunLog};
use platform::ports::ProgramLog;
use platform::secret::Secret;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Maximum bytes of a line; more of it is left out.
const LINE_BYTES_MAX: usize = 2 << 10;
/// Stands for a key.
const MASK: &str = "***";

/// A log with bounds: at most twice [`LOG_BYTES_MAX`] in memory.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    secrets: Vec<Secret>,
    /// The number of the next line.
    next: u64,
    aside: Tail,
    answer: Tail,
}

/// The last lines, each with its number.
#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<(u64, String)>,
    bytes: usize,
    left_out: u64,
}

impl Log {
    /// A line of output that is the answer if the run succeeds.
    pub(crate) fn answer(&self, line: &str) {
        let mut kept = self.kept();
        let (number, line, left_out) = kept.take(line, 0);
        kept.answer.push(number, line, left_out);
    }
    /// The log as far as it was kept; none when nothing was written.
    pub(crate) fn read(&self, has_answer: bool) -> Option<RunLog> {
        let kept = self.kept();
        let parts = if has_answer { vec![&kept.aside] } else { vec![&kept.aside, &kept.answer] };
        let mut lines: Vec<_> = parts.iter().flat_map(|part| &part.lines).collect();
        lines.sort_by_key(|(number, _)| number);
        let lines: Vec<_> = lines.into_iter().map(|(_, line)| line.as_str()).collect();
        let left_out_bytes = parts.iter().map(|part| part.left_out).sum();
        RunLog { text: lines.join("\n"), left_out_bytes }.bounded()
    }
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProgramLog for Log {
    fn line(&self, line: &str, left_out: u64) {
        let mut kept = self.kept();
        let (number, line, left_out) = kept.take(line, left_out);
        kept.aside.push(number, line, left_out);
    }
    fn hide(&self, secret: &Secret) {
        if !secret.reveal().is_empty() {
            self.kept().secrets.push(secret.clone());
        }
    }
}

impl Kept {
    /// The next number, and the line as it is shown, with the bytes that are left out of it.
    fn take(&mut self, line: &str, left_out: u64) -> (u64, String, u64) {
        let number = self.next;
        self.next += 1;
        // A line that was written over shows as a terminal has it at last.
        let last = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
        let mut text = clean(last).replace('\n', " ");
        // Whole keys first: a cut within one would leave its beginning.
        for secret in &self.secrets {
            text = text.replace(secret.reveal(), MASK);
        }
        let dropped = if left_out > 0 { self.drop_half_a_secret(&mut text) } else { 0 };
        let shown = clip(&text, LINE_BYTES_MAX);
        let cut = if text.len() > LINE_BYTES_MAX { text.len() - shown.len() } else { 0 };
        (number, shown, left_out.saturating_add((dropped + cut) as u64))
    }
    /// A key may have begun where the rest of the line was not read: drops its beginning; the bytes
    /// that were dropped.
    fn drop_half_a_secret(&self, text: &mut String) -> usize {
        let whole = text.len();
        let ends_with_half = |secret: &Secret| {
            let secret = secret.reveal();
            let ends = secret.char_indices().map(|(at, _)| at).filter(|at| *at > 0);
            ends.filter(|at| text.ends_with(secret.get(..*at).unwrap_or_default())).max()
        };
        let half = self.secrets.iter().filter_map(ends_with_half).max().unwrap_or(0);
        text.truncate(whole - half);
        half
    }
}

impl Tail {
    fn push(&mut self, number: u64, line: String, left_out: u64) {
        self.left_out = self.left_out.saturating_add(left_out);
        self.bytes += line.len() + 1;
        self.lines.push_back((number, line));
        // The last line has no end.
        while self.bytes > LOG_BYTES_MAX + 1
            && let Some((_, gone)) = self.lines.pop_front()
        {
            self.bytes -= gone.len() + 1;
            self.left_out = self.left_out.saturating_add(gone.len() as u64 + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]

    use super::*;

    fn text(log: &Log) -> String {
        log.read(true).map(|log| log.text).unwrap_or_default()
    }

    #[test]
    fn log_keeps_its_last_whole_lines_within_its_bounds() {
        let log = Log::default();
        assert_eq!(log.read(false), None);
        let mut written = 0;
        for number in 0..10_000 {
            let line = format!("line {number}");
            written += line.len() as u64 + 1;
            log.line(&line, 0);
        }
        let read = log.read(true).unwrap();
        assert!(read.text.len() <= LOG_BYTES_MAX && read.text.len() > LOG_BYTES_MAX - 20);
        assert!(read.text.starts_with("line ") && read.text.ends_with("\nline 9999"));
        assert_eq!(read.left_out_bytes + read.text.len() as u64 + 1, written);
        log.line(&"ä".repeat(1 << 20), 7);
        let read = log.read(true).unwrap();
        assert!(read.text.len() <= LOG_BYTES_MAX && read.text.ends_with("ä…"));
        assert!(read.left_out_bytes > 2 << 20);
    }

    #[test]
    fn log_shows_no_terminal_codes_and_lines_as_they_were_written_last() {
        let log = Log::default();
        log.line("\u{1b}[31merror\u{1b}[0m:\u{7} it broke\r", 0);
        log.line(" 10 %\r 50 %\r100 %", 0);
        log.line("\u{1b}]0;title\u{7}\u{9b}o\u{0}k", 0);
        assert_eq!(text(&log), "error: it broke\n100 %\nok");
    }

    #[test]
    fn log_masks_secrets_even_behind_terminal_codes_and_at_a_cut() {
        let log = Log::default();
        log.line("sk-first, before anything is known", 0);
        log.hide(&Secret::new("sk-secret"));
        log.hide(&Secret::new(""));
        log.line("bearer sk-\u{1b}[1msecret, again sk-secret", 0);
        log.line("cut at sk-secre", 100);
        log.line("x sk-secretABCDEFGH", 100);
        log.answer("the key is sk-secret");
        let all = log.read(false).unwrap();
        assert!(!all.text.contains("sk-secre"), "{}", all.text);
        let lines: Vec<String> = text(&log).lines().map(str::to_owned).collect();
        assert_eq!(lines[1..], ["bearer ***, again ***", "cut at ", "x ***ABCDEFGH"]);
    }

    #[test]
    fn output_that_is_the_answer_shows_only_where_the_run_fails() {
        let log = Log::default();
        log.line("warning", 0);
        log.answer("building");
        log.line("error", 0);
        assert_eq!(log.read(false).unwrap().text, "warning\nbuilding\nerror");
        for _ in 0..1_000 {
            log.answer(&"x".repeat(100));
        }
        assert_eq!(
            log.read(true),
            Some(RunLog { text: "warning\nerror".into(), left_out_bytes: 0 })
        );
        assert!(log.read(false).unwrap().text.len() <= LOG_BYTES_MAX);
    }
}
