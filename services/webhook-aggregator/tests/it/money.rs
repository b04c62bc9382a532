//! Money of a run on its way through the aggregator, and the state that its end leaves.

use crate::bed::{Bed, GATEWAY, bed};
use contracts::approval::GivenUp;
use contracts::calls::personal_assistant::ReportRenewed;
use contracts::task::{LEASE_MS, RenewAnswer, StopCause};
use contracts::{Micros, Shard};
use serde_json::{Value, json};

async fn running(bed: &Bed) -> Value {
    bed.telegram(1, "work").await;
    bed.lease().await.remove(0)
}

async fn end(bed: &Bed, task: &Value, more: Value) -> Value {
    let path = format!("/api/tasks/{}/result", task["taskId"].as_str().unwrap());
    let mut body = json!({"epoch": task["epoch"], "text": "half of it"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    assert_eq!(bed.post(&path, GATEWAY, &body).await.0, 200);
    bed.settle().await;
    bed.event("1").await
}

#[tokio::test]
async fn renewal_brings_the_cost_to_the_ledger_and_its_word_back() {
    let bed = bed();
    let task = running(&bed).await;
    bed.fakes.on::<ReportRenewed>(|(), request| {
        assert_eq!(request.cost_micros, Some(700_000));
        Ok(RenewAnswer {
            cancel: true,
            lease_ms: LEASE_MS,
            cost_limit: Micros(500_000),
            reason: Some(StopCause::Budget),
            detail: Some("The budget does not cover more.".to_owned()),
            pause: false,
        })
    });
    let path = format!("/api/tasks/{}/renew", task["taskId"].as_str().unwrap());
    let body = json!({"epoch": 1, "costMicros": 700_000});
    let expected = json!({"cancel": true, "leaseMs": 30_000, "costLimit": 0.5, "reason": "budget",
        "detail": "The budget does not cover more."});
    assert_eq!(bed.post(&path, GATEWAY, &body).await, (200, expected));
    bed.fakes.refuse::<ReportRenewed>([contracts::Problem::new(
        contracts::ErrorCode::Unavailable,
        "ordered by the test",
    )]);
    assert!(bed.post(&path, GATEWAY, &body).await.0 >= 500, "not knowing is no leave to spend");
}

#[tokio::test]
async fn run_that_ended_for_money_is_done_with_what_it_did_or_refused_if_it_did_nothing() {
    for (reason, cost, state, why) in [
        ("budget", 30.0, "done", Value::Null),
        ("stopped", 30.0, "done", Value::Null),
        ("budget", 0.0, "refused", json!("budget_exhausted")),
        ("halted", 0.2, "halted", json!("halted")),
        ("shutdown", 0.2, "failed", json!("shut_down")),
        ("cut_off", 0.2, "failed", json!("cut_off")),
    ] {
        let bed = bed();
        let task = running(&bed).await;
        let more = json!({"outcome": "cancelled", "reason": reason, "actualCost": cost});
        let event = end(&bed, &task, more).await;
        assert_eq!((&event["state"], &event["reason"]), (&json!(state), &why), "{reason} {cost}");
        assert_eq!(event["costMicros"], (cost * 1e6) as i64, "{reason}");
        if reason != "halted" {
            assert!(bed.sent("/editMessageText").concat().contains("half of it"));
        }
    }
}

#[tokio::test]
async fn run_that_failed_is_failed_and_keeps_its_cost() {
    for (outcome, reason) in [("failed", "agent_failed"), ("timeout", "time_limit")] {
        let bed = bed();
        let task = running(&bed).await;
        let event = end(&bed, &task, json!({"outcome": outcome, "actualCost": 0.3})).await;
        assert_eq!(
            (&event["state"], &event["reason"], &event["costMicros"]),
            (&json!("failed"), &json!(reason), &json!(300_000))
        );
        let failed = bed.get("/api/events?state=failed").await;
        assert_eq!(failed["events"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn run_that_was_cut_off_keeps_its_last_known_cost() {
    let bed = bed();
    running(&bed).await;
    bed.given_up(GivenUp::Begun);
    bed.clock.advance(30_001);
    webhook_aggregator::pump(&bed.deps, &Shard::new("telegram.main")).await.unwrap();
    bed.settle().await;
    let event = bed.event("1").await;
    assert_eq!(event["costMicros"], 500_000, "{event}");
}

#[tokio::test]
async fn unknown_cost_is_told_with_the_answer_and_in_the_list() {
    let bed = bed();
    for (id, outcome) in [(1, "success"), (2, "failed")] {
        bed.telegram(id, "fix it").await;
        let task = bed.lease().await.remove(0);
        let path = format!("/api/tasks/{}/result", task["taskId"].as_str().unwrap());
        let body = json!({ "epoch": task["epoch"], "outcome": outcome, "text": "Shall I go on?",
            "actualCost": 2.5, "costUnknown": true });
        assert_eq!(bed.post(&path, GATEWAY, &body).await.0, 200);
        bed.settle().await;
        let event = bed.event(&id.to_string()).await;
        let text = event["replies"][0]["text"].as_str().unwrap();
        let told = "Cost unknown: the program reported none and the agent has no price; the $2.50 set aside for it counts.";
        assert!(text.ends_with(told), "{text}");
        assert_eq!(
            (&event["costMicros"], &event["costUnknown"]),
            (&json!(2_500_000), &json!(true))
        );
    }
    let list = bed.get("/api/events").await;
    assert!(list["events"].as_array().unwrap().iter().all(|event| event["costUnknown"] == true));
}
