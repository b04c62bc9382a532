//! The progress of a run: in the chat, and on the event.

use crate::bed::{Bed, GATEWAY, bed, platform_says};
use contracts::event::Speaker;
use contracts::{ConversationId, EventId, Shard, TaskId};
use futures_util::FutureExt;
use inbox::{InboxExt, NewSaid, NoteProgress};
use platform::ports::Clock;
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
async fn progress_that_comes_while_the_placeholder_is_edited_is_shown_five_seconds_later() {
    let bed = bed();
    bed.telegram(1, "work").await;
    let task = bed.lease().await.remove(0);
    let event = EventId::new(bed.event("1").await["id"].as_str().unwrap());
    let note = NoteProgress {
        task: TaskId::new(task["taskId"].as_str().unwrap()),
        epoch: 1,
        line: "two".to_owned(),
        cost_micros: None,
        placeholder: NewSaid {
            id: inbox::reply_id(&event, 0),
            conversation: ConversationId::new("telegram:main:700100200"),
            speaker: Speaker::Agent,
            agent: None,
            text: "It is at two.".to_owned(),
            settled: false,
        },
    };
    let inbox = bed.inbox.clone();
    bed.outbound.answer(move |sent| {
        if sent.url.ends_with("/editMessageText") && sent.body.contains("one") {
            let shard = Shard::new("telegram.main");
            assert!(inbox.ask(&shard, note.clone()).now_or_never().unwrap().unwrap());
        }
        Ok(platform_says(sent))
    });
    bed.clock.advance(10_000);
    renew(&bed, &task, "one", 0).await;
    let pump = async || {
        webhook_aggregator::pump(&bed.deps, &Shard::new("telegram.main")).await.unwrap();
        bed.sent("/editMessageText").len()
    };
    bed.clock.advance(4_999);
    assert_eq!(pump().await, 1);
    bed.clock.advance(1);
    assert_eq!(pump().await, 2);
    assert!(bed.sent("/editMessageText")[1].contains("It is at two."));
    bed.clock.advance(20_000);
    assert_eq!(pump().await, 2, "it is shown, and once");
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

/// An event, at a state that the cursor names or after it.
async fn after(bed: &Bed, id: &str, cursor: &Value) -> Value {
    bed.get(&format!("/api/events/{id}?wait=25&after={}", cursor.as_str().unwrap())).await
}

#[tokio::test]
async fn followed_event_is_answered_at_each_change_without_a_look_in_between() {
    let bed = bed();
    bed.telegram(1, "work").await;
    let task = bed.lease().await.remove(0);
    bed.settle().await;
    let first = bed.event("1").await;
    let id = first["id"].as_str().unwrap().to_owned();
    // A cursor of before is answered at once.
    let again = after(&bed, &id, &json!("1.0")).await;
    assert_eq!(again["cursor"], first["cursor"]);
    // A line of progress, while the clock stands still.
    let (seen, ()) = tokio::join!(after(&bed, &id, &first["cursor"]), async {
        bed.settle().await;
        renew(&bed, &task, "running cargo test", 0).await;
    });
    assert_eq!(seen["progress"][0]["text"], "running cargo test");
    assert_ne!(seen["cursor"], first["cursor"]);
    bed.settle().await;
    let now = bed.event("1").await["cursor"].clone();
    // The end of the run.
    let (seen, ()) = tokio::join!(after(&bed, &id, &now), async {
        bed.settle().await;
        bed.finish(&task, "success", "Done.").await;
    });
    assert!(["answered", "done"].contains(&seen["state"].as_str().unwrap()), "{seen}");
}

#[tokio::test]
async fn followed_event_that_does_not_change_is_answered_after_the_wait_with_the_same_cursor() {
    let bed = bed();
    bed.telegram(1, "work").await;
    bed.lease().await;
    bed.settle().await;
    let first = bed.event("1").await;
    let id = first["id"].as_str().unwrap().to_owned();
    let begun = bed.clock.now_ms();
    let (seen, waited) = tokio::join!(after(&bed, &id, &first["cursor"]), async {
        bed.settle().await;
        bed.clock.advance(24_999);
        bed.settle().await;
        bed.clock.advance(1);
        bed.clock.now_ms() - begun
    });
    assert_eq!((&seen["cursor"], waited), (&first["cursor"], 25_000));
    for wrong in ["x", "%00", &"1".repeat(300)] {
        let (code, _) = bed
            .ask("GET", &format!("/api/events/{id}?after={wrong}"), crate::bed::OPERATOR, &[], "")
            .await;
        assert_eq!(code, 422, "{wrong}");
    }
}
