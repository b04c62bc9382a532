//! The money of a run whose tool call waits for the owner.

use crate::kit::*;
use crate::mcp::{asked_by, bash};
use serde_json::{Value, json};

/// A run with $2 of a day of $3 has spent this much, and its tool call waits for the owner.
async fn waits(spent: Option<f64>) -> (Bed, Value, tokio::task::JoinHandle<Value>, Value) {
    let bed = Bed::with(json!({"budget": {"daily": 3.0}}));
    let token = bed.claimed("t1", 2.0).await;
    if let Some(spent) = spent {
        bed.renew("t1", spent).await;
    }
    assert_eq!(bed.day().await["held"], 2.0);
    let (waits, row) = asked_by(&bed, &token, "request_approval", bash()).await;
    rounds(&bed, 2).await;
    (bed, token, waits, row["id"].clone())
}

/// The looks at a question that is open.
async fn rounds(bed: &Bed, count: usize) {
    for _ in 0..count {
        bed.clock.advance(30_001);
        for _ in 0..500 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn money_that_is_not_spent_is_free_while_the_owner_is_asked_and_held_again_after() {
    let (bed, token, waits, id) = waits(Some(0.5)).await;
    assert_eq!(bed.day().await["held"], 0.5);
    bed.decide(&id, "approve").await;
    assert!(waits.await.unwrap().to_string().contains("approved"));
    assert_eq!(bed.day().await["held"], 2.0);
    let answer = bed.renew("t1", 1.9).await;
    assert_eq!((&answer["costLimit"], &answer["reason"]), (&json!(2.0), &Value::Null), "{answer}");
    bed.settle("t1", &token, None, "success").await;
    assert_eq!(bed.day().await["spent"], 1.9);
}

#[tokio::test]
async fn run_whose_money_went_to_other_work_ends_at_what_is_left() {
    let (bed, _, waits, id) = waits(Some(0.5)).await;
    let other = bed.claimed("t2", 2.0).await;
    bed.decide(&id, "reject").await;
    waits.await.unwrap();
    assert_eq!(bed.day().await["held"], 3.0, "never above the day");
    let answer = bed.renew("t1", 0.9).await;
    assert_eq!((&answer["costLimit"], &answer["reason"]), (&json!(1.0), &Value::Null), "{answer}");
    let answer = bed.renew("t1", 1.1).await;
    assert_eq!(answer["reason"], "budget", "{answer}");
    bed.settle("t2", &other, Some(2.0), "success").await;
}

#[tokio::test]
async fn run_that_has_reported_no_cost_keeps_its_hold_while_it_waits() {
    let (bed, token, _waits, _) = waits(None).await;
    assert_eq!(bed.day().await["held"], 2.0);
    bed.settle("t1", &token, None, "success").await;
    assert_eq!(bed.day().await["spent"], 2.0);
}

#[tokio::test]
async fn money_is_free_after_a_round_without_a_cost_and_again_after_more_of_them() {
    let bed = Bed::with(json!({"budget": {"daily": 3.0}}));
    let token = bed.claimed("t1", 2.0).await;
    bed.renew("t1", 0.5).await;
    let _waits = asked_by(&bed, &token, "request_approval", bash()).await;
    rounds(&bed, 1).await;
    assert_eq!(bed.day().await["held"], 2.0, "the cost of the message that asks may still come");
    bed.renew("t1", 0.6).await;
    rounds(&bed, 1).await;
    assert_eq!(bed.day().await["held"], 2.0);
    rounds(&bed, 1).await;
    assert_eq!(bed.day().await["held"], 0.6);
}

#[tokio::test]
async fn run_that_was_answered_has_what_was_approved_again_once_the_budget_has_it() {
    let (bed, _, waits, id) = waits(Some(0.5)).await;
    let other = bed.claimed("t2", 2.0).await;
    bed.decide(&id, "approve").await;
    waits.await.unwrap();
    bed.settle("t2", &other, Some(0.1), "success").await;
    let answer = bed.renew("t1", 1.5).await;
    assert_eq!((&answer["costLimit"], &answer["pause"]), (&json!(2.0), &Value::Null), "{answer}");
}

#[tokio::test]
async fn run_that_goes_on_spending_while_it_waits_has_its_money_again() {
    let (bed, _, _waits, _) = waits(Some(0.5)).await;
    let answer = bed.renew("t1", 0.5).await;
    assert_eq!((&answer["costLimit"], &bed.day().await["held"]), (&json!(2.0), &json!(0.5)));
    let answer = bed.renew("t1", 0.7).await;
    assert_eq!((&answer["costLimit"], &bed.day().await["held"]), (&json!(2.0), &json!(2.0)));
}

#[tokio::test]
async fn run_that_spends_what_went_to_other_work_ends() {
    let (bed, _, _waits, _) = waits(Some(0.5)).await;
    bed.claimed("t2", 2.5).await;
    let answer = bed.renew("t1", 0.7).await;
    assert_eq!(answer["reason"], "budget", "{answer}");
}
