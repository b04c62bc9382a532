//! The owner's rules, the budget's limits, and the dashboard's data.

use crate::kit::*;
use serde_json::{Value, json};

#[tokio::test]
async fn context_starts_with_defaults_and_stores_changes() {
    let bed = Bed::new();
    let defaults = bed.get(VIEWER, "/api/context").await;
    assert_eq!(
        defaults,
        json!({"budgetLimit": 50.0, "costThreshold": 10.0, "riskTolerance": "balanced", "allowedAgencies": [], "blockedOperations": [], "requiresHumanApproval": [], "timeZone": "UTC"})
    );
    let (status, kept) = bed
        .send(
            OPERATOR,
            "PUT",
            "/api/context",
            json!({"budgetLimit": 20, "riskTolerance": "aggressive", "blockedOperations": ["deploy"], "timeZone": "Europe/Berlin"}),
        )
        .await;
    assert_eq!(
        (status, &kept["budgetLimit"], &kept["costThreshold"], &kept["riskTolerance"]),
        (200, &json!(20.0), &json!(10.0), &json!("aggressive"))
    );
    assert_eq!(kept, bed.get(OPERATOR, "/api/context").await);
    assert_eq!(bed.send(VIEWER, "PUT", "/api/context", json!({})).await.0, 403);
}

#[tokio::test]
async fn rules_apply_from_the_next_request_on() {
    let bed = Bed::new();
    bed.send(OPERATOR, "PUT", "/api/context", json!({"blockedOperations": ["RUN"]})).await;
    assert_eq!(bed.ask("t1", 0.0).await["code"], "blocked_operation");
    bed.send(
        OPERATOR,
        "PUT",
        "/api/context",
        json!({"blockedOperations": [], "allowedAgencies": ["security"]}),
    )
    .await;
    assert_eq!(bed.ask("t2", 0.0).await["code"], "agency_not_allowed");
    bed.send(
        OPERATOR,
        "PUT",
        "/api/context",
        json!({"allowedAgencies": [], "requiresHumanApproval": ["codegen"]}),
    )
    .await;
    assert_eq!(bed.ask("t3", 0.0).await["state"], "pending");
    bed.send(
        OPERATOR,
        "PUT",
        "/api/context",
        json!({"requiresHumanApproval": [], "riskTolerance": "conservative"}),
    )
    .await;
    assert_eq!(bed.ask("t4", 0.01).await["policies"], json!(["riskTolerance:conservative"]));
}

#[tokio::test]
async fn context_update_lists_all_problems_and_stores_nothing() {
    let bed = Bed::new();
    let (status, problem) =
        bed.send(OPERATOR, "PUT", "/api/context", json!({"riskTolerance": "reckless"})).await;
    assert_eq!((status, &problem["field"]), (422, &json!("riskTolerance")));
    for allowed in ["conservative", "balanced", "aggressive"] {
        assert!(problem["detail"].as_str().unwrap().contains(allowed), "{problem}");
    }
    assert_eq!(bed.send(OPERATOR, "PUT", "/api/context", json!({"budget": 5})).await.0, 422);
    let wrong = json!({"budgetLimit": 2_000_000, "timeZone": "Mars/Olympus", "allowedAgencies": [""], "costThreshold": 5});
    let (status, problem) = bed.send(OPERATOR, "PUT", "/api/context", wrong).await;
    let fields: Vec<_> = problem["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["field"].as_str().unwrap())
        .collect();
    assert_eq!((status, fields), (422, vec!["budgetLimit", "allowedAgencies", "timeZone"]));
    assert_eq!(bed.get(OPERATOR, "/api/context").await["costThreshold"], 10.0);
}

#[tokio::test]
async fn daily_limit_is_one_setting_with_three_names() {
    let bed = Bed::with(json!({"budget": {"daily": 30.0, "monthly": 100.0}}));
    let limits = |budget: &Value| -> Vec<(f64, String)> {
        budget["scopes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|scope| {
                (scope["limit"].as_f64().unwrap(), scope["source"].as_str().unwrap().to_owned())
            })
            .collect()
    };
    assert_eq!(
        limits(&bed.get(VIEWER, "/api/budget").await),
        [(30.0, "file".to_owned()), (100.0, "file".to_owned())]
    );
    let (_, put) = bed.send(OPERATOR, "PUT", "/api/budget", json!({"daily": 12.5})).await;
    assert_eq!(limits(&put), [(12.5, "api".to_owned()), (100.0, "file".to_owned())]);
    assert_eq!(bed.get(OPERATOR, "/api/context").await["budgetLimit"], 12.5);
    bed.send(OPERATOR, "PUT", "/api/context", json!({"budgetLimit": 9})).await;
    assert_eq!(bed.day().await["limit"], 9.0);
    let (_, reset) = bed.send(OPERATOR, "PUT", "/api/budget", json!({"reset": true})).await;
    assert_eq!(limits(&reset), [(30.0, "file".to_owned()), (100.0, "file".to_owned())]);
    for wrong in [json!({"daily": 2_000_000}), json!({"weekly": 1}), json!({"daily": -1})] {
        assert_eq!(bed.send(OPERATOR, "PUT", "/api/budget", wrong).await.0, 422);
    }
}

#[tokio::test]
async fn lower_limit_refuses_new_work_only_and_a_late_monthly_limit_counts_earlier_costs() {
    let bed = Bed::new();
    let approval = bed.ask("t1", 2.0).await;
    bed.send(OPERATOR, "PUT", "/api/budget", json!({"daily": 1.0})).await;
    let token = bed.claim(&approval).await.1["claimToken"].clone();
    assert_eq!(bed.settle("t1", &token, Some(2.0), "success").await.0, 200);
    assert_eq!(bed.ask("t2", 0.5).await["code"], "budget_exhausted");
    let (_, budget) =
        bed.send(OPERATOR, "PUT", "/api/budget", json!({"daily": 50, "monthly": 3})).await;
    assert_eq!(
        (&budget["scopes"][1]["window"], &budget["scopes"][1]["remaining"]),
        (&json!("month"), &json!(1.0))
    );
    assert_eq!(bed.ask("t3", 1.5).await["code"], "budget_exhausted");
}

#[tokio::test]
async fn budget_day_starts_at_the_owners_midnight() {
    let bed = Bed::with(json!({"budget": {"daily": 2.0, "time_zone": "Europe/Berlin"}}));
    bed.clock.set(platform::time::parse_rfc3339("2026-09-21T21:59:59.999Z").unwrap());
    assert_eq!(bed.ask("t1", 2.0).await["approved"], true);
    assert_eq!(bed.ask("t2", 2.0).await["approved"], false);
    bed.clock.advance(1);
    assert_eq!(bed.ask("t3", 2.0).await["approved"], true);
    assert_eq!(bed.day().await["label"], "2026-09-22");
}

#[tokio::test]
async fn ledger_stats_come_from_the_ledger() {
    let bed = Bed::new();
    bed.ask("t1", 1.0).await;
    let asked = bed.ask("t2", 5.0).await;
    bed.clock.advance(4_000);
    bed.decide(&asked["approvalId"], "reject").await;
    bed.ask("t3", 6.0).await;
    let stats = bed.get(DASHBOARD, "/internal/ledger-stats?since=0").await;
    let figures = ["approved", "rejected", "expired", "byHuman", "pending"]
        .map(|name| stats[name].as_u64().unwrap());
    assert_eq!(figures, [1, 1, 0, 1, 1]);
    assert_eq!(
        (&stats["medianDecisionMs"], &stats["held"], &stats["limit"], &stats["halted"]),
        (&json!(4000.0), &json!(1.0), &json!(50.0), &json!(false))
    );
    let first_steps = |stats: &Value| (stats["ownLimit"].clone(), stats["haltTried"].clone());
    assert_eq!(first_steps(&stats), (json!(false), json!(false)));
    bed.send(OPERATOR, "PUT", "/api/budget", json!({"daily": 20.0})).await;
    bed.post(OPERATOR, "/api/halt", json!({"taskId": "t3"})).await;
    let after = bed.get(DASHBOARD, "/internal/ledger-stats").await;
    assert_eq!(first_steps(&after), (json!(true), json!(true)));
    assert_eq!((&stats["today"], &stats["dailyCosts"]), (&json!("2026-09-21"), &json!([])));
    assert_eq!(bed.send(OPERATOR, "GET", "/internal/ledger-stats", Value::Null).await.0, 404);
}

#[tokio::test]
async fn status_and_health_report_the_state() {
    let bed = Bed::new();
    bed.ask("t1", 5.0).await;
    let status = bed.get(VIEWER, "/api/status").await;
    assert_eq!(
        (&status["pending"], &status["halted"], &status["model"]),
        (&json!(1), &json!(false), &Value::Null)
    );
    assert_eq!(bed.get("nobody", "/health").await["status"], "ok");
    bed.clock.advance(1_000);
    bed.sql.faults.refuse_next(1, platform::ports::PortErrorKind::Unavailable);
    let (status, health) = bed.send("nobody", "GET", "/health", Value::Null).await;
    assert_eq!((status, &health["status"]), (503, &json!("degraded")));
    assert_eq!(health["dependsOn"]["database"], "failed");
}

#[tokio::test]
async fn request_above_a_whole_limit_is_refused_without_asking() {
    let bed = Bed::with(json!({"budget": {"daily": 4.0}}));
    for _ in 0..2 {
        let (status, answer) = bed.post(OPERATOR, "/api/approve", request("t1", 60.0)).await;
        assert_eq!(
            (status, answer["state"].as_str(), answer["code"].as_str()),
            (200, Some("rejected"), Some("budget_exhausted")),
            "{answer}"
        );
        assert_eq!(
            (answer["remaining"].as_f64(), answer["resetsAt"].is_string()),
            (Some(4.0), true),
            "{answer}"
        );
    }
}

/// A request for work that came in by this endpoint.
async fn from_endpoint(bed: &Bed, task: &str, dollars: f64, endpoint: &str) -> Value {
    let mut body = request(task, dollars);
    let name = endpoint.split('.').next_back().unwrap();
    let event = format!("{endpoint}.01ARZ3NDEKTSV4RRFFQ69G5FAV");
    body["channelContext"] = json!({"channel": "telegram", "endpoint": name, "eventId": event});
    bed.post(AGGREGATOR, "/api/approve", body).await.1
}

#[tokio::test]
async fn limits_of_an_endpoint_a_week_and_an_agent_hold_beside_those_of_everything() {
    let bed = Bed::with(json!({"budget": {
        "daily": 20, "weekly": 6, "monthly": 100,
        "endpoints": {"telegram.acme": {"daily": 3, "monthly": 50}, "telegram.globex": {"weekly": 2}},
        "agents": {"CodeGen": {"weekly": 5}},
    }}));
    assert_eq!(from_endpoint(&bed, "t1", 2.0, "telegram.acme").await["state"], "approved");
    let over = from_endpoint(&bed, "t2", 1.5, "telegram.acme").await;
    assert_eq!((&over["code"], &over["remaining"]), (&json!("budget_exhausted"), &json!(1.0)));
    assert_eq!(from_endpoint(&bed, "t3", 2.0, "telegram.globex").await["state"], "approved");
    assert_eq!(from_endpoint(&bed, "t4", 0.1, "telegram.globex").await["code"], "budget_exhausted");
    // Four of the five dollars of codegen's week are held by now.
    assert_eq!(from_endpoint(&bed, "t5", 1.5, "slack.T0").await["remaining"], 1.0);
    let scopes = bed.get(VIEWER, "/api/budget").await["scopes"].as_array().unwrap().clone();
    let names: Vec<(&str, &str, f64)> = scopes
        .iter()
        .map(|scope| {
            (
                scope["scope"].as_str().unwrap(),
                scope["window"].as_str().unwrap(),
                scope["held"].as_f64().unwrap(),
            )
        })
        .collect();
    for wanted in [
        ("all", "day", 4.0),
        ("all", "week", 4.0),
        ("endpoint:telegram.acme", "day", 2.0),
        ("endpoint:telegram.acme", "month", 2.0),
        ("endpoint:telegram.globex", "week", 2.0),
        ("agent:codegen", "week", 4.0),
    ] {
        assert!(names.contains(&wanted), "{wanted:?}: {names:?}");
    }
    // A decision by hand holds it in the same windows.
    bed.send(OPERATOR, "PUT", "/api/context", json!({"riskTolerance": "conservative"})).await;
    let asked = from_endpoint(&bed, "t6", 0.5, "telegram.acme").await;
    assert_eq!(asked["state"], "pending");
    bed.decide(&asked["approvalId"], "approve").await;
    let after = bed.get(VIEWER, "/api/budget").await["scopes"].as_array().unwrap().clone();
    let acme = after
        .iter()
        .find(|scope| scope["scope"] == "endpoint:telegram.acme" && scope["window"] == "day");
    assert_eq!(acme.unwrap()["held"], 2.5);
}
