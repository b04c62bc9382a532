//! Every known-answer webhook gets its verdict, acknowledgement, dedup key and conversation key.

use crate::bed::{Bed, bed, vectors};
use base64::Engine;
use contracts::ChannelKind;
use contracts::calls::agency_router::RouteEvent;
use hmac::{Hmac, KeyInit, Mac};
use platform::ports::Clock;
use serde_json::{Value, json};
use sha2::Sha256;

/// Invariant 4: only the platform's own signature opens a webhook.
#[tokio::test]
async fn webhooks_of_every_channel_get_their_known_verdicts() {
    for (channel, file) in vectors() {
        check(channel.as_str(), file).await;
    }
}

async fn check(channel: &str, file: &Value) {
    let endpoint = file["endpoint"]["name"].as_str().unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(
        cases.len() as u64,
        file["case_count"],
        "{channel}: a case was lost, or is not counted"
    );
    for case in cases {
        let bed = bed();
        let now = case["now"].as_i64().or(file["now_default"].as_i64()).unwrap();
        bed.clock.set(now * 1000);
        let endpoint = case["endpoint"].as_str().unwrap_or(endpoint);
        one(&bed, channel, endpoint, case).await;
        // A repetition is answered the same and stored once.
        let before = bed.get("/api/events?limit=500").await;
        one(&bed, channel, endpoint, case).await;
        assert_eq!(
            before["events"].as_array().unwrap().len(),
            bed.get("/api/events?limit=500").await["events"].as_array().unwrap().len(),
            "{}",
            case["name"]
        );
    }
}

async fn one(bed: &Bed, channel: &str, endpoint: &str, case: &Value) {
    let name = case["name"].as_str().unwrap();
    let headers: Vec<(String, String)> = case["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(k, v)| (k.to_lowercase(), v.as_str().unwrap().to_owned()))
        .collect();
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let body = base64::engine::general_purpose::STANDARD
        .decode(case["body_b64"].as_str().unwrap())
        .unwrap();
    let (status, answer) =
        bed.ask("POST", &format!("/{channel}/{endpoint}"), "", &headers, body).await;
    let expected = &case["expected_reply"];
    assert_eq!(u64::from(status), expected["status"].as_u64().unwrap(), "{name}: {answer:?}");
    for key in ["body_json", "json"] {
        if let Some(json) = expected.get(key) {
            assert_eq!(&serde_json::from_slice::<Value>(&answer).unwrap(), json, "{name}");
        }
    }
    if expected["body"] == "" {
        assert!(answer.is_empty(), "{name}: {answer:?}");
    }
    let events = bed.get("/api/events?limit=500").await;
    let events = events["events"].as_array().unwrap();
    if case["valid"] == false {
        assert!(events.is_empty(), "{name}: a refused body was stored");
    }
    if let Some(key) = case["dedupe_key"].as_str() {
        assert_eq!(events[0]["dedupeKey"], key, "{name}");
    }
    for key in ["state", "text"].into_iter().filter(|key| case.get(*key).is_some()) {
        bed.settle().await;
        let now = bed.get("/api/events?limit=500").await;
        assert_eq!(now["events"][0][key], case[key], "{name}: {key}");
    }
    if let Some(parts) = case["conversation"].as_array() {
        let parts: Vec<&str> = parts.iter().map(|part| part.as_str().unwrap()).collect();
        assert_eq!(
            events[0]["conversation"],
            format!("{channel}:{endpoint}:{}", parts.join(":")),
            "{name}"
        );
    }
    bed.settle().await;
}

#[tokio::test]
async fn what_authentic_bodies_mean() {
    let bed = bed();
    for case in vectors()[&ChannelKind::Telegram]["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["valid"] == true)
    {
        one(&bed, "telegram", "main", case).await;
        bed.clock.advance(5);
    }
    for (key, state, text) in [
        ("918273001", "running", "book the Lisbon trip"),
        ("918273003", "running", "ship it 🚀"),
        ("918273007", "ignored", ""),
        ("918273009", "received", "receipt"),
        ("918273011", "ignored", ""),
    ] {
        let event = bed.event(key).await;
        assert_eq!(
            (event["state"].as_str().unwrap(), event["text"].as_str().unwrap()),
            (state, text),
            "{key}: {event}"
        );
    }
}

/// Slack tells a mention twice, as a mention and as a message, under two event ids.
#[tokio::test]
async fn a_message_that_slack_tells_twice_is_one_event() {
    let bed = bed();
    bed.clock.set(1_790_000_000_000);
    for (id, kind) in [("Ev0TWIN00001", "app_mention"), ("Ev0TWIN00002", "message")] {
        assert_eq!(slack(&bed, id, kind, "1790000000.000900").await, 200);
    }
    assert_eq!(bed.get("/api/events").await["events"].as_array().unwrap().len(), 1);
    assert_eq!(slack(&bed, "Ev0TWIN00003", "app_mention", "1790000000.000901").await, 200);
    assert_eq!(
        bed.get("/api/events").await["events"].as_array().unwrap().len(),
        2,
        "another message is another event"
    );
}

async fn slack(bed: &Bed, id: &str, kind: &str, ts: &str) -> u16 {
    let event = json!({ "type": kind, "channel": "C0CHAN001", "channel_type": "channel", "user": "U0HUMAN01", "text": "<@U0BOT0001> book the trip", "ts": ts });
    let bot = json!([{ "team_id": "T0AAAA111", "user_id": "U0BOT0001", "is_bot": true }]);
    let body = json!({ "team_id": "T0AAAA111", "api_app_id": "A0AAAA111", "type": "event_callback", "event_id": id, "authorizations": bot, "event": event });
    signed_slack(bed, body.to_string()).await
}

async fn signed_slack(bed: &Bed, body: String) -> u16 {
    let secret = crate::bed::config()["endpoints"]["slack"]["T0AAAA111"]["signing_secret"]
        .as_str()
        .unwrap()
        .to_owned();
    let at = (bed.clock.now_ms() / 1000).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("v0:{at}:{body}").as_bytes());
    let signature: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let headers = [
        ("x-slack-request-timestamp", at.as_str()),
        ("x-slack-signature", &format!("v0={signature}")),
        ("content-type", "application/json"),
    ];
    bed.ask("POST", "/slack/T0AAAA111", "", &headers, body).await.0
}

/// A signed body that cannot be read is kept and starts no work.
#[tokio::test]
async fn an_authentic_body_that_cannot_be_read_is_quarantined() {
    let bed = bed();
    bed.clock.set(1_790_000_000_000);
    let keys = &vectors()[&ChannelKind::Telegram]["endpoint"]["keys"];
    let headers = [("x-telegram-bot-api-secret-token", keys["secret_token"].as_str().unwrap())];
    // Nobody knows whose they are, so the limits for strangers leave none of them out.
    for n in 0..8 {
        assert_eq!(
            bed.ask("POST", "/telegram/main", "", &headers, format!("{{bad {n}")).await.0,
            200
        );
    }
    assert_eq!(signed_slack(&bed, "{bad".to_owned()).await, 200);
    let events = bed.get("/api/events").await;
    let states: Vec<&str> = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["quarantined"; 9], "{events}");
    assert!(bed.fakes.bodies::<RouteEvent>().is_empty());
}
