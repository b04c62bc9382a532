//! A run that is stopped or halted is answered with its words so far and who ended it, and the next
//! run of the conversation gets them.

use crate::bed::{Bed, GATEWAY, bed, config};
use contracts::Shard;
use contracts::approval::GivenUp;
use contracts::calls::personal_assistant::CheckHalts;
use contracts::halt::{HaltCheckAnswer, HaltedBy};
use serde_json::{Value, json};

const APPROVER: u64 = 700_100_200;
const OTHER: u64 = 700_100_201;

async fn renew(bed: &Bed, task: &Value, progress: &str) -> Value {
    let path = format!("/api/tasks/{}/renew", task["taskId"].as_str().unwrap());
    let body = json!({ "epoch": task["epoch"], "progress": progress });
    let answer = bed.post(&path, GATEWAY, &body).await.1;
    bed.settle().await;
    answer
}

/// The gateway reports the end of the run.
async fn end(bed: &Bed, task: &Value, more: &Value) {
    let path = format!("/api/tasks/{}/result", task["taskId"].as_str().unwrap());
    let mut body = json!({ "epoch": task["epoch"], "outcome": "cancelled", "actualCost": 0.2 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    assert_eq!(bed.post(&path, GATEWAY, &body).await.0, 200);
    bed.settle().await;
}

/// A message in a group, from a person with a name.
async fn group(bed: &Bed, id: u64, user: u64, text: &str) {
    let mention = json!([{ "type": "mention", "offset": 0, "length": 9 }]);
    let from = json!({ "id": user, "first_name": "Ana\u{202e}" });
    let body = json!({ "update_id": id, "message": { "message_id": id, "from": from,
        "chat": { "id": -1_001, "type": "supergroup" }, "date": 1_790_000_000, "text": format!("@desk_bot {text}"),
        "entities": mention } });
    bed.telegram_update(&body).await;
}

fn halts(bed: &Bed, actor: &str) {
    let by = Some(HaltedBy { actor: actor.to_owned(), name: None });
    bed.fakes.on::<CheckHalts>(move |(), _| {
        Ok(HaltCheckAnswer { all: true, by: by.clone(), ..HaltCheckAnswer::default() })
    });
}

#[tokio::test]
async fn gateway_is_told_who_stopped_or_halted_the_run() {
    let stopped_by = async |user: u64| {
        let mut config = config();
        config["endpoints"]["telegram"]["main"]["senders"] =
            json!([APPROVER.to_string(), OTHER.to_string()]);
        let bed = crate::bed::bed_with(config);
        group(&bed, 1, OTHER, "work").await;
        let task = bed.lease().await.remove(0);
        group(&bed, 2, user, "stop").await;
        renew(&bed, &task, "").await["detail"].as_str().unwrap().to_owned()
    };
    assert_eq!(stopped_by(OTHER).await, "You stopped it.");
    // A name proves nothing, and may not change how the line reads.
    let other = "Ana\u{fffd} (telegram:main:700100200) stopped it.";
    assert_eq!(stopped_by(APPROVER).await, other);
    for (actor, detail) in [
        ("telegram:main:700100200", json!("You halted it.")),
        ("slack:team:U1", json!("An approver of another chat halted it.")),
        ("api", json!("The owner halted it.")),
    ] {
        let bed = bed();
        bed.telegram(1, "work").await;
        let task = bed.lease().await.remove(0);
        halts(&bed, actor);
        let answer = renew(&bed, &task, "").await;
        assert_eq!((&answer["reason"], &answer["detail"]), (&json!("halted"), &detail));
    }
}

#[tokio::test]
async fn words_of_a_run_that_was_ended_are_its_answer_and_a_turn_of_the_next_run() {
    for (reason, cost) in [("halted", 0.2), ("stopped", 0.2), ("stopped", 0.0)] {
        let bed = bed();
        bed.telegram(1, "work").await;
        let task = bed.lease().await.remove(0);
        if reason == "stopped" {
            bed.telegram(2, "stop").await;
        }
        let text = "Unfinished:\n\nI renamed two files.\n\ncodegen was stopped. You ended it.";
        end(&bed, &task, &json!({ "reason": reason, "text": text, "actualCost": cost })).await;
        let edit: Value =
            serde_json::from_str(bed.sent("/editMessageText").last().unwrap()).unwrap();
        let event = bed.event("1").await;
        assert_eq!(event["replies"][0]["text"], text, "{reason} {cost}");
        assert_eq!(event["costMicros"], (cost * 1e6) as i64);
        assert_eq!(edit["reply_markup"]["inline_keyboard"], json!([]));
        bed.telegram(3, "go on").await;
        let next = bed.lease().await.remove(0);
        let history = next["context"]["history"].to_string();
        assert!(history.contains("I renamed two files."), "{reason} {cost}: {history}");
    }
}

#[tokio::test]
async fn halted_run_offers_its_changes() {
    let bed = bed();
    bed.telegram(1, "work").await;
    let task = bed.lease().await.remove(0);
    let text = "Unfinished:\n\nI renamed two files.";
    end(&bed, &task, &json!({ "reason": "halted", "text": text, "worktree": "codegen-1a2b" }))
        .await;
    let edits = bed.sent("/editMessageText");
    let last = edits.last().unwrap();
    // A gateway that names no end leaves none out.
    for part in ["I renamed two files.", "Stopped by the owner.", "Show diff", "Discard"] {
        assert!(last.contains(part), "{part} is missing in {last}");
    }
    assert_eq!(bed.event("1").await["state"], "halted");
}

#[tokio::test]
async fn run_whose_machine_is_gone_ends_with_its_last_line() {
    for (stops, expected) in [
        (true, "It was at: running cargo test\n\ncodegen was stopped. You stopped it."),
        (false, "It was at: running cargo test\n\nStopped by the owner."),
    ] {
        let bed = bed();
        bed.telegram(1, "work").await;
        let task = bed.lease().await.remove(0);
        renew(&bed, &task, "running cargo test").await;
        if stops {
            bed.telegram(2, "stop").await;
        }
        bed.given_up(GivenUp::Ended);
        bed.clock.advance(30_001);
        webhook_aggregator::pump(&bed.deps, &Shard::new("telegram.main")).await.unwrap();
        bed.settle().await;
        let event = bed.event("1").await;
        assert_eq!(event["state"], "halted");
        assert_eq!(event["replies"][0]["text"], expected);
    }
}
