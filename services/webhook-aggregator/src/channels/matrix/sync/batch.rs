//! A response of `/sync`, taken apart: events in the form of transactions, invitations, and rooms
//! of which it has the newest messages only.

use super::super::bot::Bot;
use crate::channels::text_at;
use bytes::Bytes;
use serde_json::{Value, json};

/// The content of a response.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The place behind it.
    pub(super) next: String,
    pub(super) rooms: Vec<Room>,
    pub(super) invitations: Vec<Bytes>,
}

/// The messages of one room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) id: String,
    /// Oldest first.
    pub(super) events: Vec<Value>,
    /// Messages before them are left out: the place from which they are asked for.
    pub(super) gap: Option<String>,
}

impl Batch {
    /// Reads a response; `None` for none. Without a place to go on from, all of it is history but
    /// the invitations.
    pub(super) fn read(bot: &Bot, answer: &Value, is_first: bool) -> Option<Self> {
        let next = text_at(answer, "next_batch")?.to_owned();
        let rooms = |kind: &str| answer["rooms"][kind].as_object().into_iter().flatten();
        let joined = rooms("join").filter(|_| !is_first);
        let invited = rooms("invite");
        Some(Self {
            rooms: joined.map(|(id, room)| read_room(bot, id, room)).collect(),
            invitations: invited
                .filter_map(|(id, room)| invitation(bot, id, room, &next))
                .collect(),
            next,
        })
    }
}

fn read_room(bot: &Bot, id: &str, room: &Value) -> Room {
    let timeline = &room["timeline"];
    let events = timeline["events"].as_array().cloned().unwrap_or_default();
    let mut room = Room { id: id.to_owned(), events, gap: None };
    let is_limited = timeline["limited"] == true && !room.has_invitation(bot);
    room.gap = text_at(timeline, "prev_batch").filter(|_| is_limited).map(str::to_owned);
    room
}

impl Room {
    /// Whether the invitation is here that we have accepted since: nothing older is meant for us.
    pub(super) fn has_invitation(&self, bot: &Bot) -> bool {
        let first = beginning(bot, &self.events).and_then(|begin| self.events.get(begin));
        first.is_some_and(|event| membership(bot, event) == Some("invite"))
    }
    /// The events that are meant for us, in the form of transactions.
    pub(super) fn bodies(&self, bot: &Bot) -> impl Iterator<Item = Bytes> {
        let begin = beginning(bot, &self.events).unwrap_or(0);
        self.events.iter().skip(begin).map(|event| body(&self.id, event))
    }
}

/// Our own membership, if an event is about that.
fn membership<'a>(bot: &Bot, event: &'a Value) -> Option<&'a str> {
    let is_ours = event["type"] == "m.room.member" && event["state_key"] == bot.user;
    text_at(&event["content"], "membership").filter(|_| is_ours)
}

/// Whether we came by this event. A new name or picture of a member is written as a `join` too, and
/// lists of members, which have those who came long ago, are not looked at for this.
fn has_come(bot: &Bot, event: &Value) -> bool {
    let earlier = match &event["unsigned"]["prev_content"] {
        Value::Null => &event["prev_content"],
        earlier => earlier,
    };
    membership(bot, event) == Some("join") && earlier["membership"] != "join"
}

/// Messages from before we were invited are history; those since then are meant for us too.
fn beginning(bot: &Bot, events: &[Value]) -> Option<usize> {
    let joined = events.iter().rposition(|event| has_come(bot, event))?;
    let earlier = events.get(..joined).unwrap_or_default();
    let invited = earlier.iter().rposition(|event| membership(bot, event) == Some("invite"));
    Some(invited.unwrap_or(joined))
}

/// One event in the form of a transaction.
fn body(room: &str, event: &Value) -> Bytes {
    let mut event = event.clone();
    if event.is_object() {
        event["room_id"] = room.into();
    }
    Bytes::from(json!({ "events": [event] }).to_string())
}

/// An invitation in that form; each response makes it a new one.
fn invitation(bot: &Bot, room: &str, invited: &Value, place: &str) -> Option<Bytes> {
    let events = invited["invite_state"]["events"].as_array()?.iter();
    let mut own = events.filter(|event| membership(bot, event) == Some("invite"));
    let (own, others) = (own.next()?, own);
    // Another homeserver may add events of its own making before the one that ours has checked.
    if others.into_iter().any(|other| other["sender"] != own["sender"]) {
        return None;
    }
    let event = json!({
        "type": "m.room.member", "state_key": bot.user, "sender": own["sender"],
        "content": { "membership": "invite" }, "event_id": format!("invitation {place}"),
    });
    Some(body(room, &event))
}
