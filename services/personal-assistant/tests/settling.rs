//! Settlement: a run's cost is posted once.

use crate::kit::*;
use serde_json::json;

#[tokio::test]
async fn settlement_posts_the_cost_and_releases_the_rest() {
    let bed = Bed::new();
    let token = bed.claimed("t1", 2.0).await;
    let (status, answer) = bed.settle("t1", &token, Some(0.75), "success").await;
    assert_eq!(
        (status, answer),
        (200, json!({"taskId": "t1", "posted": 0.75, "unpriced": false, "overrun": 0.0}))
    );
    let day = bed.day().await;
    assert_eq!((&day["spent"], &day["held"]), (&json!(0.75), &json!(0.0)));
    let row = &bed.get(OPERATOR, "/api/approvals").await["approvals"][0];
    assert_eq!((&row["state"], &row["actualCost"]), (&json!("consumed"), &json!(0.75)));
}

#[tokio::test]
async fn settlement_is_idempotent_and_conflicts_on_other_amounts() {
    let bed = Bed::new();
    let token = bed.claimed("t1", 2.0).await;
    let first = bed.settle("t1", &token, Some(0.75), "success").await;
    assert_eq!(bed.settle("t1", &token, Some(0.75), "success").await, first);
    assert_eq!(bed.settle("t1", &token, Some(0.80), "success").await.0, 409);
    assert_eq!(bed.settle("t1", &token, Some(0.75), "failed").await.0, 409);
    assert_eq!(bed.day().await["spent"], 0.75);
}

#[tokio::test]
async fn settlement_token_is_valid_for_its_own_task_only() {
    let bed = Bed::new();
    let token = bed.claimed("t1", 1.0).await;
    bed.claimed("t2", 1.0).await;
    assert_eq!(bed.settle("t2", &token, Some(0.1), "success").await.0, 403);
    assert_eq!(bed.settle("t1", &json!("guess"), Some(0.1), "success").await.0, 403);
    assert_eq!(
        bed.post(
            OPERATOR,
            "/api/tasks/t1/settle",
            json!({"claimToken": token, "outcome": "success"})
        )
        .await
        .0,
        403
    );
    assert_eq!(bed.day().await["spent"], 0.0);
}

#[tokio::test]
async fn settlement_of_a_run_without_a_cost_posts_the_hold() {
    let bed =
        Bed::with(json!({"agents": {"codegen": {"runner": "command", "estimated_cost": 1.0}}}));
    let cases = [
        ("success", 1.0, true),
        ("failed", 1.0, true),
        ("timeout", 1.0, true),
        ("cancelled", 1.0, true),
        ("unavailable", 0.0, false),
    ];
    for (outcome, posted, unpriced) in cases {
        let token = bed.claimed(outcome, 0.0).await;
        let (status, answer) = bed.settle(outcome, &token, None, outcome).await;
        assert_eq!(
            (status, &answer["posted"], &answer["unpriced"]),
            (200, &json!(posted), &json!(unpriced)),
            "{outcome}"
        );
    }
    assert_eq!(bed.day().await["spent"], 4.0);
    assert_eq!(bed.get(DASHBOARD, "/internal/ledger-stats").await["unpricedCount"], 4);
}

#[tokio::test]
async fn settlement_of_a_free_runner_posts_nothing() {
    let bed = Bed::new();
    for outcome in ["success", "failed", "timeout", "cancelled", "unavailable"] {
        let token = bed.claimed(outcome, 0.0).await;
        let (_, answer) = bed.settle(outcome, &token, None, outcome).await;
        assert_eq!(
            (&answer["posted"], &answer["unpriced"]),
            (&json!(0.0), &json!(false)),
            "{outcome}"
        );
    }
}

#[tokio::test]
async fn settlement_above_the_hold_is_posted_and_flagged() {
    let bed = Bed::with(json!({"budget": {"daily": 2.0}}));
    let token = bed.claimed("t1", 1.0).await;
    assert_eq!(bed.settle("t1", &token, Some(3.0), "success").await.1["overrun"], 2.0);
    let day = bed.day().await;
    assert_eq!((&day["spent"], &day["remaining"]), (&json!(3.0), &json!(0.0)));
    assert_eq!(bed.ask("t2", 0.1).await["code"], "budget_exhausted");
    let stats = bed.get(DASHBOARD, "/internal/ledger-stats").await;
    assert_eq!((&stats["overrun"], &stats["costToday"]), (&json!(2.0), &json!(3.0)));
}

#[tokio::test]
async fn settlement_after_a_day_is_posted_to_its_own_day() {
    let bed = Bed::new();
    let token = bed.claimed("t1", 1.0).await;
    bed.clock.advance(24 * 3_600_000);
    personal_assistant::tick(&bed.deps).await;
    assert_eq!(bed.get(DASHBOARD, "/internal/ledger-stats").await["dailyCosts"], json!([1.0]));
    let (_, answer) = bed.settle("t1", &token, Some(0.5), "success").await;
    assert_eq!(answer["overrun"], 0.0);
    assert_eq!(bed.day().await["spent"], 0.0, "today did not pay for yesterday");
    assert_eq!(
        bed.rows("SELECT spent_u FROM budget WHERE scope = 'day:2026-09-21|all'").await[0]["spent_u"],
        500_000
    );
    assert_eq!(bed.get(DASHBOARD, "/internal/ledger-stats").await["dailyCosts"], json!([0.5]));
}

#[tokio::test]
async fn settlement_with_a_lost_response_is_posted_once() {
    let bed = Bed::new();
    let token = bed.claimed("t1", 1.0).await;
    for _ in 0..3 {
        // Every operation takes effect; the first one reports a failure.
        bed.sql.faults.keep_but_fail_next(1);
        assert_eq!(bed.settle("t1", &token, Some(0.5), "success").await.0, 500);
    }
    assert_eq!(bed.settle("t1", &token, Some(0.5), "success").await.0, 200);
    assert_eq!(bed.day().await["spent"], 0.5);
}

#[tokio::test]
async fn settlement_posts_costs_during_a_halt() {
    let bed = Bed::new();
    let token = bed.claimed("t1", 1.0).await;
    bed.post(OPERATOR, "/api/halt", json!({"all": true})).await;
    assert_eq!(bed.settle("t1", &token, Some(0.5), "cancelled").await.0, 200);
    assert_eq!(bed.day().await["spent"], 0.5);
}

#[tokio::test]
async fn settlement_without_a_cost_says_whether_the_agent_has_a_price() {
    for (table, unknown) in [
        (json!({"runner": "command"}), true),
        (json!({"runner": "command", "input_price": 1, "output_price": 10}), true),
        (json!({"runner": "command", "estimated_cost": 0.5}), false),
    ] {
        let bed = Bed::with(json!({"agents": {"codegen": table}}));
        let asked = bed.ask("t1", 1.0).await;
        if asked["state"] == "pending" {
            assert_eq!(bed.decide(&asked["approvalId"], "approve").await.0, 200);
        }
        let claim = bed.claim(&asked).await;
        let token = claim.1["claimToken"].clone();
        for (cost, flag) in [(None, unknown), (None, unknown)] {
            let (_, settled) = bed.settle("t1", &token, cost, "success").await;
            assert_eq!(settled.get("unknown").is_some(), flag, "{settled}");
            assert_eq!(settled["unpriced"], true);
        }
    }
}
