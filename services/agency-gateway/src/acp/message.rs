//! Messages of JSON-RPC 2.0, one a line.

use crate::text::{clean, clip};
use serde_json::{Map, Value, json};

/// Maximum bytes of another program's words in a sentence of ours.
const WORDS_BYTES_MAX: usize = 600;

/// Error code: the method is not one of ours.
pub(super) const METHOD_NOT_FOUND: i64 = -32_601;
/// Error code: the request was withdrawn.
pub(super) const CANCELLED: i64 = -32_800;
/// Error code: sign in first.
const AUTH_REQUIRED: i64 = -32_000;

/// A message from the agent.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    Request { id: Value, method: String, params: Value },
    Notification { method: String, params: Value },
    Reply { id: Value, result: Result<Value, Failure> },
}

/// An error as a reply carries it.
#[derive(Debug, PartialEq)]
pub(super) struct Failure {
    code: i64,
    /// The agent's words.
    pub(super) words: String,
}

impl Failure {
    pub(super) const fn needs_sign_in(&self) -> bool {
        self.code == AUTH_REQUIRED
    }
    fn read(error: &Value) -> Self {
        let message = error["message"].as_str().unwrap_or_default();
        let detail = match &error["data"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            data => ["details", "message", "error"]
                .into_iter()
                .find_map(|key| data[key].as_str())
                .map_or_else(|| data.to_string(), str::to_owned),
        };
        let said = [message, detail.as_str()].map(str::trim);
        let words: Vec<_> = said.into_iter().filter(|text| !text.is_empty()).collect();
        let words = clip(clean(&words.join(": ")).trim(), WORDS_BYTES_MAX);
        Self { code: error["code"].as_i64().unwrap_or(0), words }
    }
}

impl Incoming {
    /// None when the line is no message of JSON-RPC 2.0.
    pub(super) fn read(line: &str) -> Option<Self> {
        let Ok(Value::Object(mut message)) = serde_json::from_str(line.trim()) else { return None };
        if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return None;
        }
        let id = message.remove("id");
        match message.remove("method") {
            Some(Value::String(method)) => {
                let params = message.remove("params").unwrap_or_default();
                Some(match id {
                    Some(id) => Self::Request { id, method, params },
                    None => Self::Notification { method, params },
                })
            }
            Some(_) => None,
            None => Some(Self::Reply { id: id?, result: Self::result(&mut message)? }),
        }
    }
    /// Exactly one of result and error.
    fn result(message: &mut Map<String, Value>) -> Option<Result<Value, Failure>> {
        match (message.remove("result"), message.remove("error")) {
            (Some(result), None | Some(Value::Null)) => Some(Ok(result)),
            (None | Some(Value::Null), Some(error)) if error.is_object() => {
                Some(Err(Failure::read(&error)))
            }
            _ => None,
        }
    }
}

pub(super) fn request(id: u64, method: &str, params: &Value) -> String {
    line(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
}

pub(super) fn notification(method: &str, params: &Value) -> String {
    line(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))
}

pub(super) fn reply(id: &Value, result: &Value) -> String {
    line(&json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

pub(super) fn refusal(id: &Value, code: i64, message: &str) -> String {
    let error = json!({ "code": code, "message": message });
    line(&json!({ "jsonrpc": "2.0", "id": id, "error": error }))
}

fn line(message: &Value) -> String {
    format!("{message}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_message_only_in_the_form_of_json_rpc() {
        let read = |text: &str| Incoming::read(text);
        assert!(matches!(
            read(r#"{"jsonrpc":"2.0","id":1,"result":null}"#),
            Some(Incoming::Reply { result: Ok(Value::Null), .. })
        ));
        assert!(matches!(
            read(r#"{"jsonrpc":"2.0","id":"a","method":"x","params":{}}"#),
            Some(Incoming::Request { .. })
        ));
        assert!(matches!(
            read(r#" {"jsonrpc":"2.0","method":"x"} "#),
            Some(Incoming::Notification { .. })
        ));
        for bad in [
            "",
            "hello",
            "[]",
            "3",
            r#"{"id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"resu"#,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_failure_has_the_words_of_its_message_and_its_data() {
        let words = |error: Value| Failure::read(&error).words;
        assert_eq!(words(json!({"code": -32603, "message": "Internal error"})), "Internal error");
        let error = json!({"code": 1, "message": "Internal error", "data": {"details": "quota"}});
        assert_eq!(words(error), "Internal error: quota");
        assert_eq!(words(json!({"code": 1, "data": "only data"})), "only data");
        assert!(Failure::read(&json!({"code": -32000})).needs_sign_in());
    }
}
