//! `output = "codex"`: `codex exec --json`.
//!
//! A retry is reported as an error too: a message or the end of the turn takes it back. Usage is
//! the running total of the thread; cached input is part of the input, and counts in full.

use super::told::{Told, count_at, text_at};
use contracts::Tokens;
use serde_json::Value;

pub(super) fn read(told: &mut Told, object: &Value) -> Option<String> {
    Some(match text_at(object, "/type")? {
        "thread.started" => {
            told.session = text_at(object, "/thread_id").map(str::to_owned);
            String::new()
        }
        "item.started" | "item.updated" => {
            told.worked = true;
            working(told, object)
        }
        "item.completed" => {
            told.worked = true;
            completed(told, object)
        }
        "turn.completed" => {
            if let Some(usage) = object.get("usage").filter(|usage| usage.is_object()) {
                let (input, output) =
                    (count_at(usage, "/input_tokens"), count_at(usage, "/output_tokens"));
                told.spend("", Tokens { input, output });
                told.usage = Some(usage.clone());
            }
            let message = told.message.clone();
            told.succeed(message);
            String::new()
        }
        "turn.failed" => {
            told.ended = true;
            told.fail(text_at(object, "/error/message"));
            String::new()
        }
        "error" => {
            let why = text_at(object, "/message");
            told.fail(why);
            why.map(|why| told.work(why.to_owned())).unwrap_or_default()
        }
        "turn.started" => String::new(),
        _ => return None,
    })
}

fn completed(told: &mut Told, object: &Value) -> String {
    match text_at(object, "/item/type").or_else(|| text_at(object, "/item/item_type")) {
        Some("agent_message" | "assistant_message") => {
            told.failed = None;
            let text = text_at(object, "/item/text").unwrap_or_default();
            told.say(text.to_owned())
        }
        _ => String::new(),
    }
}

fn working(told: &mut Told, object: &Value) -> String {
    let text = match text_at(object, "/item/type") {
        Some("command_execution") => text_at(object, "/item/command"),
        Some("mcp_tool_call") => text_at(object, "/item/tool"),
        Some("web_search") => text_at(object, "/item/query"),
        _ => None,
    };
    text.map(|text| told.work(text.to_owned())).unwrap_or_default()
}
