//! Rooms and messages as the homeserver told about them, kept while the process runs. Each list is
//! bounded, and everything in it can be asked for again.

use crate::channels::text_at;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};

const ROOMS_MAX: usize = 500;
const MESSAGES_MAX: usize = 500;
const HANDLED_MAX: usize = 2_000;
const INVITATIONS_MAX: usize = 50;
const TRIES_MAX: usize = 500;
/// Tries to accept an invitation, about eight hours in all.
const JOINS_MAX: u32 = 12;
const FIRST_WAIT_MS: i64 = 15_000;
/// Least time between further tries to join any room: each may take as long as a request, and
/// messages wait meanwhile.
const JOIN_EVERY_MS: i64 = 60_000;
/// Names are kept of rooms with at most this many members.
const NAMED_MAX: usize = 100;

/// The known rooms and messages.
#[derive(Debug, Default)]
pub(super) struct Known {
    rooms: HashMap<String, Room>,
    /// By room and id.
    messages: HashMap<(String, String), Said>,
    /// Memberships and invitations that were looked at, oldest first.
    handled: VecDeque<String>,
    /// Invitations that are to be accepted, oldest first.
    invitations: VecDeque<Invitation>,
    /// Not before this time is one of them tried again.
    again_ms: i64,
    /// Look-ups that told nothing, and how often.
    tries: HashMap<String, u32>,
}

/// A room to which a person who counts invited us.
#[derive(Debug)]
pub(super) struct Invitation {
    room: String,
    /// Tries to join it so far.
    tries: u32,
    /// Time of the next one.
    due_ms: i64,
}

impl Invitation {
    pub(super) fn new(room: &str) -> Self {
        Self { room: room.to_owned(), tries: 0, due_ms: 0 }
    }
    fn is_due(&self, now_ms: i64, may_again: bool) -> bool {
        self.due_ms <= now_ms && (self.tries == 0 || may_again)
    }
}

/// The members of a room.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    /// `None` where the homeserver does not tell.
    members: Option<usize>,
    names: HashMap<String, String>,
}

impl Room {
    /// Reads the response to `joined_members`; what is none is a room of which nothing is known.
    pub(super) fn read(answer: &Value) -> Self {
        let Some(joined) = answer["joined"].as_object() else { return Self::default() };
        let named = joined.iter().filter(|_| joined.len() <= NAMED_MAX);
        let names = named.filter_map(|(user, profile)| {
            Some((user.clone(), text_at(profile, "display_name")?.to_owned()))
        });
        Self { members: Some(joined.len()), names: names.collect() }
    }
    /// Whether one person is alone with us there. In doubt it is a group, where we answer only if
    /// we are named.
    pub(super) fn is_direct(&self) -> bool {
        self.members.is_some_and(|members| members <= 2)
    }
    /// A member's name, which its owner may change.
    pub(super) fn name(&self, user: &str) -> Option<&str> {
        self.names.get(user).map(String::as_str)
    }
}

/// A message that another one is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) sender: String,
    pub(super) words: String,
    /// The first message of its thread.
    pub(super) thread: Option<String>,
}

impl Said {
    /// Reads an event; the newest text counts, where the homeserver bundles it.
    pub(super) fn read(event: &Value) -> Self {
        let content = &event["content"];
        let relation = &content["m.relates_to"];
        let is_thread = relation["rel_type"] == "m.thread";
        let newest = &event["unsigned"]["m.relations"]["m.replace"];
        let newest = if newest["sender"] == event["sender"] {
            text_at(&newest["content"]["m.new_content"], "body")
        } else {
            None
        };
        let words = newest.or_else(|| text_at(content, "body"));
        Self {
            sender: text_at(event, "sender").unwrap_or_default().to_owned(),
            words: words.unwrap_or_default().to_owned(),
            thread: text_at(relation, "event_id").filter(|_| is_thread).map(str::to_owned),
        }
    }
}

impl Known {
    pub(super) fn room(&self, room: &str) -> Option<&Room> {
        self.rooms.get(room)
    }
    pub(super) fn keep_room(&mut self, id: &str, room: Room) {
        if self.rooms.len() >= ROOMS_MAX {
            self.rooms.clear();
        }
        self.rooms.insert(id.to_owned(), room);
    }
    /// A room of which nothing is known is asked for again by the next body.
    pub(super) fn forget_unknown_rooms(&mut self) {
        self.rooms.retain(|_, room| room.members.is_some());
    }
    /// A member came or went.
    pub(super) fn forget_room(&mut self, room: &str) {
        self.rooms.remove(room);
    }
    pub(super) fn said(&self, room: &str, message: &str) -> Option<&Said> {
        self.messages.get(&(room.to_owned(), message.to_owned()))
    }
    pub(super) fn keep_said(&mut self, room: &str, message: &str, said: Said) {
        if self.messages.len() >= MESSAGES_MAX {
            self.messages.clear();
        }
        self.messages.insert((room.to_owned(), message.to_owned()), said);
    }
    pub(super) fn is_handled(&self, id: &str) -> bool {
        self.handled.iter().any(|known| known == id)
    }
    pub(super) fn handled(&mut self, id: &str) {
        if self.is_handled(id) {
            return;
        }
        if self.handled.len() >= HANDLED_MAX {
            self.handled.pop_front();
        }
        self.handled.push_back(id.to_owned());
    }
    /// A look-up told nothing once more. Returns how often it did.
    pub(super) fn tried(&mut self, about: &str) -> u32 {
        if self.tries.len() >= TRIES_MAX && !self.tries.contains_key(about) {
            self.tries.clear();
        }
        let tries = self.tries.entry(about.to_owned()).or_default();
        *tries = tries.saturating_add(1);
        *tries
    }
    /// A look-up has its answer.
    pub(super) fn told(&mut self, about: &str) {
        self.tries.remove(about);
    }
    /// Notes an invitation; the newest one to a room counts.
    pub(super) fn invited(&mut self, invitation: Invitation) {
        self.answered_invitation(&invitation.room);
        if self.invitations.len() >= INVITATIONS_MAX {
            self.invitations.pop_front();
        }
        self.invitations.push_back(invitation);
    }
    /// The room to join next, if one is due; the next try waits twice as long.
    pub(super) fn next_invitation(&mut self, now_ms: i64) -> Option<String> {
        self.invitations.retain(|invitation| {
            let is_over = invitation.tries >= JOINS_MAX && invitation.due_ms <= now_ms;
            if is_over {
                tracing::warn!(room = invitation.room, "an invitation is given up; invite again");
            }
            !is_over
        });
        let may_again = self.again_ms <= now_ms;
        let due = self.invitations.iter_mut().find(|known| known.is_due(now_ms, may_again))?;
        if due.tries > 0 {
            self.again_ms = now_ms.saturating_add(JOIN_EVERY_MS);
        }
        due.due_ms = now_ms.saturating_add(FIRST_WAIT_MS << due.tries.min(JOINS_MAX));
        due.tries += 1;
        Some(due.room.clone())
    }
    /// The rooms of all invitations that wait.
    pub(super) fn invitations(&self) -> Vec<String> {
        self.invitations.iter().map(|invitation| invitation.room.clone()).collect()
    }
    /// Whether a room waits to be joined.
    pub(super) fn has_invitation(&self, now_ms: i64) -> bool {
        let may_again = self.again_ms <= now_ms;
        self.invitations.iter().any(|known| known.is_due(now_ms, may_again))
    }
    /// An invitation was accepted, or never will be.
    pub(super) fn answered_invitation(&mut self, room: &str) {
        self.invitations.retain(|invitation| invitation.room != room);
    }
}
