//! Messages to Discord: the deferred answer is edited while its token lives; afterwards the bot
//! writes to the channel and mentions who asked.

use super::Application;
use crate::channels::{Aim, Attempt, NextPart, SEND_TIMEOUT_MS, SendResult, by_status, next_part};
use crate::split::Limit;
use bytes::Bytes;
use contracts::outbox::{Buttons, Interaction};
use inbox::{OutboxRow, Part};
use platform::ports::{OutboundRequest, OutboundResponse};
use serde_json::{Value, json};

const TEXT: Limit = Limit { units: 2000, utf16: false };
/// Room for the mention that a late answer starts with.
const MENTION_ROOM: usize = 32;
/// Only the presser sees the message.
const EPHEMERAL: u32 = 1 << 6;
/// An embed would have Discord fetch an address that an agent wrote.
const SUPPRESS_EMBEDS: u32 = 1 << 2;
/// The original answer has no id until it is asked for; it is addressed by this name.
const ORIGINAL: &str = "@original";

/// The next request for a message.
pub(super) fn next(application: &Application, row: &OutboxRow, now_ms: i64) -> Option<Attempt> {
    let token = row.target.interaction.as_ref().filter(|interaction| interaction.until_ms > now_ms);
    if row.kind == "press_ack" {
        // Only while the token lives.
        let interaction = token.filter(|_| row.parts.is_empty())?;
        let body = json!({ "content": row.text, "flags": EPHEMERAL | SUPPRESS_EMBEDS, "allowed_mentions": { "parse": [] } });
        let request = by_token(application, interaction, http::Method::POST, "", &body);
        return Some(Attempt { request, aim: Aim::AnswerPress, idempotent: false, restart: false });
    }
    // The original answer is out of reach once its token has died: the answer goes on as a new
    // message of the bot.
    let restart = token.is_none() && row.parts.first().is_some_and(|part| part.id == ORIGINAL);
    let parts = if restart { &[] } else { row.parts.as_slice() };
    if row.target.direct && parts.is_empty() {
        let body = json!({ "recipient_id": row.target.chat });
        let request = by_bot(application, http::Method::POST, "/users/@me/channels", &body);
        return Some(Attempt { request, aim: Aim::OpenDirect, idempotent: true, restart });
    }
    // The part that only remembers where a direct conversation is stands before the real ones.
    let opened = parts.first().filter(|part| row.target.direct && part.id.is_empty());
    let shift = usize::from(opened.is_some());
    let limit = Limit { units: TEXT.units - MENTION_ROOM, ..TEXT };
    let NextPart { index, text, shows, edited, buttons } =
        next_part(row, parts.get(shift..).unwrap_or_default(), limit)?;
    let body = message(&text, buttons, edited.is_some());
    if let Some(part) = edited {
        let request = edit(application, token, part, &body);
        return Some(Attempt {
            request,
            aim: Aim::Edit { index: index + shift, shows },
            idempotent: true,
            restart: false,
        });
    }
    if let Some(interaction) = token {
        let first = index == 0;
        let (method, path) = if first {
            (http::Method::PATCH, "/messages/@original")
        } else {
            (http::Method::POST, "")
        };
        let aim = Aim::Send { shows, known_as: first.then_some(ORIGINAL) };
        return Some(Attempt {
            request: by_token(application, interaction, method, path, &body),
            aim,
            idempotent: first,
            restart,
        });
    }
    let chat = opened.map_or(row.target.chat.as_str(), |part| part.chat.as_str());
    let aim = Aim::Send { shows, known_as: None };
    Some(Attempt {
        request: post(application, row, chat, index, body),
        aim,
        idempotent: true,
        restart,
    })
}

fn message(text: &str, buttons: Option<&Buttons>, edit: bool) -> Value {
    let mut body =
        json!({ "content": text, "flags": SUPPRESS_EMBEDS, "allowed_mentions": { "parse": [] } });
    if let Some(buttons) = buttons {
        // Labels have 80 characters at most; style 3 is green, 4 red, 2 neither.
        let button = |style: u8, label: &str, id: &str| json!({ "type": 2, "style": style, "label": label.chars().take(80).collect::<String>(), "custom_id": id });
        let [first, second] = buttons.texts();
        let [good, bad] = if buttons.labels.is_some() { [2, 2] } else { [3, 4] };
        body["components"] = json!([{ "type": 1, "components": [button(good, first, &buttons.approve), button(bad, second, &buttons.reject)] }]);
    } else if edit {
        body["components"] = json!([]);
    }
    body
}

/// A message by the bot; the nonce makes Discord drop a repetition for some minutes.
fn post(
    application: &Application,
    row: &OutboxRow,
    chat: &str,
    index: usize,
    mut body: Value,
) -> OutboundRequest {
    if let Some(who) =
        row.target.mention.as_ref().filter(|_| index == 0 && row.target.interaction.is_some())
    {
        body["content"] =
            format!("<@{who}> {}", body["content"].as_str().unwrap_or_default()).into();
        body["allowed_mentions"] = json!({ "parse": [], "users": [who] });
    }
    let nonce: String = platform::secret::digest_hex(format!("{}#{index}", row.id).as_bytes())
        .chars()
        .take(24)
        .collect();
    body["nonce"] = nonce.into();
    body["enforce_nonce"] = true.into();
    by_bot(application, http::Method::POST, &format!("/channels/{chat}/messages"), &body)
}

/// Messages sent with the interaction's token are edited with it while it lives, all others by the
/// bot.
fn edit(
    application: &Application,
    token: Option<&Interaction>,
    part: &Part,
    body: &Value,
) -> OutboundRequest {
    match token {
        Some(interaction) => by_token(
            application,
            interaction,
            http::Method::PATCH,
            &format!("/messages/{}", part.id),
            body,
        ),
        None => by_bot(
            application,
            http::Method::PATCH,
            &format!("/channels/{}/messages/{}", part.chat, part.id),
            body,
        ),
    }
}

fn by_token(
    application: &Application,
    interaction: &Interaction,
    method: http::Method,
    path: &str,
    body: &Value,
) -> OutboundRequest {
    let url = format!(
        "{}/webhooks/{}/{}{path}",
        application.api_base, interaction.application_id, interaction.token
    );
    request(method, url, Vec::new(), body)
}

fn by_bot(
    application: &Application,
    method: http::Method,
    path: &str,
    body: &Value,
) -> OutboundRequest {
    let token = application.bot_token.reveal();
    request(
        method,
        format!("{}{path}", application.api_base),
        vec![("authorization", format!("Bot {token}"))],
        body,
    )
}

fn request(
    method: http::Method,
    url: String,
    mut headers: Vec<(&'static str, String)>,
    body: &Value,
) -> OutboundRequest {
    headers.push(("content-type", "application/json".to_owned()));
    headers.push((
        "user-agent",
        concat!("DiscordBot (quintet, ", env!("CARGO_PKG_VERSION"), ")").to_owned(),
    ));
    OutboundRequest {
        method,
        url,
        headers,
        body: Bytes::from(body.to_string()),
        timeout_ms: SEND_TIMEOUT_MS,
    }
}

/// Reads Discord's response.
/// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>
pub(super) fn judge(aim: &Aim, answer: &OutboundResponse) -> SendResult {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if answer.status < 300 {
        return match aim {
            Aim::OpenDirect => SendResult::Opened { chat: text(&body["id"]) },
            _ => SendResult::Shown { message: text(&body["id"]), chat: text(&body["channel_id"]) },
        };
    }
    let code = body["code"].as_i64().unwrap_or_default();
    let error = format!(
        "Discord {}: {} ({code})",
        answer.status,
        body["message"].as_str().unwrap_or_default()
    );
    if answer.status == 429 {
        let seconds = body["retry_after"].as_f64().or_else(|| {
            answer.header("retry-after").and_then(|text| serde_json::from_str(text).ok())
        });
        return SendResult::Later {
            after_ms: seconds.map(|seconds| (seconds.clamp(0.1, 3600.0) * 1000.0).ceil() as i64),
            error,
        };
    }
    match (aim, code) {
        // Unknown message, or a webhook token that died early: start again with a new message.
        (Aim::Edit { .. }, 10008 | 10015 | 50027) => SendResult::Gone,
        _ => by_status(answer, error),
    }
}
