//! How long the rows of senders who are not known are kept.

use crate::bed::{Bed, GATEWAY, OPERATOR, bed, bed_with, config};
use contracts::Shard;
use platform::ports::{Clock, Objects, PortErrorKind};
use serde_json::json;
use sha2::{Digest, Sha256};

const DAY_MS: i64 = 86_400_000;
const STRANGER: u64 = 900;

/// Everyone may write to the endpoint, and the owner is known.
fn public_bed() -> Bed {
    let mut config = config();
    config["endpoints"]["telegram"]["main"]["senders"] = json!(["700100200", "*"]);
    bed_with(config)
}

async fn look(bed: &Bed) {
    webhook_aggregator::pump(&bed.deps, &Shard::new("telegram.main")).await.unwrap();
    bed.settle().await;
}

async fn next_look(bed: &Bed) -> i64 {
    let due = webhook_aggregator::next_due(&bed.deps, &Shard::new("telegram.main")).await;
    due.unwrap().unwrap()
}

async fn count(bed: &Bed) -> usize {
    bed.get("/api/events?limit=500").await["events"].as_array().unwrap().len()
}

/// A message, its run, and an answer with a file.
async fn answered(bed: &Bed, number: u64, sender: u64) -> String {
    assert_eq!(bed.telegram_from(number, sender, "@codegen make a table").await, 200);
    let task = bed.lease().await.remove(0);
    let path = format!("/api/tasks/{}", task["taskId"].as_str().unwrap());
    let (status, body) = bed.ask("PUT", &format!("{path}/files"), GATEWAY, &[], "a,b\n").await;
    assert_eq!(status, 200, "{body:?}");
    let file = json!({ "name": "table.csv", "sha256": hex::encode(Sha256::digest(b"a,b\n")) });
    let session = json!({ "runner": "command", "id": "s" });
    let result = json!({ "epoch": task["epoch"], "outcome": "success", "text": "Here it is.", "actualCost": 0.0, "files": [file], "session": session });
    let (status, body) = bed.post(&format!("{path}/result"), GATEWAY, &result).await;
    assert_eq!(status, 200, "{body}");
    bed.settle().await;
    let event = bed.event(&number.to_string()).await;
    assert_eq!(event["state"], "done", "{event}");
    event["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn rows_and_files_of_the_public_are_deleted_eight_days_after_the_end() {
    let bed = public_bed();
    let tables = ["event", "stage", "task", "said", "outbox", "outbox_file", "session"];
    let rows = |bed: &Bed| tables.map(|table| (table, bed.inbox.rows(table)));
    let known = answered(&bed, 1, 700_100_200).await;
    let before = (rows(&bed), bed.objects.list("").await.unwrap());
    let public = answered(&bed, 2, STRANGER).await;
    // A button, a command and a message over the limit.
    let press = json!({ "update_id": 3, "callback_query": { "id": "q", "from": { "id": STRANGER }, "data": "x", "message": { "message_id": 5, "chat": { "id": STRANGER, "type": "private" } } } });
    assert_eq!(bed.telegram_update(&press).await, 200);
    for number in 4..=40 {
        bed.telegram_from(number, STRANGER, "/help").await;
    }
    assert!(bed.objects.list("").await.unwrap().len() > before.1.len());
    bed.clock.advance(8 * DAY_MS - 1_000);
    look(&bed).await;
    assert_eq!(count(&bed).await, 40, "before the eight days are over");
    let due = next_look(&bed).await;
    assert!((1..=3_600_000 + 1_000).contains(&(due - bed.clock.now_ms())), "within the hour");
    bed.clock.set(due);
    look(&bed).await;
    assert_eq!((rows(&bed), bed.objects.list("").await.unwrap()), before);
    let path = |id: &str| format!("/api/events/{id}");
    assert_eq!(bed.ask("GET", &path(&public), OPERATOR, &[], "").await.0, 404);
    assert_eq!(bed.get(&path(&known)).await["state"], "done");
    // Keys of the owner's own limits, and of all of the public together, are few and stay.
    assert_eq!(bed.inbox.rows("rate"), 3);
}

#[tokio::test]
async fn rows_of_strangers_are_deleted_a_hundred_at_a_look() {
    let bed = bed();
    bed.telegram(1, "of the owner").await;
    for minute in 0..3 {
        for number in 0..60 {
            let number = 100 + minute * 100 + number;
            bed.telegram_from(number, number, "hello").await;
        }
        bed.clock.advance(60_000);
    }
    assert_eq!(count(&bed).await, 181);
    bed.clock.advance(9 * DAY_MS);
    for left in [81, 1, 1] {
        look(&bed).await;
        assert_eq!(count(&bed).await, left);
        let more = next_look(&bed).await <= bed.clock.now_ms();
        assert_eq!(more, left == 81, "the next look follows at once as long as there is more");
    }
    assert_eq!(bed.event("1").await["sender"], "700100200");
    assert_eq!(bed.inbox.rows("rate"), 3, "two of the owner, one of all strangers together");
}

#[tokio::test]
async fn message_whose_row_was_deleted_is_not_taken_again_within_thirty_days() {
    let bed = public_bed();
    answered(&bed, 7, STRANGER).await;
    bed.clock.advance(10 * DAY_MS);
    look(&bed).await;
    assert_eq!(count(&bed).await, 0);
    for days in [0, 10, 9] {
        bed.clock.advance(days * DAY_MS);
        look(&bed).await;
        assert_eq!(bed.telegram_from(7, STRANGER, "@codegen make a table").await, 200);
        assert_eq!((count(&bed).await, bed.lease().await.len()), (0, 0), "{days} days later");
    }
    assert_eq!(bed.inbox.rows("forgotten"), 1);
    bed.clock.advance(2 * DAY_MS);
    assert!(next_look(&bed).await <= bed.clock.now_ms());
    look(&bed).await;
    assert_eq!(bed.inbox.rows("forgotten"), 0, "keys do not fill the disk either");
}

#[tokio::test]
async fn row_whose_files_cannot_be_deleted_stays_until_they_can() {
    let bed = public_bed();
    answered(&bed, 7, STRANGER).await;
    answered(&bed, 8, STRANGER + 1).await;
    bed.clock.advance(9 * DAY_MS);
    bed.objects.faults.refuse_next(1, PortErrorKind::Unavailable);
    look(&bed).await;
    assert_eq!(count(&bed).await, 1, "the other one is gone");
    let due = next_look(&bed).await;
    assert!(due > bed.clock.now_ms(), "it is not tried again at once");
    bed.clock.set(due);
    look(&bed).await;
    assert_eq!((count(&bed).await, bed.objects.list("").await.unwrap()), (0, Vec::new()));
}
