//! The progress of a run: in the chat, and on the event.

use crate::bed::{Bed, GATEWAY, bed};
use serde_json::{Value, json};

async fn renew(bed: &Bed, task: &Value, progress: &str, cost_micros: i64) {
    let path = format!("/api/tasks/{}/renew", task["taskId"].as_str().unwrap());
    let body = json!({"epoch": task["epoch"], "progress": progress, "costMicros": cost_micros});
    assert_eq!(bed.post(&path, GATEWAY, &body).await.0, 200);
    bed.settle().await;
}

#[tokio::test]
async fn progress_edits_the_placeholder_and_the_answer_replaces_it() {
    let bed = bed();
    bed.telegram(1, "work").await;
    let task = bed.lease().await.remove(0);
    bed.clock.advance(10_000);
    renew(&bed, &task, "running cargo test", 120_000).await;
    let edits = bed.sent("/editMessageText");
    assert_eq!(edits.len(), 1, "{edits:?}");
    for part in ["Working on it (", "running cargo test", "10 s", "$0.12 so far"] {
        assert!(edits[0].contains(part), "{part} is missing in {}", edits[0]);
    }
    // At most one edit in five seconds; the line is kept all the same.
    bed.clock.advance(1_000);
    renew(&bed, &task, "too soon", 0).await;
    assert_eq!(bed.sent("/editMessageText").len(), 1);
    bed.clock.advance(5_000);
    renew(&bed, &task, "", 0).await;
    assert_eq!(bed.sent("/editMessageText").len(), 1, "an empty line is none");
    let lines = bed.event("1").await["progress"].clone();
    let texts: Vec<_> = lines.as_array().unwrap().iter().map(|line| &line["text"]).collect();
    assert_eq!(texts, ["running cargo test", "too soon"]);
    assert_eq!(lines[0]["costMicros"], 120_000);

    bed.finish(&task, "success", "Done and tested.").await;
    assert!(bed.sent("/editMessageText").last().unwrap().contains("Done and tested."));
    assert_eq!(bed.sent("/sendMessage").len(), 1, "one message from the start to the answer");
    assert_eq!(bed.event("1").await["state"], "done");
}

#[tokio::test]
async fn progress_shows_in_the_console_and_is_no_turn_of_the_conversation() {
    let bed = bed();
    let say = async |text: &str| {
        let body = json!({ "text": text, "conversation": "c1" });
        assert_eq!(bed.post("/api/messages", crate::bed::OPERATOR, &body).await.0, 202);
        bed.settle().await;
    };
    say("first").await;
    let task = bed.lease().await.remove(0);
    renew(&bed, &task, "reading the tests", 0).await;
    let list = bed.get("/api/conversations/web:console:c1/messages").await;
    let line = list["messages"].as_array().unwrap().last().unwrap().clone();
    assert!(line["text"].as_str().unwrap().contains("reading the tests"), "{line}");
    assert_eq!(line["settled"], false);
    bed.finish(&task, "success", "One.").await;
    say("second").await;
    let next = bed.lease().await.remove(0);
    let history = next["context"]["history"].to_string();
    assert!(history.contains("One.") && !history.contains("reading"), "{history}");
}
