//! Reads the output of an agent's program in the format that its configuration declares.
//!
//! `text` is a line of the answer, never more. Each other format has a file; it reads reports and
//! tells [`Told`]. A line of another format is skipped once one of its own has come; without any
//! the whole output is the answer. Programs repeat text of strangers (a quoted message, a file, a
//! log), so a line that looks like a report is one only where the owner has said that the program
//! writes reports.

mod claude;
mod codex;
mod gemini;
mod json_lines;
mod open_code;
mod told;

pub(crate) use told::{Told, text_at};

use crate::program_log::Log;
use contracts::approval::Outcome;
use platform::config::Section;
use platform::ports::ProgramLog;
use serde_json::Value;
use std::sync::Arc;

/// Maximum bytes of a JSON value that is printed over several lines.
const BLOCK_BYTES_MAX: usize = 16 << 20;

/// The format of a program's output: the key `output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    JsonLines,
    Claude,
    Codex,
    Gemini,
    OpenCode,
    /// A conversation, which is read elsewhere: a line that comes here is none of its messages.
    Acp,
}

impl Format {
    const ALL: [Self; 6] =
        [Self::Text, Self::JsonLines, Self::Claude, Self::Codex, Self::Gemini, Self::OpenCode];

    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::JsonLines => "json-lines",
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::OpenCode => "opencode",
            Self::Acp => "acp",
        }
    }
    /// Reads `output`. Without it the command's own options decide (`claude` and `gemini` with
    /// `--output-format`, `codex exec --json`, `opencode run --format json`); anything else prints
    /// text.
    pub(crate) fn read(section: &mut Section<'_>, command: &[String]) -> Self {
        let Some(name) = section.text("output") else { return Self::of(command) };
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.unwrap_or_else(|| {
            let names = Self::ALL.map(Self::name).join("\", \"");
            section.wrong(
                "output",
                "names no format that is known.",
                &format!("Write one of \"{names}\"."),
            );
            Self::Text
        })
    }
    fn of(command: &[String]) -> Self {
        let has = |option: &str| command.iter().any(|arg| arg == option);
        let is = |name: &str| {
            command.first().is_some_and(|program| program.rsplit('/').next() == Some(name))
        };
        let value = |option: &str| {
            let equals = format!("{option}=");
            let written = command.iter().find_map(|arg| arg.strip_prefix(&equals));
            let place = command.iter().position(|arg| arg == option);
            written.or_else(|| command.get(place? + 1).map(String::as_str))
        };
        match value("--output-format") {
            Some("json" | "stream-json") if is("gemini") => Self::Gemini,
            Some("json") if is("claude") => Self::Claude,
            Some("stream-json") => Self::Claude,
            _ if has("exec") && has("--json") => Self::Codex,
            _ if is("opencode") && value("--format") == Some("json") => Self::OpenCode,
            _ => Self::Text,
        }
    }
    /// Whether a failure in this format is the program's own word, and not that of its agent.
    pub(crate) const fn tells_limits(self) -> bool {
        matches!(self, Self::Claude | Self::Codex | Self::Gemini | Self::OpenCode | Self::Acp)
    }
    /// Whether everything that the agent does shows in this format.
    pub(crate) const fn proves_idleness(self) -> bool {
        matches!(self, Self::Claude | Self::Codex)
    }
    /// Reads a report: `None` when it is none of this format; empty when it is no progress.
    fn report(self, told: &mut Told, object: &Value) -> Option<String> {
        match self {
            Self::Text | Self::Acp => None,
            Self::JsonLines => json_lines::read(told, object),
            Self::Claude => claude::read(told, object),
            Self::Codex => codex::read(told, object),
            Self::Gemini => gemini::read(told, object),
            Self::OpenCode => open_code::read(told, object),
        }
    }
}

/// The output so far.
#[derive(Debug)]
pub(crate) struct Output {
    format: Format,
    told: Told,
    /// Lines that are no reports, as they came; whether it is JSON beside each.
    lines: Vec<(String, bool)>,
    /// A JSON value over several lines that has begun.
    block: String,
    /// A report has come.
    known: bool,
    /// Bytes that may still be kept.
    room: usize,
    bytes_max: usize,
    overflowed: bool,
    /// Takes the lines that are no reports.
    log: Arc<Log>,
}

impl Output {
    /// Nothing yet of an output in this format, of which at most `bytes_max` are kept.
    pub(crate) fn new(format: Format, bytes_max: usize, log: Arc<Log>) -> Self {
        Self {
            format,
            log,
            told: Told::default(),
            lines: Vec::new(),
            block: String::new(),
            known: false,
            room: bytes_max,
            bytes_max,
            overflowed: false,
        }
    }
    pub(crate) const fn told(&self) -> &Told {
        &self.told
    }
    pub(crate) const fn told_mut(&mut self) -> &mut Told {
        &mut self.told
    }
    /// Whether a final report has come.
    pub(crate) const fn has_ended(&self) -> bool {
        self.told.ended
    }
    /// Whether it printed more of an answer than is kept. Reports that pass do not count.
    pub(crate) fn overflowed(&self) -> bool {
        self.overflowed || self.told.message_bytes() > self.bytes_max
    }
    /// Adds a line; returns its text if it is progress.
    pub(crate) fn take(&mut self, line: String) -> Option<String> {
        if matches!(self.format, Format::Text | Format::Acp) {
            self.keep(line, false);
            return None;
        }
        if !self.block.is_empty() {
            return self.continue_block(&line);
        }
        match serde_json::from_str::<Value>(line.trim()) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => self.reports(&value, line),
            Ok(_) => {
                self.keep(line, false);
                None
            }
            Err(_) if matches!(line.trim_end(), "{" | "[" | "[{") => {
                self.block = line;
                None
            }
            Err(_) => {
                self.keep(line, false);
                None
            }
        }
    }
    /// A value over several lines ends with a bracket at the start of a line.
    fn continue_block(&mut self, line: &str) -> Option<String> {
        self.block.push('\n');
        self.block.push_str(line);
        if line.starts_with(['}', ']'])
            && let Ok(value) = serde_json::from_str::<Value>(&self.block)
        {
            let block = std::mem::take(&mut self.block);
            return self.reports(&value, block);
        }
        if self.block.len() > BLOCK_BYTES_MAX {
            self.give_up_block();
        }
        None
    }
    /// A value that never ends is plain text.
    fn give_up_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        for line in block.lines() {
            self.keep(line.to_owned(), false);
        }
    }
    /// Reads an object, or each of a list.
    fn reports(&mut self, value: &Value, line: String) -> Option<String> {
        let objects = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let (mut progress, mut any) = (None, false);
        for object in objects {
            if let Some(text) = self.format.report(&mut self.told, object) {
                any = true;
                progress = Some(text).filter(|text| !text.trim().is_empty()).or(progress);
            }
        }
        if any && !self.known {
            self.known = true;
            self.lines.retain(|(_, is_json)| !is_json);
        } else if !any && !self.known {
            self.keep(line, true);
        }
        progress
    }
    fn keep(&mut self, line: String, is_json: bool) {
        match self.format {
            Format::Text => self.log.answer(&line),
            _ => self.log.line(&line, 0),
        }
        let length = line.len() + 1;
        self.overflowed |= length > self.room;
        self.room = self.room.saturating_sub(length);
        if !self.overflowed {
            self.lines.push((line, is_json));
        }
    }
    /// No more lines come.
    pub(crate) fn close(&mut self) {
        self.give_up_block();
    }
    /// The lines that are no reports.
    pub(crate) fn plain(&self) -> String {
        let lines: Vec<_> = self.lines.iter().map(|(line, _)| line.as_str()).collect();
        lines.join("\n").trim().to_owned()
    }
    /// The answer of a program with a successful exit code.
    pub(crate) fn answer(&self, agent: &str) -> (Outcome, String) {
        let said = self.told.said().map(str::to_owned);
        let (outcome, text) = match self.told.end(agent) {
            Some((Outcome::Success, text)) if text.is_empty() => (Outcome::Success, self.plain()),
            Some(end) => end,
            None => (Outcome::Success, said.unwrap_or_else(|| self.unreported())),
        };
        if text.is_empty() {
            let text = format!("{agent} ended without printing an answer.");
            (outcome, self.told.with_last_words(text))
        } else {
            (outcome, text)
        }
    }
    /// The output without any report of its format. A report of another program's format is better
    /// read than shown; its cost does not count, because the owner has not named the format.
    fn unreported(&self) -> String {
        let others = Format::ALL.into_iter().filter(|other| *other != self.format);
        let mut read = others
            .filter(|_| !self.known && !matches!(self.format, Format::Text | Format::Acp))
            .filter_map(|other| {
                let mut told = Told::default();
                let values = self.lines.iter().filter(|(_, is_json)| *is_json);
                for (line, _) in values {
                    let value: Value = serde_json::from_str(line.trim()).ok()?;
                    let objects =
                        value.as_array().map_or(std::slice::from_ref(&value), Vec::as_slice);
                    for object in objects {
                        other.report(&mut told, object);
                    }
                }
                told.said().filter(|_| told.ended).map(str::to_owned)
            });
        read.next().unwrap_or_else(|| self.plain())
    }
}

#[cfg(test)]
mod tests;
