//! Messages to Slack: form-encoded as the official SDK does it, blocks as a JSON string.

use super::{App, mrkdwn};
use crate::channels::protocol::retry_after_ms;
use crate::channels::{
    Aim, Attempt, Change, Length, NextPart, SEND_TIMEOUT_MS, SendResult, by_status, form, length,
    lenient, next_part,
};
use crate::render::{Mark, Rich, Room};
use bytes::Bytes;
use contracts::outbox::{Buttons, Look, ShownButton};
use inbox::{OutboxRow, only_stops};
use platform::ports::{OutboundRequest, OutboundResponse};
use serde_json::{Value, json};

/// A section block takes 3000 characters as sent.
const ROOM: Room<'_> = Room { units: 2900, size: &mrkdwn::size };

/// The next request for a message.
pub(super) fn next(app: &App, row: &OutboxRow) -> Option<Attempt> {
    if row.kind == "press_ack" {
        return row.parts.is_empty().then(|| ephemeral(app, row));
    }
    let NextPart { index, content, shows, edited, buttons } = next_part(row, &row.parts, ROOM)?;
    let is_question = content.spans.iter().any(|span| span.mark == Mark::Verbatim);
    let text = mrkdwn::of(&content);
    let content = is_question.then(|| question(&content));
    let blocks = match (content, buttons) {
        (None, None) => None,
        (content, buttons) => {
            let mut blocks = content.unwrap_or_else(|| vec![section(&text)]);
            blocks.extend(buttons.map(|buttons| actions(buttons, &row.id)));
            Some(Value::from(blocks))
        }
    };
    if let Some(reply) = row.target.command.as_ref().filter(|reply| reply.is_only_way) {
        return by_command(app, row, &reply.path, index, shows, &text, blocks);
    }
    let mut fields = vec![("channel", place(edited.map_or(&row.target.chat, |part| &part.chat)))];
    fields.extend(no_preview());
    if let Some(part) = edited {
        fields.extend([("ts", part.id.clone()), ("text", text)]);
        // An empty list takes the buttons away.
        fields
            .push(("blocks", blocks.map_or_else(|| "[]".to_owned(), |blocks| blocks.to_string())));
        return Some(Attempt {
            request: call(app, "chat.update", &fields),
            aim: Aim::Edit { index, shows },
            idempotent: true,
            restart: false,
        });
    }
    fields.push(("text", text));
    fields.extend(row.target.thread.clone().map(|thread| ("thread_ts", thread)));
    fields.extend(blocks.map(|blocks| ("blocks", blocks.to_string())));
    fields.push((
        "metadata",
        json!({ "event_type": "outbox", "event_payload": { "id": row.id } }).to_string(),
    ));
    Some(Attempt {
        request: call(app, "chat.postMessage", &fields),
        aim: Aim::Send { shows, known_as: None },
        idempotent: false,
        restart: false,
    })
}

/// A reply by the address of the command, which Slack takes five times and shows to its sender
/// alone. The placeholder of a run, with its button to stop, is left out.
fn by_command(
    app: &App,
    row: &OutboxRow,
    path: &str,
    index: usize,
    shows: String,
    text: &str,
    blocks: Option<Value>,
) -> Option<Attempt> {
    if row.buttons.as_ref().is_some_and(only_stops) {
        return None;
    }
    let mut body = json!({
        "response_type": "ephemeral", "replace_original": false, "text": text,
        "unfurl_links": false, "unfurl_media": false,
    });
    if let Some(blocks) = blocks {
        body["blocks"] = blocks;
    }
    let request = OutboundRequest {
        method: http::Method::POST,
        url: format!("{}{path}", app.reply_host()),
        headers: vec![("content-type", "application/json".to_owned())],
        body: Bytes::from(body.to_string()),
        timeout_ms: SEND_TIMEOUT_MS,
    };
    Some(Attempt { request, aim: Aim::Say { index, shows }, idempotent: false, restart: false })
}

/// Without the workspace that may stand before a user's id.
fn place(chat: &str) -> String {
    chat.rsplit('/').next().unwrap_or_default().to_owned()
}

/// A preview would have Slack fetch an address that an agent wrote.
fn no_preview() -> [(&'static str, String); 2] {
    ["unfurl_links", "unfurl_media"].map(|name| (name, "false".to_owned()))
}

/// Only the presser sees it.
fn ephemeral(app: &App, row: &OutboxRow) -> Attempt {
    let mut fields = vec![
        ("channel", row.target.chat.clone()),
        ("user", place(row.target.mention.as_deref().unwrap_or_default())),
        ("text", mrkdwn::of_text(&row.text)),
    ];
    fields.extend(no_preview());
    fields.extend(row.target.thread.clone().map(|thread| ("thread_ts", thread)));
    Attempt {
        request: call(app, "chat.postEphemeral", &fields),
        aim: Aim::AnswerPress,
        idempotent: true,
        restart: false,
    }
}

fn actions(buttons: &Buttons, id: &str) -> Value {
    let button = |(action, shown): (String, ShownButton<'_>)| {
        // 75 characters are the most.
        let label: String = shown.label.chars().take(75).collect();
        let mut button = json!({ "type": "button", "action_id": action, "text": { "type": "plain_text", "text": label }, "value": shown.data });
        match shown.look {
            Look::Approves => button["style"] = "primary".into(),
            Look::Rejects => button["style"] = "danger".into(),
            Look::Neutral => {}
        }
        button
    };
    let two = buttons.two();
    // Where one is shown, it is the second.
    let names = ["approve", "reject"].into_iter().skip(2 - two.len()).map(str::to_owned);
    let two = names.zip(two);
    let more = buttons.rest().enumerate().map(|(number, shown)| (format!("more_{number}"), shown));
    let all: Vec<Value> = two.chain(more).map(button).collect();
    let block_id: String = format!("appr_{id}").chars().take(255).collect();
    json!({ "type": "actions", "block_id": block_id, "elements": all })
}

fn section(mrkdwn: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": mrkdwn } })
}

/// A question as blocks: the words of others are text in which no mark means anything, so that they
/// show every character that is decided on.
fn question(content: &Rich) -> Vec<Value> {
    let quotes = content.spans.iter().filter(|span| span.mark == Mark::Verbatim);
    let mut blocks = Vec::new();
    let mut at = 0;
    for quote in quotes {
        blocks.extend(ours(content, at..quote.range.start));
        let lines = content.text.get(quote.range.clone()).unwrap_or_default().lines();
        let bare = lines.map(|line| line.strip_prefix('>').unwrap_or(line));
        let words: Vec<&str> = bare.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let words = Some(words.join("\n")).filter(|words| !words.is_empty());
        let text = json!({ "type": "text", "text": words.as_deref().unwrap_or(" ") });
        let quoted = json!({ "type": "rich_text_quote", "elements": [text] });
        blocks.push(json!({ "type": "rich_text", "elements": [quoted] }));
        at = quote.range.end;
    }
    blocks.extend(ours(content, at..content.text.len()));
    blocks
}

fn ours(content: &Rich, range: std::ops::Range<usize>) -> Option<Value> {
    let text = mrkdwn::of(&content.slice(range));
    (!text.trim().is_empty()).then(|| section(text.trim()))
}

/// How much of the chat a message takes.
pub(super) fn length_of(row: &OutboxRow) -> Length {
    length(row, ROOM)
}

pub(super) fn call(app: &App, method: &str, fields: &[(&str, String)]) -> OutboundRequest {
    let token = app.bot_token.reveal();
    OutboundRequest {
        method: http::Method::POST,
        url: format!("{}/{method}", app.api_base),
        headers: vec![
            ("authorization", format!("Bearer {token}")),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ],
        body: Bytes::from(form::body(fields)),
        timeout_ms: SEND_TIMEOUT_MS,
    }
}

/// Reads Slack's response: errors come with status 200 and a word.
pub(super) fn judge(aim: &Aim, answer: &OutboundResponse) -> SendResult {
    let body = lenient::json(&answer.body);
    if answer.status < 300 && body["ok"] == true {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        return SendResult::Shown { message: text(&body["ts"]), chat: text(&body["channel"]) };
    }
    if matches!(aim, Aim::Say { .. }) && answer.status < 300 && body["ok"] != false {
        return SendResult::Shown { message: String::new(), chat: String::new() };
    }
    let word = body["error"].as_str().unwrap_or("no answer");
    let error = format!("Slack {}: {word}", answer.status);
    let after_ms = retry_after_ms(answer);
    if answer.status == 429 || word == "ratelimited" || word == "rate_limited" {
        return SendResult::Later { after_ms, error };
    }
    // `restricted_action`, `restricted_action_read_only_channel` and so on: one kind.
    let word = if word.starts_with("restricted_action") { "restricted_action" } else { word };
    let second = SECOND_WAYS.iter().find(|(refusal, _)| *refusal == word);
    match word {
        _ if second.is_some() => {
            let changes = second.map(|(_, changes)| changes.to_vec()).unwrap_or_default();
            SendResult::Refused { changes, error }
        }
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => {
            SendResult::Later { after_ms, error }
        }
        _ if answer.status < 300 => SendResult::Never { error },
        _ => by_status(answer, error),
    }
}

/// Refusals in Slack's words, and what to change.
const SECOND_WAYS: [(&str, &[Change]); 12] = [
    ("message_not_found", &[Change::NewMessage, Change::WithoutThread]),
    ("cant_update_message", &[Change::NewMessage]),
    ("edit_window_closed", &[Change::NewMessage]),
    ("thread_not_found", &[Change::WithoutThread]),
    ("cannot_reply_to_message", &[Change::WithoutThread]),
    ("not_in_channel", &[Change::ByCommand]),
    ("channel_not_found", &[Change::ByCommand]),
    ("is_archived", &[Change::ByCommand]),
    ("restricted_action", &[Change::ByCommand]),
    ("no_permission", &[Change::ByCommand]),
    ("access_denied", &[Change::ByCommand]),
    ("missing_scope", &[Change::ByCommand]),
];
