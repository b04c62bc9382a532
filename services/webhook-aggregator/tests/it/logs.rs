//! The log of a run's program: kept with its result, read by the operator alone.

use crate::bed::{Bed, GATEWAY, OPERATOR, VIEWER, bed};
use contracts::run_log::LOG_BYTES_MAX;
use serde_json::{Value, json};

/// Ends a task with a log.
async fn end(bed: &Bed, task: &Value, outcome: &str, log: &Value) {
    let path = format!("/api/tasks/{}/result", task["taskId"].as_str().unwrap());
    let body = json!({ "epoch": task["epoch"], "outcome": outcome, "text": "It ended.",
        "actualCost": 0.0, "log": log });
    assert_eq!(bed.post(&path, GATEWAY, &body).await.0, 200);
    bed.settle().await;
}

async fn path_of(bed: &Bed, key: &str) -> String {
    let event = bed.event(key).await;
    format!("/api/events/{}/log", event["id"].as_str().unwrap())
}

#[tokio::test]
async fn log_of_a_failed_run_is_read_by_the_operator_and_by_no_viewer_or_gateway() {
    let bed = bed();
    bed.telegram(1, "work").await;
    let path = path_of(&bed, "1").await;
    assert_eq!(bed.get(&path).await, json!({ "log": null }), "its run has not ended");
    let task = bed.lease().await.remove(0);
    let log = json!({ "text": "warning\n<b>no disk</b>", "leftOutBytes": 70 });
    end(&bed, &task, "failed", &log).await;
    let read = bed.get(&path).await["log"].clone();
    assert_eq!((&read["text"], &read["leftOutBytes"]), (&log["text"], &log["leftOutBytes"]));
    assert_eq!(read["task"], task["taskId"]);
    for (token, expected) in [(OPERATOR, 200), (VIEWER, 403), (GATEWAY, 403), ("", 401)] {
        assert_eq!(bed.ask("GET", &path, token, &[], "").await.0, expected, "{token}");
    }
    let event = bed.event("1").await.to_string();
    assert!(!event.contains("no disk"), "viewers read this: {event}");
    for unknown in ["telegram.main.00000000000000000000000000", "x"] {
        let path = format!("/api/events/{unknown}/log");
        assert_eq!(bed.ask("GET", &path, OPERATOR, &[], "").await.0, 404);
    }
}

#[tokio::test]
async fn log_of_any_gateway_is_cut_to_its_last_lines_and_cleaned() {
    let bed = bed();
    bed.telegram(1, "work").await;
    let task = bed.lease().await.remove(0);
    let text = format!("{}\n\u{1b}[31mthe end", "ä".repeat(LOG_BYTES_MAX));
    end(&bed, &task, "success", &json!({ "text": text })).await;
    let log = bed.get(&path_of(&bed, "1").await).await["log"].clone();
    assert_eq!(log["text"], "[31mthe end");
    assert_eq!(log["leftOutBytes"], 2 * LOG_BYTES_MAX + 1);
}

#[tokio::test]
async fn result_of_a_gateway_that_sends_no_log_is_taken() {
    let bed = bed();
    bed.telegram(1, "work").await;
    let task = bed.lease().await.remove(0);
    assert_eq!(bed.finish(&task, "success", "Done.").await, 200);
    assert_eq!(bed.get(&path_of(&bed, "1").await).await, json!({ "log": null }));
}
