//! The log of a run's program goes with the report of its result, however the run ends.

use crate::bed::{Bed, breathe, hanging, saying, task, tool, until};
use contracts::Problem;
use contracts::calls::webhook_aggregator::FinishTask;
use contracts::run_log::LOG_BYTES_MAX;
use platform::memory::ScriptedProgram;
use serde_json::{Value, json};

async fn reported(bed: &Bed) -> Value {
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    bed.fakes.bodies::<FinishTask>().remove(0)
}

/// The log of a run of this program.
async fn log_of(config: &Value, program: ScriptedProgram) -> Value {
    let bed = Bed::start(config);
    bed.programs.install("tool", program);
    bed.plane.push(task("t", 1, "worker", "go"));
    reported(&bed).await["log"].clone()
}

fn plain() -> Value {
    json!({"agents": {"worker": {"runner": "command", "command": ["tool"]}}})
}

fn program(lines: &[&str], stderr: &str, exit: i32) -> ScriptedProgram {
    ScriptedProgram { stderr: stderr.to_owned(), exit: Some(exit), ..saying(lines) }
}

#[tokio::test]
async fn log_of_a_failed_run_has_standard_error_work_and_stray_output() {
    let lines = ["Loading…", r#"{"type":"progress","text":"\u001b[1mcompiling\u001b[0m"}"#];
    let log = log_of(&tool(), program(&lines, "\u{1b}[31mwarning: x\u{1b}[0m\nno disk", 3)).await;
    assert_eq!(log, json!({ "text": "warning: x\nno disk\nLoading…\ncompiling" }));
}

#[tokio::test]
async fn log_of_plain_output_is_the_output_where_the_run_fails_and_not_where_it_succeeds() {
    let log = log_of(&plain(), program(&["all done"], "1 warning", 0)).await;
    assert_eq!(log, json!({ "text": "1 warning" }));
    let log = log_of(&plain(), program(&["all done"], "", 0)).await;
    assert_eq!(log, Value::Null, "nothing but the answer");
    let log = log_of(&plain(), program(&["test 7 failed"], "1 warning", 1)).await;
    assert_eq!(log, json!({ "text": "1 warning\ntest 7 failed" }));
}

#[tokio::test]
async fn log_is_bounded_and_says_how_much_is_left_out() {
    let stderr: String = (0..100_000).map(|number| format!("step {number}\n")).collect();
    let log = log_of(&tool(), program(&[], &stderr, 1)).await;
    let text = log["text"].as_str().unwrap();
    assert!(text.len() <= LOG_BYTES_MAX && text.ends_with("\nstep 99999"), "{}", text.len());
    let left_out = log["leftOutBytes"].as_u64().unwrap();
    assert_eq!(left_out + text.len() as u64 + 1, stderr.len() as u64);
}

#[tokio::test]
async fn log_of_a_halted_run_is_reported_too() {
    let bed = Bed::start(&tool());
    let stderr = "it hangs here".to_owned();
    bed.programs.install("tool", ScriptedProgram { stderr, ..hanging() });
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    breathe().await;
    bed.halts();
    let result = reported(&bed).await;
    assert_eq!(result["reason"], "halted");
    assert_eq!(result["log"], json!({ "text": "it hangs here\nthinking" }));
}

#[tokio::test]
async fn log_of_a_program_that_does_not_start_says_why() {
    let bed = Bed::start(&tool());
    bed.plane.push(task("t", 1, "worker", "go"));
    let result = reported(&bed).await;
    assert_eq!(result["outcome"], "unavailable");
    assert_eq!(result["text"], "worker is not available: tool was not found.");
    assert_eq!(result["log"], json!({ "text": "tool was not found" }));
}

#[tokio::test]
async fn server_that_takes_no_log_gets_the_result_without_it() {
    let bed = Bed::start(&tool());
    let unknown = Problem::field("log", "The field `log` is unknown.", "Remove `log`.");
    bed.fakes.refuse::<FinishTask>([unknown]);
    bed.programs.install("tool", program(&[r#"{"type":"result","text":"Done."}"#], "noise", 0));
    bed.plane.push(task("t", 1, "worker", "go"));
    until("reported again", || bed.fakes.count::<FinishTask>() == 2).await;
    let results = bed.fakes.bodies::<FinishTask>();
    assert_eq!(results[0]["log"], json!({ "text": "noise" }));
    assert_eq!((&results[1]["text"], &results[1]["log"]), (&json!("Done."), &Value::Null));
}
