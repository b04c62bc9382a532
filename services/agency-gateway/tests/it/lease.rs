//! Leased tasks from claim to result, and everything that ends them early.

use crate::bed::{Bed, breathe, hanging, saying, task, tool, until};
use contracts::ErrorCode;
use platform::memory::ScriptedProgram;
use serde_json::json;

#[tokio::test]
async fn task_is_claimed_run_settled_and_reported_in_order() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", saying(&[r#"{"type":"result","text":"Done.","costUsd":0.25}"#]));
    bed.plane.push(task("t~1", 3, "worker", "do it; rm -rf $HOME"));
    until("reported", || bed.plane.count("/result") == 1).await;
    let paths: Vec<_> =
        bed.plane.log().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(
        paths,
        ["/api/approvals/apr_t~1/claim", "/api/tasks/t~1/settle", "/api/tasks/t~1/result"]
    );
    assert_eq!(bed.plane.bodies("/claim"), [json!({"digest": "digest", "epoch": 3})]);
    assert_eq!(
        bed.plane.bodies("/settle"),
        [json!({"claimToken": "token", "actualCost": 0.25, "usage": null, "outcome": "success"})]
    );
    assert_eq!(
        bed.plane.bodies("/result"),
        [
            json!({"epoch": 3, "outcome": "success", "text": "Done.", "actualCost": 0.25, "usage": null})
        ]
    );
    let started = bed.programs.started();
    assert_eq!(
        (started.len(), started[0].args.clone(), started[0].stdin.as_str()),
        (1, vec!["--json".to_owned()], "do it; rm -rf $HOME")
    );
    assert_eq!(
        (started[0].env.clone(), started[0].timeout_ms),
        (vec!["API_KEY".to_owned()], 60_000)
    );
}

#[tokio::test]
async fn lease_requests_every_agent_and_only_the_free_capacity() {
    let bed = Bed::start(&json!({"gateway": {"capacity": 2}, "agents": tool()["agents"]}));
    bed.programs.install("tool", hanging());
    for id in ["a", "b", "c"] {
        bed.plane.push(task(id, 1, "worker", "go"));
    }
    until("two run", || bed.programs.started().len() == 2).await;
    breathe().await;
    assert_eq!(bed.deps.board.running(), 2);
    let leases = bed.plane.leases();
    assert_eq!(leases.iter().map(|l| l["capacity"].as_u64().unwrap()).max(), Some(2));
    assert_eq!(leases[0], json!({"gatewayId": "gw", "agents": ["*"], "capacity": 2, "wait": 25}));
    bed.call("POST", "/api/halt", "operator", json!({"taskId": "a"})).await;
    until("the third runs", || bed.programs.started().len() == 3).await;
}

#[tokio::test]
async fn refused_claim_runs_nothing_and_reports_the_reason() {
    let cases = [
        (ErrorCode::Halted, "cancelled", "halted"),
        (ErrorCode::NotApproved, "failed", "not approved"),
        (ErrorCode::BudgetExhausted, "failed", "budget"),
        (ErrorCode::Conflict, "failed", "does not fit"),
        (ErrorCode::NotFound, "failed", "could not be claimed"),
    ];
    for (code, outcome, words) in cases {
        let bed = Bed::start(&tool());
        bed.programs.install("tool", saying(&["done"]));
        bed.plane.refuse("claim", &[code]);
        bed.plane.push(task("t", 1, "worker", "go"));
        until("reported", || bed.plane.count("/result") == 1).await;
        let result = bed.plane.bodies("/result").remove(0);
        assert_eq!(
            (result["outcome"].as_str(), result["actualCost"].as_f64()),
            (Some(outcome), Some(0.0)),
            "{code:?}"
        );
        assert!(result["text"].as_str().unwrap().contains(words), "{result}");
        assert_eq!((bed.programs.started().len(), bed.plane.count("/settle")), (0, 0), "{code:?}");
    }
}

#[tokio::test]
async fn claim_is_retried_while_the_lease_lasts() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", saying(&["done"]));
    bed.plane.refuse("claim", &[ErrorCode::Unavailable]);
    bed.plane.push(task("t", 1, "worker", "go"));
    until("asked", || bed.plane.count("/claim") == 1).await;
    breathe().await;
    bed.clock.advance(1_000);
    until("reported", || bed.plane.count("/result") == 1).await;
    assert_eq!(bed.plane.count("/claim"), 2);
}

#[tokio::test]
async fn failed_claim_lets_the_lease_expire() {
    let bed = Bed::start(&tool());
    *bed.plane.silent.lock().unwrap() = true;
    bed.plane.push(task("t", 1, "worker", "go"));
    until("taken", || bed.deps.board.running() == 1).await;
    breathe().await;
    bed.clock.advance(25_000);
    until("given up", || bed.deps.board.running() == 0).await;
    assert_eq!((bed.programs.started().len(), bed.plane.count("/result")), (0, 0));
}

#[tokio::test]
async fn halt_signal_stops_the_program_at_once() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", hanging());
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    breathe().await;
    bed.halts();
    until("reported", || bed.plane.count("/result") == 1).await;
    assert_eq!(bed.programs.stopped(), ["t"]);
    assert_eq!(bed.plane.bodies("/settle")[0]["outcome"], "cancelled");
    assert_eq!(
        bed.plane.bodies("/result")[0],
        json!({"epoch": 1, "outcome": "cancelled", "text": "Stopped by the owner.", "actualCost": null, "usage": null})
    );
}

#[tokio::test]
async fn halt_without_a_signal_is_noticed_at_the_next_renewal() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", hanging());
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    breathe().await;
    bed.clock.advance(10_000);
    until("renewed", || bed.plane.count("/renew") == 1).await;
    assert_eq!(
        bed.plane.bodies("/renew")[0],
        json!({"epoch": 1, "progress": "thinking", "costMicros": null})
    );
    breathe().await;
    *bed.plane.cancel.lock().unwrap() = true;
    bed.clock.advance(10_000);
    until("reported", || bed.plane.count("/result") == 1).await;
    assert_eq!(bed.plane.bodies("/renew")[1]["progress"], json!(null));
}

#[tokio::test]
async fn stale_lease_stops_the_run_and_posts_its_cost() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", hanging());
    bed.plane.refuse("renew", &[ErrorCode::StaleEpoch]);
    bed.plane.refuse("result", &[ErrorCode::StaleEpoch]);
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    breathe().await;
    bed.clock.advance(10_000);
    until("ended", || bed.deps.board.running() == 0).await;
    assert_eq!(bed.programs.stopped(), ["t"]);
    assert_eq!((bed.plane.count("/settle"), bed.plane.count("/result")), (1, 1));
}

#[tokio::test]
async fn run_stops_itself_when_its_lease_expires() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", hanging());
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    breathe().await;
    *bed.plane.silent.lock().unwrap() = true;
    bed.clock.advance(10_000);
    breathe().await;
    assert!(bed.programs.stopped().is_empty());
    bed.clock.advance(20_000);
    until("stopped", || bed.programs.stopped() == ["t"]).await;
}

#[tokio::test]
async fn lease_survives_temporary_renewal_failures() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", hanging());
    bed.plane.refuse("renew", &[ErrorCode::Unavailable, ErrorCode::Internal]);
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    for _ in 0..3 {
        breathe().await;
        bed.clock.advance(10_000);
    }
    breathe().await;
    assert_eq!(bed.plane.count("/renew"), 3);
    assert!(bed.programs.stopped().is_empty());
}

#[tokio::test]
async fn result_is_retried_until_answered_while_the_lease_is_renewed() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", saying(&["done"]));
    bed.plane.refuse("settle", &[ErrorCode::Unavailable, ErrorCode::Internal]);
    bed.plane.refuse("result", &[ErrorCode::Unavailable]);
    bed.plane.push(task("t", 1, "worker", "go"));
    for _ in 0..20 {
        breathe().await;
        bed.clock.advance(2_000);
    }
    assert_eq!(
        (bed.plane.count("/settle"), bed.plane.count("/result"), bed.plane.count("/claim")),
        (3, 2, 1)
    );
    assert_eq!((bed.programs.started().len(), bed.deps.board.running()), (1, 0));
}

#[tokio::test]
async fn expired_approval_reports_no_result_and_the_task_is_requeued() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", saying(&["done"]));
    *bed.plane.approval_state.lock().unwrap() = Some("lapsed".to_owned());
    bed.plane.refuse("claim", &[ErrorCode::NotApproved]);
    bed.plane.push(task("t", 1, "worker", "go"));
    until("claimed", || bed.plane.count("/claim") == 1).await;
    breathe().await;
    assert_eq!((bed.plane.count("/result"), bed.programs.started().len()), (0, 0));
    // A released lease reports no result either.
    *bed.plane.approval_state.lock().unwrap() = None;
    bed.plane.refuse("claim", &[ErrorCode::StaleEpoch]);
    bed.plane.push(task("t", 2, "worker", "go"));
    until("claimed again", || bed.plane.count("/claim") == 2).await;
    breathe().await;
    assert_eq!((bed.plane.count("/result"), bed.programs.started().len()), (0, 0));
    bed.plane.push(task("t~2", 1, "worker", "go"));
    until("reported", || bed.plane.count("/result") == 1).await;
    assert_eq!(bed.plane.bodies("/result")[0]["outcome"], "success");
}

#[tokio::test]
async fn lease_runs_once_and_a_new_epoch_needs_its_own_claim() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", hanging());
    bed.plane.push(task("t", 1, "worker", "go"));
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    breathe().await;
    assert_eq!(bed.plane.count("/claim"), 1);
    bed.plane.refuse("claim", &[ErrorCode::NotApproved]);
    bed.plane.push(task("t", 2, "worker", "go"));
    until("refused", || bed.plane.count("/result") == 1).await;
    assert_eq!(
        (bed.plane.bodies("/result")[0]["epoch"].as_u64(), bed.programs.started().len()),
        (Some(2), 1)
    );
}

#[tokio::test]
async fn lease_loop_continues_after_errors_with_backoff() {
    let bed = Bed::start(&tool());
    bed.plane.refuse("lease", &[ErrorCode::Unavailable, ErrorCode::Unauthenticated]);
    breathe().await;
    let (_, health) = bed.call("GET", "/health", "", json!(null)).await;
    assert_eq!(health["status"], "degraded");
    assert!(bed.plane.leases().is_empty());
    bed.clock.advance(700);
    breathe().await;
    bed.clock.advance(1_300);
    until("leased", || bed.plane.leases().len() == 1).await;
}

#[tokio::test]
async fn missing_program_reports_unavailable_without_cost() {
    let bed = Bed::start(&tool());
    bed.plane.push(task("t", 1, "worker", "go"));
    until("reported", || bed.plane.count("/result") == 1).await;
    let result = bed.plane.bodies("/result").remove(0);
    assert_eq!(
        (result["outcome"].as_str(), result["actualCost"].as_f64()),
        (Some("unavailable"), Some(0.0))
    );
    assert_eq!(bed.plane.bodies("/settle")[0]["outcome"], "unavailable");
}

#[tokio::test]
async fn failing_program_reports_the_end_of_its_standard_error() {
    let bed = Bed::start(&tool());
    let stderr = format!("{}\nlogin expired", "noise ".repeat(400));
    bed.programs
        .install("tool", ScriptedProgram { exit: Some(3), stderr, ..ScriptedProgram::default() });
    bed.plane.push(task("t", 1, "worker", "go"));
    until("reported", || bed.plane.count("/result") == 1).await;
    let text = bed.plane.bodies("/result")[0]["text"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("worker failed with exit code 3: …")
            && text.ends_with("login expired")
            && text.len() < 700,
        "{text}"
    );
}

#[tokio::test]
async fn claim_with_a_lost_response_runs_nothing() {
    // The first claim counts although its response is lost; the second conflicts with it.
    let bed = Bed::start(&tool());
    bed.programs.install("tool", saying(&["done"]));
    bed.plane.refuse("claim", &[ErrorCode::Internal, ErrorCode::Conflict]);
    bed.plane.push(task("t", 1, "worker", "go"));
    until("asked", || bed.plane.count("/claim") == 1).await;
    breathe().await;
    bed.clock.advance(1_000);
    until("given up", || bed.deps.board.running() == 0).await;
    assert_eq!(
        (bed.programs.started().len(), bed.plane.count("/claim"), bed.plane.count("/result")),
        (0, 2, 0)
    );
}
