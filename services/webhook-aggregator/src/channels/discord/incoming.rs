//! Discord's webhook: interactions and webhook events.

use super::{Application, Way, files};
use crate::channels::{Ack, Inbound, Kind, body_key, header, lenient, name_of, text_at};
use contracts::outbox::Interaction;
use ed25519_dalek::{Signature, VerifyingKey};
use http::HeaderMap;
use serde_json::{Value, json};

/// An interaction's token answers for 15 minutes; the last half minute is left as a margin.
const TOKEN_MS: i64 = 15 * 60_000 - 30_000;

/// Only the person sees the message.
const EPHEMERAL: u32 = 1 << 6;

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
    let Way::Webhook(key) = &application.way else { return false };
    let key = VerifyingKey::from_bytes(key);
    let (Some(signature), Ok(key)) = (signature, key) else { return false };
    let message: Vec<u8> = time.bytes().chain(body.iter().copied()).collect();
    // Strict: refuses a scalar at or above the group order, and keys of small order.
    key.verify_strict(&message, &signature).is_ok() && is_for(application, body)
}

fn is_for(application: &Application, body: &[u8]) -> bool {
    let input = lenient::json(body);
    input.get("application_id").is_none_or(|id| *id == application.id)
}

/// Reads an interaction or a webhook event.
pub(super) fn read(headers: &HeaderMap, body: &[u8], now_ms: i64) -> Inbound {
    let input = lenient::json(body);
    let mut inbound = Inbound::unreadable(Ack::json(json!({ "type": 5 })), body_key(body));
    inbound.sent_ms = header(headers, "x-signature-timestamp")
        .and_then(|time| time.parse::<i64>().ok())
        .map(|seconds| seconds.saturating_mul(1000));
    if input.is_null() {
        // By its type, which may be readable though the rest is not.
        inbound.ack = match lenient::outer_number(body, "type") {
            Some(2 | 5) => ephemeral("This could not be read. Please try again."),
            Some(3) => Ack::json(json!({ "type": 6 })),
            Some(4) => Ack::json(json!({ "type": 8, "data": { "choices": [] } })),
            _ => Ack::json(json!({ "type": 1 })),
        };
    } else if input["type"] == 1 && input.get("event").is_none() && input.get("token").is_none() {
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

/// An answer that only the person sees, in place of one that would never come.
fn ephemeral(text: &str) -> Ack {
    Ack::json(json!({ "type": 4, "data": { "content": text, "flags": EPHEMERAL } }))
}

fn read_interaction(input: &Value, now_ms: i64, inbound: &mut Inbound) {
    text_at(input, "id").unwrap_or_default().clone_into(&mut inbound.dedupe_key);
    inbound.sender = text_at(&input["member"]["user"], "id")
        .or_else(|| text_at(&input["user"], "id"))
        .map(str::to_owned);
    let user =
        if input["member"]["user"].is_object() { &input["member"]["user"] } else { &input["user"] };
    let nick = text_at(&input["member"], "nick");
    inbound.sender_name = name_of([nick, text_at(user, "global_name"), text_at(user, "username")]);
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
        is_original_gone: false,
    });
    let data = &input["data"];
    inbound.forwarded = pointed_at(data);
    inbound.attachments = files::of_command(data);
    inbound.forwarded_by = writer(data);
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
    if inbound.ack == Ack::json(json!({ "type": 5 })) {
        inbound.unheard = Some(ephemeral);
    }
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

/// The name of the writer of that message.
fn writer(data: &Value) -> Option<String> {
    let message = data["resolved"]["messages"].as_object()?.values().next()?;
    let author = &message["author"];
    let name = text_at(author, "global_name").or_else(|| text_at(author, "username"));
    name.map(str::to_owned)
}

/// The options as words: texts first, depth first through sub-commands, then everything else with
/// its name.
fn command(data: &Value) -> Kind {
    let (mut words, mut more) = (Vec::new(), Vec::new());
    options(data, &data["options"], &mut words, &mut more);
    words.extend(more);
    if let Some(user) = text_at(data, "target_id").filter(|_| data["type"] == 2) {
        words.push(format!("user: {}", resolved(data, 6, user)));
    }
    let text = words.join(" ");
    let on_a_message = data["resolved"]["messages"].is_object();
    if on_a_message {
        return Kind::Message { text };
    }
    let name = format!("/{}", text_at(data, "name").unwrap_or_default());
    if crate::control::is_command(&name) {
        return Kind::Message { text: format!("{name} {text}").trim().to_owned() };
    }
    if text.trim().is_empty() && files::of_command(data).is_empty() {
        Kind::Message { text: "/help".to_owned() }
    } else {
        Kind::Message { text }
    }
}

fn options(data: &Value, list: &Value, words: &mut Vec<String>, more: &mut Vec<String>) {
    for option in list.as_array().into_iter().flatten() {
        let (kind, name) = (option["type"].as_i64(), text_at(option, "name").unwrap_or("option"));
        let value = match &option["value"] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => String::new(),
        };
        match kind {
            _ if value.is_empty() => {}
            Some(3) => words.push(value),
            Some(kind) => more.push(format!("{name}: {}", resolved(data, kind, &value))),
            None => {}
        }
        options(data, &option["options"], words, more);
    }
}

/// A value of an option as people read it: persons, channels, roles and files by their names.
fn resolved(data: &Value, kind: i64, value: &str) -> String {
    let found = &data["resolved"];
    let named = |group: &str, keys: &[&str]| {
        let entry = &found[group][value];
        keys.iter().find_map(|key| text_at(entry, key)).map(str::to_owned)
    };
    let user =
        || named("members", &["nick"]).or_else(|| named("users", &["global_name", "username"]));
    let role = || named("roles", &["name"]);
    let name = match kind {
        6 => user().map(|name| format!("@{name}")),
        7 => named("channels", &["name"]).map(|name| format!("#{name}")),
        8 => role().map(|name| format!("@{name}")),
        9 => user().or_else(role).map(|name| format!("@{name}")),
        11 => named("attachments", &["filename"]),
        _ => None,
    };
    name.unwrap_or_else(|| value.to_owned())
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
