//! The tool calls of a run, and the answers to its requests for a permission.

use platform::ports::ToolCall;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;

/// Maximum tool calls that are remembered; the oldest goes first.
const CALLS_MAX: usize = 64;
/// Maximum bytes of a remembered call. The owner is not asked about a larger one, and
/// personal-assistant takes no larger arguments.
const CALL_BYTES_MAX: usize = 64 << 10;
/// Members that say what a call does.
const TELLING: [&str; 6] = ["name", "kind", "title", "rawInput", "content", "locations"];

/// The calls that have not ended, as far as the agent has described them.
#[derive(Debug, Default)]
pub(super) struct Calls(VecDeque<(String, Map<String, Value>)>);

impl Calls {
    /// Adds what an update or a request says about a call.
    pub(super) fn note(&mut self, update: &Value) {
        let Some(id) = update["toolCallId"].as_str() else { return };
        if matches!(update["status"].as_str(), Some("completed" | "failed")) {
            self.0.retain(|(known, _)| known != id);
            return;
        }
        let mut call = self.take(id);
        for name in TELLING {
            if let Some(value) = update.get(name).filter(|value| !value.is_null()) {
                call.insert(name.to_owned(), value.clone());
            }
        }
        if self.0.len() >= CALLS_MAX {
            self.0.pop_front();
        }
        if size(&call) <= CALL_BYTES_MAX {
            self.0.push_back((id.to_owned(), call));
        }
    }
    /// The line that people read about a call.
    pub(super) fn title(&self, update: &Value) -> Option<String> {
        let id = update["toolCallId"].as_str()?;
        let call = self.0.iter().find(|(known, _)| known == id).map(|(_, call)| call)?;
        let text = |name: &str| call.get(name).and_then(Value::as_str);
        text("title").or_else(|| text("name")).or_else(|| text("kind")).map(str::to_owned)
    }
    fn take(&mut self, id: &str) -> Map<String, Value> {
        let place = self.0.iter().position(|(known, _)| known == id);
        place.and_then(|at| self.0.remove(at)).map(|(_, call)| call).unwrap_or_default()
    }
    /// The call of a request for a permission, with everything that is known of it. None when that
    /// does not say what the call does.
    pub(super) fn asked(&self, update: &Value, question: String) -> Option<ToolCall> {
        let id = update["toolCallId"].as_str()?;
        let call = self.0.iter().find(|(known, _)| known == id).map(|(_, call)| call.clone())?;
        let telling = ["title", "rawInput", "content"];
        if !telling.iter().any(|name| call.get(*name).is_some_and(says_something)) {
            return None;
        }
        let tool = tool_name(&call);
        let shown = [
            ("title", "title"),
            ("rawInput", "input"),
            ("content", "content"),
            ("locations", "locations"),
        ];
        let mut arguments = Map::new();
        for (name, shown) in shown {
            if let Some(value) = call.get(name).filter(|value| says_something(value)) {
                arguments.insert(shown.to_owned(), value.clone());
            }
        }
        Some(ToolCall { tool, arguments: Value::Object(arguments), id: question })
    }
}

fn size(call: &Map<String, Value>) -> usize {
    serde_json::to_string(call).map_or(usize::MAX, |text| text.len())
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// The tool's own name, else its kind.
fn tool_name(call: &Map<String, Value>) -> String {
    let plain = |name: &&str| {
        (1..=100).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))
    };
    let text = |name: &str| call.get(name).and_then(Value::as_str);
    text("name").filter(plain).or_else(|| text("kind").filter(plain)).unwrap_or("other").to_owned()
}

/// The permission for this one call, or the refusal of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Once,
    /// Once, or for longer where only that is offered.
    Trusted,
    Refused,
}

/// The result of a request for a permission. None when the agent offers no option for this word.
pub(super) fn outcome(params: &Value, word: Word) -> Option<Value> {
    let kinds: &[&str] = match word {
        Word::Once => &["allow_once"],
        Word::Trusted => &["allow_once", "allow_always"],
        Word::Refused => &["reject_once", "reject_always"],
    };
    let options = params["options"].as_array()?;
    let found =
        kinds.iter().find_map(|kind| options.iter().find(|option| option["kind"] == **kind));
    let id = found?.get("optionId")?.as_str()?;
    Some(json!({ "outcome": { "outcome": "selected", "optionId": id } }))
}

/// The result of a request for a permission in a turn that was cancelled. The agent does not use
/// the tool.
pub(super) fn cancelled() -> Value {
    json!({ "outcome": { "outcome": "cancelled" } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_bound_to_everything_that_is_known_of_the_call() {
        let mut calls = Calls::default();
        calls.note(&json!({"toolCallId": "c", "title": "rm", "kind": "execute", "rawInput": {"command": "rm -rf build"}}));
        calls.note(&json!({"toolCallId": "c", "content": [{"type": "diff", "path": "/a"}], "rawInput": null}));
        let call = calls.asked(&json!({"toolCallId": "c"}), "n-1".to_owned()).unwrap();
        assert_eq!((call.tool.as_str(), call.id.as_str()), ("execute", "n-1"));
        let arguments = json!({"title": "rm", "input": {"command": "rm -rf build"}, "content": [{"type": "diff", "path": "/a"}]});
        assert_eq!(call.arguments, arguments);
    }

    #[test]
    fn a_call_that_is_not_described_cannot_be_allowed() {
        let mut calls = Calls::default();
        let asked =
            |calls: &Calls, id: &str| calls.asked(&json!({ "toolCallId": id }), String::new());
        assert_eq!(asked(&calls, "none"), None);
        calls.note(&json!({"toolCallId": "c", "kind": "execute", "title": " "}));
        assert_eq!(asked(&calls, "c"), None);
        calls.note(
            &json!({"toolCallId": "d", "title": "long", "rawInput": "x".repeat(CALL_BYTES_MAX)}),
        );
        assert_eq!(asked(&calls, "d"), None);
        for number in 0..=CALLS_MAX {
            calls.note(&json!({"toolCallId": format!("n{number}"), "title": "x"}));
        }
        assert_eq!(asked(&calls, "n0"), None);
        assert!(asked(&calls, "n1").is_some());
        calls.note(&json!({"toolCallId": "n1", "status": "completed"}));
        assert_eq!(asked(&calls, "n1"), None);
    }

    #[test]
    fn an_allowed_call_is_allowed_once() {
        let options = |kinds: &[&str]| {
            let option = |kind: &&str| json!({ "optionId": format!("id-{kind}"), "kind": kind });
            json!({ "options": kinds.iter().map(option).collect::<Vec<_>>() })
        };
        let chosen = |kinds: &[&str], word| {
            let outcome = outcome(&options(kinds), word)?;
            Some(outcome["outcome"]["optionId"].as_str().unwrap().to_owned())
        };
        let all = ["allow_always", "allow_once", "reject_always", "reject_once"];
        assert_eq!(chosen(&all, Word::Once).as_deref(), Some("id-allow_once"));
        assert_eq!(chosen(&all, Word::Refused).as_deref(), Some("id-reject_once"));
        assert_eq!(chosen(&all[..1], Word::Once), None);
        assert_eq!(chosen(&all[..1], Word::Trusted).as_deref(), Some("id-allow_always"));
        assert_eq!(chosen(&[], Word::Refused), None);
    }
}
