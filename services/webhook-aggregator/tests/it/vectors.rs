//! Every known-answer webhook gets its verdict, acknowledgement, dedup key and conversation key.

use crate::bed::{Bed, bed};
use base64::Engine;
use serde_json::Value;

async fn check(channel: &str, endpoint: &str, text: &str) {
    let file: Value = serde_json::from_str(text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= 8);
    for case in cases {
        let bed = bed();
        let now = case["now"].as_i64().or(file["now_default"].as_i64()).unwrap();
        bed.clock.set(now * 1000);
        one(&bed, channel, endpoint, case).await;
        // A repetition is answered the same and stored once.
        let before = bed.get("/api/events?limit=500").await;
        one(&bed, channel, endpoint, case).await;
        assert_eq!(before["events"].as_array().unwrap().len(), bed.get("/api/events?limit=500").await["events"].as_array().unwrap().len(), "{}", case["name"]);
    }
}

async fn one(bed: &Bed, channel: &str, endpoint: &str, case: &Value) {
    let name = case["name"].as_str().unwrap();
    let headers: Vec<(String, String)> = case["headers"].as_object().unwrap().iter().map(|(k, v)| (k.to_lowercase(), v.as_str().unwrap().to_owned())).collect();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let body = base64::engine::general_purpose::STANDARD.decode(case["body_b64"].as_str().unwrap()).unwrap();
    let (status, answer) = bed.ask("POST", &format!("/{channel}/{endpoint}"), "", &headers, body).await;
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
    if let Some(parts) = case["conversation"].as_array() {
        let parts: Vec<&str> = parts.iter().map(|part| part.as_str().unwrap()).collect();
        assert_eq!(events[0]["conversation"], format!("{channel}:{endpoint}:{}", parts.join(":")), "{name}");
    }
    bed.settle().await;
}

#[tokio::test]
async fn every_telegram_case() {
    check("telegram", "main", include_str!("../vectors/telegram.json")).await;
}

#[tokio::test]
async fn every_slack_case() {
    check("slack", "T0AAAA111", include_str!("../vectors/slack.json")).await;
}

#[tokio::test]
async fn every_discord_case() {
    check("discord", "820000000000000001", include_str!("../vectors/discord.json")).await;
}

#[tokio::test]
async fn what_authentic_bodies_mean() {
    let bed = bed();
    let file: Value = serde_json::from_str(include_str!("../vectors/telegram.json")).unwrap();
    for case in file["cases"].as_array().unwrap().iter().filter(|case| case["valid"] == true) {
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
        assert_eq!((event["state"].as_str().unwrap(), event["text"].as_str().unwrap()), (state, text), "{key}: {event}");
    }
}
