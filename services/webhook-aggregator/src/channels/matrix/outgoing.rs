//! Messages to Matrix: `m.room.message` with plain text and HTML, and edits of sent messages.

use super::bot::{Bot, segment, wait_ms};
use super::buttons;
use super::direct::{self, Way};
use crate::channels::{
    Aim, Attempt, Change, Length, NextPart, SendResult, by_status, html, length, lenient,
    next_part, text_at,
};
use crate::render::{Rich, Room};
use contracts::outbox::Target;
use http::Method;
use inbox::{OutboxRow, Part, stops_alone};
use platform::ports::{OutboundRequest, OutboundResponse};
use platform::secret::digest_hex;
use serde_json::{Value, json};

/// An event has 65,536 bytes at most, on every server that it passes; an edit has its text two
/// times and its HTML once. Nobody reads as much at once.
const ROOM: Room<'_> = Room { units: 24_000, size: &size };
/// The signs that JSON writes with more bytes than the text has.
fn json_bytes(text: &str) -> usize {
    let wide = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte == b'\n';
    text.len() + text.bytes().filter(wide).count()
}

/// Size as sent, bytes.
fn size(rich: &Rich) -> usize {
    2 * json_bytes(&rich.text) + html::of(rich).map_or(0, |html| json_bytes(&html))
}

/// The next request for a message.
pub(super) fn next(bot: &Bot, row: &OutboxRow) -> Option<Attempt> {
    let way = row.target.direct.then(|| direct::way(bot, row));
    let (chat, opened) = match way {
        Some(Way::Ask(attempt)) => return Some(*attempt),
        Some(Way::There { room, parts }) => (room, parts),
        None => (row.target.chat.as_str(), 0),
    };
    if row.kind == "press_ack" {
        return row.parts.get(opened).is_none().then(|| answer_press(bot, row, chat));
    }
    let sent = row.parts.get(opened..).unwrap_or_default();
    let Some(next) = next_part(row, sent, ROOM) else {
        return undated(bot, row, chat);
    };
    let NextPart { index, mut content, shows, edited, buttons } = next;
    if let Some(buttons) = buttons {
        content.push("\n\n");
        content.push(&buttons::line(buttons));
    }
    let mut message = message(&content, row.plain);
    let (step, aim) = if let Some(part) = edited {
        let fallback = format!("* {}", content.text);
        message = json!({
            "msgtype": "m.text", "body": fallback, "m.mentions": {}, "m.new_content": message,
            "m.relates_to": { "rel_type": "m.replace", "event_id": part.id },
        });
        // A text that comes back is a further edit.
        let step = format!("edit {index} {} {shows}", row.revision);
        (step, Aim::Edit { index: index + opened, shows })
    } else {
        if let Some(relation) = relation(&row.target, index) {
            message["m.relates_to"] = relation;
        }
        (format!("send {index} {shows}"), Aim::Send { shows, known_as: None })
    };
    let request = send(bot, chat, &transaction(&row.id, &step), &message);
    Some(Attempt { request, aim, idempotent: true, restart: false })
}

/// Asks when a question was shown. A reaction to it has a date of the homeserver, which no date of
/// this machine can be compared with.
fn undated(bot: &Bot, row: &OutboxRow, chat: &str) -> Option<Attempt> {
    row.buttons.as_ref().filter(|buttons| !stops_alone(buttons))?;
    let is_undated = |part: &Part| !part.id.is_empty() && part.shown_ms.is_none();
    let (index, part) = row.parts.iter().enumerate().find(|(_, part)| is_undated(part))?;
    let id = part.edit.as_ref().unwrap_or(&part.id);
    let path = format!("rooms/{}/event/{}", segment(chat), segment(id));
    let request = bot.call(Method::GET, &path, None);
    Some(Attempt { request, aim: Aim::Date { index }, idempotent: true, restart: false })
}

/// How much of the chat a message takes.
pub(super) fn length_of(row: &OutboxRow) -> Length {
    length(row, ROOM)
}

/// The content of a message. Nobody is mentioned by the words of an agent.
fn message(content: &Rich, is_plain: bool) -> Value {
    let mut message = json!({ "msgtype": "m.text", "body": content.text, "m.mentions": {} });
    if let Some(html) = html::of(content).filter(|_| !is_plain) {
        message["format"] = "org.matrix.custom.html".into();
        message["formatted_body"] = html.into();
    }
    message
}

/// The thread, and the message that is answered: by the first part alone.
pub(super) fn relation(target: &Target, index: usize) -> Option<Value> {
    let answered = target.reply_to.as_ref().filter(|_| index == 0);
    let Some(root) = &target.thread else {
        return answered.map(|id| json!({ "m.in_reply_to": { "event_id": id } }));
    };
    Some(json!({
        "rel_type": "m.thread", "event_id": root, "is_falling_back": true,
        "m.in_reply_to": { "event_id": target.reply_to.as_ref().unwrap_or(root) },
    }))
}

/// The name of a request. The homeserver answers a second one of the same name as it did the first,
/// and sends nothing.
pub(super) fn transaction(id: &str, step: &str) -> String {
    digest_hex(format!("{id}\n{step}").as_bytes()).chars().take(32).collect()
}

/// The request that sends a message to a room.
pub(super) fn send(bot: &Bot, room: &str, transaction: &str, content: &Value) -> OutboundRequest {
    let path = format!("rooms/{}/send/m.room.message/{transaction}", segment(room));
    bot.call(Method::PUT, &path, Some(content))
}

/// A word about a reaction.
fn answer_press(bot: &Bot, row: &OutboxRow, chat: &str) -> Attempt {
    let mut content = json!({ "msgtype": "m.notice", "body": row.text, "m.mentions": {} });
    if let Some(relation) = relation(&row.target, 0) {
        content["m.relates_to"] = relation;
    }
    let request = send(bot, chat, &transaction(&row.id, "press"), &content);
    Attempt { request, aim: Aim::AnswerPress, idempotent: true, restart: false }
}

/// Reads the homeserver's response.
/// <https://spec.matrix.org/latest/client-server-api/#standard-error-response>
pub(super) fn judge(bot: &Bot, aim: &Aim, answer: &OutboundResponse) -> SendResult {
    let body = lenient::json(&answer.body);
    let text = |key: &str| text_at(&body, key).unwrap_or_default().to_owned();
    let code = text("errcode");
    if let Aim::Date { index } = aim
        && answer.status != 429
    {
        // A question that cannot be dated is shown all the same.
        return SendResult::Dated { index: *index, at_ms: body["origin_server_ts"].as_i64() };
    }
    if answer.status == 200 {
        return match aim {
            Aim::OpenDirect => SendResult::Opened { chat: text("room_id") },
            Aim::LookInto { room, person } => direct::looked_into(bot, room, person, &body),
            Aim::Invite { room } => SendResult::Opened { chat: room.clone() },
            Aim::Upload(_) if body.get("content_uri").is_some() => {
                SendResult::Shown { message: text("content_uri"), chat: String::new() }
            }
            _ => SendResult::Shown { message: text("event_id"), chat: String::new() },
        };
    }
    if *aim == Aim::OpenDirect && code == "M_NOT_FOUND" {
        // There is no such room yet.
        return SendResult::Opened { chat: String::new() };
    }
    let error = format!("Matrix {}: {code} {}", answer.status, text("error"));
    match code.as_str() {
        "M_LIMIT_EXCEEDED" => SendResult::Later { after_ms: wait_ms(answer, &body), error },
        // It was made by a request whose answer was lost: it is looked for again.
        "M_ROOM_IN_USE" => SendResult::Refused { changes: vec![Change::NewMessage], error },
        "M_TOO_LARGE" => SendResult::Refused { changes: vec![Change::WithoutMarks], error },
        // The message that is replied to may be one that no thread can begin with.
        "M_UNKNOWN" | "M_BAD_JSON" | "M_INVALID_PARAM" if answer.status == 400 => {
            let changes = vec![Change::WithoutThread, Change::WithoutReply, Change::WithoutMarks];
            SendResult::Refused { changes, error }
        }
        _ => by_status(answer, error),
    }
}
