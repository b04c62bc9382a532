//! Shutdown: no new work, a short grace for running tasks, then stop and report.

use crate::bed::{Bed, breathe, hanging, task, tool, until};
use contracts::calls::personal_assistant::{Claim, Settle};
use contracts::calls::webhook_aggregator::FinishTask;
use serde_json::json;

#[tokio::test]
async fn idle_gateway_stops_at_once() {
    let mut bed = Bed::start(&tool());
    breathe().await;
    bed.stop();
    until("stopped", || !bed.is_serving()).await;
}

#[tokio::test]
async fn shutdown_gives_runs_five_seconds_then_stops_and_reports_them() {
    let mut bed = Bed::start(&tool());
    bed.programs.install("tool", hanging());
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    bed.stop();
    breathe().await;
    bed.plane.push(task("u", 1, "worker", "go"));
    bed.clock.advance(4_000);
    breathe().await;
    assert!(bed.is_serving() && bed.programs.stopped().is_empty());
    bed.clock.advance(1_000);
    until("stopped", || !bed.is_serving()).await;
    assert_eq!(bed.programs.stopped(), ["t"]);
    let report = bed.fakes.bodies::<FinishTask>().remove(0);
    let end = "Stopped because the gateway was shut down. It had spent $0.50.";
    assert_eq!(report["text"], format!("It was at: thinking\n\n{end}"));
    assert_eq!(report["reason"], "shutdown", "no halt of the owner");
    assert_eq!((bed.fakes.count::<Settle>(), bed.fakes.count::<Claim>()), (1, 1));
}

#[tokio::test]
async fn shutdown_is_bounded_when_the_control_plane_is_gone() {
    let mut bed = Bed::start(&tool());
    bed.programs.install("tool", hanging());
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    bed.silence();
    bed.stop();
    for _ in 0..6 {
        breathe().await;
        bed.clock.advance(5_000);
    }
    until("stopped", || !bed.is_serving()).await;
    assert_eq!(bed.programs.stopped(), ["t"]);
}

#[tokio::test]
async fn shutdown_stops_http_runs_and_starts_none() {
    let mut bed = Bed::start(&tool());
    bed.programs.install("tool", hanging());
    bed.approval(Some(crate::http::approval("d1", "worker")));
    let body = crate::http::request("d1", "worker");
    assert_eq!(bed.call("POST", "/api/run-task", "operator", body).await.0, 202);
    until("running", || bed.programs.started().len() == 1).await;
    bed.stop();
    breathe().await;
    bed.approval(Some(crate::http::approval("d2", "worker")));
    assert_eq!(
        bed.call("POST", "/api/run-task", "operator", crate::http::request("d2", "worker")).await.0,
        503
    );
    bed.clock.advance(5_000);
    until("stopped", || !bed.is_serving()).await;
    assert_eq!((bed.programs.stopped(), bed.fakes.count::<Settle>()), (vec!["d1".to_owned()], 1));
    assert_eq!(
        bed.call("GET", "/api/tasks/d1", "viewer", json!(null)).await.1["state"],
        "cancelled"
    );
}
