//! The cost of a run while it runs: renewals raise its limit, ask the owner, or end it; a run that
//! is cut off is posted.

use crate::kit::*;
use contracts::outbox::DeliveryState;
use futures_util::future::join_all;
use serde_json::{Value, json};

/// Rules that approve this much without asking.
async fn approving(bed: &Bed, dollars: f64) {
    let rules = json!({"riskTolerance": "aggressive", "costThreshold": dollars});
    assert_eq!(bed.send(OPERATOR, "PUT", "/api/context", rules).await.0, 200);
}

fn twenty_a_day() -> Bed {
    Bed::with(json!({"budget": {"daily": 20.0}}))
}

async fn spent_and_held(bed: &Bed) -> f64 {
    let day = bed.day().await;
    day["spent"].as_f64().unwrap() + day["held"].as_f64().unwrap()
}

/// The open question about more money.
async fn question(bed: &Bed) -> Value {
    let open = bed.get(OPERATOR, "/api/approvals?state=pending").await;
    assert_eq!(open["approvals"].as_array().unwrap().len(), 1, "{open}");
    open["approvals"][0].clone()
}

#[tokio::test]
async fn reported_cost_counts_as_held_at_once() {
    let bed = Bed::new();
    let token = bed.claimed("t1", 0.5).await;
    bed.renew("t1", 0.3).await;
    assert_eq!(bed.day().await["held"], 0.5);
    bed.renew("t1", 1.2).await;
    assert_eq!(bed.day().await["held"], 1.7);
    bed.renew("t1", 0.1).await;
    assert_eq!(bed.rows("SELECT cost_u FROM claim").await[0]["cost_u"], 1_200_000, "never falls");
    bed.settle("t1", &token, None, "failed").await;
    let day = bed.day().await;
    assert_eq!((&day["spent"], &day["held"]), (&json!(1.2), &json!(0.0)), "what it reported");
}

#[tokio::test]
async fn run_that_needs_more_than_its_hold_finishes_without_a_question() {
    let bed = Bed::new();
    let token = bed.claimed("t1", 0.5).await;
    for cost in [0.6, 1.2, 1.8] {
        let answer = bed.renew("t1", cost).await;
        assert_eq!((&answer["reason"], &answer["pause"]), (&Value::Null, &Value::Null), "{answer}");
        assert!(answer["costLimit"].as_f64().unwrap() >= cost);
    }
    let (_, settled) = bed.settle("t1", &token, Some(1.8), "success").await;
    assert_eq!((&settled["posted"], &settled["overrun"]), (&json!(1.8), &json!(0.0)));
    let all = bed.get(OPERATOR, "/api/approvals").await;
    assert_eq!(all["approvals"].as_array().unwrap().len(), 1, "nobody was asked");
}

#[tokio::test]
async fn runaway_run_ends_at_the_days_limit_plus_one_tick() {
    let bed = twenty_a_day();
    approving(&bed, 100.0).await;
    let token = bed.claimed("t1", 0.5).await;
    let mut last = 0.0;
    for cost in [10.0, 20.0, 30.0, 40.0] {
        let answer = bed.renew("t1", cost).await;
        last = cost;
        assert!(spent_and_held(&bed).await <= 30.0);
        if answer["reason"] == "budget" {
            assert_eq!(answer["detail"], "The budget does not cover more.");
            break;
        }
    }
    assert_eq!(last, 30.0, "the first tick that does not fit");
    let (_, settled) = bed.settle("t1", &token, Some(last), "cancelled").await;
    assert_eq!((&settled["posted"], &settled["overrun"]), (&json!(30.0), &json!(10.0)));
    assert_eq!(bed.ask("t2", 0.1).await["code"], "budget_exhausted");
}

#[tokio::test]
async fn fifty_runaway_runs_exceed_the_days_limit_by_one_tick_each() {
    let bed = twenty_a_day();
    approving(&bed, 100.0).await;
    for n in 0..40 {
        bed.claimed(&format!("t{n}"), 0.5).await;
    }
    for n in 40..50 {
        assert_eq!(bed.ask(&format!("t{n}"), 0.5).await["code"], "budget_exhausted");
    }
    let mut running: Vec<usize> = (0..40).collect();
    let mut spent = [0.0; 40];
    for round in 1..=8 {
        let cost = f64::from(round);
        let answers = join_all(running.iter().map(|n| {
            let (bed, task) = (&bed, format!("t{n}"));
            async move { bed.renew(&task, cost).await }
        }))
        .await;
        for n in &running {
            spent[*n] = cost;
        }
        let ended: Vec<bool> = answers.iter().map(|answer| !answer["reason"].is_null()).collect();
        let mut ended = ended.into_iter();
        running.retain(|_| !ended.next().unwrap());
    }
    assert!(running.is_empty(), "{running:?}");
    let total: f64 = spent.iter().sum();
    assert!(total <= 20.0 + 40.0 * 1.0, "{total}");
    assert_eq!(spent_and_held(&bed).await, total, "every reported dollar counts");
}

#[tokio::test]
async fn owner_is_asked_for_more_money_while_the_run_waits() {
    let bed = twenty_a_day();
    let approval = bed.ask_in_chat("t1", 0.5).await;
    let token = bed.claim(&approval).await.1["claimToken"].clone();
    let answer = bed.renew("t1", 10.0).await;
    assert_eq!((&answer["pause"], &answer["reason"]), (&json!(true), &Value::Null));
    bed.background().await;
    let sent = bed.deliveries().pop().unwrap();
    let buttons = sent.buttons.unwrap();
    assert_eq!(buttons.labels.unwrap(), ["$2.00 more", "Stop"]);
    assert!(sent.text.contains("spent $10.00") && sent.text.contains("> Fix the build"));
    // Asked once, however often it renews.
    assert_eq!(bed.renew("t1", 10.0).await["pause"], true);
    assert_eq!(question(&bed).await["costLimit"], 2.0);
    let press = json!({"token": buttons.approve, "channel": "telegram", "endpoint": "main", "chat": "700100200", "actor": "telegram:main:700100200"});
    let (_, pressed) = bed.post(AGGREGATOR, "/internal/press", press).await;
    assert_eq!(pressed["outcome"], "decided");
    assert_eq!(spent_and_held(&bed).await, 12.0);
    let answer = bed.renew("t1", 10.0).await;
    assert_eq!((&answer["pause"], &answer["costLimit"]), (&Value::Null, &json!(12.0)));
    assert_eq!(spent_and_held(&bed).await, 12.0, "the hold passed over");
    assert_eq!(bed.renew("t1", 12.5).await["pause"], true, "asked again for the next step");
    bed.settle("t1", &token, Some(12.5), "success").await;
    bed.background().await;
    let last = bed.deliveries().pop().unwrap();
    assert!(last.buttons.is_none() && last.text.contains("has ended"), "{}", last.text);
    assert_eq!(spent_and_held(&bed).await, 12.5);
}

#[tokio::test]
async fn run_ends_if_the_owner_declines_or_does_not_answer() {
    let bed = twenty_a_day();
    bed.claimed("t1", 0.5).await;
    bed.renew("t1", 5.0).await;
    let (status, _) = bed.decide(&question(&bed).await["id"], "reject").await;
    assert_eq!(status, 200);
    let answer = bed.renew("t1", 5.0).await;
    assert_eq!((&answer["reason"], &answer["pause"]), (&json!("declined"), &Value::Null));
    bed.claimed("t2", 0.5).await;
    bed.renew("t2", 5.0).await;
    // It renews while it waits; the question ends by itself.
    for _ in 0..60 {
        bed.clock.advance(60_000);
        bed.rows("UPDATE approvals SET lease_until = lease_until + 60000 WHERE state = 'claimed'")
            .await;
    }
    let answer = bed.renew("t2", 5.0).await;
    assert_eq!(answer["reason"], "budget");
    assert!(answer["detail"].as_str().unwrap().starts_with("The owner did not answer in time"));
}

#[tokio::test]
async fn question_for_more_money_starts_no_work_and_reaches_the_dashboard_without_a_chat() {
    let bed = twenty_a_day();
    bed.deliveries_are(DeliveryState::Failed);
    bed.claimed("t1", 0.5).await;
    bed.renew("t1", 5.0).await;
    let asked = question(&bed).await;
    assert_eq!((&asked["type"], &asked["taskId"]), (&json!("more-money"), &json!("t1~more1")));
    bed.decide(&asked["id"], "approve").await;
    let (status, problem) =
        bed.claim(&json!({"approvalId": asked["id"], "digest": asked["digest"]})).await;
    assert_eq!((status, &problem["code"]), (403, &json!("not_approved")));
}

#[tokio::test]
async fn rules_and_the_agents_maximum_end_a_run_without_a_question() {
    let bed = Bed::with(
        json!({"agents": {"codegen": {"runner": "command", "estimated_cost": 0.5, "max_cost": 1.0}}}),
    );
    bed.claimed("t1", 0.5).await;
    assert_eq!(bed.renew("t1", 0.8).await["costLimit"], 1.0, "not above the maximum");
    let answer = bed.renew("t1", 1.1).await;
    assert_eq!(answer["reason"], "budget");
    assert_eq!(answer["detail"], "No run of codegen may cost more than $1.00.");
    bed.claimed("t2", 0.5).await;
    bed.send(OPERATOR, "PUT", "/api/context", json!({"blockedOperations": ["run"]})).await;
    assert_eq!(bed.renew("t2", 0.8).await["reason"], "budget");
}

#[tokio::test]
async fn halted_run_is_told_so_and_its_cost_still_counts() {
    let bed = Bed::new();
    bed.claimed("t1", 0.5).await;
    bed.post(OPERATOR, "/api/halt", json!({"taskId": "t1"})).await;
    let answer = bed.renew("t1", 2.0).await;
    assert_eq!((&answer["reason"], &answer["cancel"]), (&json!("halted"), &json!(true)));
    assert_eq!(bed.day().await["held"], 2.0);
}

#[tokio::test]
async fn cut_off_run_is_posted_at_its_last_cost_else_its_hold_and_a_late_report_corrects_it() {
    let bed = Bed::new();
    let silent = bed.claimed("silent", 0.5).await;
    let told = bed.claimed("told", 0.5).await;
    bed.renew("told", 0.2).await;
    bed.clock.advance(34_999);
    personal_assistant::tick(&bed.deps).await;
    assert_eq!(bed.day().await["spent"], 0.0, "their leases last");
    bed.clock.advance(1);
    assert_eq!(bed.day().await["held"], 1.0, "and then their money is still held");
    for _ in 0..2 {
        personal_assistant::tick(&bed.deps).await;
        let day = bed.day().await;
        assert_eq!((&day["spent"], &day["held"]), (&json!(0.7), &json!(0.0)));
    }
    let answer = bed.renew("told", 0.3).await;
    assert_eq!((&answer["cancel"], &answer["reason"]), (&json!(true), &json!("cut_off")));
    let late = bed.settle("told", &told, Some(0.9), "failed").await;
    assert_eq!((late.0, &late.1["posted"]), (200, &json!(0.9)));
    assert_eq!(bed.settle("told", &told, Some(0.9), "failed").await, late, "once");
    assert_eq!(bed.settle("told", &told, Some(0.1), "failed").await.0, 409);
    bed.settle("silent", &silent, Some(0.0), "unavailable").await;
    assert_eq!(bed.day().await["spent"], 0.9);
    let rows = bed.get(OPERATOR, "/api/approvals").await;
    for row in rows["approvals"].as_array().unwrap() {
        assert_eq!(row["state"], "consumed");
    }
}

#[tokio::test]
async fn run_without_a_lease_renews_its_claim_by_its_token() {
    let bed = Bed::new();
    let token = bed.claimed("t1", 0.5).await;
    let path = "/api/tasks/t1/renew";
    let renew = |token: Value, micros: i64| {
        bed.post(GATEWAY, path, json!({"claimToken": token, "costMicros": micros}))
    };
    let (status, answer) = renew(token.clone(), 700_000).await;
    assert_eq!(
        (status, answer),
        (200, json!({"cancel": false, "leaseMs": 30_000, "costLimit": 1.2}))
    );
    assert_eq!(renew(json!("guess"), 1).await.0, 403);
    bed.post(OPERATOR, "/api/halt", json!({"all": true})).await;
    let (_, answer) = renew(token, 700_000).await;
    assert_eq!((&answer["cancel"], &answer["reason"]), (&json!(true), &json!("halted")));
}

#[tokio::test]
async fn question_about_a_next_step_grants_no_more_than_it_says() {
    let bed = Bed::new();
    bed.approver("7");
    bed.claimed("t1", 0.5).await;
    let renew = json!({"taskId": "t1", "costMicros": 100_000, "needMicros": 3_000_000});
    let (_, answer) = bed.post(AGGREGATOR, "/internal/renewed", renew.clone()).await;
    assert_eq!((&answer["pause"], &answer["costLimit"]), (&json!(true), &json!(0.5)));
    let asked = question(&bed).await;
    let more = asked["costLimit"].as_f64().unwrap();
    assert!((2.5..4.0).contains(&more), "it reaches the step: {asked}");
    let reason = asked["reason"].as_str().unwrap();
    assert!(reason.starts_with(
        "It has spent $0.10, and may spend $0.50. Its next step may bring that to $3.00."
    ));
    assert_eq!(bed.decide(&asked["id"], "approve").await.0, 200);
    let (_, answer) = bed.post(AGGREGATOR, "/internal/renewed", renew).await;
    let limit = answer["costLimit"].as_f64().unwrap();
    assert!((limit - 0.5 - more).abs() < 1e-6, "{limit} for {more} more");
    assert!(answer["pause"] != json!(true), "it goes on");
}
