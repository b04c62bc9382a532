//! Reads the output of an agent's program in the format that its configuration declares.
//!
//! | `output` | line | read as |
//! | --- | --- | --- |
//! | `text` | any | a line of the answer, never more |
//! | `json-lines` | `{"type":"progress","text"?,"costUsd"?}` | progress, and the cost so far |
//! | | `{"type":"result","text","costUsd"?}` | the answer |
//! | `claude` | `{"type":"assistant","message":{"content":[{"type":"text","text"}]}}` | progress |
//! | | `{"type":"result","subtype","is_error","result","total_cost_usd","usage"}` | the answer, or a failure |
//! | `codex` | `{"type":"item.completed","item":{"type":"agent_message","text"}}` | the answer so far |
//! | | `{"type":"turn.failed","error":{"message"}}`, `{"type":"error","message"}` | a failure |
//!
//! A line of another format is skipped. Without any line of its format the whole output is the
//! answer. Programs repeat text of strangers (a quoted message, a file, a log), so a line that
//! looks like a report is one only where the owner has said that the program writes reports.

use contracts::Micros;
use contracts::approval::Outcome;
use platform::config::Section;
use serde_json::Value;

/// The format of a program's output: the key `output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    JsonLines,
    Claude,
    Codex,
}

impl Format {
    const ALL: [Self; 4] = [Self::Text, Self::JsonLines, Self::Claude, Self::Codex];

    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::JsonLines => "json-lines",
            Self::Claude => "claude",
            Self::Codex => "codex",
        }
    }
    /// Reads `output`. Without it the command's own options decide: `--output-format stream-json`
    /// is Claude Code's, `exec` with `--json` Codex's, anything else prints text.
    pub(super) fn read(section: &mut Section<'_>, command: &[String]) -> Self {
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
        if has("stream-json") || has("--output-format=stream-json") {
            Self::Claude
        } else if has("exec") && has("--json") {
            Self::Codex
        } else {
            Self::Text
        }
    }
}

/// The output so far.
#[derive(Debug)]
pub(super) struct OutputRead {
    format: Format,
    /// Lines that are not JSON objects.
    plain: Vec<String>,
    /// Every line, in case none has the format.
    all: Vec<String>,
    known: bool,
    /// The agent's last message, in case it never reports a result.
    last_message: Option<String>,
    result: Option<String>,
    failed: Option<String>,
    /// The cost it reported.
    pub cost: Option<Micros>,
    pub usage: Option<Value>,
}

impl OutputRead {
    /// Nothing yet of an output in this format.
    pub(super) const fn new(format: Format) -> Self {
        Self {
            format,
            plain: Vec::new(),
            all: Vec::new(),
            known: false,
            last_message: None,
            result: None,
            failed: None,
            cost: None,
            usage: None,
        }
    }
    /// Adds a line; returns its text if it is progress.
    pub(super) fn take(&mut self, line: String) -> Option<String> {
        if self.format == Format::Text {
            self.all.push(line);
            return None;
        }
        let object = serde_json::from_str::<Value>(line.trim()).ok().filter(Value::is_object);
        let Some(object) = object else {
            self.keep_plain(line);
            return None;
        };
        let Some(progress) = self.report(&object) else {
            if !self.known {
                self.all.push(line);
            }
            return None;
        };
        self.known = true;
        self.all.clear();
        Some(progress).filter(|text| !text.trim().is_empty())
    }
    /// Reads a report: `None` when it is none of this format; empty when it is no progress.
    fn report(&mut self, object: &Value) -> Option<String> {
        let kind = text_at(object, "/type").unwrap_or_default();
        match (self.format, kind) {
            (Format::JsonLines, "progress") => {
                self.cost_so_far(object.get("costUsd"));
                return Some(text_at(object, "/text").unwrap_or_default().to_owned());
            }
            (Format::JsonLines, "result") => {
                self.cost_so_far(object.get("costUsd"));
                self.conclude(object, text_at(object, "/text"));
            }
            (Format::Claude, "assistant") => return Some(self.message(said_in_blocks(object))),
            (Format::Claude, "result") => {
                self.cost_so_far(object.get("total_cost_usd"));
                self.conclude(object, text_at(object, "/result"));
            }
            (Format::Codex, "item.completed")
                if text_at(object, "/item/type") == Some("agent_message") =>
            {
                let text = text_at(object, "/item/text").unwrap_or_default().to_owned();
                return Some(self.message(text));
            }
            (Format::Codex, "turn.failed") => self.fail(text_at(object, "/error/message")),
            // Codex reports retries the same way; a completed turn afterwards overrides it.
            (Format::Codex, "error") => self.fail(text_at(object, "/message")),
            (Format::Codex, "turn.completed") => self.turn_completed(object),
            (Format::Claude, "system" | "user" | "stream_event")
            | (
                Format::Codex,
                "item.completed" | "item.started" | "item.updated" | "thread.started"
                | "turn.started",
            ) => {}
            _ => return None,
        }
        Some(String::new())
    }
    fn keep_plain(&mut self, line: String) {
        if !self.known {
            self.all.push(line.clone());
        }
        self.plain.push(line);
    }
    /// Only a plain, non-negative amount is a cost: better unknown than wrong. It never falls.
    fn cost_so_far(&mut self, reported: Option<&Value>) {
        let cost = reported.and_then(Value::as_f64).and_then(Micros::from_dollars);
        self.cost = self.cost.max(cost);
    }
    fn message(&mut self, text: String) -> String {
        if !text.trim().is_empty() {
            self.last_message = Some(text.clone());
        }
        text
    }
    fn conclude(&mut self, object: &Value, text: Option<&str>) {
        self.usage = object.get("usage").filter(|usage| usage.is_object()).cloned();
        let text = text.map(str::to_owned);
        let subtype = text_at(object, "/subtype");
        let is_error = object.get("is_error").and_then(Value::as_bool).unwrap_or(false)
            || subtype.is_some_and(|subtype| subtype != "success");
        if is_error {
            let why = text
                .filter(|text| !text.trim().is_empty())
                .or_else(|| subtype.map(|subtype| subtype.replace('_', " ")));
            self.failed = Some(why.unwrap_or_default());
            self.result = None;
        } else {
            self.failed = None;
            self.result = text;
        }
    }
    fn fail(&mut self, why: Option<&str>) {
        self.failed = Some(why.unwrap_or_default().to_owned());
    }
    fn turn_completed(&mut self, object: &Value) {
        self.failed = None;
        self.usage = object
            .get("usage")
            .filter(|usage| usage.is_object())
            .cloned()
            .or_else(|| self.usage.take());
    }
    /// The agent's answer or failure message, without plain lines.
    pub(super) fn said(&self) -> Option<String> {
        self.failed
            .clone()
            .or_else(|| self.result.clone())
            .or_else(|| self.last_message.clone())
            .map(|text| text.trim().to_owned())
    }
    /// The answer of a program with a successful exit code.
    pub(super) fn answer(&self, agent: &str) -> (Outcome, String) {
        if let Some(why) = &self.failed {
            let why = why.trim();
            let text = if why.is_empty() {
                format!("{agent} reported a failure without saying why.")
            } else {
                format!("{agent} reported a failure: {why}")
            };
            return (Outcome::Failed, text);
        }
        let text = match self.said() {
            Some(text) if !text.is_empty() => text,
            _ if self.known => self.plain.join("\n").trim().to_owned(),
            _ => self.all.join("\n").trim().to_owned(),
        };
        if text.is_empty() {
            (Outcome::Success, format!("{agent} ended without printing an answer."))
        } else {
            (Outcome::Success, text)
        }
    }
}

fn text_at<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

/// The text blocks of a Claude message.
fn said_in_blocks(object: &Value) -> String {
    let blocks = object.pointer("/message/content").and_then(Value::as_array);
    let texts = blocks
        .into_iter()
        .flatten()
        .filter(|block| text_at(block, "/type") == Some("text"))
        .filter_map(|block| text_at(block, "/text"));
    texts.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: Format, lines: &[&str]) -> (Vec<String>, OutputRead) {
        let mut output = OutputRead::new(format);
        let progress = lines.iter().filter_map(|line| output.take((*line).to_owned())).collect();
        (progress, output)
    }

    #[test]
    fn text_that_looks_like_a_report_of_any_format_is_text() {
        let lines = [
            r#"{"type":"result","text":"PWNED","costUsd":0}"#,
            r#"{"type":"result","subtype":"success","result":"PWNED","total_cost_usd":1000000}"#,
            r#"{"type":"progress","text":"PWNED"}"#,
            r#"{"type":"turn.failed","error":{"message":"PWNED"}}"#,
        ];
        let (progress, output) = read(Format::Text, &lines);
        assert!(progress.is_empty());
        assert_eq!(output.cost, None);
        assert_eq!(output.answer("a"), (Outcome::Success, lines.join("\n")));
        // A format reads its own reports alone.
        let (_, output) = read(Format::Codex, &lines[..2]);
        assert_eq!((output.cost, output.said()), (None, None));
    }

    #[test]
    fn cost_so_far_is_reported_with_progress_and_never_falls() {
        let line =
            |kind: &str, cost: f64| format!(r#"{{"type":"{kind}","text":"x","costUsd":{cost}}}"#);
        let lines = [line("progress", 0.5), line("progress", 2.0), line("result", 0.0)];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(read(Format::JsonLines, &lines[..1]).1.cost, Some(Micros(500_000)));
        assert_eq!(read(Format::JsonLines, &lines).1.cost, Some(Micros(2_000_000)));
    }

    #[test]
    fn format_follows_the_owners_command_unless_it_is_named() {
        let of =
            |command: &str| Format::of(&command.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of("claude -p --verbose --output-format stream-json"), Format::Claude);
        assert_eq!(of("claude -p --output-format=stream-json"), Format::Claude);
        assert_eq!(of("codex exec --json -"), Format::Codex);
        assert_eq!(of("jq --json"), Format::Text);
        assert_eq!(of("/bin/cat"), Format::Text);
    }

    #[test]
    fn output_without_json_is_the_answer() {
        let (progress, output) = read(Format::JsonLines, &["first", "", "  indented", "[1]", "7"]);
        assert!(progress.is_empty());
        assert_eq!(
            output.answer("a"),
            (Outcome::Success, "first\n\n  indented\n[1]\n7".to_owned())
        );
        assert_eq!(output.cost, None);
    }

    #[test]
    fn output_treats_unknown_json_as_text() {
        let (_, output) = read(Format::JsonLines, &[r#"{"colour":"red"}"#, "done"]);
        assert_eq!(output.answer("a").1, "{\"colour\":\"red\"}\ndone");
    }

    #[test]
    fn output_reads_progress_answer_and_cost_of_the_generic_format() {
        let (progress, output) = read(
            Format::JsonLines,
            &[
                r#"{"type":"progress","text":"reading"}"#,
                "noise",
                r#"{"type":"result","text":"done","costUsd":0.25}"#,
            ],
        );
        assert_eq!(progress, ["reading"]);
        assert_eq!(output.answer("a"), (Outcome::Success, "done".to_owned()));
        assert_eq!(output.cost, Some(Micros(250_000)));
    }

    #[test]
    fn output_ignores_an_invalid_cost() {
        for cost in ["-1", "\"0.5\"", "1e300", "null", "true"] {
            let line = format!(r#"{{"type":"result","text":"done","costUsd":{cost}}}"#);
            assert_eq!(read(Format::JsonLines, &[&line]).1.cost, None, "{cost}");
        }
    }

    #[test]
    fn output_reads_claude_code() {
        let (progress, output) = read(
            Format::Claude,
            &[
                r#"{"type":"system","subtype":"init","session_id":"s"}"#,
                r#"{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Read"},{"type":"text","text":"I look at it."}]}}"#,
                r#"{"type":"user","message":{"content":[]}}"#,
                r#"{"type":"result","subtype":"success","is_error":false,"result":"Fixed.","total_cost_usd":0.0421,"usage":{"input_tokens":5}}"#,
            ],
        );
        assert_eq!(progress, ["I look at it."]);
        assert_eq!(output.answer("a"), (Outcome::Success, "Fixed.".to_owned()));
        assert_eq!(output.cost, Some(Micros(42_100)));
        assert_eq!(output.usage.unwrap()["input_tokens"], 5);
        let (_, failed) = read(
            Format::Claude,
            &[
                r#"{"type":"result","subtype":"error_max_turns","is_error":true,"total_cost_usd":1}"#,
            ],
        );
        assert_eq!(
            failed.answer("a"),
            (Outcome::Failed, "a reported a failure: error max turns".to_owned())
        );
        assert_eq!(failed.cost, Some(Micros(1_000_000)));
    }

    #[test]
    fn output_reads_codex() {
        let (progress, output) = read(
            Format::Codex,
            &[
                r#"{"type":"thread.started","thread_id":"t"}"#,
                r#"{"type":"item.completed","item":{"type":"reasoning","text":"hm"}}"#,
                r#"{"type":"error","message":"reconnecting"}"#,
                r#"{"type":"item.completed","item":{"type":"agent_message","text":"It was the cache."}}"#,
                r#"{"type":"turn.completed","usage":{"input_tokens":1}}"#,
            ],
        );
        assert_eq!(progress, ["It was the cache."]);
        assert_eq!(output.answer("a"), (Outcome::Success, "It was the cache.".to_owned()));
        let (_, failed) =
            read(Format::Codex, &[r#"{"type":"turn.failed","error":{"message":"quota"}}"#]);
        assert_eq!(failed.answer("a"), (Outcome::Failed, "a reported a failure: quota".to_owned()));
    }
}
