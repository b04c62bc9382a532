//! Discord's Gateway: sessions that are resumed, heartbeats, plain messages and interactions, and
//! nothing lost or twice over connections that end.

use crate::bed::{Bed, bed_with, config, platform_says, vectors};
use base64::Engine;
use contracts::ChannelKind;
use platform::memory::{MemoryDial, MemoryOutbound, Peer, Sent};
use platform::ports::{OutboundResponse, PortErrorKind};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

pub const NAME: &str = "820000000000000001";
pub const OWNER: &str = "810000000000000001";
const BOT: &str = "910000000000000001";
pub const BOT_USER: &str = "910000000000000077";

#[derive(Clone, Default)]
pub struct Discord {
    answers: Arc<Mutex<Vec<OutboundResponse>>>,
    pub dial: Arc<MemoryDial>,
}

fn gateway_config(messages: &str) -> Value {
    let mut config = config();
    let keys = config["endpoints"]["discord"][NAME].as_object_mut().unwrap();
    keys.remove("public_key");
    keys.insert("messages".to_owned(), messages.into());
    config
}

fn found(url: &str, remaining: u64) -> OutboundResponse {
    let limit = json!({ "total": 1000, "remaining": remaining, "reset_after": 14_400_000, "max_concurrency": 1 });
    MemoryOutbound::json(200, &json!({ "url": url, "shards": 1, "session_start_limit": limit }))
}

impl Discord {
    pub fn bed(&self, messages: &str) -> Bed {
        let bed = bed_with(gateway_config(messages));
        let discord = self.clone();
        bed.outbound.answer(move |sent| Ok(discord.answer(sent)));
        bed
    }
    fn answer(&self, sent: &Sent) -> OutboundResponse {
        if sent.url.ends_with("/callback") {
            return OutboundResponse {
                status: 204,
                headers: http::HeaderMap::new(),
                body: "".into(),
            };
        }
        if sent.url.starts_with("https://cdn.discordapp.com/") {
            let body = "\u{89}PNG".into();
            return OutboundResponse { status: 200, headers: http::HeaderMap::new(), body };
        }
        if let Some((_, path)) = sent.url.split_once("/channels/") {
            let message =
                json!({ "id": "950000000000000002", "channel_id": path.split('/').next() });
            return MemoryOutbound::json(200, &message);
        }
        if !sent.url.ends_with("/gateway/bot") {
            return platform_says(sent);
        }
        assert!(sent.headers.contains(&("authorization".into(), "Bot bot-token".into())));
        let mut answers = self.answers.lock().unwrap();
        if answers.is_empty() { found("ws://127.0.0.1:1", 1000) } else { answers.remove(0) }
    }
    fn connect(&self, bed: &Bed) -> JoinHandle<()> {
        let (deps, dial) = (bed.deps.clone(), self.dial.clone());
        tokio::spawn(async move { webhook_aggregator::sockets(&deps, &*dial).await })
    }
    /// Connected, with a session that has begun at sequence number 1.
    pub async fn ready(&self, bed: &Bed) -> JoinHandle<()> {
        let connection = self.connect(bed);
        bed.settle().await;
        self.hello(bed).await;
        self.dial.last().says(ready());
        bed.settle().await;
        connection
    }
    async fn hello(&self, bed: &Bed) {
        self.dial.last().says(r#"{"op":10,"d":{"heartbeat_interval":45000}}"#);
        bed.settle().await;
    }
}

fn ready() -> String {
    let data = json!({ "v": 10, "session_id": "sess1", "resume_gateway_url": "ws://127.0.0.1:1/resume",
        "user": { "id": BOT_USER, "bot": true }, "application": { "id": BOT }, "guilds": [] });
    json!({ "op": 0, "s": 1, "t": "READY", "d": data }).to_string()
}

pub fn dispatch(seq: u64, name: &str, data: &Value) -> String {
    json!({ "op": 0, "s": seq, "t": name, "d": data }).to_string()
}

fn direct(id: u64, text: &str) -> Value {
    json!({ "id": id.to_string(), "type": 0, "channel_id": "830000000000000009", "content": text,
        "author": { "id": OWNER, "username": "ines" }, "timestamp": "2026-09-21T14:13:20+00:00", "mentions": [] })
}

pub fn in_server(id: u64, text: &str, mentioned: bool) -> Value {
    let mut message = direct(id, text);
    message["guild_id"] = "820000000000000001".into();
    message["channel_id"] = "830000000000000001".into();
    if mentioned {
        message["mentions"] = json!([{ "id": BOT_USER, "username": "quintet" }]);
    }
    message
}

/// The frames of this opcode that we sent.
fn said(peer: &Peer, op: i64) -> Vec<Value> {
    let frames = peer.heard().into_iter().map(|text| serde_json::from_str::<Value>(&text).unwrap());
    frames.filter(|frame| frame["op"] == op).map(|frame| frame["d"].clone()).collect()
}

async fn state(bed: &Bed) -> (String, String) {
    let list = bed.get("/api/endpoints").await;
    let views = list["endpoints"].as_array().unwrap();
    let view = views.iter().find(|view| view["channel"] == "discord").unwrap();
    assert_eq!(view["mode"], "gateway");
    let word = |key: &str| view[key].as_str().unwrap_or_default().to_owned();
    (word("state"), format!("{} {}", word("why"), word("fix")))
}

async fn count(bed: &Bed) -> usize {
    bed.get("/api/events?channel=discord&limit=500").await["events"].as_array().unwrap().len()
}

#[tokio::test]
async fn direct_message_over_the_gateway_is_answered_in_its_channel() {
    let discord = Discord::default();
    let bed = discord.bed("mentions");
    let _connection = discord.ready(&bed).await;
    assert_eq!(state(&bed).await, ("connected".to_owned(), " ".to_owned()));
    let peer = discord.dial.last();
    assert_eq!(peer.url, "ws://127.0.0.1:1/?v=10&encoding=json");
    let identify = said(&peer, 2).remove(0);
    assert_eq!((&identify["token"], &identify["intents"]), (&json!("bot-token"), &json!(4609)));
    peer.says(dispatch(2, "MESSAGE_CREATE", &direct(990_000_000_000_000_101, "hello there")));
    bed.settle().await;
    let event = bed.event("990000000000000101").await;
    assert_eq!(event["text"], "hello there");
    assert_eq!(event["conversation"], format!("discord:{NAME}:830000000000000009"));
    let task = bed.lease().await.remove(0);
    bed.finish(&task, "success", "Hi.").await;
    let sent = bed.outbound.sent();
    let posted =
        sent.iter().find(|sent| sent.url.ends_with("/channels/830000000000000009/messages"));
    assert!(posted.is_some(), "{sent:?}");
    assert!(sent.iter().any(|sent| sent.body.contains("Hi.")), "{sent:?}");
}

#[tokio::test]
async fn messages_of_servers_count_where_the_bot_is_named() {
    let discord = Discord::default();
    let bed = discord.bed("mentions");
    let _connection = discord.ready(&bed).await;
    let peer = discord.dial.last();
    let named = in_server(201, &format!("<@{BOT_USER}> ask <@810000000000000002>"), true);
    let mut reply = in_server(202, "and this", false);
    reply["type"] = 19.into();
    reply["referenced_message"] = json!({ "id": "77", "author": { "id": BOT_USER } });
    let mut own = in_server(204, "mine", true);
    own["author"] = json!({ "id": BOT_USER, "bot": true });
    let mut bot = in_server(205, "beep", true);
    bot["author"]["bot"] = true.into();
    let mut edit = in_server(201, "changed", true);
    edit["edited_timestamp"] = "2026-09-21T14:14:00+00:00".into();
    let mut joined = in_server(206, "", false);
    joined["type"] = 7.into();
    for (seq, (name, data)) in (2..).zip([
        ("MESSAGE_CREATE", &named),
        ("MESSAGE_CREATE", &reply),
        ("MESSAGE_CREATE", &in_server(203, "not for the bot", false)),
        ("MESSAGE_CREATE", &own),
        ("MESSAGE_CREATE", &bot),
        ("MESSAGE_UPDATE", &edit),
        ("MESSAGE_UPDATE", &named),
        ("MESSAGE_CREATE", &joined),
        ("TYPING_START", &json!({})),
    ]) {
        peer.says(dispatch(seq, name, data));
    }
    bed.settle().await;
    let event = bed.event("201").await;
    assert_eq!(event["text"], "ask <@810000000000000002>");
    assert_eq!(
        event["conversation"],
        format!("discord:{NAME}:820000000000000001:830000000000000001")
    );
    assert_eq!(bed.event("202").await["text"], "and this");
    // Its work has begun: the new text follows it.
    let edit = bed.event("edit:201:2026-09-21T14:14:00+00:00").await;
    assert_eq!(edit["state"], "received");
    assert!(edit["text"].as_str().unwrap().starts_with("changed\n\n[The sender edited"), "{edit}");
    for (key, reason) in [("203", "not_addressed"), ("206", "not_a_message")] {
        let event = bed.event(key).await;
        assert_eq!(
            (&event["state"], &event["reason"]),
            (&json!("ignored"), &json!(reason)),
            "{key}"
        );
    }
    assert_eq!(count(&bed).await, 5, "our own messages, other bots' and previews leave no row");
}

#[tokio::test]
async fn frame_with_half_an_emoji_is_read() {
    let discord = Discord::default();
    let bed = discord.bed("mentions");
    let _connection = discord.ready(&bed).await;
    let whole = dispatch(2, "MESSAGE_CREATE", &direct(701, "fix it HALF"));
    discord.dial.last().says(whole.replace("HALF", "\\ud83d"));
    bed.settle().await;
    assert_eq!(bed.event("701").await["text"], "fix it \u{fffd}");
}

#[tokio::test]
async fn files_and_forwarded_words_of_plain_messages_are_read() {
    let discord = Discord::default();
    let bed = discord.bed("mentions");
    let _connection = discord.ready(&bed).await;
    let peer = discord.dial.last();
    let file = json!({ "filename": "a.png", "content_type": "image/png", "size": 9,
        "url": "https://cdn.discordapp.com/attachments/1/2/a.png" });
    let mut picture = direct(601, "");
    picture["attachments"] = json!([file]);
    let mut forward = direct(602, "");
    forward["message_snapshots"] = json!([{ "message": { "content": "/halt" } }]);
    peer.says(dispatch(2, "MESSAGE_CREATE", &picture));
    peer.says(dispatch(3, "MESSAGE_CREATE", &forward));
    bed.settle().await;
    let picture = bed.event("601").await;
    assert_eq!(picture["attachments"][0]["name"], "a.png", "{picture}");
    let forward = bed.event("602").await;
    assert!(
        forward["text"].as_str().unwrap().contains("> /halt"),
        "marked as another's: {forward}"
    );
}

#[tokio::test]
async fn all_messages_of_servers_count_where_the_configuration_says_so() {
    let discord = Discord::default();
    let bed = discord.bed("all");
    let _connection = discord.ready(&bed).await;
    let peer = discord.dial.last();
    assert_eq!(said(&peer, 2)[0]["intents"], 4609 + 32768);
    peer.says(dispatch(2, "MESSAGE_CREATE", &in_server(301, "not by name", false)));
    bed.settle().await;
    assert_eq!(bed.event("301").await["text"], "not by name");
}

/// Interactions of the webhook mean the same; they are answered by the callback, once stored and
/// before the work begins.
#[tokio::test]
async fn known_interactions_mean_the_same_over_the_gateway() {
    let mut seen = 0;
    for case in vectors()[&ChannelKind::Discord]["cases"].as_array().unwrap() {
        let body =
            base64::engine::general_purpose::STANDARD.decode(case["body_b64"].as_str().unwrap());
        let data: Value = serde_json::from_slice(&body.unwrap()).unwrap_or(Value::Null);
        if case["valid"] != true || data["token"].is_null() || data["type"] == 1 {
            continue;
        }
        seen += 1;
        let discord = Discord::default();
        let bed = discord.bed("mentions");
        let _connection = discord.ready(&bed).await;
        let peer = discord.dial.last();
        peer.says(dispatch(2, "INTERACTION_CREATE", &data));
        peer.says(dispatch(3, "INTERACTION_CREATE", &data));
        bed.settle().await;
        let name = &case["name"];
        let list = bed.get("/api/events?limit=500").await;
        let events = list["events"].as_array().unwrap();
        assert_eq!(events.len(), 1, "{name}");
        assert_eq!(events[0]["dedupeKey"], case["dedupe_key"], "{name}");
        let sent = bed.outbound.sent();
        let callback = sent.iter().position(|sent| sent.url.ends_with("/callback")).unwrap();
        let url = format!(
            "/interactions/{}/{}/callback",
            data["id"].as_str().unwrap(),
            data["token"].as_str().unwrap()
        );
        assert!(sent[callback].url.ends_with(&url), "{}", sent[callback].url);
        let answer: Value = serde_json::from_str(&sent[callback].body).unwrap();
        assert_eq!(answer, case["expected_reply"]["json"], "{name}");
        let first = sent.iter().position(|sent| sent.url.contains("/webhooks/"));
        assert!(first.is_none_or(|first| first > callback), "{name}: answered before the callback");
    }
    assert!(seen >= 2, "{seen}");
}

#[tokio::test]
async fn heartbeats_go_out_and_one_without_an_answer_ends_the_connection() {
    let discord = Discord::default();
    let bed = discord.bed("mentions");
    let _connection = discord.ready(&bed).await;
    let peer = discord.dial.last();
    peer.says(r#"{"op":1,"d":null}"#);
    bed.settle().await;
    assert_eq!(said(&peer, 1), [json!(1)], "asked for, at once, with the last sequence number");
    bed.clock.advance(45_000);
    bed.settle().await;
    assert_eq!(said(&peer, 1).len(), 2);
    peer.says(r#"{"op":11}"#);
    bed.settle().await;
    bed.clock.advance(45_000);
    bed.settle().await;
    assert_eq!((said(&peer, 1).len(), peer.closed()), (3, None));
    bed.clock.advance(45_000);
    bed.settle().await;
    let code = peer.closed().unwrap();
    assert!(code != 1000 && code != 1001, "the session stays resumable: {code}");
    bed.clock.advance(1_000);
    bed.settle().await;
    discord.hello(&bed).await;
    let next = discord.dial.last();
    assert_eq!(next.url, "ws://127.0.0.1:1/resume/?v=10&encoding=json");
    let resume = json!({ "token": "bot-token", "session_id": "sess1", "seq": 1 });
    assert_eq!((said(&next, 6), said(&next, 2).len()), (vec![resume], 0));
}

#[tokio::test]
async fn event_that_is_not_stored_is_asked_for_again() {
    let discord = Discord::default();
    let bed = discord.bed("mentions");
    let _connection = discord.ready(&bed).await;
    bed.inbox.faults.refuse_next(1, PortErrorKind::Unavailable);
    let peer = discord.dial.last();
    peer.says(dispatch(2, "MESSAGE_CREATE", &direct(401, "first")));
    peer.says(dispatch(3, "MESSAGE_CREATE", &direct(402, "second")));
    bed.settle().await;
    assert!(peer.closed().is_some());
    assert_eq!(count(&bed).await, 0, "the second does not overtake the first");
    bed.clock.advance(2_000);
    bed.settle().await;
    discord.hello(&bed).await;
    let peer = discord.dial.last();
    assert_eq!(said(&peer, 6)[0]["seq"], 1);
    peer.says(dispatch(2, "MESSAGE_CREATE", &direct(401, "first")));
    peer.says(dispatch(3, "MESSAGE_CREATE", &direct(402, "second")));
    peer.says(dispatch(4, "RESUMED", &json!({})));
    bed.settle().await;
    assert_eq!(count(&bed).await, 2);
    assert_eq!(state(&bed).await.0, "connected");
}

#[tokio::test]
async fn killed_process_goes_on_with_its_session_from_what_it_stored() {
    let discord = Discord::default();
    let bed = discord.bed("mentions");
    let connection = discord.ready(&bed).await;
    discord.dial.last().says(dispatch(2, "MESSAGE_CREATE", &direct(501, "first")));
    bed.settle().await;
    connection.abort();
    let _ = connection.await;
    let _connection = discord.connect(&bed);
    bed.settle().await;
    discord.hello(&bed).await;
    let peer = discord.dial.last();
    assert_eq!(said(&peer, 6)[0]["seq"], 2);
    assert_eq!(bed.sent("/gateway/bot").len(), 1, "no question is needed");
    // Discord may repeat.
    peer.says(dispatch(2, "MESSAGE_CREATE", &direct(501, "first")));
    peer.says(dispatch(
        3,
        "MESSAGE_CREATE",
        &in_server(502, &format!("<@!{BOT_USER}> second"), true),
    ));
    bed.settle().await;
    assert_eq!(count(&bed).await, 2);
    assert_eq!(bed.event("502").await["text"], "second", "the bot still knows its own id");
}

#[tokio::test]
async fn refused_session_begins_afresh_and_op_7_reconnects() {
    let discord = Discord::default();
    let bed = discord.bed("mentions");
    let _connection = discord.ready(&bed).await;
    discord.dial.last().says(r#"{"op":7,"d":null}"#);
    bed.settle().await;
    bed.clock.advance(1_000);
    bed.settle().await;
    discord.hello(&bed).await;
    assert_eq!(said(&discord.dial.last(), 6).len(), 1);
    discord.dial.last().says(r#"{"op":9,"d":false}"#);
    bed.settle().await;
    let opened = discord.dial.peers().len();
    bed.clock.advance(1_000);
    bed.settle().await;
    assert_eq!(discord.dial.peers().len(), opened, "not at once");
    bed.clock.advance(4_000);
    bed.settle().await;
    discord.hello(&bed).await;
    assert_eq!(said(&discord.dial.last(), 2).len(), 1, "another session");
    discord.dial.last().says(r#"{"op":9,"d":true}"#);
    bed.settle().await;
    bed.clock.advance(5_000);
    bed.settle().await;
    assert_eq!(discord.dial.peers().len(), opened + 2);
}

#[tokio::test]
async fn final_refusals_of_discord_are_named_with_the_fix_and_not_hammered() {
    let discord = Discord::default();
    let refused = MemoryOutbound::json(401, &json!({ "message": "401: Unauthorized", "code": 0 }));
    discord.answers.lock().unwrap().extend([refused, found("ws://127.0.0.1:1", 0)]);
    let bed = discord.bed("all");
    let _connection = discord.connect(&bed);
    bed.settle().await;
    let (word, why) = state(&bed).await;
    assert!(word == "refused" && why.contains("bot_token") && why.contains("Bot page"), "{why}");
    bed.clock.advance(300_000);
    bed.settle().await;
    let (word, why) = state(&bed).await;
    assert!(word == "reconnecting" && why.contains("sessions"), "{word} {why}");
    bed.clock.advance(14_400_000);
    bed.settle().await;
    discord.hello(&bed).await;
    discord.dial.last().closes(Some(4014));
    bed.settle().await;
    let (word, why) = state(&bed).await;
    assert!(word == "refused" && why.contains("4014") && why.contains("Message Content"), "{why}");
    let asked = bed.sent("/gateway/bot").len();
    bed.clock.advance(299_000);
    bed.settle().await;
    assert_eq!(
        bed.sent("/gateway/bot").len(),
        asked,
        "Discord resets tokens that are used too often"
    );
    bed.clock.advance(1_000);
    bed.settle().await;
    assert_eq!(bed.sent("/gateway/bot").len(), asked + 1);
}

#[tokio::test]
async fn thousand_messages_over_broken_connections_are_stored_once_in_order() {
    const MESSAGES: u64 = 1_000;
    let mut dice = fastrand::Rng::with_seed(20_261_131);
    let discord = Discord::default();
    let bed = discord.bed("mentions");
    let mut connection = discord.ready(&bed).await;
    let (mut sent, mut resumed) = (0, 0);
    // Message n has the sequence number n + 1.
    while bed.inbox.rows("event") < i64::try_from(MESSAGES).unwrap() {
        let peer = discord.dial.last();
        for _ in 0..dice.u64(1..20).min(MESSAGES - sent) {
            sent += 1;
            peer.says(dispatch(sent + 1, "MESSAGE_CREATE", &direct(sent, &sent.to_string())));
        }
        for _ in 0..dice.usize(0..200) {
            tokio::task::yield_now().await;
        }
        if dice.u8(0..4) > 0 && sent < MESSAGES {
            continue;
        }
        resumed += 1;
        if dice.bool() {
            connection.abort();
            let _ = connection.await;
            connection = discord.connect(&bed);
        } else {
            peer.closes([None, Some(4000), Some(4008)][dice.usize(0..3)]);
        }
        bed.settle().await;
        bed.clock.advance(2_000);
        bed.settle().await;
        discord.hello(&bed).await;
        let peer = discord.dial.last();
        let from = said(&peer, 6)[0]["seq"].as_u64().unwrap();
        for number in from..=sent {
            peer.says(dispatch(number + 1, "MESSAGE_CREATE", &direct(number, &number.to_string())));
        }
        peer.says(dispatch(sent + 1, "RESUMED", &json!({})));
    }
    assert!(resumed > 20, "{resumed}");
    bed.settle().await;
    let wanted: Vec<String> = (1..=MESSAGES).map(|number| number.to_string()).collect();
    assert_eq!(bed.inbox.keys(), wanted);
    connection.abort();
}
