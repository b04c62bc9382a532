//! The owner's decision.

use crate::kit::*;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn first_decision_wins_and_the_second_learns_its_actor() {
    let bed = Bed::new();
    let asked = bed.ask("t1", 5.0).await;
    assert_eq!((&asked["state"], &asked["approved"]), (&json!("pending"), &json!(false)));
    let path = format!("/api/approvals/{}/decide", asked["approvalId"].as_str().unwrap());
    let (status, decided) = bed
        .post(DASHBOARD, &path, json!({"decision": "approve", "actor": "dashboard:owner"}))
        .await;
    assert_eq!(
        (status, &decided["state"], &decided["decidedBy"]),
        (200, &json!("approved"), &json!("dashboard:owner"))
    );
    assert_eq!(bed.day().await["held"], 5.0);
    let (status, problem) = bed.decide(&asked["approvalId"], "reject").await;
    assert_eq!((status, &problem["code"]), (409, &json!("already_decided")));
    assert_eq!(
        (&problem["decidedBy"], &problem["state"]),
        (&json!("dashboard:owner"), &json!("approved"))
    );
    assert!(problem["decidedAt"].is_string());
    assert_eq!(bed.ask("t1", 5.0).await["state"], "approved");
}

#[tokio::test]
async fn decision_actor_is_trusted_from_aggregator_and_dashboard_only() {
    let bed = Bed::new();
    let asked = bed.ask("t1", 5.0).await;
    let path = format!("/api/approvals/{}/decide", asked["approvalId"].as_str().unwrap());
    for token in [AGENT, VIEWER, GATEWAY] {
        assert_eq!(bed.post(token, &path, json!({"decision": "approve"})).await.0, 403, "{token}");
    }
    let (_, decided) = bed
        .post(
            OPERATOR,
            &path,
            json!({"decision": "reject", "reason": "Not now", "actor": "telegram:main:1"}),
        )
        .await;
    assert_eq!(
        (&decided["state"], &decided["decidedBy"], &decided["reason"]),
        (&json!("rejected"), &json!("api"), &json!("Not now"))
    );
    assert_eq!(bed.day().await["held"], 0.0);
}

#[tokio::test]
async fn decision_over_budget_leaves_the_approval_pending() {
    let bed = Bed::with(json!({"budget": {"daily": 6.0}}));
    let asked = bed.ask("t1", 5.0).await;
    bed.ask("t2", 2.0).await;
    let (status, problem) = bed.decide(&asked["approvalId"], "approve").await;
    assert_eq!(
        (status, &problem["code"], &problem["remaining"]),
        (402, &json!("budget_exhausted"), &json!(4.0))
    );
    assert!(problem["resetsAt"].is_string());
    assert_eq!(bed.ask("t1", 5.0).await["state"], "pending");
    bed.send(OPERATOR, "PUT", "/api/budget", json!({"daily": 7.0})).await;
    assert_eq!(bed.decide(&asked["approvalId"], "approve").await.0, 200);
}

#[tokio::test]
async fn decision_on_another_version_is_refused() {
    let bed = Bed::new();
    let asked = bed.ask("t1", 5.0).await;
    let path = format!("/api/approvals/{}/decide", asked["approvalId"].as_str().unwrap());
    let (status, problem) =
        bed.post(OPERATOR, &path, json!({"decision": "approve", "version": 7})).await;
    assert_eq!(
        (status, &problem["code"], &problem["version"]),
        (409, &json!("conflict"), &json!(1))
    );
}

#[tokio::test]
async fn undecided_approval_expires_and_is_never_approved() {
    let bed = Bed::new();
    let asked = bed.ask_in_chat("t1", 5.0).await;
    bed.clock.advance(24 * 3_600_000);
    let (status, problem) = bed.decide(&asked["approvalId"], "approve").await;
    assert_eq!(
        (status, &problem["state"]),
        (409, &json!("expired")),
        "before any tick has recorded it"
    );
    personal_assistant::tick(&bed.deps).await;
    bed.background().await;
    let path = format!("/api/approvals/{}", asked["approvalId"].as_str().unwrap());
    let row = bed.get(OPERATOR, &path).await;
    assert_eq!((&row["state"], &row["decidedBy"]), (&json!("expired"), &json!("expiry")));
    assert_eq!(bed.woken(), [EVENT]);
    assert!(bed.deliveries().last().unwrap().text.starts_with("Expired"));
    assert_eq!(bed.ask("t1", 5.0).await["code"], "expired");
}

#[tokio::test]
async fn waiting_request_is_woken_by_the_decision() {
    let bed = Bed::new();
    let asked = bed.ask("t1", 5.0).await;
    let path = format!("/api/approvals/{}?wait=30", asked["approvalId"].as_str().unwrap());
    let mut again = request("t1", 5.0);
    again["wait"] = json!(30);
    let waiting =
        async { tokio::join!(bed.get(OPERATOR, &path), bed.post(OPERATOR, "/api/approve", again)) };
    let deciding = async {
        bed.background().await;
        bed.decide(&asked["approvalId"], "approve").await
    };
    let ((seen, answered), _) =
        tokio::time::timeout(Duration::from_secs(5), async { tokio::join!(waiting, deciding) })
            .await
            .unwrap();
    assert_eq!(seen["state"], "approved");
    assert_eq!(answered.1["approved"], true);
}

#[tokio::test]
async fn waiting_request_gets_the_pending_state_at_its_timeout() {
    let bed = Bed::new();
    let asked = bed.ask("t1", 5.0).await;
    let path = format!("/api/approvals/{}?wait=3", asked["approvalId"].as_str().unwrap());
    let passing = async {
        for _ in 0..4 {
            bed.background().await;
            bed.clock.advance(1_000);
        }
    };
    let (seen, ()) = tokio::time::timeout(Duration::from_secs(5), async {
        tokio::join!(bed.get(OPERATOR, &path), passing)
    })
    .await
    .unwrap();
    assert_eq!(seen["state"], "pending");
}

#[tokio::test]
async fn concurrent_decisions_have_exactly_one_winner() {
    let bed = Bed::new();
    let asked = bed.ask("t1", 5.0).await;
    let words = (0..16)
        .map(|i| bed.decide(&asked["approvalId"], if i % 2 == 0 { "approve" } else { "reject" }));
    let answers: Vec<(u16, Value)> = futures_util::future::join_all(words).await;
    assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 1);
    assert!(answers.iter().all(|(status, _)| matches!(status, 200 | 409)));
    let held = bed.day().await["held"].clone();
    let approved = bed.ask("t1", 5.0).await["approved"] == true;
    assert_eq!(held, if approved { 5.0 } else { 0.0 });
}
