//! `output = "gemini"`: Gemini CLI's `--output-format json` or `stream-json`.
//!
//! A message comes in pieces; the pieces after the last tool are the answer. No cost is reported,
//! only tokens.

use super::told::{Told, count_at, text_at, tool};
use contracts::Tokens;
use serde_json::Value;

pub(super) fn read(told: &mut Told, object: &Value) -> Option<String> {
    if let Some(session) = text_at(object, "/session_id").filter(|id| !id.is_empty()) {
        told.session = Some(session.to_owned());
    }
    let Some(kind) = text_at(object, "/type") else { return whole(told, object) };
    Some(match kind {
        "message" if text_at(object, "/role") == Some("user") => String::new(),
        "message" => piece(told, object),
        "tool_use" => {
            // A new message begins after it.
            told.result = None;
            let name = text_at(object, "/tool_name").unwrap_or("a tool");
            told.work(tool(name, object.get("parameters")))
        }
        "error" => {
            let message = text_at(object, "/message").unwrap_or_default().to_owned();
            told.work(message)
        }
        "result" => {
            ended(told, object);
            String::new()
        }
        "init" | "tool_result" => String::new(),
        _ => return None,
    })
}

fn piece(told: &mut Told, object: &Value) -> String {
    let content = text_at(object, "/content").unwrap_or_default();
    let is_piece = object.get("delta").and_then(Value::as_bool).unwrap_or(false);
    let before = told.result.take().filter(|_| is_piece).unwrap_or_default();
    let text = format!("{before}{content}");
    told.result = Some(text.clone());
    told.say(text)
}

fn ended(told: &mut Told, object: &Value) {
    if let Some(stats) = object.get("stats").filter(|stats| stats.is_object()) {
        told.usage = Some(stats.clone());
        let tokens = Tokens {
            input: count_at(stats, "/input_tokens"),
            output: count_at(stats, "/output_tokens"),
        };
        told.spend("", tokens);
    }
    let message = told.message.clone();
    told.succeed(message);
    if text_at(object, "/status").is_some_and(|status| status != "success") {
        told.fail(text_at(object, "/error/message").or_else(|| text_at(object, "/status")));
    }
}

/// The one object of `--output-format json`.
fn whole(told: &mut Told, object: &Value) -> Option<String> {
    let response = text_at(object, "/response");
    let error = object.get("error").filter(|error| !error.is_null());
    if response.is_none() && error.is_none() {
        return None;
    }
    if let Some(stats) = object.get("stats").filter(|stats| stats.is_object()) {
        told.usage = Some(stats.clone());
        let models = stats.get("models").and_then(Value::as_object);
        for (name, model) in models.into_iter().flatten() {
            let output = count_at(model, "/tokens/candidates")
                .saturating_add(count_at(model, "/tokens/thoughts"));
            told.spend(name, Tokens { input: count_at(model, "/tokens/prompt"), output });
        }
    }
    told.succeed(response.map(str::to_owned));
    if let Some(error) = error {
        told.fail(text_at(error, "/message").or_else(|| error.as_str()));
    }
    Some(String::new())
}
