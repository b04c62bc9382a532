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

/// Work of `telegram.main`, asked there; the approval's id.
async fn of_main(bed: &Bed) -> Value {
    bed.ask_in_chat("t1", 5.0).await["approvalId"].clone()
}

fn decide_path(id: &Value) -> String {
    format!("/api/approvals/{}/decide", id.as_str().unwrap())
}

#[tokio::test]
async fn decision_of_another_endpoints_approver_reads_like_an_unknown_id() {
    let bed = Bed::new();
    let id = of_main(&bed).await;
    let path = decide_path(&id);
    let unknown = decide_path(&json!("apr_01ARZ3NDEKTSV4RRFFQ69G5FAV"));
    for decision in ["approve", "reject"] {
        for actor in
            ["telegram:other:2", "slack:main:2", "telegram:mainx:2", "unknown", "telegram:main:"]
        {
            let word = json!({"decision": decision, "actor": actor});
            let (status, mut problem) = bed.post(AGGREGATOR, &path, word.clone()).await;
            let (_, mut none) = bed.post(AGGREGATOR, &unknown, word).await;
            for answer in [&mut problem, &mut none] {
                answer
                    .as_object_mut()
                    .unwrap()
                    .retain(|key, _| key != "requestId" && key != "instance");
            }
            assert_eq!((status, problem), (404, none), "{actor} {decision}");
        }
        let (status, _) = bed.post(AGGREGATOR, &path, json!({"decision": decision})).await;
        assert_eq!(status, 404, "the aggregator names who decides");
    }
    assert_eq!(bed.ask_in_chat("t1", 5.0).await["state"], "pending");
    let word = json!({"decision": "approve", "actor": "telegram:main:1"});
    let (status, decided) = bed.post(AGGREGATOR, &path, word).await;
    assert_eq!(
        (status, &decided["state"], &decided["decidedBy"]),
        (200, &json!("approved"), &json!("telegram:main:1"))
    );
    // Who won is told to those who might have decided, and to nobody else.
    let late = |actor| json!({"decision": "reject", "actor": actor});
    assert_eq!(bed.post(AGGREGATOR, &path, late("telegram:main:3")).await.0, 409);
    assert_eq!(bed.post(AGGREGATOR, &path, late("telegram:other:2")).await.0, 404);
}

#[tokio::test]
async fn decision_about_another_programs_work_is_for_those_who_were_asked() {
    let bed = Bed::new();
    bed.approver("1");
    let path = decide_path(&bed.ask("deploy-42", 5.0).await["approvalId"]);
    let word = |actor| json!({"decision": "reject", "actor": actor});
    assert_eq!(bed.post(AGGREGATOR, &path, word("telegram:other:2")).await.0, 404);
    assert_eq!(bed.post(AGGREGATOR, &path, word("telegram:main:1")).await.0, 200);
}

/// A program that posts has no approvers of its own: those of the chat where its answers go are
/// asked, and nobody else's word counts.
#[tokio::test]
async fn decision_about_a_posted_message_is_for_those_who_were_asked() {
    let bed = Bed::new();
    bed.approver("1");
    let (_, asked) = bed
        .post(
            AGGREGATOR,
            "/api/approve",
            json!({
                "taskId": "hook.builds.01ARZ3NDEKTSV4RRFFQ69G5FAV", "type": "codegen",
                "description": "the build failed", "agentType": "codegen", "estimatedCost": 5.0,
                "channelContext": { "channel": "hook", "endpoint": "builds", "eventId": "hook.builds.01ARZ3NDEKTSV4RRFFQ69G5FAV",
                    "ask": [{ "channel": "telegram", "endpoint": "main", "chat": "1", "direct": true }] },
                "operation": "run", "arguments": { "message": "the build failed" },
            }),
        )
        .await;
    assert_eq!(asked["state"], "pending", "{asked}");
    let path = decide_path(&asked["approvalId"]);
    let word = |actor| json!({"decision": "approve", "actor": actor});
    for actor in ["telegram:other:2", "hook:builds:builder", "hook:other:builder"] {
        assert_eq!(bed.post(AGGREGATOR, &path, word(actor)).await.0, 404, "{actor}");
    }
    assert_eq!(bed.post(AGGREGATOR, &path, word("telegram:main:1")).await.0, 200);
}

#[tokio::test]
async fn decision_by_the_web_console_and_the_dashboard_reaches_everything() {
    for (token, actor) in [(AGGREGATOR, "web:console:owner"), (DASHBOARD, "dashboard")] {
        let bed = Bed::new();
        let path = decide_path(&of_main(&bed).await);
        let word = json!({"decision": "reject", "actor": actor});
        assert_eq!(bed.post(token, &path, word).await.0, 200, "{actor}");
    }
}

#[tokio::test]
async fn press_of_a_person_of_another_endpoint_changes_nothing() {
    let bed = Bed::new();
    of_main(&bed).await;
    let buttons = bed.deliveries()[0].buttons.clone().unwrap();
    let press = json!({"token": buttons.approve, "channel": "telegram", "endpoint": "main", "chat": "700100200", "actor": "telegram:other:2"});
    let (_, answer) = bed.post(AGGREGATOR, "/internal/press", press).await;
    assert_eq!(answer["outcome"], "no_longer_valid");
    assert_eq!(bed.ask_in_chat("t1", 5.0).await["state"], "pending");
}

#[tokio::test]
async fn budget_told_to_an_approver_holds_his_own_endpoint_only() {
    let bed = Bed::new();
    let asked = bed.ask_in_chat("t1", 5.0).await;
    assert_eq!(bed.decide(&asked["approvalId"], "approve").await.0, 200);
    let token = bed.claimed("deploy-42", 1.5).await;
    bed.settle("deploy-42", &token, Some(1.25), "success").await;
    let told = async |actor: &str| {
        let (status, answer) =
            bed.post(AGGREGATOR, "/internal/budget", json!({"actor": actor})).await;
        (status, answer["message"].as_str().unwrap_or_default().to_owned())
    };
    let (status, mine) = told("telegram:main:1").await;
    assert_eq!(status, 200);
    assert!(mine.contains("$0.00 spent, $5.00 held") && !mine.contains("1.25"), "{mine}");
    let (_, other) = told("telegram:other:2").await;
    assert!(other.contains("$0.00 spent, $0.00 held") && !other.contains('5'), "{other}");
    let (_, owner) = told("web:console:owner").await;
    assert!(owner.contains("$1.25 spent, $5.00 held, $43.75 of $50.00 left"), "{owner}");
    assert_eq!(told("unknown").await.0, 403);
    assert_eq!(bed.post(OPERATOR, "/internal/budget", json!({"actor": "x"})).await.0, 404);
    assert_eq!(bed.send(AGGREGATOR, "GET", "/api/budget", Value::Null).await.0, 403);
}

#[tokio::test]
async fn decision_of_an_unknown_approval_names_those_that_wait_for_this_person() {
    let bed = Bed::new();
    let own = of_main(&bed).await;
    let foreign = bed.ask("deploy-42", 5.0).await["approvalId"].clone();
    let path = decide_path(&json!("apr_01ARZ3NDEKTSV4RRFFQ69G5FAV"));
    for decision in ["approve", "reject"] {
        let (status, problem) = bed.post(OPERATOR, &path, json!({"decision": decision})).await;
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(status, 404);
        for id in [&own, &foreign] {
            assert!(detail.contains(id.as_str().unwrap()), "{detail}");
        }
        let word = json!({"decision": decision, "actor": "telegram:main:1"});
        let problem = bed.post(AGGREGATOR, &path, word).await.1;
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(own.as_str().unwrap()), "{detail}");
        assert!(!detail.contains(foreign.as_str().unwrap()), "{detail}");
    }
}
