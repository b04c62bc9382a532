//! A run that does not reach its end is answered with its words so far, marked as unfinished, with
//! who ended it and with its cost.

use crate::bed::{Bed, breathe, task, until};
use contracts::calls::webhook_aggregator::{FinishTask, StoreFile};
use contracts::task::{RenewAnswer, StopCause};
use platform::memory::ScriptedProgram;
use platform::ports::LeftFile;
use serde_json::{Value, json};

fn says(text: &str) -> String {
    let block = json!({ "type": "text", "text": text });
    json!({ "type": "assistant", "message": { "id": "m1", "content": [block] } }).to_string()
}

fn uses_a_tool() -> String {
    let block = json!({ "type": "tool_use", "name": "Bash", "input": { "command": "cargo test" } });
    json!({ "type": "assistant", "message": { "id": "m2", "content": [block] } }).to_string()
}

/// An agent whose program writes Claude Code's format.
fn claude() -> Value {
    json!({ "agents": { "worker": { "runner": "command", "output": "claude",
        "command": ["tool"], "timeout_s": 60 } } })
}

/// The result of a run that printed these lines and was then told to stop.
async fn cancelled(lines: Vec<String>, word: RenewAnswer) -> Value {
    let bed = Bed::start(&claude());
    bed.programs.install("tool", ScriptedProgram { lines, hangs: true, ..Default::default() });
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    breathe().await;
    *bed.plane.money.lock().unwrap() = RenewAnswer { cancel: true, ..word };
    bed.halts();
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    bed.fakes.bodies::<FinishTask>().remove(0)
}

#[tokio::test]
async fn run_that_is_halted_or_stopped_hands_on_its_words_who_ended_it_and_its_cost() {
    for (reason, detail) in [
        (StopCause::Halted, "Ana (telegram:main:7) halted it."),
        (StopCause::Stopped, "You stopped it."),
    ] {
        let word = RenewAnswer {
            reason: Some(reason),
            detail: Some(detail.to_owned()),
            ..RenewAnswer::default()
        };
        let lines = vec![says("I renamed two files."), uses_a_tool()];
        let result = cancelled(lines, word).await;
        let text = format!(
            "Unfinished:\n\nI renamed two files.\n\nworker was stopped after spending $0.50. {detail}"
        );
        assert_eq!(result["text"], text);
        assert_eq!(result["outcome"], "cancelled");
    }
}

#[tokio::test]
async fn run_that_said_nothing_ends_with_who_ended_it_alone() {
    let word = RenewAnswer { reason: Some(StopCause::Halted), ..RenewAnswer::default() };
    let result = cancelled(Vec::new(), word).await;
    assert_eq!(result["text"], "worker was stopped after spending $0.50. It was halted.");
}

#[tokio::test]
async fn answer_that_was_complete_before_the_stop_is_not_marked() {
    let done = json!({ "type": "result", "subtype": "success", "result": "All done.",
        "total_cost_usd": 0.25 });
    let word = RenewAnswer { reason: Some(StopCause::Stopped), ..RenewAnswer::default() };
    let result = cancelled(vec![done.to_string()], word).await;
    assert_eq!(result["text"], "All done.\n\nworker was stopped after spending $0.25.");
}

#[tokio::test]
async fn end_of_a_long_text_is_kept() {
    let word = RenewAnswer {
        reason: Some(StopCause::Halted),
        detail: Some("You halted it.".to_owned()),
        ..RenewAnswer::default()
    };
    let result = cancelled(vec![says(&"long ".repeat(40_000))], word).await;
    let text = result["text"].as_str().unwrap();
    assert!(text.len() <= 100 << 10 && text.starts_with("Unfinished:"), "{}", text.len());
    assert!(text.ends_with("…\n\nworker was stopped after spending $0.50. You halted it."));
}

/// The result of a run that printed these lines and ended by itself in this way.
async fn ended(config: &Value, script: ScriptedProgram) -> Value {
    let bed = Bed::start(config);
    bed.programs.install("tool", script);
    bed.plane.push(task("t", 1, "worker", "go"));
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    bed.fakes.bodies::<FinishTask>().remove(0)
}

#[tokio::test]
async fn program_that_dies_leaves_its_message_and_its_last_step() {
    let lines = vec![says("I renamed two files."), uses_a_tool()];
    let script = ScriptedProgram { lines, exit: Some(137), ..Default::default() };
    let result = ended(&claude(), script).await;
    let text = result["text"].as_str().unwrap();
    assert_eq!(result["outcome"], "failed");
    assert!(text.contains("exit code 137"), "{text}");
    assert!(text.contains("Its last words: Bash: cargo test"), "{text}");
    assert!(text.ends_with("Unfinished:\n\nI renamed two files."), "{text}");
}

#[tokio::test]
async fn run_that_this_machine_halted_says_so_and_sends_no_files() {
    let bed = Bed::start(&claude());
    let file = LeftFile {
        name: "out.json".to_owned(),
        bytes: 2,
        content: Some(bytes::Bytes::from_static(b"{}")),
        path: None,
    };
    let lines = vec![says("I renamed two files.")];
    let script = ScriptedProgram { lines, hangs: true, leaves: vec![file], ..Default::default() };
    bed.programs.install("tool", script);
    bed.plane.push(task("t", 1, "worker", "go"));
    until("running", || bed.programs.started().len() == 1).await;
    let (status, _) = bed.call("POST", "/api/halt", "operator", json!({ "all": true })).await;
    assert_eq!(status, 202);
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    let result = bed.fakes.bodies::<FinishTask>().remove(0);
    assert_eq!((&result["outcome"], &result["reason"]), (&"cancelled".into(), &"halted".into()));
    assert_eq!(result.get("files"), None, "{result}");
    assert_eq!(bed.fakes.count::<StoreFile>(), 0);
}

#[tokio::test]
async fn failure_for_want_of_a_sign_in_says_how_to_sign_in_once() {
    let how = "CLAUDE_CONFIG_DIR=~/.local/state/quintet/worker/claude-code claude auth login";
    for (is_out, said, times) in [
        (true, "Not logged in · Please run /login".to_owned(), 1),
        (true, format!("Not signed in. Run `{how}`."), 1),
        (true, "The disk is full".to_owned(), 0),
        (false, "Not logged in · Please run /login".to_owned(), 0),
    ] {
        let table = json!({ "runner": "claude-code", "tool_approvals": "deny" });
        let bed = Bed::start(&json!({ "agents": { "worker": table } }));
        if is_out {
            bed.programs.sign_out();
        }
        let line = json!({ "type": "result", "subtype": "success", "is_error": true, "result": said,
            "total_cost_usd": 0 });
        let script = ScriptedProgram { lines: vec![line.to_string()], ..Default::default() };
        bed.programs.install("claude", script);
        bed.plane.push(task("t", 1, "worker", "go"));
        until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
        let result = bed.fakes.bodies::<FinishTask>().remove(0);
        let text = result["text"].as_str().unwrap();
        assert_eq!(
            (&result["outcome"], text.matches(how).count()),
            (&"failed".into(), times),
            "{text}"
        );
    }
}
