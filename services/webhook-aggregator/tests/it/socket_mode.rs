//! Slack's Socket Mode: acknowledged after the commit, nothing lost or twice over connections that
//! end, and the webhook's own messages.

use crate::bed::{Bed, bed_with, config, platform_says, vectors};
use base64::Engine;
use contracts::ChannelKind;
use platform::memory::{MemoryDial, MemoryOutbound, Peer};
use platform::ports::{OutboundResponse, PortErrorKind};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

const OPEN: &str = "/apps.connections.open";

/// Slack: the next answers to the question for an address, in place of one.
#[derive(Clone, Default)]
struct Slack {
    refusals: Arc<Mutex<Vec<OutboundResponse>>>,
    dial: Arc<MemoryDial>,
}

fn socket_config() -> Value {
    let mut config = config();
    let keys = config["endpoints"]["slack"]["T0AAAA111"].as_object_mut().unwrap();
    keys.remove("signing_secret");
    keys.insert("app_token".to_owned(), "xapp-1-TEST".into());
    config
}

impl Slack {
    fn bed(&self) -> Bed {
        let bed = bed_with(socket_config());
        bed.clock.set(1_790_000_000_000);
        let slack = self.clone();
        bed.outbound.answer(move |sent| {
            if !sent.url.ends_with(OPEN) {
                return Ok(platform_says(sent));
            }
            assert!(sent.headers.contains(&("authorization".into(), "Bearer xapp-1-TEST".into())));
            let mut refusals = slack.refusals.lock().unwrap();
            if !refusals.is_empty() {
                return Ok(refusals.remove(0));
            }
            let url = "ws://127.0.0.1:1/link/?ticket=1";
            Ok(MemoryOutbound::json(200, &json!({ "ok": true, "url": url })))
        });
        bed
    }
    fn refuses(&self, status: u16, headers: &[(&'static str, &str)], error: &str) {
        let mut answer = MemoryOutbound::json(status, &json!({ "ok": false, "error": error }));
        for (name, value) in headers {
            answer.headers.insert(*name, value.parse().unwrap());
        }
        self.refusals.lock().unwrap().push(answer);
    }
    /// Connects, until the test ends or aborts it.
    fn connect(&self, bed: &Bed) -> JoinHandle<()> {
        let (deps, dial) = (bed.deps.clone(), self.dial.clone());
        tokio::spawn(async move { webhook_aggregator::sockets(&deps, &*dial).await })
    }
    /// Connected and greeted.
    async fn greeted(&self, bed: &Bed) -> JoinHandle<()> {
        let connection = self.connect(bed);
        bed.settle().await;
        self.dial.last().says(r#"{"type":"hello","num_connections":1}"#);
        bed.settle().await;
        connection
    }
}

fn message(number: u64, text: &str) -> Value {
    let ts = format!("1790000000.{number:06}");
    let event = json!({ "type": "message", "channel": "D0IM00001", "channel_type": "im",
        "user": "U0HUMAN01", "text": text, "ts": ts, "event_ts": ts });
    json!({ "team_id": "T0AAAA111", "api_app_id": "A0APP0001", "type": "event_callback",
        "event_id": format!("Ev{number}"), "event_time": 1_790_000_000, "event": event,
        "authorizations": [{ "team_id": "T0AAAA111", "user_id": "U0BOT0001", "is_bot": true }] })
}

fn envelope(id: &str, kind: &str, payload: &Value) -> String {
    json!({ "envelope_id": id, "type": kind, "accepts_response_payload": kind != "events_api",
        "payload": payload })
    .to_string()
}

fn acknowledged(peer: &Peer) -> Vec<String> {
    let id = |text: String| {
        serde_json::from_str::<Value>(&text).unwrap()["envelope_id"].as_str().unwrap().to_owned()
    };
    peer.heard().into_iter().map(id).collect()
}

async fn texts(bed: &Bed) -> Vec<String> {
    let list = bed.get("/api/events?channel=slack&limit=500").await;
    let mut texts: Vec<String> = list["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["text"].as_str().unwrap().to_owned())
        .collect();
    texts.reverse();
    texts
}

async fn state(bed: &Bed) -> (String, String) {
    let list = bed.get("/api/endpoints").await;
    let slack =
        list["endpoints"].as_array().unwrap().iter().find(|view| view["channel"] == "slack");
    let slack = slack.unwrap().clone();
    assert_eq!(slack["mode"], "socket");
    let word = |key: &str| slack[key].as_str().unwrap_or_default().to_owned();
    (word("state"), format!("{} {}", word("why"), word("fix")))
}

#[tokio::test]
async fn socket_message_is_acknowledged_after_its_commit_and_answered() {
    let slack = Slack::default();
    let bed = slack.bed();
    assert_eq!(state(&bed).await.0, "connecting");
    let _connection = slack.greeted(&bed).await;
    assert_eq!(state(&bed).await.0, "connected");
    let peer = slack.dial.last();
    bed.inbox.faults.refuse_next(1, PortErrorKind::Unavailable);
    peer.says(envelope("e1", "events_api", &message(1, "first")));
    bed.settle().await;
    assert!(acknowledged(&peer).is_empty(), "it is not stored");
    assert!(peer.closed().is_some(), "Slack sends again over another connection");
    assert!(state(&bed).await.1.contains("stored"), "{:?}", state(&bed).await);
    bed.clock.advance(60_000);
    bed.settle().await;
    let peer = slack.dial.last();
    peer.says(r#"{"type":"hello"}"#);
    peer.says(envelope("e1", "events_api", &message(1, "first")));
    bed.settle().await;
    assert_eq!(acknowledged(&peer), ["e1"]);
    let task = bed.lease().await.remove(0);
    assert_eq!(task["message"], "first");
    bed.finish(&task, "success", "One.").await;
    let said = bed.sent("/chat.update").pop().or_else(|| bed.sent("/chat.postMessage").pop());
    assert!(said.unwrap().contains("One."));
}

/// The webhook of such an endpoint takes nothing: one way is active.
#[tokio::test]
async fn webhook_of_a_socket_endpoint_takes_nothing() {
    let bed = Slack::default().bed();
    for case in vectors()[&ChannelKind::Slack]["cases"].as_array().unwrap() {
        let headers: Vec<(String, String)> = case["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap().to_owned()))
            .collect();
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let status = bed.ask("POST", "/slack/T0AAAA111", "", &headers, body(case)).await.0;
        assert_eq!(status, 401, "{}", case["name"]);
    }
}

fn body(case: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(case["body_b64"].as_str().unwrap()).unwrap()
}

/// The payload of a webhook as Socket Mode has it.
fn as_envelope(body: &[u8]) -> Option<(&'static str, Value)> {
    if let Ok(event) = serde_json::from_slice::<Value>(body) {
        return Some(("events_api", event));
    }
    let fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    if let Some((_, payload)) = fields.iter().find(|(name, _)| name == "payload") {
        return Some(("interactive", serde_json::from_str(payload).ok()?));
    }
    let fields: serde_json::Map<String, Value> =
        fields.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    (!fields.is_empty()).then_some(("slash_commands", Value::Object(fields)))
}

#[tokio::test]
async fn known_webhooks_mean_the_same_over_a_socket() {
    let cases = vectors()[&ChannelKind::Slack]["cases"].as_array().unwrap();
    let mut kinds = std::collections::BTreeSet::new();
    for case in cases.iter().filter(|case| case["valid"] == true) {
        let Some((kind, payload)) = as_envelope(&body(case)) else { continue };
        if payload["type"] == "url_verification" {
            continue;
        }
        kinds.insert(kind);
        let slack = Slack::default();
        let bed = slack.bed();
        let _connection = slack.greeted(&bed).await;
        // Twice, as after a lost acknowledgement.
        for id in ["e1", "e2"] {
            slack.dial.last().says(envelope(id, kind, &payload));
        }
        bed.settle().await;
        let name = &case["name"];
        assert_eq!(acknowledged(&slack.dial.last()), ["e1", "e2"], "{name}");
        let list = bed.get("/api/events?limit=500").await;
        let events = list["events"].as_array().unwrap();
        assert_eq!(events.len(), 1, "{name}: {events:?}");
        if let Some(key) = case["dedupe_key"].as_str() {
            assert_eq!(events[0]["dedupeKey"], key, "{name}");
        }
        if let Some(parts) = case["conversation"].as_array() {
            let parts: Vec<&str> = parts.iter().map(|part| part.as_str().unwrap()).collect();
            let conversation = format!("slack:T0AAAA111:{}", parts.join(":"));
            assert_eq!(events[0]["conversation"], conversation, "{name}");
        }
    }
    assert!(kinds.contains("events_api") && kinds.contains("slash_commands"), "{kinds:?}");
}

#[tokio::test]
async fn frame_with_half_an_emoji_is_read_and_acknowledged() {
    let slack = Slack::default();
    let bed = slack.bed();
    let _connection = slack.greeted(&bed).await;
    let whole = envelope("e1", "events_api", &message(1, "fix it HALF"));
    slack.dial.last().says(whole.replace("HALF", "\\ud83d"));
    bed.settle().await;
    assert_eq!(acknowledged(&slack.dial.last()), ["e1"]);
    assert_eq!(texts(&bed).await, ["fix it \u{fffd}"]);
}

#[tokio::test]
async fn button_over_a_socket_is_a_press() {
    let slack = Slack::default();
    let bed = slack.bed();
    let _connection = slack.greeted(&bed).await;
    let payload = json!({ "type": "block_actions", "trigger_id": "9.9.z", "team": { "id": "T0AAAA111" },
        "user": { "id": "U0HUMAN01", "team_id": "T0AAAA111" }, "channel": { "id": "D0IM00001" },
        "container": { "message_ts": "1790000000.000300" }, "actions": [{ "value": "a1:token:y" }] });
    slack.dial.last().says(envelope("e1", "interactive", &payload));
    bed.settle().await;
    assert_eq!(acknowledged(&slack.dial.last()), ["e1"]);
    let event = bed.event("T0AAAA111:9.9.z").await;
    assert_eq!((&event["text"], &event["state"]), (&json!("button"), &json!("done")), "{event}");
}

#[tokio::test]
async fn announced_end_of_a_connection_opens_the_next_one_first() {
    let slack = Slack::default();
    let bed = slack.bed();
    let _connection = slack.greeted(&bed).await;
    let first = slack.dial.last();
    first.says(r#"{"type":"disconnect","reason":"warning"}"#);
    first.says(envelope("e1", "events_api", &message(1, "one")));
    bed.settle().await;
    assert_eq!(
        slack.dial.peers().len(),
        2,
        "the second opens while the first still brings messages"
    );
    assert_eq!((acknowledged(&first), first.closed()), (vec!["e1".to_owned()], None));
    let second = slack.dial.last();
    second.says(r#"{"type":"hello"}"#);
    // Both bring the same message.
    for peer in [&first, &second] {
        peer.says(envelope("e2", "events_api", &message(2, "two")));
    }
    bed.settle().await;
    assert_eq!(acknowledged(&first), ["e1", "e2"]);
    assert_eq!(acknowledged(&second), ["e2"]);
    assert_eq!(texts(&bed).await, ["one", "two"]);
    bed.clock.advance(10_000);
    bed.settle().await;
    assert_eq!(first.closed(), Some(1000), "the first is closed once it is replaced");
    first.closes(Some(1000));
    bed.settle().await;
    assert_eq!((slack.dial.peers().len(), bed.sent(OPEN).len()), (2, 2));
    assert_eq!(state(&bed).await.0, "connected");
}

#[tokio::test]
async fn broken_and_silent_connections_are_replaced() {
    let slack = Slack::default();
    let bed = slack.bed();
    let _connection = slack.greeted(&bed).await;
    slack.dial.last().closes(None);
    bed.settle().await;
    assert_eq!(state(&bed).await.0, "reconnecting");
    bed.clock.advance(500);
    bed.settle().await;
    assert_eq!(slack.dial.peers().len(), 2);
    let quiet = slack.dial.last();
    quiet.says(r#"{"type":"hello"}"#);
    bed.settle().await;
    bed.clock.advance(20_000);
    bed.settle().await;
    assert_eq!((quiet.pinged(), quiet.closed()), (1, None));
    quiet.pings();
    bed.settle().await;
    bed.clock.advance(20_000);
    bed.settle().await;
    assert_eq!((quiet.pinged(), quiet.closed()), (2, None), "a pong counts");
    bed.clock.advance(20_000);
    bed.settle().await;
    assert!(quiet.closed().is_some(), "no pong came");
    bed.clock.advance(500);
    bed.settle().await;
    assert_eq!(slack.dial.peers().len(), 3);
}

#[tokio::test]
async fn connection_that_ends_before_its_hello_is_not_replaced_at_once() {
    let slack = Slack::default();
    let bed = slack.bed();
    let _connection = slack.connect(&bed);
    bed.settle().await;
    slack.dial.last().says(r#"{"type":"disconnect","reason":"too_many_websockets"}"#);
    bed.settle().await;
    assert_eq!(bed.sent(OPEN).len(), 1);
    assert!(state(&bed).await.1.contains("too_many_websockets"), "{:?}", state(&bed).await);
    bed.clock.advance(500);
    bed.settle().await;
    assert_eq!(bed.sent(OPEN).len(), 2);
}

#[tokio::test]
async fn refusals_of_slack_are_named_with_the_fix_and_retry_after_is_obeyed() {
    let slack = Slack::default();
    slack.refuses(429, &[("retry-after", "7")], "ratelimited");
    slack.refuses(200, &[], "invalid_auth");
    let bed = slack.bed();
    let _connection = slack.connect(&bed);
    bed.settle().await;
    assert_eq!(state(&bed).await.0, "reconnecting");
    bed.clock.advance(6_900);
    bed.settle().await;
    assert_eq!(bed.sent(OPEN).len(), 1);
    bed.clock.advance(100);
    bed.settle().await;
    let (word, why) = state(&bed).await;
    assert_eq!(word, "refused");
    assert!(why.contains("invalid_auth") && why.contains("connections:write"), "{why}");
    let health = bed.ask("GET", "/health", "", &[], "").await.1;
    let health: Value = serde_json::from_slice(&health).unwrap();
    assert_eq!(health["status"], "degraded", "{health}");
    bed.clock.advance(60_000);
    bed.settle().await;
    slack.dial.last().says(r#"{"type":"hello"}"#);
    bed.settle().await;
    assert_eq!(state(&bed).await, ("connected".to_owned(), " ".to_owned()));
    slack.dial.last().says(r#"{"type":"disconnect","reason":"link_disabled"}"#);
    bed.settle().await;
    let (word, why) = state(&bed).await;
    assert!(word == "refused" && why.contains("Switch on Socket Mode"), "{word} {why}");
}

/// Only Slack's own answer names an address, and none inside the owner's network.
#[tokio::test]
async fn address_that_may_not_be_opened_is_not_opened() {
    let slack = Slack::default();
    let url = "ws://10.0.0.1/link";
    let answer = MemoryOutbound::json(200, &json!({ "ok": true, "url": url }));
    slack.refusals.lock().unwrap().push(answer);
    let bed = slack.bed();
    let _connection = slack.connect(&bed);
    bed.settle().await;
    assert!(slack.dial.peers().is_empty());
    assert_eq!(state(&bed).await.0, "reconnecting");
}

/// A thousand messages over connections that break at any moment, and a process that is killed:
/// each is stored once, in order.
#[tokio::test]
async fn thousand_messages_over_broken_connections_are_stored_once_in_order() {
    const MESSAGES: u64 = 1_000;
    let mut dice = fastrand::Rng::with_seed(20_261_130);
    let slack = Slack::default();
    let bed = slack.bed();
    let mut connection = slack.greeted(&bed).await;
    let mut unacknowledged: Vec<u64> = Vec::new();
    let (mut sent, mut cuts, mut kills) = (0, 0, 0);
    while sent < MESSAGES || !unacknowledged.is_empty() {
        let peer = slack.dial.last();
        for _ in 0..dice.u64(1..20).min(MESSAGES - sent) {
            sent += 1;
            unacknowledged.push(sent);
        }
        for number in &unacknowledged {
            peer.says(envelope(
                &number.to_string(),
                "events_api",
                &message(*number, &number.to_string()),
            ));
        }
        let cut = sent < MESSAGES && dice.bool();
        for _ in 0..if cut { dice.usize(0..60) } else { 400 } {
            tokio::task::yield_now().await;
        }
        let known = acknowledged(&peer);
        unacknowledged.retain(|number| !known.contains(&number.to_string()));
        if cut && dice.bool() {
            kills += 1;
            connection.abort();
            let _ = connection.await;
            connection = slack.greeted(&bed).await;
        } else if cut {
            cuts += 1;
            peer.closes(None);
            bed.settle().await;
            bed.clock.advance(1_000);
            bed.settle().await;
            slack.dial.last().says(r#"{"type":"hello"}"#);
        } else if !unacknowledged.is_empty() {
            // The rest is handed over again.
            peer.closes(None);
            bed.settle().await;
            bed.clock.advance(1_000);
            bed.settle().await;
            slack.dial.last().says(r#"{"type":"hello"}"#);
        }
    }
    assert!(cuts > 10 && kills > 10, "{cuts} cuts, {kills} kills");
    bed.settle().await;
    let wanted: Vec<String> = (1..=MESSAGES).map(|number| format!("Ev{number}")).collect();
    assert_eq!(bed.inbox.keys(), wanted);
    connection.abort();
}

#[test]
fn worker_refuses_an_endpoint_that_would_have_to_connect() {
    for (channel, keys) in [
        ("slack", json!({ "app_token": "xapp-1", "bot_token": "xoxb-1" })),
        ("discord", json!({ "application_id": "1", "bot_token": "x" })),
    ] {
        let config = json!({ "endpoints": { channel: { "main": keys } } });
        let report = platform::config::Report::default();
        let read = webhook_aggregator::Config::read(&config, &report);
        read.refuse_polling(&report);
        let problems: Vec<_> = report.into_problems().iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(&format!("endpoints.{channel}.main.mode")), "{problems:?}");
        assert!(problems[0].contains("mode = \"webhook\""), "{problems:?}");
    }
}

#[test]
fn way_in_of_slack_is_chosen_by_the_keys_that_are_given() {
    let cases = [
        (json!({ "app_token": "xapp-1", "bot_token": "b" }), "socket"),
        (json!({ "app_token": "xapp-1", "signing_secret": "s", "bot_token": "b" }), "socket"),
        (json!({ "signing_secret": "s", "bot_token": "b" }), "webhook"),
        (
            json!({ "mode": "webhook", "app_token": "xapp-1", "signing_secret": "s", "bot_token": "b" }),
            "webhook",
        ),
        (json!({ "mode": "socket", "bot_token": "b" }), "endpoints.slack.main.app_token"),
        (json!({ "app_token": "xoxb-1", "bot_token": "b" }), "endpoints.slack.main.app_token"),
        (json!({ "bot_token": "b" }), "endpoints.slack.main.signing_secret"),
    ];
    for (keys, wanted) in cases {
        let config = json!({ "endpoints": { "slack": { "main": keys } } });
        let report = platform::config::Report::default();
        let read = webhook_aggregator::Config::read(&config, &report);
        let mode = read.endpoint("slack", "main").and_then(|endpoint| endpoint.connection.as_ref());
        let mode = mode.map(|connection| connection.mode().as_str().to_owned());
        let problem = report.into_problems().first().map(|problem| problem.path.clone());
        assert_eq!(problem.or(mode).as_deref(), Some(wanted), "{keys}");
    }
}
