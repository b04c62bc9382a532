//! Telegram asked for its updates: nothing lost, nothing twice, confirmed only after the commit.

use crate::bed::{Bed, bed_with, config, platform_says};
use platform::memory::{MemoryOutbound, Sent};
use platform::ports::{OutboundResponse, PortErrorKind};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const OWNER: u64 = 700_100_200;

/// Telegram with these updates, which it hands over until an `offset` confirms them.
#[derive(Clone, Default)]
struct Telegram {
    updates: Arc<Mutex<Vec<Value>>>,
    /// The next answers to `getUpdates`, in place of updates.
    refusals: Arc<Mutex<Vec<OutboundResponse>>>,
}

fn message(id: u64, text: &str) -> Value {
    json!({ "update_id": id, "message": { "message_id": id, "from": { "id": OWNER },
        "chat": { "id": OWNER, "type": "private" }, "date": 1_790_000_000, "text": text } })
}

impl Telegram {
    fn bed(&self) -> Bed {
        let mut config = config();
        let keys = config["endpoints"]["telegram"]["main"].as_object_mut().unwrap();
        keys.remove("secret_token");
        let bed = bed_with(config);
        let telegram = self.clone();
        bed.outbound.answer(move |sent| Ok(telegram.answer(sent)));
        bed
    }
    fn answer(&self, sent: &Sent) -> OutboundResponse {
        if !sent.url.ends_with("/getUpdates") {
            return platform_says(sent);
        }
        let mut refusals = self.refusals.lock().unwrap();
        if !refusals.is_empty() {
            return refusals.remove(0);
        }
        let body: Value = serde_json::from_str(&sent.body).unwrap();
        let mut updates = self.updates.lock().unwrap();
        if let Some(offset) = body["offset"].as_i64() {
            updates.retain(|update| update["update_id"].as_i64().unwrap() >= offset);
        }
        MemoryOutbound::json(200, &json!({ "ok": true, "result": *updates }))
    }
    fn refuses(&self, status: u16, description: &str) {
        let body = json!({ "ok": false, "error_code": status, "description": description });
        self.refusals.lock().unwrap().push(MemoryOutbound::json(status, &body));
    }
}

/// Asks until nothing moves any more, as a process that is killed then.
async fn ask(bed: &Bed) {
    let deps = bed.deps.clone();
    let asking = tokio::spawn(async move { webhook_aggregator::poll(&deps).await });
    bed.settle().await;
    asking.abort();
    let _ = asking.await;
}

fn offsets(bed: &Bed) -> Vec<Option<i64>> {
    let bodies = bed.sent("/getUpdates");
    let read = |body: &String| serde_json::from_str::<Value>(body).unwrap()["offset"].as_i64();
    bodies.iter().map(read).collect()
}

async fn count(bed: &Bed) -> usize {
    bed.get("/api/events?channel=telegram").await["events"].as_array().unwrap().len()
}

#[tokio::test]
async fn polled_messages_are_confirmed_after_their_commit_and_answered() {
    let telegram = Telegram::default();
    telegram.updates.lock().unwrap().extend([message(7, "first"), message(8, "second")]);
    let bed = telegram.bed();
    ask(&bed).await;
    assert_eq!(offsets(&bed), [None, Some(9)]);
    assert_eq!(bed.sent("/deleteWebhook").len(), 1, "a webhook would take the messages");
    assert_eq!(count(&bed).await, 2);
    let task = bed.lease().await.remove(0);
    assert_eq!(task["message"], "first");
    bed.finish(&task, "success", "One.").await;
    assert!(bed.sent("/editMessageText").last().unwrap().contains("One."));
    // The webhook of such an endpoint takes nothing.
    let signed = [("x-telegram-bot-api-secret-token", "tg_S3cret-Token_0123456789")];
    let body = message(9, "third").to_string();
    assert_eq!(bed.ask("POST", "/telegram/main", "", &signed, body).await.0, 401);
}

#[tokio::test]
async fn messages_that_are_handed_over_again_count_once() {
    let telegram = Telegram::default();
    telegram.updates.lock().unwrap().push(message(7, "first"));
    let bed = telegram.bed();
    ask(&bed).await;
    // Killed before the confirmation reached Telegram.
    telegram.updates.lock().unwrap().push(message(7, "first"));
    ask(&bed).await;
    assert_eq!(count(&bed).await, 1);
}

#[tokio::test]
async fn message_that_cannot_be_stored_is_not_confirmed_and_asked_for_again() {
    let telegram = Telegram::default();
    telegram.updates.lock().unwrap().extend([message(7, "first"), message(8, "second")]);
    let bed = telegram.bed();
    bed.inbox.faults.pass_next(1);
    bed.inbox.faults.refuse_next(1, PortErrorKind::Unavailable);
    let deps = bed.deps.clone();
    let asking = tokio::spawn(async move { webhook_aggregator::poll(&deps).await });
    bed.settle().await;
    let asked = offsets(&bed);
    assert!(!asked.contains(&Some(9)), "8 was not stored: {asked:?}");
    bed.clock.advance(60_000);
    bed.settle().await;
    asking.abort();
    assert_eq!(offsets(&bed).last(), Some(&Some(9)));
    assert_eq!(count(&bed).await, 2);
}

#[tokio::test]
async fn another_reader_and_a_webhook_are_noticed_and_nothing_is_lost() {
    let telegram = Telegram::default();
    telegram.updates.lock().unwrap().push(message(7, "first"));
    telegram.refuses(409, "Conflict: can't use getUpdates method while webhook is active");
    telegram.refuses(409, "Conflict: terminated by other getUpdates request");
    telegram.refuses(401, "Unauthorized");
    telegram.refuses(502, "Bad Gateway");
    let bed = telegram.bed();
    let deps = bed.deps.clone();
    let asking = tokio::spawn(async move { webhook_aggregator::poll(&deps).await });
    bed.settle().await;
    assert_eq!((bed.sent("/deleteWebhook").len(), offsets(&bed).len()), (1, 1));
    for asked in 2..=4 {
        bed.clock.advance(30_000);
        bed.settle().await;
        assert_eq!(offsets(&bed).len(), asked, "no sooner than in half a minute");
    }
    assert_eq!(bed.sent("/deleteWebhook").len(), 2, "the webhook is removed again");
    bed.clock.advance(5_000);
    bed.settle().await;
    asking.abort();
    assert_eq!(count(&bed).await, 1);
}

/// Half an emoji, bytes that are no UTF-8, an update that nothing can read: none of them makes the
/// endpoint deaf to those behind it.
#[tokio::test]
async fn broken_update_is_passed_and_those_behind_it_are_read() {
    let deep = "[".repeat(300) + &"]".repeat(300);
    let half = message(7, "half").to_string().replace("half", "half \\ud83d");
    let broken = format!(r#"{{"message":{{"update_id":1,"x":"]}}\""}},"update_id":8,"y":{deep}}}"#);
    let batch =
        format!(r#"{{"ok":true,"result":[{half}, {broken} ,{}]}}"#, message(9, "name \u{1}"));
    let batch = batch.replace("\\u0001", "\u{1}").into_bytes();
    let batch: Vec<u8> = batch.into_iter().map(|b| if b == 1 { 0xff } else { b }).collect();
    let telegram = Telegram::default();
    let json = MemoryOutbound::json(200, &json!({}));
    telegram.refusals.lock().unwrap().push(OutboundResponse { body: batch.into(), ..json });
    let bed = telegram.bed();
    ask(&bed).await;
    assert_eq!(offsets(&bed), [None, Some(10)]);
    assert_eq!(bed.event("7").await["text"], "half \u{fffd}");
    assert_eq!(bed.event("9").await["text"], "name \u{fffd}");
    let events = bed.get("/api/events?channel=telegram").await;
    let states = events["events"].as_array().unwrap().iter().map(|event| &event["state"]);
    assert_eq!(states.filter(|state| **state == "quarantined").count(), 1, "{events}");
}

#[test]
fn worker_refuses_an_endpoint_that_would_have_to_ask() {
    let mut config = config();
    config["endpoints"]["telegram"]["main"]["mode"] = json!("polling");
    let report = platform::config::Report::default();
    let read = webhook_aggregator::Config::read(&config, &report);
    read.refuse_polling(&report);
    let problems: Vec<_> = report.into_problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("endpoints.telegram.main.mode") && problems[0].contains("webhook")
    );
}
