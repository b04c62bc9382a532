//! Messages to Telegram: `sendMessage`, edits of sent messages, and answers to presses.

use super::{Bot, entities, text_of};
use crate::channels::{
    Aim, Attempt, Change, Length, NextPart, SEND_TIMEOUT_MS, SendResult, by_status, length,
    lenient, next_part,
};
use crate::render::Room;
use bytes::Bytes;
use contracts::outbox::{ShownButton, Target};
use inbox::OutboxRow;
use platform::ports::{OutboundRequest, OutboundResponse};
use serde_json::{Value, json};

/// `sendMessage` takes 4096 UTF-16 units after the entities are parsed.
const ROOM: Room<'_> = Room { units: 4096, size: &entities::size };
/// Maximum length of an answer to a press, characters.
const CALLBACK_TEXT_MAX: usize = 200;

/// The next request for a message.
pub(super) fn next(bot: &Bot, row: &OutboxRow) -> Option<Attempt> {
    if row.kind == "press_ack" {
        return row.parts.is_empty().then(|| answer_press(bot, row));
    }
    let NextPart { index, content, shows, edited, buttons } = next_part(row, &row.parts, ROOM)?;
    let chat = edited.map_or(row.target.chat.as_str(), |part| part.chat.as_str());
    let mut message = json!({ "chat_id": number_or_text(chat) });
    if let Some(part) = edited {
        message["message_id"] = number_or_text(&part.id);
    }
    let entities = if row.plain { Vec::new() } else { entities::of(&content) };
    message["text"] = content.text.into();
    // A preview would have Telegram fetch an address that an agent wrote.
    message["link_preview_options"] = json!({ "is_disabled": true });
    if !entities.is_empty() {
        message["entities"] = entities.into();
    }
    if edited.is_none() {
        place(&row.target, index, &mut message);
    }
    if let Some(buttons) = buttons {
        let button =
            |shown: ShownButton<'_>| json!({ "text": shown.label, "callback_data": shown.data });
        let two: Vec<Value> = buttons.two().into_iter().map(button).collect();
        let rows: Vec<_> = [two, buttons.rest().map(button).collect()]
            .into_iter()
            .filter(|row| !row.is_empty())
            .collect();
        message["reply_markup"] = json!({ "inline_keyboard": rows });
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
        request: call(bot, method, &message),
        idempotent: edited.is_some(),
        restart: false,
        aim,
    })
}

/// How much of the chat a message takes.
pub(super) fn length_of(row: &OutboxRow) -> Length {
    length(row, ROOM)
}

/// Reads Telegram's response.
pub(super) fn judge(aim: &Aim, answer: &OutboundResponse) -> SendResult {
    let body = lenient::json(&answer.body);
    let description = body["description"].as_str().unwrap_or_default().to_owned();
    let shown = |result: &Value| SendResult::Shown {
        message: text_of(&result["message_id"]),
        chat: text_of(&result["chat"]["id"]),
    };
    if body["ok"] == true {
        return shown(&body["result"]);
    }
    let error = format!("Telegram {}: {description}", answer.status);
    if answer.status == 429 {
        let after_ms =
            body["parameters"]["retry_after"].as_i64().map(|seconds| seconds.clamp(1, 3600) * 1000);
        return SendResult::Later { after_ms, error };
    }
    if matches!(aim, Aim::Edit { .. }) && description.contains("message is not modified") {
        return SendResult::Shown { message: String::new(), chat: String::new() };
    }
    let moved_to = text_of(&body["parameters"]["migrate_to_chat_id"]);
    if !moved_to.is_empty() {
        return SendResult::Refused { changes: vec![Change::MovedTo(moved_to)], error };
    }
    let description = description.to_lowercase();
    let second = SECOND_WAYS.iter().find(|(refusal, _)| description.contains(refusal));
    match second {
        Some((_, change)) => SendResult::Refused { changes: vec![change.clone()], error },
        None => by_status(answer, error),
    }
}

/// Refusals, as Telegram words them in lower case, and what to change.
const SECOND_WAYS: [(&str, Change); 13] = [
    // Before the shorter word that it ends with.
    ("reply_message_id_invalid", Change::WithoutReply),
    ("can't parse entities", Change::WithoutMarks),
    ("entity_", Change::WithoutMarks),
    ("message to be replied not found", Change::WithoutReply),
    ("replied message not found", Change::WithoutReply),
    ("reply message not found", Change::WithoutReply),
    ("message thread not found", Change::WithoutThread),
    ("topic_deleted", Change::WithoutThread),
    ("topic_closed", Change::WithoutThread),
    ("topic_id_invalid", Change::WithoutThread),
    ("message to edit not found", Change::NewMessage),
    ("message can't be edited", Change::NewMessage),
    ("message_id_invalid", Change::NewMessage),
];

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
fn answer_press(bot: &Bot, row: &OutboxRow) -> Attempt {
    let text: String = row.text.chars().take(CALLBACK_TEXT_MAX).collect();
    let body = json!({ "callback_query_id": row.target.reply_to, "text": text });
    Attempt {
        request: call(bot, "answerCallbackQuery", &body),
        aim: Aim::AnswerPress,
        idempotent: true,
        restart: false,
    }
}

pub(super) fn call(bot: &Bot, method: &str, body: &Value) -> OutboundRequest {
    OutboundRequest {
        method: http::Method::POST,
        url: format!("{}/bot{}/{method}", bot.api_base, bot.bot_token.reveal()),
        headers: vec![("content-type", "application/json".to_owned())],
        body: Bytes::from(body.to_string()),
        timeout_ms: SEND_TIMEOUT_MS,
    }
}

/// Ids are numbers on Telegram's wire, `@name` for public channels.
fn number_or_text(id: &str) -> Value {
    id.parse::<i64>().map_or_else(|_| id.into(), Into::into)
}
