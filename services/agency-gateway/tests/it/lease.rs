//! Leased tasks from claim to result, and everything that ends them early.

use crate::bed::{Bed, breathe, hanging, saying, task, tool, until};
use contracts::calls::personal_assistant::{Claim, Settle};
use contracts::calls::webhook_aggregator::{FinishTask, LeaseTasks, RenewTask};
use contracts::{ErrorCode, Problem};
use platform::memory::ScriptedProgram;
use serde_json::{Value, json};

/// The program of the worker as the control plane is told: names of variables, and no values.
fn worker() -> Value {
    json!({
        "runner": "command", "program": ["tool", "--json"], "env": ["API_KEY"], "sandbox": "strict",
        "network": "internet", "timeoutS": 60, "memoryBytesMax": 8_589_934_592_u64,
        "workBytesMax": 10_737_418_240_u64,
    })
}

#[tokio::test]
async fn task_is_claimed_run_settled_and_reported_in_order() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", saying(&[r#"{"type":"result","text":"Done.","costUsd":0.25}"#]));
    bed.plane.push(task("t~1", 3, "worker", "do it; rm -rf $HOME"));
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    let log = bed.fakes.log().into_iter().filter(|asked| !asked.is::<LeaseTasks>());
    let paths: Vec<_> = log.map(|asked| asked.path).collect();
    assert_eq!(
        paths,
        ["/api/approvals/apr_t~1/claim", "/api/tasks/t~1/settle", "/api/tasks/t~1/result"]
    );
    assert_eq!(
        bed.fakes.bodies::<Claim>(),
        [json!({"digest": "digest", "epoch": 3, "runs": worker()})]
    );
    assert_eq!(
        bed.fakes.bodies::<Settle>(),
        [json!({"claimToken": "token", "actualCost": 0.25, "usage": null, "outcome": "success"})]
    );
    assert_eq!(
        bed.fakes.bodies::<FinishTask>(),
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
    let leases = bed.fakes.bodies::<LeaseTasks>();
    assert_eq!(leases.iter().map(|l| l["capacity"].as_u64().unwrap()).max(), Some(2));
    let runs = json!({"worker": worker()});
    assert_eq!(
        leases[0],
        json!({"gatewayId": "gw", "agents": ["*"], "capacity": 2, "lightCapacity": 32, "wait": 25, "runs": runs})
    );
    bed.call("POST", "/api/halt", "operator", json!({"taskId": "a"})).await;
    until("the third runs", || {
        bed.clock.advance(100);
        bed.programs.started().len() == 3
    })
    .await;
}

#[tokio::test]
async fn agent_without_a_program_runs_while_every_place_of_programs_is_taken() {
    let bed = Bed::start(&json!({"gateway": {"capacity": 1}, "agents": tool()["agents"]}));
    bed.programs.install("tool", hanging());
    bed.plane.push(task("a", 1, "worker", "go"));
    until("it runs", || bed.programs.started().len() == 1).await;
    breathe().await;
    let asked = bed.fakes.bodies::<LeaseTasks>().pop().unwrap();
    assert_eq!((&asked["capacity"], &asked["lightCapacity"]), (&json!(0), &json!(32)));
    bed.plane.push(task("b", 1, "assistant", "hello"));
    until("answered", || {
        bed.clock.advance(100);
        bed.fakes.count::<FinishTask>() == 1
    })
    .await;
    assert_eq!(bed.deps.board.running(), 1);
}

#[tokio::test]
async fn server_that_counts_every_run_alike_is_asked_in_its_way() {
    let bed = Bed::start(&tool());
    let unknown =
        Problem::field("lightCapacity", "The field `lightCapacity` is unknown.", "Remove it.");
    bed.fakes.refuse::<LeaseTasks>([unknown]);
    until("asked again", || bed.fakes.count::<LeaseTasks>() == 2).await;
    let asked = bed.fakes.bodies::<LeaseTasks>().pop().unwrap();
    assert_eq!((&asked["capacity"], asked.get("lightCapacity")), (&json!(4), None));
}

#[tokio::test]
async fn refused_claim_runs_nothing_and_reports_the_reason() {
    let cases = [
        (ErrorCode::Halted, "cancelled", "halted"),
        (ErrorCode::NotApproved, "failed", "the approval is missing or has expired"),
        (ErrorCode::BudgetExhausted, "cancelled", "budget"),
        (ErrorCode::Conflict, "failed", "does not fit"),
        (ErrorCode::NotFound, "failed", "could not be claimed"),
    ];
    for (code, outcome, words) in cases {
        let bed = Bed::start(&tool());
        bed.programs.install("tool", saying(&["done"]));
        bed.refuse::<Claim>(&[code]);
        bed.plane.push(task("t", 1, "worker", "go"));
        until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
        let result = bed.fakes.bodies::<FinishTask>().remove(0);
        assert_eq!(
            (result["outcome"].as_str(), result["actualCost"].as_f64()),
            (Some(outcome), Some(0.0)),
            "{code:?}"
        );
        assert!(result["text"].as_str().unwrap().contains(words), "{result}");
        assert_eq!((bed.programs.started().len(), bed.fakes.count::<Settle>()), (0, 0), "{code:?}");
    }
}

#[tokio::test]
async fn claim_is_retried_while_the_lease_lasts() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", saying(&["done"]));
    bed.refuse::<Claim>(&[ErrorCode::Unavailable]);
    bed.plane.push(task("t", 1, "worker", "go"));
    until("asked", || bed.fakes.count::<Claim>() == 1).await;
    breathe().await;
    bed.clock.advance(1_000);
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    assert_eq!(bed.fakes.count::<Claim>(), 2);
}

#[tokio::test]
async fn failed_claim_lets_the_lease_expire() {
    let bed = Bed::start(&tool());
    bed.silence();
    bed.plane.push(task("t", 1, "worker", "go"));
    until("taken", || bed.deps.board.running() == 1).await;
    breathe().await;
    bed.clock.advance(25_000);
    until("given up", || bed.deps.board.running() == 0).await;
    assert_eq!((bed.programs.started().len(), bed.fakes.count::<FinishTask>()), (0, 0));
}

#[tokio::test]
async fn halt_signal_stops_the_program_at_once() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", hanging());
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    breathe().await;
    bed.halts();
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    assert_eq!(bed.programs.stopped(), ["t"]);
    assert_eq!(bed.fakes.bodies::<Settle>()[0]["outcome"], "cancelled");
    assert_eq!(
        bed.fakes.bodies::<FinishTask>()[0],
        json!({"epoch": 1, "outcome": "cancelled", "text": "It was at: thinking\n\nworker was stopped after spending $0.50. It was halted.", "actualCost": 0.5, "usage": null, "reason": "halted", "log": {"text": "thinking"}}),
        "without a report it costs what was posted"
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
    until("renewed", || bed.fakes.count::<RenewTask>() == 1).await;
    assert_eq!(
        bed.fakes.bodies::<RenewTask>()[0],
        json!({"epoch": 1, "progress": "thinking", "costMicros": null})
    );
    breathe().await;
    *bed.plane.cancel.lock().unwrap() = true;
    bed.clock.advance(10_000);
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    assert_eq!(bed.fakes.bodies::<RenewTask>()[1]["progress"], json!(null));
}

#[tokio::test]
async fn stale_lease_stops_the_run_and_posts_its_cost() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", hanging());
    bed.refuse::<RenewTask>(&[ErrorCode::StaleEpoch]);
    bed.refuse::<FinishTask>(&[ErrorCode::StaleEpoch]);
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    breathe().await;
    bed.clock.advance(10_000);
    until("ended", || bed.deps.board.running() == 0).await;
    assert_eq!(bed.programs.stopped(), ["t"]);
    assert_eq!((bed.fakes.count::<Settle>(), bed.fakes.count::<FinishTask>()), (1, 1));
}

#[tokio::test]
async fn run_stops_itself_when_its_lease_expires() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", hanging());
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    breathe().await;
    bed.silence();
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
    bed.refuse::<RenewTask>(&[ErrorCode::Unavailable, ErrorCode::Internal]);
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    for _ in 0..3 {
        breathe().await;
        bed.clock.advance(10_000);
    }
    breathe().await;
    assert_eq!(bed.fakes.count::<RenewTask>(), 3);
    assert!(bed.programs.stopped().is_empty());
}

#[tokio::test]
async fn result_is_retried_until_answered_while_the_lease_is_renewed() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", saying(&["done"]));
    bed.refuse::<Settle>(&[ErrorCode::Unavailable, ErrorCode::Internal]);
    bed.refuse::<FinishTask>(&[ErrorCode::Unavailable]);
    bed.plane.push(task("t", 1, "worker", "go"));
    for _ in 0..20 {
        breathe().await;
        bed.clock.advance(2_000);
    }
    assert_eq!(
        (bed.fakes.count::<Settle>(), bed.fakes.count::<FinishTask>(), bed.fakes.count::<Claim>()),
        (3, 2, 1)
    );
    assert_eq!((bed.programs.started().len(), bed.deps.board.running()), (1, 0));
}

#[tokio::test]
async fn expired_approval_reports_no_result_and_the_task_is_requeued() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", saying(&["done"]));
    let lapsed = Problem::new(ErrorCode::NotApproved, "ordered by the test");
    bed.fakes.refuse::<Claim>([lapsed.with("state", "lapsed")]);
    bed.plane.push(task("t", 1, "worker", "go"));
    until("claimed", || bed.fakes.count::<Claim>() == 1).await;
    breathe().await;
    assert_eq!((bed.fakes.count::<FinishTask>(), bed.programs.started().len()), (0, 0));
    // A released lease reports no result either.
    bed.refuse::<Claim>(&[ErrorCode::StaleEpoch]);
    bed.plane.push(task("t", 2, "worker", "go"));
    until("claimed again", || bed.fakes.count::<Claim>() == 2).await;
    breathe().await;
    assert_eq!((bed.fakes.count::<FinishTask>(), bed.programs.started().len()), (0, 0));
    bed.plane.push(task("t~2", 1, "worker", "go"));
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    assert_eq!(bed.fakes.bodies::<FinishTask>()[0]["outcome"], "success");
}

#[tokio::test]
async fn lease_runs_once_and_a_new_epoch_needs_its_own_claim() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", hanging());
    bed.plane.push(task("t", 1, "worker", "go"));
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    breathe().await;
    assert_eq!(bed.fakes.count::<Claim>(), 1);
    bed.refuse::<Claim>(&[ErrorCode::NotApproved]);
    bed.plane.push(task("t", 2, "worker", "go"));
    until("refused", || bed.fakes.count::<FinishTask>() == 1).await;
    assert_eq!(
        (bed.fakes.bodies::<FinishTask>()[0]["epoch"].as_u64(), bed.programs.started().len()),
        (Some(2), 1)
    );
}

#[tokio::test]
async fn lease_loop_continues_after_errors_with_backoff() {
    let bed = Bed::start(&tool());
    bed.refuse::<LeaseTasks>(&[ErrorCode::Unavailable, ErrorCode::Unauthenticated]);
    breathe().await;
    let (_, health) = bed.call("GET", "/health", "", json!(null)).await;
    assert_eq!(health["status"], "degraded");
    assert_eq!(bed.fakes.count::<LeaseTasks>(), 1);
    bed.clock.advance(700);
    breathe().await;
    bed.clock.advance(1_300);
    until("leased", || bed.fakes.count::<LeaseTasks>() == 3).await;
}

#[tokio::test]
async fn missing_program_reports_unavailable_without_cost() {
    let bed = Bed::start(&tool());
    bed.plane.push(task("t", 1, "worker", "go"));
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    let result = bed.fakes.bodies::<FinishTask>().remove(0);
    assert_eq!(
        (result["outcome"].as_str(), result["actualCost"].as_f64()),
        (Some("unavailable"), Some(0.0))
    );
    assert_eq!(bed.fakes.bodies::<Settle>()[0]["outcome"], "unavailable");
}

#[tokio::test]
async fn failing_program_reports_the_end_of_its_standard_error() {
    let bed = Bed::start(&tool());
    let stderr = format!("{}\nlogin expired", "noise ".repeat(400));
    bed.programs
        .install("tool", ScriptedProgram { exit: Some(3), stderr, ..ScriptedProgram::default() });
    bed.plane.push(task("t", 1, "worker", "go"));
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    let text = bed.fakes.bodies::<FinishTask>()[0]["text"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("worker failed with exit code 3: …")
            && text.ends_with("login expired")
            && text.len() < 700,
        "{text}"
    );
}

#[tokio::test]
async fn line_of_progress_is_shown_after_three_seconds_and_not_at_the_next_renewal() {
    let bed = Bed::start(&tool());
    bed.programs.install("tool", hanging());
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    breathe().await;
    bed.clock.advance(2_900);
    breathe().await;
    assert_eq!(bed.fakes.count::<RenewTask>(), 0);
    bed.clock.advance(100);
    until("renewed", || bed.fakes.count::<RenewTask>() == 1).await;
    assert_eq!(bed.fakes.bodies::<RenewTask>()[0]["progress"], "thinking");
    breathe().await;
    // Nothing new to show: the next renewal keeps the lease.
    bed.clock.advance(9_000);
    breathe().await;
    assert_eq!(bed.fakes.count::<RenewTask>(), 1);
    bed.clock.advance(1_000);
    until("renewed", || bed.fakes.count::<RenewTask>() == 2).await;
}

#[tokio::test]
async fn claim_with_a_lost_response_runs_nothing() {
    // The first claim counts although its response is lost; the second conflicts with it.
    let bed = Bed::start(&tool());
    bed.programs.install("tool", saying(&["done"]));
    bed.refuse::<Claim>(&[ErrorCode::Internal, ErrorCode::Conflict]);
    bed.plane.push(task("t", 1, "worker", "go"));
    until("asked", || bed.fakes.count::<Claim>() == 1).await;
    breathe().await;
    bed.clock.advance(1_000);
    until("given up", || bed.deps.board.running() == 0).await;
    assert_eq!(
        (bed.programs.started().len(), bed.fakes.count::<Claim>(), bed.fakes.count::<FinishTask>()),
        (0, 2, 0)
    );
}

#[tokio::test]
async fn renewal_carries_the_cost_so_far() {
    let bed = Bed::start(&tool());
    let tick = |cost: f64| json!({"type": "progress", "costUsd": cost}).to_string();
    let lines = vec![tick(0.5), tick(0.25), tick(2.0)];
    bed.programs.install("tool", ScriptedProgram { lines, hangs: true, ..saying(&[]) });
    bed.plane.push(task("t", 1, "worker", "go"));
    until("it runs", || bed.programs.started().len() == 1).await;
    breathe().await;
    bed.clock.advance(10_000);
    until("renewed", || bed.fakes.count::<RenewTask>() == 1).await;
    assert_eq!(bed.fakes.bodies::<RenewTask>()[0]["costMicros"], json!(2_000_000));
}
