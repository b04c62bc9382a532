//! Telegram: Bot API updates in, `sendMessage` and edits out.

mod entities;

use super::{
    Ack, Aim, Attempt, Channel, Inbound, Incoming, Kind, NextPart, SEND_TIMEOUT_MS, Verdict,
    body_key, by_status, header, next_part,
};
use crate::config::{Credentials, Endpoint};
use crate::split::Limit;
use bytes::Bytes;
use contracts::outbox::Target;
use inbox::OutboxRow;
use platform::ports::{OutboundRequest, OutboundResponse};
use serde_json::{Value, json};

/// The channel.
pub struct Telegram;

/// `sendMessage` takes 4096 UTF-16 units after the entities are parsed.
const TEXT: Limit = Limit { units: 4096, utf16: true };
const CALLBACK_TEXT_MAX: usize = 200;

impl Channel for Telegram {
    fn verify(&self, endpoint: &Endpoint, headers: &http::HeaderMap, _: &[u8], _: i64) -> bool {
        let Credentials::Telegram { secret_token, .. } = &endpoint.credentials else {
            return false;
        };
        header(headers, "x-telegram-bot-api-secret-token")
            .is_some_and(|sent| !sent.is_empty() && secret_token.matches(sent))
    }

    fn read(&self, endpoint: &Endpoint, _: &http::HeaderMap, body: &[u8], _: i64) -> Incoming {
        let update: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let key = update.get("update_id").and_then(Value::as_i64);
        let target = Target {
            channel: "telegram".to_owned(),
            endpoint: endpoint.name.clone(),
            ..Target::default()
        };
        let mut inbound = Inbound {
            ack: Ack::json(json!({})),
            dedupe_key: key.map_or_else(|| body_key(body), |key| key.to_string()),
            semantic_key: None,
            conversation: Vec::new(),
            sender: None,
            is_reply: false,
            replies_to: None,
            kind: Kind::Quarantined("unreadable"),
            target,
        };
        if key.is_some() {
            read_update(endpoint, &update, &mut inbound);
        }
        Incoming::Event(Box::new(inbound))
    }

    fn next(&self, endpoint: &Endpoint, row: &OutboxRow, _: i64) -> Option<Attempt> {
        if row.kind == "press_ack" {
            return row.parts.is_empty().then(|| answer_press(endpoint, row));
        }
        let NextPart { index, text, shows, edited, buttons } = next_part(row, &row.parts, TEXT)?;
        let chat = edited.map_or(row.target.chat.as_str(), |part| part.chat.as_str());
        let mut message = json!({ "chat_id": number_or_text(chat) });
        if let Some(part) = edited {
            message["message_id"] = number_or_text(&part.id);
        }
        let (text, entities) = entities::of_markdown(&text);
        message["text"] = text.into();
        if !entities.is_empty() {
            message["entities"] = entities.into();
        }
        if edited.is_none() {
            place(&row.target, index, &mut message);
        }
        if let Some(buttons) = buttons {
            let button = |text: &str, data: &str| json!({ "text": text, "callback_data": data });
            message["reply_markup"] = {
                let [first, second] = buttons.texts();
                json!({ "inline_keyboard": [[button(first, &buttons.approve), button(second, &buttons.reject)]] })
            };
        } else if edited.is_some() {
            message["reply_markup"] = json!({ "inline_keyboard": [] });
        }
        let aim = if edited.is_some() {
            Aim::Edit { index, shows }
        } else {
            Aim::Send { shows, known_as: None }
        };
        let method = if edited.is_some() { "editMessageText" } else { "sendMessage" };
        Some(Attempt {
            request: call(endpoint, method, &message),
            idempotent: edited.is_some(),
            restart: false,
            aim,
        })
    }

    fn judge(&self, aim: &Aim, answer: &OutboundResponse) -> Verdict {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        let description = body["description"].as_str().unwrap_or_default().to_owned();
        let shown = |result: &Value| Verdict::Shown {
            message: text_of(&result["message_id"]),
            chat: text_of(&result["chat"]["id"]),
        };
        if body["ok"] == true {
            return shown(&body["result"]);
        }
        let error = format!("Telegram {}: {description}", answer.status);
        if answer.status == 429 {
            let after_ms = body["parameters"]["retry_after"]
                .as_i64()
                .map(|seconds| seconds.clamp(1, 3600) * 1000);
            return Verdict::Later { after_ms, error };
        }
        match aim {
            Aim::Edit { .. } if description.contains("message is not modified") => {
                Verdict::Shown { message: String::new(), chat: String::new() }
            }
            Aim::Edit { .. }
                if description.contains("message to edit not found")
                    || description.contains("message can't be edited") =>
            {
                Verdict::Gone
            }
            _ => by_status(answer, error),
        }
    }
}

fn read_update(endpoint: &Endpoint, update: &Value, inbound: &mut Inbound) {
    if let Some(message) = update.get("message") {
        read_message(endpoint, message, inbound);
    } else if let Some(query) = update.get("callback_query") {
        let token = query["data"].as_str().unwrap_or_default().to_owned();
        inbound.sender = id_of(&query["from"]);
        inbound.kind = Kind::Press { token, callback: query["id"].as_str().map(str::to_owned) };
        set_place(&query["message"], inbound);
        inbound.target.reply_to = None;
    } else {
        inbound.kind = Kind::Ignored(if update.get("edited_message").is_some() {
            "edit"
        } else {
            "not_a_message"
        });
        let kind = update
            .as_object()
            .and_then(|update| update.iter().find(|(name, _)| *name != "update_id"));
        if let Some((_, inner)) = kind.filter(|(_, inner)| inner.get("chat").is_some()) {
            inbound.sender = id_of(&inner["from"]);
            set_place(inner, inbound);
        }
    }
}

fn read_message(endpoint: &Endpoint, message: &Value, inbound: &mut Inbound) {
    inbound.sender = id_of(&message["from"]);
    set_place(message, inbound);
    let own = own_id(endpoint);
    let text = message["text"].as_str().or_else(|| message["caption"].as_str()).unwrap_or_default();
    let is_own = |user: &Value| own.is_some() && id_of(user) == own;
    inbound.is_reply = is_own(&message["reply_to_message"]["from"]);
    inbound.replies_to = Some(text_of(&message["reply_to_message"]["message_id"]))
        .filter(|id| inbound.is_reply && !id.is_empty());
    inbound.kind = if is_own(&message["from"]) || is_own(&message["via_bot"]) {
        Kind::Ignored("own_message")
    } else if message["from"]["is_bot"] == true {
        Kind::Ignored("bot_message")
    } else if message["chat"]["type"] != "private"
        && !is_addressed(endpoint, message, text, &is_own)
    {
        Kind::Ignored("not_addressed")
    } else {
        match without_mention(text) {
            "" => Kind::Ignored("no_text"),
            text => Kind::Message { text: text.to_owned() },
        }
    };
}

/// In groups: a reply to us, a mention of us, or a command.
fn is_addressed(
    endpoint: &Endpoint,
    message: &Value,
    text: &str,
    is_own: &dyn Fn(&Value) -> bool,
) -> bool {
    if is_own(&message["reply_to_message"]["from"]) {
        return true;
    }
    let Credentials::Telegram { bot_username, .. } = &endpoint.credentials else { return false };
    // A bot's name always ends in "bot"; without a configured name any such mention counts, since in Telegram's
    // privacy mode, the default, other bots' mentions do not reach us at all.
    let is_name = |name: &str| match bot_username {
        Some(own) => name.eq_ignore_ascii_case(own),
        None => name.len() > 3 && name.to_ascii_lowercase().ends_with("bot"),
    };
    let units: Vec<u16> = text.encode_utf16().collect();
    let all = [&message["entities"], &message["caption_entities"]];
    all.into_iter().filter_map(Value::as_array).flatten().any(|entity| {
        let from =
            entity["offset"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        let length = entity["length"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let piece = String::from_utf16_lossy(
            units.get(from..from.saturating_add(length)).unwrap_or_default(),
        );
        match entity["type"].as_str() {
            Some("mention") => is_name(piece.trim_start_matches('@')),
            Some("text_mention") => is_own(&entity["user"]),
            Some("bot_command") => piece.split_once('@').is_none_or(|(_, name)| is_name(name)),
            _ => false,
        }
    })
}

/// The text without a bot's mention at its start, and without `@name` behind a command.
fn without_mention(text: &str) -> &str {
    let text = text.trim();
    let first = text.split_whitespace().next().unwrap_or_default();
    if first.starts_with('@') && first.to_ascii_lowercase().ends_with("bot") {
        text.get(first.len()..).unwrap_or_default().trim()
    } else {
        text
    }
}

fn set_place(message: &Value, inbound: &mut Inbound) {
    let chat = text_of(&message["chat"]["id"]);
    if chat.is_empty() {
        return;
    }
    let topic = (message["is_topic_message"] == true)
        .then(|| text_of(&message["message_thread_id"]))
        .filter(|topic| !topic.is_empty());
    inbound.conversation = std::iter::once(chat.clone()).chain(topic.clone()).collect();
    inbound.target.chat = chat;
    inbound.target.thread = topic;
    inbound.target.reply_to = Some(text_of(&message["message_id"])).filter(|id| !id.is_empty());
}

/// The bot's own id is the part of its token before the colon.
fn own_id(endpoint: &Endpoint) -> Option<String> {
    let Credentials::Telegram { bot_token, .. } = &endpoint.credentials else { return None };
    bot_token.reveal().split_once(':').map(|(id, _)| id.trim_start_matches("bot").to_owned())
}

/// Topic and answered message; only the first part answers.
fn place(target: &Target, index: usize, message: &mut Value) {
    if let Some(reply_to) = target.reply_to.as_ref().filter(|_| index == 0) {
        message["reply_parameters"] = json!({ "message_id": number_or_text(reply_to) });
    }
    if let Some(thread) = &target.thread {
        message["message_thread_id"] = number_or_text(thread);
    }
}

/// The press is named by the target's `reply_to`.
fn answer_press(endpoint: &Endpoint, row: &OutboxRow) -> Attempt {
    let text: String = row.text.chars().take(CALLBACK_TEXT_MAX).collect();
    let body = json!({ "callback_query_id": row.target.reply_to, "text": text });
    Attempt {
        request: call(endpoint, "answerCallbackQuery", &body),
        aim: Aim::AnswerPress,
        idempotent: true,
        restart: false,
    }
}

fn call(endpoint: &Endpoint, method: &str, body: &Value) -> OutboundRequest {
    let token = match &endpoint.credentials {
        Credentials::Telegram { bot_token, .. } => bot_token.reveal(),
        _ => "",
    };
    OutboundRequest {
        method: http::Method::POST,
        url: format!("{}/bot{token}/{method}", endpoint.api_base),
        headers: vec![("content-type", "application/json".to_owned())],
        body: Bytes::from(body.to_string()),
        timeout_ms: SEND_TIMEOUT_MS,
    }
}

fn id_of(user: &Value) -> Option<String> {
    Some(text_of(&user["id"])).filter(|id| !id.is_empty())
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// Ids are numbers on Telegram's wire, `@name` for public channels.
fn number_or_text(id: &str) -> Value {
    id.parse::<i64>().map_or_else(|_| id.into(), Into::into)
}
