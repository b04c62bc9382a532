//! `output = "opencode"`: `opencode run --format json`.
//!
//! A step ends with its own cost and tokens; a step that ends for another reason than its tools is
//! the last. The texts of the last step are the answer.

use super::told::{Told, count_at, text_at, tool};
use contracts::{Micros, Tokens};
use serde_json::Value;

pub(super) fn read(told: &mut Told, object: &Value) -> Option<String> {
    let kind = text_at(object, "/type")?;
    if let Some(session) = text_at(object, "/sessionID") {
        told.session = Some(session.to_owned());
    }
    Some(match kind {
        "step_start" => {
            told.result = None;
            String::new()
        }
        "text" => {
            let piece = text_at(object, "/part/text").unwrap_or_default();
            let before = told.result.take().map(|text| text + "\n").unwrap_or_default();
            let text = format!("{before}{piece}");
            told.result = Some(text.clone());
            told.say(text)
        }
        "tool_use" => {
            let name = text_at(object, "/part/tool").unwrap_or("a tool");
            told.work(tool(name, object.pointer("/part/state/input")))
        }
        "step_finish" => {
            finish_step(told, object);
            String::new()
        }
        "error" => {
            told.ended = true;
            let named = || text_at(object, "/error/name");
            let why = text_at(object, "/error/data/message").or_else(named);
            told.fail(why.or_else(|| text_at(object, "/error/message")));
            String::new()
        }
        _ => return None,
    })
}

fn finish_step(told: &mut Told, object: &Value) {
    let cost = object.pointer("/part/cost").and_then(Value::as_f64);
    if let Some(cost) = cost.and_then(Micros::from_dollars) {
        told.cost = Some(told.cost.unwrap_or_default().plus(cost));
    }
    let at = |key: &str| count_at(object, &format!("/part/tokens/{key}"));
    let input = at("input").saturating_add(at("cache/read")).saturating_add(at("cache/write"));
    let step = format!("step {}", told.tokens.len());
    told.spend(&step, Tokens { input, output: at("output").saturating_add(at("reasoning")) });
    if text_at(object, "/part/reason") != Some("tool-calls") {
        let message = told.message.clone();
        told.succeed(message);
    }
}
