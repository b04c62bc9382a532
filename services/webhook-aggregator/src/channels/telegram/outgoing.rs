//! Messages to Telegram: `sendMessage`, edits of sent messages, and answers to presses.

use super::{Bot, entities, text_of};
use crate::channels::{Aim, Attempt, NextPart, SEND_TIMEOUT_MS, SendResult, by_status, next_part};
use crate::split::Limit;
use bytes::Bytes;
use contracts::outbox::Target;
use inbox::OutboxRow;
use platform::ports::{OutboundRequest, OutboundResponse};
use serde_json::{Value, json};

/// `sendMessage` takes 4096 UTF-16 units after the entities are parsed.
const TEXT: Limit = Limit { units: 4096, utf16: true };
/// Maximum length of an answer to a press, characters.
const CALLBACK_TEXT_MAX: usize = 200;

/// The next request for a message.
pub(super) fn next(bot: &Bot, row: &OutboxRow) -> Option<Attempt> {
    if row.kind == "press_ack" {
        return row.parts.is_empty().then(|| answer_press(bot, row));
    }
    let NextPart { index, text, shows, edited, buttons } = next_part(row, &row.parts, TEXT)?;
    let chat = edited.map_or(row.target.chat.as_str(), |part| part.chat.as_str());
    let mut message = json!({ "chat_id": number_or_text(chat) });
    if let Some(part) = edited {
        message["message_id"] = number_or_text(&part.id);
    }
    let (text, entities) = entities::of_markdown(&text);
    message["text"] = text.into();
    // A preview would have Telegram fetch an address that an agent wrote.
    message["link_preview_options"] = json!({ "is_disabled": true });
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
        request: call(bot, method, &message),
        idempotent: edited.is_some(),
        restart: false,
        aim,
    })
}

/// Reads Telegram's response.
pub(super) fn judge(aim: &Aim, answer: &OutboundResponse) -> SendResult {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
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
    match aim {
        Aim::Edit { .. } if description.contains("message is not modified") => {
            SendResult::Shown { message: String::new(), chat: String::new() }
        }
        Aim::Edit { .. }
            if description.contains("message to edit not found")
                || description.contains("message can't be edited") =>
        {
            SendResult::Gone
        }
        _ => by_status(answer, error),
    }
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
