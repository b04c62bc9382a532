//! Rooms for direct messages: one for each person, found by an alias that nobody else can name, and
//! looked into before something is said there.

use super::bot::{Bot, segment, server_of};
use crate::channels::{Aim, Attempt, SendResult, text_at};
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use inbox::{OutboxRow, Part};
use platform::ports::OutboundRequest;
use serde_json::{Value, json};
use sha2::Sha256;

/// The way to the room of a message.
pub(super) enum Way<'a> {
    /// A request comes first.
    Ask(Box<Attempt>),
    /// The room, and how many parts of the message stand for the way to it.
    There { room: &'a str, parts: usize },
}

/// The way to the room for direct messages. Each response on it is a part of the message, without
/// an id: the room, or nothing where there is none or the person is not in it.
pub(super) fn way<'a>(bot: &Bot, row: &'a OutboxRow) -> Way<'a> {
    let parts = row.parts.iter().take_while(|part| part.id.is_empty()).count();
    let asked = row.parts.get(..parts).unwrap_or_default();
    let person = row.target.chat.as_str();
    let (request, aim) = match asked {
        [] => (find(bot, person), Aim::OpenDirect),
        [none] if none.chat.is_empty() => (create(bot, person), Aim::OpenDirect),
        // It was looked into before the first part was sent.
        [found] if row.parts.len() == 1 => {
            let (room, person) = (found.chat.clone(), person.to_owned());
            (members(bot, &room), Aim::LookInto { room, person })
        }
        [found, none] if none.chat.is_empty() => {
            (invite(bot, &found.chat, person), Aim::Invite { room: found.chat.clone() })
        }
        [.., Part { chat, .. }] => return Way::There { room: chat, parts },
    };
    Way::Ask(Box::new(Attempt { request, aim, idempotent: true, restart: false }))
}

/// Name of the room, the same for ever. Everybody may give such a name to a room of his own, so it
/// is one that only the holder of the token can tell.
fn name(bot: &Bot, person: &str) -> String {
    let name = format!("{}\n{person}", bot.user);
    let mac = Hmac::<Sha256>::new_from_slice(bot.bot_token.reveal().as_bytes());
    // A key of any length is taken.
    let mac = mac.map(|mac| mac.chain_update(name.as_bytes()).finalize().into_bytes());
    let digest = mac.map(hex::encode).unwrap_or_default();
    format!("quintet-{}", digest.chars().take(32).collect::<String>())
}

fn find(bot: &Bot, person: &str) -> OutboundRequest {
    let alias = format!("#{}:{}", name(bot, person), server_of(&bot.user));
    bot.call(Method::GET, &format!("directory/room/{}", segment(&alias)), None)
}

/// Makes it, without encryption, and invites the person.
fn create(bot: &Bot, person: &str) -> OutboundRequest {
    let room = json!({
        "room_alias_name": name(bot, person), "preset": "private_chat",
        "is_direct": true, "invite": [person], "name": "Quintet",
    });
    bot.call(Method::POST, "createRoom", Some(&room))
}

fn members(bot: &Bot, room: &str) -> OutboundRequest {
    let path = format!("rooms/{}/members?not_membership=leave", segment(room));
    bot.call(Method::GET, &path, None)
}

fn invite(bot: &Bot, room: &str, person: &str) -> OutboundRequest {
    let path = format!("rooms/{}/invite", segment(room));
    bot.call(Method::POST, &path, Some(&json!({ "user_id": person })))
}

/// Reads who is in the room, or is invited to it. With another person there, nothing is said.
pub(super) fn looked_into(bot: &Bot, room: &str, person: &str, answer: &Value) -> SendResult {
    let Some(events) = answer["chunk"].as_array() else {
        let error = format!("the homeserver does not tell who is in {room}");
        return SendResult::Later { after_ms: None, error };
    };
    let is_there = |event: &&Value| {
        event["content"]["membership"] == "join" || event["content"]["membership"] == "invite"
    };
    let users = events.iter().filter(is_there).filter_map(|event| text_at(event, "state_key"));
    let users: Vec<&str> = users.filter(|user| *user != bot.user).collect();
    if let Some(other) = users.iter().find(|user| **user != person) {
        let error = format!("{other} is in {room} too, the room for direct messages to {person}");
        return SendResult::Never { error };
    }
    SendResult::Opened { chat: if users.is_empty() { String::new() } else { room.to_owned() } }
}
