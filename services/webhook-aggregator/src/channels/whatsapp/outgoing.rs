//! Messages to WhatsApp. None can be changed once it is sent: a new text is a further message, and
//! in place of progress the chat shows that we are writing.

use super::number::{Number, is_hidden};
use super::{markup, refusal};
use crate::channels::{
    Aim, Attempt, Length, NextPart, SendResult, length, lenient, next_part, text_at,
};
use crate::render::{Room, of_markdown, of_question};
use contracts::outbox::{Buttons, ShownButton, Target};
use http::Method;
use inbox::{OutboxRow, Part, stops_alone};
use platform::ports::{OutboundRequest, OutboundResponse};
use platform::secret::digest_hex;
use platform::text::short;
use serde_json::{Value, json};

/// A text has 4096 characters, and above buttons 1024.
const ROOM: Room<'_> = Room { units: 4096, size: &markup::size };
const ROOM_ABOVE_BUTTONS: usize = 1024;
/// More buttons, or longer labels, are a list.
const BUTTONS_MAX: usize = 3;
const LABEL_CHARS_MAX: usize = 20;
const ROWS_MAX: usize = 10;
const ROW_CHARS_MAX: usize = 24;
const ROW_MORE_CHARS_MAX: usize = 72;
/// Above buttons whose text stands in the messages before.
const CHOOSE: &str = "Choose:";
/// Begins what a part shows that is no message: that we are writing.
const WRITING: &str = "writing:";

/// The next request for a message.
pub(super) fn next(number: &Number, row: &OutboxRow) -> Option<Attempt> {
    if row.kind == "press_ack" {
        let request = post(number, &row.target, text(markup::of(&of_markdown(&row.text))));
        let attempt = Attempt { request, aim: Aim::AnswerPress, idempotent: false, restart: false };
        return row.parts.is_empty().then_some(attempt);
    }
    if row.buttons.as_ref().is_some_and(stops_alone) {
        return writing(number, row);
    }
    let was_asked = row.kind == "ask" && row.sent_revision >= 0;
    if let Some(last) = row.parts.last().filter(|_| was_asked && row.buttons.is_none()) {
        return outcome(number, row, last);
    }
    let Some(next) = next_part(row, &row.parts, ROOM) else { return buttons_below(number, row) };
    let NextPart { index, content, shows, edited, buttons } = next;
    let fits = markup::size(&content) <= ROOM_ABOVE_BUTTONS;
    let words = markup::of(&content);
    let message = match buttons.filter(|_| fits) {
        Some(buttons) => interactive(&words, buttons),
        None => text(words),
    };
    // Only the first part replies.
    let target = Target {
        reply_to: row.target.reply_to.clone().filter(|_| index == 0),
        ..row.target.clone()
    };
    let aim = match edited {
        Some(_) => Aim::Say { index, shows },
        None => Aim::Send { shows, known_as: None },
    };
    let request = post(number, &target, message);
    Some(Attempt { request, aim, idempotent: false, restart: false })
}

/// The buttons below a text that is too long to stand above them.
fn buttons_below(number: &Number, row: &OutboxRow) -> Option<Attempt> {
    let buttons = row.buttons.as_ref()?;
    let count = length_of(row).messages;
    // With every part but the last sent, the last one is next.
    let mut before = row.parts.clone();
    before.truncate(count.saturating_sub(1));
    let last = next_part(row, &before, ROOM)?;
    let is_below = last.index + 1 == count && markup::size(&last.content) > ROOM_ABOVE_BUTTONS;
    let shows = format!("buttons:{}", last.shows);
    let shown = row.parts.get(count).is_some_and(|part| part.shows == shows);
    (is_below && !shown).then(|| {
        let target = Target { reply_to: None, ..row.target.clone() };
        let request = post(number, &target, interactive(CHOOSE, buttons));
        let aim = Aim::Say { index: count, shows };
        Attempt { request, aim, idempotent: false, restart: false }
    })
}

/// Marks the message that is answered as read, and shows for 25 seconds that we are writing; anew
/// with each line of progress.
fn writing(number: &Number, row: &OutboxRow) -> Option<Attempt> {
    let message = row.target.reply_to.as_ref()?;
    let shows = format!("{WRITING}{}", digest_hex(row.text.as_bytes()));
    let is_shown = row.parts.first().is_some_and(|part| part.shows == shows);
    let body = json!({
        "messaging_product": "whatsapp", "status": "read", "message_id": message,
        "typing_indicator": { "type": "text" },
    });
    let request = number.call(Method::POST, &format!("{}/messages", number.id), Some(&body));
    let aim = Aim::Say { index: 0, shows };
    (!is_shown).then_some(Attempt { request, aim, idempotent: true, restart: false })
}

/// The first line of what became of a question, as a reply to it: its words stand above.
fn outcome(number: &Number, row: &OutboxRow, last: &Part) -> Option<Attempt> {
    let first = row.text.lines().next().unwrap_or_default().trim_end_matches(':');
    let shows = digest_hex(first.as_bytes());
    let reply_to = Some(last.id.clone()).filter(|id| !id.is_empty());
    let target = Target { reply_to, ..row.target.clone() };
    let request = post(number, &target, text(markup::of(&of_question(first))));
    let aim = Aim::Say { index: row.parts.len(), shows: shows.clone() };
    (last.shows != shows).then_some(Attempt { request, aim, idempotent: false, restart: false })
}

/// How much of the chat a message takes.
pub(super) fn length_of(row: &OutboxRow) -> Length {
    length(row, ROOM)
}

/// A preview would have WhatsApp fetch an address that an agent wrote.
fn text(words: String) -> Value {
    json!({ "type": "text", "text": { "preview_url": false, "body": words } })
}

/// A text with buttons below it; as a list where they are too many or too long.
fn interactive(words: &str, buttons: &Buttons) -> Value {
    let all: Vec<ShownButton<'_>> = buttons.two().into_iter().chain(buttons.rest()).collect();
    let is_long = |button: &ShownButton<'_>| button.label.chars().count() > LABEL_CHARS_MAX;
    let is_list = all.len() > BUTTONS_MAX || all.iter().any(is_long);
    let reply = |button: &ShownButton<'_>| json!({ "type": "reply", "reply": { "id": button.data, "title": button.label } });
    let row = |button: &ShownButton<'_>| {
        let mut row = json!({ "id": button.data, "title": short(button.label, ROW_CHARS_MAX) });
        if button.label.chars().count() > ROW_CHARS_MAX {
            row["description"] = short(button.label, ROW_MORE_CHARS_MAX).into();
        }
        row
    };
    let (kind, action) = if is_list {
        let rows: Vec<Value> = all.iter().take(ROWS_MAX).map(row).collect();
        ("list", json!({ "button": "Answer", "sections": [{ "rows": rows }] }))
    } else {
        ("button", json!({ "buttons": all.iter().map(reply).collect::<Vec<_>>() }))
    };
    let body = json!({ "type": kind, "body": { "text": words }, "action": action });
    json!({ "type": "interactive", "interactive": body })
}

/// The request that sends a message to a person.
pub(super) fn post(number: &Number, target: &Target, mut message: Value) -> OutboundRequest {
    let to = if is_hidden(&target.chat) { "recipient" } else { "to" };
    message["messaging_product"] = "whatsapp".into();
    message["recipient_type"] = "individual".into();
    message[to] = target.chat.clone().into();
    if let Some(reply_to) = &target.reply_to {
        message["context"] = json!({ "message_id": reply_to });
    }
    number.call(Method::POST, &format!("{}/messages", number.id), Some(&message))
}

/// Reads Meta's response.
pub(super) fn judge(aim: &Aim, answer: &OutboundResponse) -> SendResult {
    let body = lenient::json(&answer.body);
    let id = text_at(&body["messages"][0], "id").or_else(|| text_at(&body, "id"));
    let shown = |id: &str| SendResult::Shown { message: id.to_owned(), chat: String::new() };
    match (aim, id) {
        // That it does not show is no loss.
        (Aim::Say { shows, .. }, _) if shows.starts_with(WRITING) => shown(""),
        (_, Some(id)) if answer.status < 300 => shown(id),
        _ => refusal::judge(answer),
    }
}
