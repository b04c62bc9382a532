//! Messages to Discord: the deferred answer is edited while its token lives; afterwards the bot
//! writes to the channel and mentions who asked.

use super::{Application, markdown};
use crate::channels::{
    Aim, Attempt, Change, Length, NextPart, SEND_TIMEOUT_MS, SendResult, by_status, length,
    lenient, next_part,
};
use crate::render::Room;
use bytes::Bytes;
use contracts::outbox::{Buttons, Interaction, Look, ShownButton};
use inbox::{OutboxRow, Part};
use platform::ports::{OutboundRequest, OutboundResponse};
use serde_json::{Value, json};

/// Room for the mention that a late answer starts with.
const MENTION_ROOM: usize = 32;
/// A message takes 2000 characters.
const ROOM: Room<'_> = Room { units: 2000 - MENTION_ROOM, size: &markdown::size };
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
    // It stays when the next text of the message is meant for the channel again.
    let opened = parts.first().filter(|part| part.id.is_empty());
    let shift = usize::from(opened.is_some());
    let NextPart { index, content, shows, edited, buttons } =
        next_part(row, parts.get(shift..).unwrap_or_default(), ROOM)?;
    let body = message(&markdown::of(&content), buttons, edited.is_some());
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
        let first = index == 0 && !interaction.is_original_gone;
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

/// How much of the chat a message takes.
pub(super) fn length_of(row: &OutboxRow) -> Length {
    length(row, ROOM)
}

fn message(text: &str, buttons: Option<&Buttons>, edit: bool) -> Value {
    let mut body =
        json!({ "content": text, "flags": SUPPRESS_EMBEDS, "allowed_mentions": { "parse": [] } });
    if let Some(buttons) = buttons {
        // Labels have 80 characters at most; style 3 is green, 4 red, 2 neither.
        let button = |shown: ShownButton<'_>| {
            let style = match shown.look {
                Look::Approves => 3,
                Look::Rejects => 4,
                Look::Neutral => 2,
            };
            let label: String = shown.label.chars().take(80).collect();
            json!({ "type": 2, "style": style, "label": label, "custom_id": shown.data })
        };
        let all: Vec<Value> = buttons.two().into_iter().chain(buttons.rest()).map(button).collect();
        body["components"] = json!([{ "type": 1, "components": all }]);
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
    body["nonce"] = nonce(&row.id, index).into();
    body["enforce_nonce"] = true.into();
    by_bot(application, http::Method::POST, &format!("/channels/{chat}/messages"), &body)
}

/// The name by which Discord knows a repetition of this part of a message.
pub(super) fn nonce(id: &str, index: usize) -> String {
    let digest = platform::secret::digest_hex(format!("{id}#{index}").as_bytes());
    digest.chars().take(24).collect()
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

pub(super) fn by_token(
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

pub(super) fn by_bot(
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
    let body = lenient::json(&answer.body);
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
    let second = SECOND_WAYS.iter().find(|(refusal, _)| *refusal == code);
    match second {
        Some((_, changes)) => SendResult::Refused { changes: changes.to_vec(), error },
        None => by_status(answer, error),
    }
}

/// Refusals by Discord's codes, and what to change.
const SECOND_WAYS: [(i64, &[Change]); 8] = [
    // Unknown message: the promised answer, or a later one, was deleted.
    (10_008, &[Change::FollowUp, Change::NewMessage, Change::WithoutInteraction]),
    // Unknown webhook, unknown interaction, invalid webhook token: it died early.
    (10_015, &[Change::WithoutInteraction, Change::NewMessage]),
    (10_062, &[Change::WithoutInteraction, Change::NewMessage]),
    (50_027, &[Change::WithoutInteraction, Change::NewMessage]),
    // Cannot edit a message of another user.
    (50_005, &[Change::NewMessage]),
    // Unknown channel, missing access, missing permissions.
    (10_003, &[Change::Direct]),
    (50_001, &[Change::Direct]),
    (50_013, &[Change::Direct]),
];
