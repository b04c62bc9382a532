//! A homeserver in memory: rooms, a stream of events, `/sync` by places in that stream, messages
//! that are sent once per transaction; and the faults that a homeserver has.

use crate::bed::{Bed, bed_with, config};
use platform::memory::{MemoryDial, MemoryOutbound, Sent};
use platform::ports::{OutboundResponse, PortError, PortErrorKind, PortResult};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

pub const BOT: &str = "@desk:example.org";
pub const INES: &str = "@ines:example.org";
pub const BOB: &str = "@bob:example.org";
pub const ROOM: &str = "!direct:example.org";
pub const GROUP: &str = "!group:example.org";
pub const NOW_MS: i64 = 1_790_000_000_000;

#[derive(Default)]
struct State {
    /// Members by room.
    rooms: BTreeMap<String, Vec<String>>,
    /// Everything that was said, in order: the place of an event is its index plus one.
    stream: Vec<(String, Value)>,
    /// Invitations by room: who sent it.
    invitations: BTreeMap<String, String>,
    /// Messages of the bot by the paths of their requests.
    sent: Vec<(String, Value)>,
    /// The next answers to `/sync`, and to everything else, in place of the right ones.
    sync_faults: Vec<PortResult<OutboundResponse>>,
    other_faults: Vec<PortResult<OutboundResponse>>,
    /// Rooms by alias.
    aliases: BTreeMap<String, String>,
}

/// The homeserver.
#[derive(Clone, Default)]
pub struct Homeserver(Arc<Mutex<State>>);

/// A message as its client sends it.
pub fn text(body: &str) -> Value {
    json!({ "msgtype": "m.text", "body": body, "m.mentions": {} })
}

/// The same as a mention of the bot.
pub fn to_the_bot(body: &str) -> Value {
    json!({ "msgtype": "m.text", "body": body, "m.mentions": { "user_ids": [BOT] } })
}

impl Homeserver {
    /// A direct room and a group, and a bed that asks this homeserver.
    pub fn bed(&self) -> Bed {
        let mut config = config();
        config["endpoints"]["matrix"]["main"].as_object_mut().unwrap().remove("hs_token");
        self.bed_of(config)
    }
    /// The same as an application service.
    pub fn service(&self) -> Bed {
        self.bed_of(config())
    }
    fn bed_of(&self, mut config: Value) -> Bed {
        let keys = config["endpoints"]["matrix"]["main"].as_object_mut().unwrap();
        keys.insert("senders".to_owned(), json!([INES, BOB]));
        let bed = bed_with(config);
        bed.clock.set(NOW_MS);
        let mut state = self.0.lock().unwrap();
        let people = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        state.rooms.insert(ROOM.to_owned(), people(&[BOT, INES]));
        state.rooms.insert(GROUP.to_owned(), people(&[BOT, INES, BOB]));
        drop(state);
        let homeserver = self.clone();
        bed.outbound.answer(move |sent| homeserver.answer(sent));
        bed
    }
    /// A person says something. Returns the event.
    pub fn says(&self, room: &str, sender: &str, id: &str, content: Value) -> Value {
        self.happens(room, &json!({
            "type": "m.room.message", "event_id": id, "sender": sender, "origin_server_ts": NOW_MS,
            "content": content,
        }))
    }
    /// Something happens in a room.
    pub fn happens(&self, room: &str, event: &Value) -> Value {
        self.0.lock().unwrap().stream.push((room.to_owned(), event.clone()));
        let mut event = event.clone();
        event["room_id"] = room.into();
        event
    }
    /// A person comes.
    pub fn joins(&self, room: &str, user: &str, id: &str) -> Value {
        self.0.lock().unwrap().rooms.entry(room.to_owned()).or_default().push(user.to_owned());
        self.membership(room, user, user, id, "join")
    }
    pub fn membership(&self, room: &str, sender: &str, user: &str, id: &str, is: &str) -> Value {
        self.happens(
            room,
            &json!({
                "type": "m.room.member", "event_id": id, "sender": sender, "state_key": user,
                "origin_server_ts": NOW_MS, "content": { "membership": is },
            }),
        )
    }
    /// The bot is invited.
    pub fn invites(&self, room: &str, sender: &str) {
        let mut state = self.0.lock().unwrap();
        state.invitations.insert(room.to_owned(), sender.to_owned());
        state.rooms.insert(room.to_owned(), vec![sender.to_owned()]);
    }
    pub fn is_in(&self, room: &str) -> bool {
        self.0.lock().unwrap().rooms.get(room).is_some_and(|all| all.iter().any(|who| who == BOT))
    }
    /// The messages of the bot: path and content, each transaction once.
    pub fn sent(&self) -> Vec<(String, Value)> {
        self.0.lock().unwrap().sent.clone()
    }
    /// The texts that a room shows of the bot, with their newest edits.
    pub fn shows(&self) -> Vec<String> {
        let mut shown: Vec<(String, String)> = Vec::new();
        for (number, (_, content)) in self.sent().into_iter().enumerate() {
            let text = |content: &Value| content["body"].as_str().unwrap().to_owned();
            if content["m.relates_to"]["rel_type"] == "m.replace" {
                let id = content["m.relates_to"]["event_id"].as_str().unwrap();
                let old = shown.iter_mut().find(|(known, _)| known == id).unwrap();
                old.1 = text(&content["m.new_content"]);
            } else {
                shown.push((format!("$sent{number}"), text(&content)));
            }
        }
        shown.into_iter().map(|(_, text)| text).collect()
    }
    pub fn fails(&self, status: u16, body: &Value) {
        self.0.lock().unwrap().sync_faults.push(Ok(MemoryOutbound::json(status, body)));
    }
    /// The connection is cut before an answer.
    pub fn cuts(&self) {
        let error = PortError::unknown(PortErrorKind::Unavailable, "connection reset");
        self.0.lock().unwrap().sync_faults.push(Err(error));
    }
    /// The next answer to anything but `/sync`.
    pub fn answers(&self, status: u16, body: &Value) {
        self.0.lock().unwrap().other_faults.push(Ok(MemoryOutbound::json(status, body)));
    }
    pub fn loses_answer(&self) {
        let error = PortError::unknown(PortErrorKind::Unavailable, "connection reset");
        self.0.lock().unwrap().other_faults.push(Err(error));
    }
    /// Asks the homeserver, until the test aborts it.
    pub fn connect(bed: &Bed) -> JoinHandle<()> {
        let deps = bed.deps.clone();
        tokio::spawn(async move {
            webhook_aggregator::sockets(&deps, &MemoryDial::default()).await;
        })
    }
    /// Asks until nothing moves any more, as a process that is killed then.
    pub async fn ask(bed: &Bed) {
        let asking = Self::connect(bed);
        bed.settle().await;
        asking.abort();
        let _ = asking.await;
    }

    fn answer(&self, sent: &Sent) -> PortResult<OutboundResponse> {
        let (path, query) = sent.url.split_once('?').unwrap_or((&sent.url, ""));
        let Some(path) = path.strip_prefix("http://127.0.0.1:1/mx/_matrix/") else {
            return Ok(crate::bed::platform_says(sent));
        };
        let token = sent.headers.iter().find(|(name, _)| name == "authorization");
        assert_eq!(token.unwrap().1, "Bearer as_T0ken", "{path}");
        let mut state = self.0.lock().unwrap();
        let faults =
            if path.ends_with("/sync") { &mut state.sync_faults } else { &mut state.other_faults };
        let fault = (!faults.is_empty()).then(|| faults.remove(0));
        // A lost answer is that of a request which was carried out.
        let answer = state.carry_out(&sent.method, path, query, &sent.body);
        fault.unwrap_or_else(|| Ok(MemoryOutbound::json(answer.0, &answer.1)))
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

fn query_value(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
}

fn missing() -> (u16, Value) {
    (404, json!({ "errcode": "M_NOT_FOUND", "error": "Not found" }))
}

impl State {
    fn carry_out(&mut self, method: &str, path: &str, query: &str, body: &str) -> (u16, Value) {
        let parts: Vec<String> = path.split('/').map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        match (method, parts.as_slice()) {
            ("GET", ["client", "v3", "account", "whoami"]) => (200, json!({ "user_id": BOT })),
            ("GET", ["client", "v3", "sync"]) => (200, self.sync(query)),
            ("GET", ["client", "v3", "rooms", room, "messages"]) => {
                (200, self.messages(room, query))
            }
            ("GET", ["client", "v3", "rooms", room, "joined_members"]) => {
                let Some(members) = self.rooms.get(*room) else { return missing() };
                let named = members.iter().map(|user| {
                    let name = if user == BOT { "Desk" } else { "Person" };
                    (user.clone(), json!({ "display_name": name }))
                });
                (200, json!({ "joined": named.collect::<serde_json::Map<_, _>>() }))
            }
            ("GET", ["client", "v3", "rooms", room, "event", id]) => self.event(room, id),
            ("POST", ["client", "v3", "rooms", room, "join"]) => {
                self.invitations.remove(*room);
                self.rooms.entry((*room).to_owned()).or_default().push(BOT.to_owned());
                (200, json!({ "room_id": room }))
            }
            ("PUT", ["client", "v3", "rooms", _, "send", "m.room.message", _]) => {
                let known = self.sent.iter().position(|(known, _)| known == path);
                let index = known.unwrap_or_else(|| {
                    self.sent.push((path.to_owned(), body));
                    self.sent.len() - 1
                });
                (200, json!({ "event_id": format!("$sent{index}") }))
            }
            ("GET", ["client", "v3", "directory", "room", alias]) => match self.aliases.get(*alias)
            {
                Some(room) => (200, json!({ "room_id": room, "servers": [] })),
                None => missing(),
            },
            ("POST", ["client", "v3", "createRoom"]) => {
                let alias = format!("#{}:example.org", body["room_alias_name"].as_str().unwrap());
                self.aliases.insert(alias, "!opened:example.org".to_owned());
                (200, json!({ "room_id": "!opened:example.org" }))
            }
            ("POST", ["media", "v3", "upload"]) => {
                (200, json!({ "content_uri": "mxc://example.org/up" }))
            }
            _ => panic!("no homeserver has {method} {path}"),
        }
    }
    fn event(&self, room: &str, id: &str) -> (u16, Value) {
        if let Some(index) = id.strip_prefix("$sent") {
            let content = &self.sent[index.parse::<usize>().unwrap()].1;
            return (
                200,
                json!({ "event_id": id, "sender": BOT, "room_id": room, "content": content }),
            );
        }
        let found =
            self.stream.iter().find(|(place, event)| place == room && event["event_id"] == id);
        found.map_or_else(missing, |(_, event)| (200, event.clone()))
    }
    fn sync(&self, query: &str) -> Value {
        let since = query_value(query, "since");
        let from = since.map_or(0, |token| token.trim_start_matches('s').parse::<usize>().unwrap());
        let filter: Value = serde_json::from_str(&query_value(query, "filter").unwrap()).unwrap();
        let limit = filter["room"]["timeline"]["limit"].as_u64().unwrap() as usize;
        let mut joined = serde_json::Map::new();
        for room in self.rooms.keys().filter(|room| !self.invitations.contains_key(*room)) {
            let news: Vec<(usize, &Value)> = self
                .stream
                .iter()
                .enumerate()
                .skip(from)
                .filter(|(_, (place, _))| place == room)
                .map(|(at, (_, event))| (at, event))
                .collect();
            let left_out = news.len().saturating_sub(limit);
            if news.is_empty() {
                continue;
            }
            let shown: Vec<&Value> = news[left_out..].iter().map(|(_, event)| *event).collect();
            let timeline = json!({ "events": shown, "limited": left_out > 0, "prev_batch": format!("s{}", news[left_out].0) });
            joined.insert(room.clone(), json!({ "timeline": timeline, "state": { "events": [] } }));
        }
        let invited = self.invitations.iter().map(|(room, sender)| {
            let own = json!({ "type": "m.room.member", "state_key": BOT, "sender": sender, "content": { "membership": "invite" } });
            (room.clone(), json!({ "invite_state": { "events": [own] } }))
        });
        let invited: serde_json::Map<_, _> = invited.collect();
        json!({ "next_batch": format!("s{}", self.stream.len()), "rooms": { "join": joined, "invite": invited } })
    }
    /// Backwards from a place to another one.
    fn messages(&self, room: &str, query: &str) -> Value {
        let place = |name: &str| {
            let token = query_value(query, name);
            token.and_then(|token| token.trim_start_matches('s').parse::<usize>().ok())
        };
        let (from, to) = (place("from").unwrap(), place("to").unwrap_or(0));
        let limit = place("limit").unwrap();
        let older: Vec<(usize, &Value)> = self
            .stream
            .iter()
            .enumerate()
            .take(from)
            .skip(to)
            .filter(|(_, (known, _))| known == room)
            .map(|(at, (_, event))| (at, event))
            .collect();
        let chunk: Vec<_> = older.iter().rev().take(limit).collect();
        let mut answer =
            json!({ "chunk": chunk.iter().map(|(_, event)| *event).collect::<Vec<_>>() });
        if let Some((at, _)) = chunk.last().filter(|_| chunk.len() < older.len()) {
            answer["end"] = format!("s{at}").into();
        }
        answer
    }
}
