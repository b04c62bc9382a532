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

/// 17:00 UTC, some hours after the bed's clock, in seconds.
const RESETS: i64 = 1_790_010_000;

/// Claude Code at the limit of its account, after this many tokens.
fn at_the_limit(output: u64, resets_at: i64) -> Vec<String> {
    let words = "You've hit your limit · resets 1am";
    let usage = json!({ "input_tokens": output, "output_tokens": output });
    let message =
        json!({ "id": "m1", "content": [{ "type": "text", "text": words }], "usage": usage });
    let info = json!({ "status": "rejected", "resetsAt": resets_at, "rateLimitType": "five_hour" });
    [
        json!({ "type": "rate_limit_event", "rate_limit_info": info }),
        json!({ "type": "assistant", "message": message }),
        json!({ "type": "result", "subtype": "success", "is_error": true, "result": words,
            "api_error_status": 429, "total_cost_usd": output as f64 }),
    ]
    .map(|line| line.to_string())
    .to_vec()
}

fn failing(lines: Vec<String>) -> ScriptedProgram {
    ScriptedProgram { lines, exit: Some(1), ..Default::default() }
}

#[tokio::test]
async fn run_at_the_limit_of_its_account_is_unavailable_and_says_when_the_limit_ends() {
    let result = ended(&claude(), failing(at_the_limit(0, RESETS))).await;
    assert_eq!(result["outcome"], "unavailable", "{result}");
    assert_eq!(result["actualCost"], 0.0);
    assert_eq!(result["usageLimit"]["until"], "2026-09-21T17:00:00.000Z");
    let text = result["text"].as_str().unwrap();
    assert!(text.contains("resets 1am") && text.contains("at 2026-09-21 17:00 UTC"), "{text}");
}

#[tokio::test]
async fn run_that_reaches_the_limit_in_its_middle_failed_and_costs_what_it_cost() {
    let result = ended(&claude(), failing(at_the_limit(2, RESETS))).await;
    assert_eq!((&result["outcome"], &result["actualCost"]), (&json!("failed"), &json!(2.0)));
    assert_eq!(result["usageLimit"]["until"], "2026-09-21T17:00:00.000Z");
}

/// An item of Codex, or a tool of Claude Code, may have changed something.
#[tokio::test]
async fn run_that_did_something_before_the_limit_is_run_by_nobody_else_and_costs_its_hold() {
    let config = json!({ "agents": { "worker": { "runner": "command", "output": "codex",
        "command": ["tool"], "estimated_cost": 0.5 } } });
    let why = "You've hit your usage limit. Try again in 2 hours.";
    let lines = [
        json!({ "type": "item.completed", "item": { "type": "command_execution", "command": "rm x" } }),
        json!({ "type": "turn.failed", "error": { "message": why } }),
    ];
    let result = ended(&config, failing(lines.map(|line| line.to_string()).to_vec())).await;
    assert_eq!(result["outcome"], "failed", "{result}");
    assert_ne!(result["actualCost"], json!(0.0), "{result}");
    assert!(result["usageLimit"]["until"].is_string(), "{result}");
    let mut lines = at_the_limit(0, RESETS);
    lines.insert(0, uses_a_tool());
    let result = ended(&claude(), failing(lines)).await;
    assert_eq!(result["outcome"], "failed", "{result}");
}

/// A rejected window may be paid for otherwise, and the run goes on.
#[tokio::test]
async fn limit_that_did_not_end_the_run_is_none_of_its_failure() {
    let mut lines = at_the_limit(2, RESETS);
    let failed = json!({ "type": "result", "subtype": "error_max_turns", "is_error": true, "total_cost_usd": 2.0 });
    lines[2] = failed.to_string();
    let result = ended(&claude(), failing(lines)).await;
    assert_eq!((&result["outcome"], &result["usageLimit"]), (&json!("failed"), &Value::Null));
}

/// The text of such a result is the agent's answer.
#[tokio::test]
async fn failure_of_a_program_of_the_owners_own_is_no_limit() {
    let config = json!({ "agents": { "worker": { "runner": "command", "output": "json-lines",
        "command": ["tool"] } } });
    let words = "You've hit your limit · resets 1am";
    let line = json!({ "type": "result", "is_error": true, "text": words });
    let result = ended(&config, failing(vec![line.to_string()])).await;
    assert_eq!((&result["outcome"], &result["usageLimit"]), (&json!("failed"), &Value::Null));
}

#[tokio::test]
async fn overloaded_service_is_a_limit_without_an_end() {
    let result = json!({ "type": "result", "subtype": "success", "is_error": true,
        "result": "The server is busy.", "api_error_status": 529, "total_cost_usd": 0.0 });
    let result = ended(&claude(), failing(vec![result.to_string()])).await;
    assert_eq!(result["usageLimit"], json!({ "until": null }));
    let text = result["text"].as_str().unwrap();
    assert_eq!(
        text,
        "worker is not available: its service takes no more work: The server is busy."
    );
}

#[tokio::test]
async fn limit_of_codex_is_read_from_its_words() {
    let config = json!({ "agents": { "worker": { "runner": "command", "output": "codex",
        "command": ["tool"] } } });
    let why = "You've hit your usage limit. Upgrade to Pro or try again in 2 hours 11 minutes.";
    let lines = [
        json!({ "type": "thread.started", "thread_id": "t-1" }),
        json!({ "type": "turn.started" }),
        json!({ "type": "error", "message": why }),
        json!({ "type": "turn.failed", "error": { "message": why } }),
    ];
    let result = ended(&config, failing(lines.map(|line| line.to_string()).to_vec())).await;
    assert_eq!(result["outcome"], "unavailable", "{result}");
    // The clock of the bed begins at 14:13.
    let until = result["usageLimit"]["until"].as_str().unwrap();
    assert!(until.starts_with("2026-09-21T16:24:"), "{until}");
}

/// A stranger's text that an agent repeats sends nobody to rest.
#[tokio::test]
async fn words_of_an_agent_or_its_tools_are_no_limit() {
    let config = json!({ "agents": { "worker": { "runner": "command", "command": ["tool"] } } });
    let line = "You've hit your usage limit. Try again in 2 hours.".to_owned();
    let result = ended(&config, failing(vec![line.clone()])).await;
    assert_eq!((&result["outcome"], &result["usageLimit"]), (&json!("failed"), &Value::Null));
    let message = json!({ "type": "assistant", "message": { "content": [{ "type": "text", "text": line }] } });
    let failed = json!({ "type": "result", "subtype": "error_during_execution", "is_error": true, "errors": ["no disk"] });
    let lines = [message, failed].map(|line| line.to_string()).to_vec();
    let result = ended(&claude(), failing(lines)).await;
    assert_eq!((&result["outcome"], &result["usageLimit"]), (&json!("failed"), &Value::Null));
}
