//! Requests before a transaction is read: for the members of a room, and for the message that a
//! reply or an edit is about. An invitation by a person who counts is accepted on this way.

use super::bot::{Bot, segment};
use super::known::{Room, Said};
use super::relation::Relation;
use crate::channels::{LookUp, lenient, text_at};
use http::Method;
use platform::ports::OutboundResponse;
use serde_json::{Value, json};

/// Ids have no line ends.
const SEPARATOR: char = '\n';

/// The next look-up for the events of a body.
pub(super) fn next(bot: &Bot, body: &[u8]) -> Option<LookUp> {
    let value = lenient::json(body);
    let events = value["events"].as_array()?;
    note_members(bot, events);
    let said = || events.iter().filter(|event| is_for_us(bot, event));
    let rooms = || said().find_map(|event| room(bot, event));
    let others = || said().find_map(|event| other(bot, event));
    let invitations = || events.iter().find_map(|event| invitation(bot, event));
    rooms().or_else(others).or_else(invitations)
}

/// Keeps the response to a look-up.
pub(super) fn learn(bot: &Bot, about: &str, answer: &OutboundResponse) {
    let mut parts = about.split(SEPARATOR);
    let (kind, room, id) = (parts.next(), parts.next(), parts.next());
    let body = if answer.status == 200 { lenient::json(&answer.body) } else { Value::Null };
    match (kind, room, id) {
        (Some("room"), Some(room), _) => bot.known().keep_room(room, Room::read(&body)),
        (Some("event"), Some(room), Some(id)) => {
            bot.known().keep_said(room, id, Said::read(&body));
        }
        (Some("join"), Some(room), _) => {
            let mut known = bot.known();
            known.handled(about);
            known.forget_room(room);
            drop(known);
            if answer.status == 200 {
                tracing::info!(room, "an invitation was accepted");
            } else {
                let status = answer.status;
                tracing::warn!(room, status, "an invitation could not be accepted; invite again");
            }
        }
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

/// Joins a room to which an approver or a sender invites us. Other invitations are left alone: to
/// refuse one would tell that the account is in use.
fn invitation(bot: &Bot, event: &Value) -> Option<LookUp> {
    let is_ours = event["type"] == "m.room.member" && event["state_key"] == bot.user;
    let is_invitation = is_ours && event["content"]["membership"] == "invite";
    let sender = text_at(event, "sender").filter(|sender| is_invitation && bot.hears(sender))?;
    let room = text_at(event, "room_id")?;
    let id = text_at(event, "event_id").unwrap_or(sender);
    let about = format!("join{SEPARATOR}{room}{SEPARATOR}{id}");
    if bot.known().is_handled(&about) {
        return None;
    }
    let path = format!("rooms/{}/join", segment(room));
    let request = bot.call(Method::POST, &path, Some(&json!({})));
    Some(LookUp { about, request, is_needed: false })
}
