//! Requests before a transaction is read: for the members of a room, and for the message that a
//! reply or an edit is about. An invitation by a person who counts is accepted on this way.

use super::bot::{Bot, segment};
use super::known::{Invitation, Room, Said};
use super::relation::Relation;
use crate::channels::{LookUp, lenient, text_at};
use http::Method;
use platform::ports::OutboundResponse;
use serde_json::{Value, json};

/// Ids have no line ends.
const SEPARATOR: char = '\n';
/// Tries after which a message is read without the one that it is about: minutes.
const MESSAGE_TRIES_MAX: u32 = 8;
/// Tries after which a room of which the homeserver tells nothing is a group: half an hour. A
/// direct message that is read so is passed over, so this is for a room that stays refused.
const ROOM_TRIES_MAX: u32 = 30;

/// The next look-up for the events of a body.
pub(super) fn next(bot: &Bot, body: &[u8], now_ms: i64) -> Option<LookUp> {
    let value = lenient::json(body);
    let events = value["events"].as_array()?;
    note_members(bot, events);
    events.iter().for_each(|event| note_invitation(bot, event));
    let said = || events.iter().filter(|event| is_for_us(bot, event));
    let rooms = || said().find_map(|event| room(bot, event));
    let others = || said().find_map(|event| other(bot, event));
    rooms().or_else(others).or_else(|| invitation(bot, now_ms))
}

/// Whether a response is the homeserver's word on what was asked for, and no proxy's.
pub(super) fn tells(about: &str, answer: &OutboundResponse) -> bool {
    let body = lenient::json(&answer.body);
    match answer.status {
        200 if is_of_room(about) => body["joined"].is_object(),
        200 => body.is_object(),
        _ => body["errcode"] == "M_FORBIDDEN" || body["errcode"] == "M_NOT_FOUND",
    }
}

/// Keeps the response to a look-up.
pub(super) fn learn(bot: &Bot, about: &str, answer: &OutboundResponse) {
    let body = if answer.status == 200 { lenient::json(&answer.body) } else { Value::Null };
    bot.known().told(about);
    keep(bot, about, &body);
    if let Some((_, room)) = about.split_once(SEPARATOR).filter(|(kind, _)| *kind == "join") {
        joined(bot, room, answer.status);
    }
}

/// Reads a body without what it is about, after many tries or where it cannot be asked for: one
/// message must not hold up all that follow it.
pub(super) fn does_without(
    bot: &Bot,
    about: &str,
    told: Option<&OutboundResponse>,
    is_final: bool,
) -> bool {
    let is_room = is_of_room(about);
    // A homeserver that is away as a whole, or refuses the token, is waited for.
    let is_away = told.is_none_or(|told| matches!(told.status, 401 | 408 | 429 | 502..=504));
    if is_room && is_away && !is_final {
        return false;
    }
    let tries_max = if is_room { ROOM_TRIES_MAX } else { MESSAGE_TRIES_MAX };
    if !is_final && bot.known().tried(about) < tries_max {
        return false;
    }
    tracing::error!(about, is_final, "a look-up is given up; a message is read without it");
    keep(bot, about, &Value::Null);
    true
}

fn is_of_room(about: &str) -> bool {
    about.starts_with("room")
}

fn keep(bot: &Bot, about: &str, body: &Value) {
    let mut parts = about.split(SEPARATOR);
    match (parts.next(), parts.next(), parts.next()) {
        (Some("room"), Some(room), _) => bot.known().keep_room(room, Room::read(body)),
        (Some("event"), Some(room), Some(id)) => bot.known().keep_said(room, id, Said::read(body)),
        _ => {}
    }
}

/// Forgets the members of rooms in which a member came or went.
fn note_members(bot: &Bot, events: &[Value]) {
    let mut known = bot.known();
    for event in events.iter().filter(|event| event["type"] == "m.room.member") {
        let Some((room, id)) = text_at(event, "room_id").zip(text_at(event, "event_id")) else {
            continue;
        };
        if !known.is_handled(id) {
            known.handled(id);
            known.forget_room(room);
        }
    }
}

/// A message of a person who is heard.
fn is_for_us(bot: &Bot, event: &Value) -> bool {
    let is_said = event["type"] == "m.room.message" || event["type"] == "m.sticker";
    let sender = text_at(event, "sender").unwrap_or_default();
    is_said && event.get("state_key").is_none() && sender != bot.user && bot.hears(sender)
}

fn room(bot: &Bot, event: &Value) -> Option<LookUp> {
    let room = text_at(event, "room_id").filter(|room| bot.known().room(room).is_none())?;
    Some(LookUp {
        about: format!("room{SEPARATOR}{room}"),
        request: bot.call(Method::GET, &format!("rooms/{}/joined_members", segment(room)), None),
        // A message of a direct chat must not be passed over as one of a group.
        is_needed: true,
    })
}

/// The message that an event replies to, or is the new text of.
fn other(bot: &Bot, event: &Value) -> Option<LookUp> {
    let room = text_at(event, "room_id")?;
    let relation = Relation::of(&event["content"]);
    let id = relation.replaces.or(relation.replies_to)?;
    if bot.known().said(room, id).is_some() {
        return None;
    }
    let path = format!("rooms/{}/event/{}", segment(room), segment(id));
    Some(LookUp {
        about: format!("event{SEPARATOR}{room}{SEPARATOR}{id}"),
        request: bot.call(Method::GET, &path, None),
        is_needed: true,
    })
}

/// Notes a room to which an approver or a sender invites us. Other invitations are left alone: to
/// refuse one would tell that the account is in use.
fn note_invitation(bot: &Bot, event: &Value) {
    let is_ours = event["type"] == "m.room.member" && event["state_key"] == bot.user;
    let is_invitation = is_ours && event["content"]["membership"] == "invite";
    let sender = text_at(event, "sender").filter(|sender| is_invitation && bot.hears(sender));
    let Some((room, sender)) = text_at(event, "room_id").zip(sender) else { return };
    let id = text_at(event, "event_id").unwrap_or(sender);
    let name = format!("join{SEPARATOR}{room}{SEPARATOR}{id}");
    let mut known = bot.known();
    if !known.is_handled(&name) {
        known.handled(&name);
        known.invited(Invitation::new(room));
    }
}

/// Joins a room. The invitation is kept until the homeserver has said yes or no: it sends none a
/// second time.
fn invitation(bot: &Bot, now_ms: i64) -> Option<LookUp> {
    let room = bot.known().next_invitation(now_ms)?;
    let path = format!("rooms/{}/join", segment(&room));
    let request = bot.call(Method::POST, &path, Some(&json!({})));
    Some(LookUp { about: format!("join{SEPARATOR}{room}"), request, is_needed: false })
}

fn joined(bot: &Bot, room: &str, status: u16) {
    let mut known = bot.known();
    match status {
        200 => {
            known.answered_invitation(room);
            known.forget_room(room);
            tracing::info!(room, "an invitation was accepted");
        }
        401 | 408 | 429 | 500..=599 => {
            tracing::warn!(room, status, "an invitation could not be accepted now");
        }
        _ => {
            known.answered_invitation(room);
            tracing::warn!(room, status, "an invitation could not be accepted; invite again");
        }
    }
}
