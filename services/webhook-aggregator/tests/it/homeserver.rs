//! A homeserver in memory: rooms, a stream of events, `/sync` by places in that stream, messages
//! that are sent once per transaction; and the faults that a homeserver has.

use crate::bed::{Bed, bed_with, config};
use platform::memory::{ManualClock, MemoryDial, MemoryOutbound, Sent};
use platform::ports::{Clock, OutboundResponse, PortError, PortErrorKind, PortResult};
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
    /// Invitations by room: who sent it, and at which place of the stream.
    invitations: BTreeMap<String, (String, usize)>,
    /// Senders that another homeserver puts before the invitation of a room.
    forged: BTreeMap<String, String>,
    /// Messages of the bot by the paths of their requests.
    sent: Vec<(String, Value)>,
    /// Their dates, by the homeserver's clock.
    sent_ms: Vec<i64>,
    /// The clock of this machine, and how far the homeserver's is ahead of it.
    clock: Option<Arc<ManualClock>>,
    ahead_ms: i64,
    /// The next answers to `/sync`, and to everything else, in place of the right ones.
    sync_faults: Vec<PortResult<OutboundResponse>>,
    other_faults: Vec<PortResult<OutboundResponse>>,
    /// The answers to requests whose path ends with this, and for how many of them.
    faults_at: Vec<(String, PortResult<OutboundResponse>, usize)>,
    /// Rooms by alias.
    aliases: BTreeMap<String, String>,
    /// People whom the bot invited, by room.
    guests: BTreeMap<String, Vec<String>>,
}

/// The longest address that `http::Uri` takes.
const URL_BYTES_MAX: usize = 65_534;

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
        state.clock = Some(bed.clock.clone());
        let people = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        state.rooms.insert(ROOM.to_owned(), people(&[BOT, INES]));
        state.rooms.insert(GROUP.to_owned(), people(&[BOT, INES, BOB]));
        drop(state);
        let homeserver = self.clone();
        bed.outbound.answer(move |sent| homeserver.answer(sent));
        bed
    }
    /// The process of such an endpoint ends, and another one begins.
    pub fn restarts(bed: &mut Bed) {
        let mut config = config();
        let keys = config["endpoints"]["matrix"]["main"].as_object_mut().unwrap();
        keys.remove("hs_token");
        keys.insert("senders".to_owned(), json!([INES, BOB]));
        let report = platform::config::Report::default();
        bed.deps.config = Arc::new(webhook_aggregator::Config::read(&config, &report));
        assert_eq!(report.into_problems(), []);
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
        let place = state.stream.len();
        state.stream.push((String::new(), Value::Null));
        state.invitations.insert(room.to_owned(), (sender.to_owned(), place));
        state.rooms.insert(room.to_owned(), vec![sender.to_owned()]);
    }
    /// Another homeserver claims that this person invites to the room.
    pub fn forges(&self, room: &str, sender: &str) {
        self.0.lock().unwrap().forged.insert(room.to_owned(), sender.to_owned());
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
    /// The next answers to requests whose path ends with this.
    pub fn answers_at(&self, path: &str, status: u16, body: &Value, times: usize) {
        let answer = Ok(MemoryOutbound::json(status, body));
        self.0.lock().unwrap().faults_at.push((path.to_owned(), answer, times));
    }
    /// The answer to the next one is lost.
    pub fn loses_answer_at(&self, path: &str) {
        let error = PortError::unknown(PortErrorKind::Unavailable, "connection reset");
        self.0.lock().unwrap().faults_at.push((path.to_owned(), Err(error), 1));
    }
    /// Its clock differs from that of this machine.
    pub fn is_ahead(&self, ms: i64) {
        self.0.lock().unwrap().ahead_ms = ms;
    }
    /// A room of other people under an alias.
    pub fn has_room(&self, alias: &str, room: &str, people: &[&str]) {
        let mut state = self.0.lock().unwrap();
        let people = people.iter().map(|name| (*name).to_owned()).collect();
        state.aliases.insert(alias.to_owned(), room.to_owned());
        state.rooms.insert(room.to_owned(), people);
    }
    pub fn leaves(&self, room: &str, user: &str) {
        let mut state = self.0.lock().unwrap();
        state.rooms.get_mut(room).unwrap().retain(|known| known != user);
        if let Some(guests) = state.guests.get_mut(room) {
            guests.retain(|known| known != user);
        }
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
        if sent.url.len() > URL_BYTES_MAX {
            return Err(PortError::clean(PortErrorKind::Invalid, "builder error"));
        }
        let mut state = self.0.lock().unwrap();
        if let Some(fault) = state.fault_at(path) {
            // As below, a lost answer is that of a request which was carried out.
            if fault.is_err() {
                state.carry_out(&sent.method, path, query, &sent.body);
            }
            return fault;
        }
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
    fn fault_at(&mut self, path: &str) -> Option<PortResult<OutboundResponse>> {
        let index = self.faults_at.iter().position(|(part, ..)| path.ends_with(part.as_str()))?;
        let (_, answer, times) = &mut self.faults_at[index];
        *times -= 1;
        let (answer, is_over) = (answer.clone(), *times == 0);
        if is_over {
            let _ = self.faults_at.remove(index);
        }
        Some(answer)
    }
    fn now_ms(&self) -> i64 {
        self.clock.as_ref().unwrap().now_ms() + self.ahead_ms
    }
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
                    self.sent_ms.push(self.now_ms());
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
            ("POST", ["client", "v3", "createRoom"]) => self.create(&body),
            ("GET", ["client", "v3", "rooms", room, "members"]) => self.members(room),
            ("POST", ["client", "v3", "rooms", room, "invite"]) => {
                let guest = body["user_id"].as_str().unwrap().to_owned();
                self.guests.entry((*room).to_owned()).or_default().push(guest);
                (200, json!({}))
            }
            ("POST", ["media", "v3", "upload"]) => {
                (200, json!({ "content_uri": "mxc://example.org/up" }))
            }
            _ => panic!("no homeserver has {method} {path}"),
        }
    }
    fn create(&mut self, body: &Value) -> (u16, Value) {
        let alias = format!("#{}:example.org", body["room_alias_name"].as_str().unwrap());
        if self.aliases.contains_key(&alias) {
            return (400, json!({ "errcode": "M_ROOM_IN_USE", "error": "Alias is taken" }));
        }
        let room = "!opened:example.org".to_owned();
        self.aliases.insert(alias, room.clone());
        self.rooms.insert(room.clone(), vec![BOT.to_owned()]);
        let guests = body["invite"].as_array().unwrap().iter();
        let guests = guests.map(|guest| guest.as_str().unwrap().to_owned()).collect();
        self.guests.insert(room.clone(), guests);
        (200, json!({ "room_id": room }))
    }
    fn members(&self, room: &str) -> (u16, Value) {
        let Some(joined) = self.rooms.get(room) else { return missing() };
        let guests = self.guests.get(room).into_iter().flatten();
        let guests = guests.filter(|guest| !joined.contains(guest)).map(|guest| (guest, "invite"));
        let all = joined.iter().map(|user| (user, "join")).chain(guests);
        let events = all.map(|(user, is)| {
            json!({ "type": "m.room.member", "state_key": user, "content": { "membership": is } })
        });
        (200, json!({ "chunk": events.collect::<Vec<_>>() }))
    }
    fn event(&self, room: &str, id: &str) -> (u16, Value) {
        if let Some(index) = id.strip_prefix("$sent").and_then(|index| index.parse::<usize>().ok())
        {
            let (content, at_ms) = (&self.sent[index].1, self.sent_ms[index]);
            return (
                200,
                json!({ "event_id": id, "sender": BOT, "room_id": room, "content": content, "origin_server_ts": at_ms }),
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
            // Lazily, the members of those who speak in it, whatever a filter says.
            let spoke = shown.iter().any(|event| event["sender"] == BOT);
            let own = json!({ "type": "m.room.member", "event_id": "$mine", "sender": BOT, "state_key": BOT,
                "origin_server_ts": NOW_MS - 864_000_000, "content": { "membership": "join" },
                "unsigned": { "prev_content": { "membership": "invite" } } });
            let state = if spoke { json!([own]) } else { json!([]) };
            joined.insert(
                room.clone(),
                json!({ "timeline": timeline, "state": { "events": state } }),
            );
        }
        // Each is told once.
        let invited = self.invitations.iter().filter(|(_, (_, place))| *place >= from);
        let invited = invited.map(|(room, (sender, _))| {
            let from = |sender: &String| json!({ "type": "m.room.member", "state_key": BOT, "sender": sender, "content": { "membership": "invite" } });
            let events: Vec<Value> = self.forged.get(room).into_iter().chain([sender]).map(from).collect();
            (room.clone(), json!({ "invite_state": { "events": events } }))
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
