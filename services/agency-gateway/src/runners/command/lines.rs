//! Parses the output of an agent's program, line by line: plain text, or JSON objects of a known
//! format.
//!
//! | from | line | read as |
//! | --- | --- | --- |
//! | any program | `{"type":"progress","text"}` | progress |
//! | any program | `{"type":"result","text","costUsd"?}` | the answer |
//! | Claude Code `--output-format stream-json` | `{"type":"assistant","message":{"content":[{"type":"text","text"}]}}` | progress |
//! | | `{"type":"result","subtype","is_error","result","total_cost_usd","usage"}` | the answer, or a failure |
//! | Codex `exec --json` | `{"type":"item.completed","item":{"type":"agent_message","text"}}` | the answer so far |
//! | | `{"type":"turn.failed","error":{"message"}}`, `{"type":"error","message"}` | a failure |
//!
//! JSON of another format is skipped. Without any line of a known format the whole output is the
//! answer.

use contracts::Micros;
use contracts::approval::Outcome;
use serde_json::Value;

/// The output so far.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    /// Lines that are not JSON objects of a known format.
    plain: Vec<String>,
    /// Every line, in case none has a known format.
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

impl Transcript {
    /// Adds a line; returns its text if it is progress.
    pub(super) fn take(&mut self, line: String) -> Option<String> {
        let object = serde_json::from_str::<Value>(line.trim()).ok().filter(Value::is_object);
        let Some(object) = object else {
            self.keep_plain(line);
            return None;
        };
        let kind = text_at(&object, "/type").unwrap_or_default();
        let progress = match kind {
            "progress" => Some(text_at(&object, "/text").unwrap_or_default().to_owned()),
            "assistant" => Some(self.message(said_in_blocks(&object))),
            "item.completed" if text_at(&object, "/item/type") == Some("agent_message") => {
                Some(self.message(text_at(&object, "/item/text").unwrap_or_default().to_owned()))
            }
            "result" => self.conclude(&object),
            "turn.failed" => self.fail(text_at(&object, "/error/message")),
            // Codex reports retries the same way; a completed turn afterwards overrides it.
            "error" if object.get("message").is_some() => self.fail(text_at(&object, "/message")),
            "turn.completed" => self.turn_completed(&object),
            "item.completed" | "item.started" | "item.updated" | "thread.started"
            | "turn.started" | "system" | "user" | "stream_event" => None,
            _ => {
                if !self.known {
                    self.all.push(line);
                }
                return None;
            }
        };
        self.known = true;
        self.all.clear();
        progress.filter(|text| !text.trim().is_empty())
    }
    fn keep_plain(&mut self, line: String) {
        if !self.known {
            self.all.push(line.clone());
        }
        self.plain.push(line);
    }
    fn message(&mut self, text: String) -> String {
        if !text.trim().is_empty() {
            self.last_message = Some(text.clone());
        }
        text
    }
    fn conclude(&mut self, object: &Value) -> Option<String> {
        let cost = object.get("costUsd").or_else(|| object.get("total_cost_usd"));
        // Only a plain, non-negative amount is a cost: better unknown than wrong.
        self.cost = cost.and_then(Value::as_f64).and_then(Micros::from_dollars).or(self.cost);
        self.usage = object.get("usage").filter(|usage| usage.is_object()).cloned();
        let text =
            text_at(object, "/text").or_else(|| text_at(object, "/result")).map(str::to_owned);
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
        None
    }
    fn fail(&mut self, why: Option<&str>) -> Option<String> {
        self.failed = Some(why.unwrap_or_default().to_owned());
        None
    }
    fn turn_completed(&mut self, object: &Value) -> Option<String> {
        self.failed = None;
        self.usage = object
            .get("usage")
            .filter(|usage| usage.is_object())
            .cloned()
            .or_else(|| self.usage.take());
        None
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

    fn read(lines: &[&str]) -> (Vec<String>, Transcript) {
        let mut transcript = Transcript::default();
        let progress =
            lines.iter().filter_map(|line| transcript.take((*line).to_owned())).collect();
        (progress, transcript)
    }

    #[test]
    fn transcript_without_json_is_the_answer() {
        let (progress, transcript) = read(&["first", "", "  indented", "[1]", "7"]);
        assert!(progress.is_empty());
        assert_eq!(
            transcript.answer("a"),
            (Outcome::Success, "first\n\n  indented\n[1]\n7".to_owned())
        );
        assert_eq!(transcript.cost, None);
    }

    #[test]
    fn transcript_treats_unknown_json_as_text() {
        let (_, transcript) = read(&[r#"{"colour":"red"}"#, "done"]);
        assert_eq!(transcript.answer("a").1, "{\"colour\":\"red\"}\ndone");
    }

    #[test]
    fn transcript_reads_progress_answer_and_cost_of_the_generic_format() {
        let (progress, transcript) = read(&[
            r#"{"type":"progress","text":"reading"}"#,
            "noise",
            r#"{"type":"result","text":"done","costUsd":0.25}"#,
        ]);
        assert_eq!(progress, ["reading"]);
        assert_eq!(transcript.answer("a"), (Outcome::Success, "done".to_owned()));
        assert_eq!(transcript.cost, Some(Micros(250_000)));
    }

    #[test]
    fn transcript_ignores_an_invalid_cost() {
        for cost in ["-1", "\"0.5\"", "1e300", "null", "true"] {
            let line = format!(r#"{{"type":"result","text":"done","costUsd":{cost}}}"#);
            assert_eq!(read(&[&line]).1.cost, None, "{cost}");
        }
    }

    #[test]
    fn transcript_reads_claude_code() {
        let (progress, transcript) = read(&[
            r#"{"type":"system","subtype":"init","session_id":"s"}"#,
            r#"{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Read"},{"type":"text","text":"I look at it."}]}}"#,
            r#"{"type":"user","message":{"content":[]}}"#,
            r#"{"type":"result","subtype":"success","is_error":false,"result":"Fixed.","total_cost_usd":0.0421,"usage":{"input_tokens":5}}"#,
        ]);
        assert_eq!(progress, ["I look at it."]);
        assert_eq!(transcript.answer("a"), (Outcome::Success, "Fixed.".to_owned()));
        assert_eq!(transcript.cost, Some(Micros(42_100)));
        assert_eq!(transcript.usage.unwrap()["input_tokens"], 5);
        let (_, failed) = read(&[
            r#"{"type":"result","subtype":"error_max_turns","is_error":true,"total_cost_usd":1}"#,
        ]);
        assert_eq!(
            failed.answer("a"),
            (Outcome::Failed, "a reported a failure: error max turns".to_owned())
        );
        assert_eq!(failed.cost, Some(Micros(1_000_000)));
    }

    #[test]
    fn transcript_reads_codex() {
        let (progress, transcript) = read(&[
            r#"{"type":"thread.started","thread_id":"t"}"#,
            r#"{"type":"item.completed","item":{"type":"reasoning","text":"hm"}}"#,
            r#"{"type":"error","message":"reconnecting"}"#,
            r#"{"type":"item.completed","item":{"type":"agent_message","text":"It was the cache."}}"#,
            r#"{"type":"turn.completed","usage":{"input_tokens":1}}"#,
        ]);
        assert_eq!(progress, ["It was the cache."]);
        assert_eq!(transcript.answer("a"), (Outcome::Success, "It was the cache.".to_owned()));
        let (_, failed) = read(&[r#"{"type":"turn.failed","error":{"message":"quota"}}"#]);
        assert_eq!(failed.answer("a"), (Outcome::Failed, "a reported a failure: quota".to_owned()));
    }
}
