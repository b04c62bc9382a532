//! Requests for approval.

use crate::kit::*;
use personal_assistant::router;
use serde_json::{Value, json};
use std::sync::Arc;

#[tokio::test]
async fn approve_allows_cheap_work_at_once_and_holds_its_amount() {
    let bed = Bed::new();
    let answer = bed.ask("t1", 1.25).await;
    assert_eq!(
        (&answer["approved"], &answer["state"], &answer["costLimit"]),
        (&json!(true), &json!("approved"), &json!(1.25))
    );
    assert_eq!(answer["policies"], json!(["riskTolerance:balanced"]));
    assert_eq!(answer["monitoringLevel"], "basic");
    let day = bed.day().await;
    assert_eq!(
        (&day["held"], &day["remaining"], &day["limit"], &day["source"]),
        (&json!(1.25), &json!(48.75), &json!(50.0), &json!("default"))
    );
}

#[tokio::test]
async fn approve_repeated_returns_the_current_state_and_holds_once() {
    let bed = Bed::new();
    let first = bed.ask("t1", 1.0).await;
    let again = bed.ask("t1", 1.0).await;
    assert_eq!(first["approvalId"], again["approvalId"]);
    assert_eq!(bed.day().await["held"], 1.0);
    let (status, body) = bed.post(OPERATOR, "/api/approve", request("t1", 2.0)).await;
    assert_eq!(
        (status, &body["code"], &body["approvalId"]),
        (409, &json!("conflict"), &first["approvalId"])
    );
}

#[tokio::test]
async fn approve_over_budget_returns_the_remainder_and_the_reset_time() {
    let bed = Bed::with(json!({"budget": {"daily": 2.0, "time_zone": "Europe/Berlin"}}));
    bed.ask("t1", 1.5).await;
    let answer = bed.ask("t2", 1.0).await;
    assert_eq!(
        (&answer["approved"], &answer["state"], &answer["code"]),
        (&json!(false), &json!("rejected"), &json!("budget_exhausted"))
    );
    assert_eq!(
        (&answer["remaining"], &answer["resetsAt"]),
        (&json!(0.5), &json!("2026-09-21T22:00:00.000Z"))
    );
    assert!(answer["policies"].as_array().unwrap().contains(&json!("budget")));
    assert_eq!(bed.day().await["held"], 1.5);
}

#[tokio::test]
async fn exhausted_budget_still_allows_free_work() {
    let bed = Bed::with(json!({"budget": {"daily": 0}}));
    assert_eq!(bed.ask("t1", 0.0).await["state"], "approved");
    assert_eq!(bed.ask("t2", 0.01).await["code"], "budget_exhausted");
}

#[tokio::test]
async fn budget_includes_the_agents_own_limit_and_the_month() {
    let bed = Bed::with(
        json!({"budget": {"monthly": 3.0}, "agents": {"codegen": {"daily_budget": 2.0}}}),
    );
    bed.ask("t1", 1.5).await;
    assert_eq!(bed.ask("t2", 1.0).await["code"], "budget_exhausted", "the agent's day");
    let mut other = request("t3", 1.5);
    other["agentType"] = json!("security");
    assert_eq!(bed.post(OPERATOR, "/api/approve", other.clone()).await.1["state"], "approved");
    other["taskId"] = json!("t4");
    assert_eq!(
        bed.post(OPERATOR, "/api/approve", other).await.1["code"],
        "budget_exhausted",
        "the month"
    );
    let scopes: Vec<Value> =
        bed.get(OPERATOR, "/api/budget").await["scopes"].as_array().unwrap().clone();
    let held: Vec<_> = scopes
        .iter()
        .map(|scope| {
            (
                scope["scope"].as_str().unwrap(),
                scope["window"].as_str().unwrap(),
                scope["held"].as_f64().unwrap(),
            )
        })
        .collect();
    assert_eq!(held, [("all", "day", 3.0), ("all", "month", 3.0), ("agent:codegen", "day", 1.5)]);
}

#[tokio::test]
async fn command_without_a_price_needs_the_owner_in_any_spelling() {
    let bed = Bed::with(json!({"agents": {"codegen": {"runner": "command"}}}));
    for (task, agent) in [("t1", "codegen"), ("t2", "CodeGen")] {
        let mut body = request(task, 0.0);
        body["agentType"] = json!(agent);
        let answer = bed.post(AGENT, "/api/approve", body).await.1;
        assert_eq!(
            (&answer["state"], &answer["policies"]),
            (&json!("pending"), &json!(["unknownPrice"]))
        );
        assert_eq!(answer["costLimit"], 10.0, "held when approved, because the price is unknown");
    }
    assert_eq!(bed.day().await["held"], 0.0, "a question holds nothing");
}

#[tokio::test]
async fn a_made_up_runner_without_a_price_needs_the_owner_and_with_one_holds_it() {
    use platform::memory::runners::{READING, WRITING};
    let mut bed = Bed::new();
    let table = json!({"agents": {
        "writer": {"runner": WRITING.name}, "reader": {"runner": READING.name},
        "priced": {"runner": WRITING.name, "estimated_cost": 2},
    }});
    let agents = platform::agents::Agents::read_as(&[READING, WRITING], &table);
    let mut config = (*bed.deps.config).clone();
    config.agents = agents;
    bed.deps.config = Arc::new(config);
    bed.router = router(bed.deps.clone());
    for (agent, state, policies, limit) in [
        ("writer", "pending", json!(["unknownPrice"]), 10.0),
        ("reader", "pending", json!(["unknownPrice"]), 10.0),
        ("priced", "approved", json!(["riskTolerance:balanced"]), 2.0),
    ] {
        let mut body = request(agent, 0.0);
        body["agentType"] = json!(agent);
        let answer = bed.post(AGENT, "/api/approve", body).await.1;
        assert_eq!((&answer["state"], &answer["policies"]), (&json!(state), &policies), "{agent}");
        assert_eq!(answer["costLimit"], limit, "{agent}");
    }
}

#[tokio::test]
async fn unknown_price_is_shown_as_unknown_and_held_as_far_as_the_budget_goes() {
    let table = json!({"agents": {"codegen": {"runner": "command"}}, "budget": {"daily": 12.0}});
    let bed = Bed::with(table);
    let first = bed.ask_in_chat("t1", 0.0).await;
    assert_eq!((&first["state"], &first["costLimit"]), (&json!("pending"), &json!(10.0)));
    let asked = bed.deliveries().pop().unwrap();
    assert!(asked.text.contains("Cost: unknown. Up to $10.00 is set aside"), "{}", asked.text);
    let shown = bed.get(OPERATOR, "/api/approvals").await["approvals"][0].clone();
    assert_eq!(shown["estimatedCost"], Value::Null, "never $0.00");
    assert_eq!(bed.decide(&first["approvalId"], "approve").await.0, 200);
    let second = bed.ask("t2", 0.0).await;
    assert_eq!((&second["state"], &second["costLimit"]), (&json!("pending"), &json!(2.0)));
    assert_eq!(bed.decide(&second["approvalId"], "approve").await.0, 200);
    assert_eq!(bed.ask("t3", 0.0).await["code"], "budget_exhausted", "nothing is left");
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let bed = Bed::new();
    let cases = [
        ("taskId", json!("")),
        ("taskId", json!(" t ")),
        ("type", json!("x".repeat(201))),
        ("agentType", json!("a\nb")),
        ("operation", json!("")),
        ("description", json!("x".repeat(8_001))),
        ("wait", json!(31)),
        ("estimatedCost", json!(-1)),
        ("arguments", json!({"n": 9_007_199_254_740_993_i64})),
        ("hurry", json!(true)),
    ];
    for (field, value) in cases {
        let mut body = request("t1", 1.0);
        body[field] = value;
        let (status, problem) = bed.post(OPERATOR, "/api/approve", body).await;
        assert_eq!((status, problem["field"].as_str()), (422, Some(field)), "{problem}");
    }
    assert!(bed.rows("SELECT id FROM approvals").await.is_empty());
}

#[tokio::test]
async fn approve_and_read_require_their_scopes() {
    let bed = Bed::new();
    for (token, status) in [
        (OPERATOR, 200),
        (AGENT, 200),
        (AGGREGATOR, 200),
        (VIEWER, 403),
        (GATEWAY, 403),
        (DASHBOARD, 403),
        ("nobody", 401),
    ] {
        assert_eq!(
            bed.post(token, "/api/approve", request(&format!("t-{token}"), 0.0)).await.0,
            status,
            "{token}"
        );
    }
    let seen = |list: Value| list["approvals"].as_array().unwrap().len();
    assert_eq!(seen(bed.get(OPERATOR, "/api/approvals").await), 3);
    assert_eq!(seen(bed.get(VIEWER, "/api/approvals").await), 3);
    let own = bed.get(AGENT, "/api/approvals").await;
    assert_eq!(own["approvals"][0]["taskId"], "t-token-agent");
    assert_eq!(seen(own), 1);
    let all = bed.get(OPERATOR, "/api/approvals").await;
    let others = |row: &&Value| row["taskId"] != "t-token-agent";
    let foreign = all["approvals"].as_array().unwrap().iter().find(others).unwrap();
    let foreign = foreign["id"].as_str().unwrap();
    assert_eq!(
        bed.send(AGENT, "GET", &format!("/api/approvals/{foreign}"), Value::Null).await.0,
        404
    );
    assert_eq!(bed.send(OPERATOR, "GET", "/api/approvals?state=perhaps", Value::Null).await.0, 422);
}

#[tokio::test]
async fn failing_storage_never_approves() {
    let bed = Bed::new();
    bed.sql.faults.refuse_next(1, platform::ports::PortErrorKind::Unavailable);
    let (status, problem) = bed.post(OPERATOR, "/api/approve", request("t1", 1.0)).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    assert!(bed.rows("SELECT id FROM approvals UNION SELECT task FROM hold").await.is_empty());
}

#[tokio::test]
async fn approve_recovers_from_a_failure_after_the_write() {
    let bed = Bed::new();
    let healthy = bed.ask("t0", 1.0).await;
    assert_eq!(healthy["state"], "approved");
    // Rules and limits are two reads; the third operation is the batch.
    bed.sql.faults.keep_but_fail_next(1);
    assert_eq!(bed.post(OPERATOR, "/api/approve", request("t1", 1.0)).await.0, 500);
    let again = bed.ask("t1", 1.0).await;
    assert_eq!(again["state"], "approved");
    assert_eq!(bed.day().await["held"], 2.0);
}

#[tokio::test]
async fn unreadable_rules_allow_nothing() {
    let bed = Bed::new();
    bed.rows("INSERT INTO personal_context (name, value, set_at, set_by) VALUES ('riskTolerance', '\"reckless\"', 0, 'x')").await;
    let (status, problem) = bed.post(OPERATOR, "/api/approve", request("t1", 0.0)).await;
    assert_eq!((status, &problem["code"]), (500, &json!("internal")));
    assert!(bed.rows("SELECT id FROM approvals").await.is_empty());
}

#[tokio::test]
async fn approval_lapses_by_time_together_with_its_hold() {
    let bed = Bed::new();
    let answer = bed.ask("t1", 1.0).await;
    bed.clock.advance(15 * 60_000);
    let path = format!("/api/approvals/{}", answer["approvalId"].as_str().unwrap());
    assert_eq!(bed.get(OPERATOR, &path).await["state"], "lapsed");
    assert_eq!(bed.day().await["held"], 1.0, "five seconds for clocks that differ");
    bed.clock.advance(5_000);
    assert_eq!(bed.day().await["held"], 0.0);
    let again = bed.ask("t1", 1.0).await;
    assert_eq!((&again["approved"], &again["code"]), (&json!(false), &json!("lapsed")));
    let lapsed = bed.get(OPERATOR, "/api/approvals?state=lapsed").await;
    assert_eq!(lapsed["approvals"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn approve_refuses_more_than_the_remaining_budget_with_the_remainder() {
    let bed = Bed::with(json!({"budget": {"daily": 5.0}}));
    for task in ["t1", "t2"] {
        bed.ask(task, 2.4).await;
        let list = bed.get(OPERATOR, "/api/approvals?state=pending").await;
        if let Some(pending) =
            list["approvals"].as_array().unwrap().iter().find(|row| row["taskId"] == task)
        {
            assert_eq!(bed.decide(&pending["id"], "approve").await.0, 200);
        }
    }
    let answer = bed.ask("t3", 3.0).await;
    assert_eq!(
        (&answer["approved"], &answer["state"], &answer["code"]),
        (&json!(false), &json!("rejected"), &json!("budget_exhausted")),
        "{answer}"
    );
    assert_eq!(answer["remaining"], 0.2);
    assert!(answer["resetsAt"].is_string());
}

#[tokio::test]
async fn forbidden_path_reveals_no_methods() {
    let bed = Bed::new();
    for (token, method, path, status) in [
        ("nobody", "GET", "/api/halt", 401),
        (VIEWER, "GET", "/api/halt", 403),
        (OPERATOR, "GET", "/api/halt", 405),
        (OPERATOR, "GET", "/internal/press", 404),
        ("nobody", "DELETE", "/internal/press", 404),
        (OPERATOR, "DELETE", "/health", 405),
    ] {
        assert_eq!(bed.send(token, method, path, Value::Null).await.0, status, "{method} {path}");
    }
}

#[tokio::test]
async fn holds_of_a_token_that_can_only_ask_give_way_to_the_owner() {
    let bed = Bed::with(json!({"budget": {"daily": 20.0}}));
    let mut asked = Vec::new();
    for n in 0..9 {
        asked.push(bed.post(AGENT, "/api/approve", request(&format!("loop-{n}"), 2.5)).await.1);
    }
    assert_eq!((&asked[7]["state"], &bed.day().await["held"]), (&json!("approved"), &json!(20.0)));
    assert_eq!(asked[8]["code"], "budget_exhausted", "it has no more than the budget itself");
    // A claimed hold stays.
    assert_eq!(bed.claim(&asked[0]).await.0, 200);
    for own in ["own-1", "own-2", "own-3"] {
        assert_eq!(bed.ask(own, 2.5).await["state"], "approved");
    }
    assert_eq!(bed.day().await["held"], 10.0);
    // The others are claimed while the budget covers them, and never above it.
    let mut claimed = 0;
    for approval in &asked[1..8] {
        let (status, body) = bed.claim(approval).await;
        match status {
            200 => claimed += 1,
            _ => assert_eq!(body["code"], "budget_exhausted", "{body}"),
        }
    }
    assert_eq!((claimed, &bed.day().await["held"]), (4, &json!(20.0)));
}

#[tokio::test]
async fn a_token_that_can_only_ask_does_not_flood_the_owner() {
    let bed = Bed::with(json!({"budget": {"daily": 1000.0}}));
    for n in 0..20 {
        let asked = request(&format!("ask-{n}"), 30.0);
        assert_eq!(bed.post(AGENT, "/api/approve", asked).await.1["state"], "pending");
    }
    let (status, body) = bed.post(AGENT, "/api/approve", request("one-more", 30.0)).await;
    assert_eq!((status, &body["code"]), (429, &json!("rate_limited")));
    assert_eq!(bed.ask("own", 30.0).await["state"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_at_the_same_moment_do_not_flood_the_owner_together() {
    let bed = Arc::new(Bed::with(json!({"budget": {"daily": 10_000.0}})));
    let asks = (0..60).map(|n| {
        let bed = bed.clone();
        tokio::spawn(async move {
            bed.post(AGENT, "/api/approve", request(&format!("at-once-{n}"), 30.0)).await
        })
    });
    let mut pending = 0;
    for ask in asks.collect::<Vec<_>>() {
        let (status, body) = ask.await.unwrap();
        pending += usize::from(body["state"] == "pending");
        assert!(status == 429 || status == 200, "{status} {body}");
        assert!(body["state"] == "pending" || body["code"] == "rate_limited", "{body}");
    }
    assert_eq!(pending, 20);
}
