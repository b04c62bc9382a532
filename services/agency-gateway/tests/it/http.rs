//! The gateway's own API: run-task, tasks, events, halt, health.

use crate::bed::{Bed, breathe, hanging, saying, tool, until};
use contracts::approval::{Approval, ApprovalState};
use contracts::calls::personal_assistant::{Claim, Settle};
use contracts::{ErrorCode, Problem};
use serde_json::{Value, json};

pub fn request(task: &str, agent: &str) -> Value {
    json!({"taskId": task, "agent": agent, "message": "go", "approvalId": "apr_1", "digest": "digest"})
}

pub fn approval(task: &str, agent: &str) -> Approval {
    Approval {
        task_id: task.into(),
        kind: agent.to_owned(),
        agent_type: agent.into(),
        arguments: Some(json!({"message": "go"})),
        digest: "digest".to_owned(),
        ..fakes::approval(ApprovalState::Approved)
    }
}

fn bed() -> Bed {
    let bed = Bed::idle(&tool());
    bed.programs.install(
        "tool",
        saying(&[
            r#"{"type":"progress","text":"thinking"}"#,
            r#"{"type":"result","text":"Done.","costUsd":0.5}"#,
        ]),
    );
    bed.approval(Some(approval("t", "worker")));
    bed
}

#[tokio::test]
async fn run_task_runs_approved_work_once_and_shows_it() {
    let bed = bed();
    let (status, view) = bed.call("POST", "/api/run-task", "gateway", request("t", "worker")).await;
    assert_eq!(
        (status, view["state"].as_str(), view["agent"].as_str()),
        (202, Some("running"), Some("worker"))
    );
    until("done", || bed.deps.board.running() == 0).await;
    let (status, view) =
        bed.call("POST", "/api/run-task", "operator", request("t", "worker")).await;
    assert_eq!(
        (status, view["state"].as_str(), view["text"].as_str(), view["actualCost"].as_f64()),
        (200, Some("success"), Some("Done."), Some(0.5))
    );
    assert_eq!(
        (bed.fakes.count::<Claim>(), bed.fakes.count::<Settle>(), bed.programs.started().len()),
        (1, 1, 1)
    );
    assert_eq!(bed.call("GET", "/api/tasks/t", "viewer", json!(null)).await, (200, view));
    assert_eq!(bed.call("GET", "/api/tasks/u", "viewer", json!(null)).await.0, 404);
}

#[tokio::test]
async fn run_task_refuses_work_without_a_valid_approval() {
    let bed = bed();
    let refused = async |body: Value| {
        let (status, problem) = bed.call("POST", "/api/run-task", "operator", body).await;
        (status, problem["code"].as_str().unwrap_or_default().to_owned())
    };
    let not_approved = (403, "not_approved".to_owned());
    let with = |key: &str, value: Value| {
        let mut body = request("t", "worker");
        body[key] = value;
        body
    };
    assert_eq!(
        refused(json!({"taskId": "t", "agent": "worker", "message": "go"})).await,
        not_approved
    );
    for (key, value) in [
        ("approvalId", json!(null)),
        ("agent", json!("codegen")),
        ("taskId", json!("other")),
        ("digest", json!("d2")),
        ("message", json!("rm")),
    ] {
        assert_eq!(refused(with(key, value)).await, not_approved, "{key}");
    }
    for code in [ErrorCode::NotApproved, ErrorCode::Conflict, ErrorCode::NotFound] {
        bed.refuse::<Claim>(&[code]);
        assert_eq!(refused(request("t", "worker")).await, not_approved, "{code:?}");
    }
    // A code that a claim does not declare.
    let undeclared = Problem::new(ErrorCode::AlreadyDecided, "ordered by the test");
    bed.fakes.raw::<Claim>(409, &json!(undeclared).to_string());
    assert_eq!(refused(request("t", "worker")).await, not_approved);
    bed.claims();
    bed.refuse::<Claim>(&[ErrorCode::Halted, ErrorCode::BudgetExhausted]);
    assert_eq!(refused(request("t", "worker")).await, (409, "halted".to_owned()));
    assert_eq!(refused(request("t", "worker")).await, (402, "budget_exhausted".to_owned()));
    assert_eq!(refused(with("hurry", json!(1))).await.0, 422);
    assert_eq!(refused(with("message", json!(" "))).await.0, 422);
    bed.approval(None);
    assert_eq!(refused(request("t", "worker")).await, not_approved);
    assert_eq!(
        refused(with("hurry", json!(1))).await,
        not_approved,
        "without an approval nothing else is said"
    );
    assert!(bed.programs.started().is_empty());
    assert_eq!(bed.deps.board.running(), 0);
}

#[tokio::test]
async fn gateway_paths_require_their_scope() {
    let bed = bed();
    for (method, path, who, status) in [
        ("POST", "/api/run-task", "agent", 403),
        ("POST", "/api/run-task", "viewer", 403),
        ("POST", "/api/run-task", "nobody", 401),
        ("POST", "/api/halt", "gateway", 403),
        ("GET", "/api/tasks/t", "agent", 403),
        ("GET", "/api/tasks/t/events", "agent", 403),
        ("GET", "/health", "nobody", 200),
        ("GET", "/api/nothing", "operator", 404),
        ("GET", "/api/halt", "operator", 405),
    ] {
        assert_eq!(bed.call(method, path, who, json!({})).await.0, status, "{method} {path} {who}");
    }
}

#[tokio::test]
async fn run_task_is_refused_at_full_capacity() {
    let bed = Bed::idle(&json!({"gateway": {"capacity": 1}, "agents": tool()["agents"]}));
    bed.programs.install("tool", hanging());
    bed.approval(Some(approval("t", "worker")));
    assert_eq!(bed.call("POST", "/api/run-task", "operator", request("t", "worker")).await.0, 202);
    assert_eq!(bed.call("POST", "/api/run-task", "operator", request("u", "worker")).await.0, 503);
}

#[tokio::test]
async fn gateway_halt_stops_the_run() {
    let bed = bed();
    bed.programs.install("tool", hanging());
    assert_eq!(bed.call("POST", "/api/halt", "operator", json!({})).await.0, 422);
    assert_eq!(bed.call("POST", "/api/halt", "operator", json!({"taskId": "t"})).await.0, 404);
    bed.call("POST", "/api/run-task", "operator", request("t", "worker")).await;
    until("running", || bed.programs.started().len() == 1).await;
    let (status, answer) =
        bed.call("POST", "/api/halt", "operator", json!({"all": true, "reason": "enough"})).await;
    assert_eq!(
        (status, answer["success"].as_bool(), answer["level"].as_str()),
        (202, Some(true), Some("accepted"))
    );
    until("done", || bed.deps.board.running() == 0).await;
    assert_eq!(bed.programs.stopped(), ["t"]);
    assert_eq!(
        bed.call("GET", "/api/tasks/t", "operator", json!(null)).await.1["text"],
        "It was at: thinking\n\nworker was stopped after spending $0.50. It was halted."
    );
    let (status, answer) = bed.call("POST", "/api/halt", "operator", json!({"taskId": "t"})).await;
    assert_eq!((status, answer["level"].as_str()), (200, Some("stopped")));
}

#[tokio::test]
async fn assistant_halt_stops_a_run_without_a_lease() {
    let bed = bed();
    bed.programs.install("tool", hanging());
    bed.call("POST", "/api/run-task", "operator", request("t", "worker")).await;
    until("running", || bed.programs.started().len() == 1).await;
    breathe().await;
    bed.halts();
    until("done", || bed.deps.board.running() == 0).await;
    assert_eq!(bed.programs.stopped(), ["t"]);
}

#[tokio::test]
async fn task_events_are_streamed_until_the_run_ends() {
    let bed = bed();
    bed.call("POST", "/api/run-task", "operator", request("t", "worker")).await;
    let (status, text) = bed.raw("GET", "/api/tasks/t/events", "viewer", json!(null)).await;
    assert_eq!(status, 200);
    let kinds: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(kinds, ["started", "progress", "finished"], "{text}");
    let data: Value = serde_json::from_str(
        text.lines().filter_map(|line| line.strip_prefix("data: ")).nth(1).unwrap(),
    )
    .unwrap();
    assert_eq!(
        (data["seq"].as_u64(), data["text"].as_str(), data["at"].as_str()),
        (Some(2), Some("thinking"), Some("2026-09-21T14:13:22.000Z"))
    );
}

#[tokio::test]
async fn health_names_agents_with_a_missing_program() {
    let bed = Bed::idle(&tool());
    let (status, health) = bed.call("GET", "/health", "", json!(null)).await;
    assert_eq!(
        (status, health["service"].as_str(), health["status"].as_str()),
        (200, Some("agency-gateway"), Some("degraded"))
    );
    bed.programs.install("tool", hanging());
    assert_eq!(bed.call("GET", "/health", "", json!(null)).await.1["status"], "ok");
    assert!(bed.now() > 0);
}
