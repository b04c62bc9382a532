//! Discord's webhook: interactions and webhook events.

use super::Application;
use crate::channels::{Ack, Inbound, Kind, body_key, header, text_at};
use contracts::outbox::Interaction;
use ed25519_dalek::{Signature, VerifyingKey};
use http::HeaderMap;
use serde_json::{Value, json};

/// An interaction's token answers for 15 minutes; the last half minute is left as a margin.
const TOKEN_MS: i64 = 15 * 60_000 - 30_000;

/// Discord signs the time and the body, one behind the other: digits alone are a time, so that no
/// byte can move from one to the other. Discord documents no age limit; an old signature is refused
/// as a command or a press, see [`read`]. A body that names another application is not ours.
pub(super) fn verify(application: &Application, headers: &HeaderMap, body: &[u8]) -> bool {
    let (Some(signature), Some(time)) =
        (header(headers, "x-signature-ed25519"), header(headers, "x-signature-timestamp"))
    else {
        return false;
    };
    if time.is_empty() || !time.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let signature =
        hex::decode(signature).ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
    let key = VerifyingKey::from_bytes(&application.public_key);
    let (Some(signature), Ok(key)) = (signature, key) else { return false };
    let message: Vec<u8> = time.bytes().chain(body.iter().copied()).collect();
    // Strict: refuses a scalar at or above the group order, and keys of small order.
    key.verify_strict(&message, &signature).is_ok() && is_for(application, body)
}

fn is_for(application: &Application, body: &[u8]) -> bool {
    let input: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    input.get("application_id").is_none_or(|id| *id == application.id)
}

/// Reads an interaction or a webhook event.
pub(super) fn read(headers: &HeaderMap, body: &[u8], now_ms: i64) -> Inbound {
    let input: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let mut inbound = Inbound::unreadable(Ack::json(json!({ "type": 5 })), body_key(body));
    inbound.sent_ms = header(headers, "x-signature-timestamp")
        .and_then(|time| time.parse::<i64>().ok())
        .map(|seconds| seconds.saturating_mul(1000));
    if input.is_null()
        || (input["type"] == 1 && input.get("event").is_none() && input.get("token").is_none())
    {
        inbound.ack = Ack::json(json!({ "type": 1 }));
    } else if input.get("id").is_some() && input.get("token").is_some() {
        read_interaction(&input, now_ms, &mut inbound);
    } else {
        // Webhook events share the path: type 0 is their ping.
        inbound.ack = Ack::empty(204);
        inbound.kind = Kind::Ignored("not_a_message");
    }
    inbound
}

fn read_interaction(input: &Value, now_ms: i64, inbound: &mut Inbound) {
    text_at(input, "id").unwrap_or_default().clone_into(&mut inbound.dedupe_key);
    inbound.sender = text_at(&input["member"]["user"], "id")
        .or_else(|| text_at(&input["user"], "id"))
        .map(str::to_owned);
    let channel = text_at(input, "channel_id").or_else(|| text_at(&input["channel"], "id"));
    if let Some(channel) = channel {
        inbound.conversation =
            text_at(input, "guild_id").into_iter().chain([channel]).map(str::to_owned).collect();
        channel.clone_into(&mut inbound.target.chat);
    }
    inbound.target.mention = inbound.sender.clone();
    inbound.target.interaction = Some(Interaction {
        application_id: text_at(input, "application_id").unwrap_or_default().to_owned(),
        token: text_at(input, "token").unwrap_or_default().to_owned(),
        until_ms: now_ms + TOKEN_MS,
    });
    let data = &input["data"];
    inbound.forwarded = pointed_at(data);
    (inbound.ack, inbound.kind) = match input["type"].as_i64() {
        Some(1) => (Ack::json(json!({ "type": 1 })), Kind::Ignored("ping")),
        Some(2) => (Ack::json(json!({ "type": 5 })), command(data)),
        Some(3) => (
            Ack::json(json!({ "type": 6 })),
            Kind::Press {
                token: text_at(data, "custom_id").unwrap_or_default().to_owned(),
                callback: None,
            },
        ),
        Some(4) => (
            Ack::json(json!({ "type": 8, "data": { "choices": [] } })),
            Kind::Ignored("autocomplete"),
        ),
        Some(5) => (Ack::json(json!({ "type": 5 })), message(inputs(&data["components"]))),
        _ => (Ack::json(json!({ "type": 5 })), Kind::Ignored("not_a_message")),
    };
    if input["member"]["user"]["bot"] == true || input["user"]["bot"] == true {
        inbound.kind = Kind::Ignored("bot_message");
    }
}

/// The words of the message that a message command was used on, with those it passes on.
fn pointed_at(data: &Value) -> Option<String> {
    let messages = data["resolved"]["messages"].as_object()?;
    let words = messages.values().flat_map(|message| {
        let passed_on = message["message_snapshots"].as_array().into_iter().flatten();
        let passed_on = passed_on.filter_map(|snapshot| text_at(&snapshot["message"], "content"));
        text_at(message, "content").into_iter().chain(passed_on)
    });
    let words = words.collect::<Vec<_>>().join("\n");
    (!words.is_empty()).then_some(words)
}

/// All string options, depth first through sub-commands, joined by a blank, whatever their names.
fn command(data: &Value) -> Kind {
    let mut words = Vec::new();
    options(&data["options"], &mut words);
    let text = words.join(" ");
    let on_a_message = data["resolved"]["messages"].is_object();
    if on_a_message {
        return Kind::Message { text };
    }
    let name = format!("/{}", text_at(data, "name").unwrap_or_default());
    if crate::control::is_command(&name) {
        return Kind::Message { text: format!("{name} {text}").trim().to_owned() };
    }
    if text.trim().is_empty() {
        Kind::Message { text: "/help".to_owned() }
    } else {
        Kind::Message { text }
    }
}

fn options(list: &Value, words: &mut Vec<String>) {
    for option in list.as_array().into_iter().flatten() {
        if option["type"] == 3 {
            words.extend(option["value"].as_str().map(str::to_owned));
        }
        options(&option["options"], words);
    }
}

/// The text inputs of a modal.
fn inputs(components: &Value) -> String {
    let mut found = Vec::new();
    let mut open: Vec<&Value> = components.as_array().into_iter().flatten().rev().collect();
    while let Some(component) = open.pop() {
        if component["type"] == 4 {
            found.extend(component["value"].as_str().map(str::to_owned));
        }
        open.extend(component.get("component"));
        open.extend(component["components"].as_array().into_iter().flatten().rev());
    }
    found.join(" ")
}

fn message(text: String) -> Kind {
    if text.trim().is_empty() { Kind::Ignored("no_text") } else { Kind::Message { text } }
}
