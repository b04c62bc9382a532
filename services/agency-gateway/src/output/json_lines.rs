//! `output = "json-lines"`: the format for programs of the owner's own.
//!
//! `{"type":"progress","text"?,"costUsd"?}` as often as it likes, with the cost so far, and one
//! `{"type":"result","text","costUsd"?,"files"?}`.

use super::told::{Told, text_at};
use serde_json::Value;

pub(super) fn read(told: &mut Told, object: &Value) -> Option<String> {
    let text = text_at(object, "/text").unwrap_or_default().to_owned();
    match text_at(object, "/type")? {
        "progress" => {
            told.cost_so_far(object.get("costUsd"));
            Some(told.work(text))
        }
        "result" => {
            told.cost_so_far(object.get("costUsd"));
            told.usage = object.get("usage").filter(|usage| usage.is_object()).cloned();
            let is_error = object.get("is_error").and_then(Value::as_bool).unwrap_or(false);
            told.succeed(Some(text.clone()));
            if is_error {
                told.fail(Some(&text));
            }
            Some(String::new())
        }
        _ => None,
    }
}
