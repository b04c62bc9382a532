//! The end of the log of a run's program.

use crate::TaskId;
use serde::{Deserialize, Serialize};

/// Maximum bytes kept of a program's log.
pub const LOG_BYTES_MAX: usize = 16 << 10;

/// The end of the log of a run's program: its standard error, its output beside the answer, and
/// the work that it reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunLog {
    /// Whole lines, at most 16 KiB.
    pub text: String,
    /// Bytes of it that were not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out_bytes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl RunLog {
    /// Within [`LOG_BYTES_MAX`] and without control characters, whatever a gateway has sent; none
    /// when nothing is left.
    pub fn bounded(self) -> Option<Self> {
        let keeps = |c: &char| matches!(c, '\n' | '\t') || !c.is_control();
        let text: String = self.text.chars().filter(keeps).collect();
        let kept = last_lines(&text);
        let cut = u64::try_from(text.len() - kept.len()).unwrap_or(u64::MAX);
        let left_out_bytes = self.left_out_bytes.saturating_add(cut);
        let is_empty = kept.trim().is_empty() && left_out_bytes == 0;
        (!is_empty).then(|| Self { text: kept.to_owned(), left_out_bytes })
    }
    /// A line about the bytes that were not kept.
    pub fn left_out(&self) -> Option<String> {
        let bytes = self.left_out_bytes;
        let verb = if bytes == 1 { "byte was" } else { "bytes were" };
        (bytes > 0).then(|| format!("… {bytes} {verb} left out"))
    }
}

/// The last whole lines within the limit; the end of a line that is longer.
fn last_lines(text: &str) -> &str {
    let room = text.len().saturating_sub(LOG_BYTES_MAX);
    let Some(from) = (room..=text.len()).find(|at| text.is_char_boundary(*at)) else { return "" };
    let (before, kept) = text.split_at(from);
    match kept.split_once('\n') {
        Some((_, whole)) if !before.is_empty() && !before.ends_with('\n') => whole,
        _ => kept,
    }
}

/// `GET /api/events/{id}/log`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventLog {
    /// The log of the event's newest run that has ended; none where its program wrote nothing, or
    /// its gateway sent none.
    pub log: Option<KeptLog>,
}

/// The kept end of a program's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeptLog {
    /// The task of the run.
    pub task: TaskId,
    /// When the gateway reported it.
    pub at: String,
    #[serde(flatten)]
    pub log: RunLog,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]

    use super::*;

    fn bounded(text: &str) -> Option<RunLog> {
        RunLog { text: text.to_owned(), left_out_bytes: 0 }.bounded()
    }

    #[test]
    fn log_keeps_its_last_whole_lines_and_counts_the_rest() {
        assert_eq!(bounded("a\nb").unwrap(), RunLog { text: "a\nb".into(), left_out_bytes: 0 });
        let lines: Vec<_> = (0..4_000).map(|number| format!("line {number}")).collect();
        let all = lines.join("\n");
        let log = bounded(&all).unwrap();
        assert!(log.text.len() <= LOG_BYTES_MAX && log.text.len() > LOG_BYTES_MAX - 20);
        assert!(log.text.starts_with("line ") && log.text.ends_with("\nline 3999"));
        assert_eq!(log.text.len() as u64 + log.left_out_bytes, all.len() as u64);
        let again = log.clone().bounded().unwrap();
        assert_eq!(again, log);
    }

    #[test]
    fn log_of_one_endless_line_is_cut_between_characters() {
        let log = bounded(&"ä".repeat(LOG_BYTES_MAX)).unwrap();
        assert_eq!(log.text.len(), LOG_BYTES_MAX);
        let log = bounded(&format!("{}x", "ä".repeat(LOG_BYTES_MAX))).unwrap();
        assert_eq!(log.text.len(), LOG_BYTES_MAX - 1, "half a character is left out");
        assert_eq!(log.left_out(), Some("… 16386 bytes were left out".into()));
    }

    #[test]
    fn log_has_no_control_characters_and_an_empty_one_is_none() {
        assert_eq!(bounded("\u{1b}[31mred\u{0}\u{9b}\r\n\tok").unwrap().text, "[31mred\n\tok");
        assert_eq!(bounded(" \n\u{7}"), None);
        let cut = RunLog { text: String::new(), left_out_bytes: 9 };
        assert_eq!(cut.clone().bounded(), Some(cut));
    }
}
