//! `runner = "acp"` and `"openclaw"`: sessions, permissions, costs and ends by the Agent Client
//! Protocol, with an agent that answers line by line.

use crate::acp_agent::{
    Replies, agent, answers, chunk, ends, error, program, read, result, said, update, usage,
};
use crate::bed::{Bed, breathe, task, until};
use contracts::calls::webhook_aggregator::{FinishTask, RenewTask};
use contracts::event::Speaker;
use contracts::task::{BackendSession, LeasedTask, RenewAnswer, StopCause, Turn};
use contracts::{Micros, Tokens};
use platform::memory::ScriptedProgram;
use platform::ports::ToolAnswer;
use serde_json::{Value, json};

fn bed_of(table: Value, replies: Replies) -> Bed {
    let bed = Bed::start(&json!({ "agents": { "worker": table } }));
    let name = table["command"][0].as_str().unwrap_or("gemini");
    bed.programs.install(name, program(replies));
    bed
}

/// A gateway with one agent of this protocol.
fn bed(replies: Replies) -> Bed {
    bed_of(json!({ "runner": "acp", "command": ["tool", "--acp"] }), replies)
}

fn second(message: &str) -> LeasedTask {
    let mut task = task("t", 1, "worker", message);
    task.context.conversation = Some("telegram:main:7".to_owned());
    let text = "My word is kangaroo.".to_owned();
    task.context.history = vec![Turn { speaker: Speaker::User, agent: None, text }];
    task
}

fn kept(cost: i64) -> BackendSession {
    let (runner, id) = ("acp".to_owned(), "s-1".to_owned());
    BackendSession { runner, id, spent: Tokens::default(), cost: Some(Micros(cost)) }
}

async fn reported(bed: &Bed) -> Value {
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    bed.fakes.bodies::<FinishTask>().remove(0)
}

async fn text(bed: &Bed) -> String {
    reported(bed).await["text"].as_str().unwrap().to_owned()
}

/// The messages that the agent was sent with this method.
fn sent(bed: &Bed, method: &str) -> Vec<Value> {
    let all = bed.programs.written();
    all.iter().map(|line| read(line)).filter(|message| message["method"] == method).collect()
}

#[tokio::test]
async fn acp_begins_a_session_and_hands_over_the_turns_and_the_message() {
    let bed = bed_of(json!({ "runner": "acp" }), answers);
    bed.plane.push(second("Which word?"));
    let result = reported(&bed).await;
    assert_eq!((&result["text"], &result["actualCost"]), (&json!("It is 7."), &json!(0.02)));
    let session =
        json!({"runner": "acp", "id": "s-1", "spent": {"input": 0, "output": 0}, "cost": 0.02});
    assert_eq!(result["session"], session);
    let spec = bed.programs.started().remove(0);
    assert_eq!((spec.program.as_str(), spec.args.join(" ")), ("gemini", "--acp".to_owned()));
    let state = spec.reach.state.unwrap();
    assert_eq!(
        (state.variable.as_str(), state.folder.as_str()),
        ("HOME", "~/.local/state/quintet/worker/acp")
    );
    assert_eq!(spec.kept_folder.as_deref(), Some("worker\0telegram:main:7"));
    let first = &sent(&bed, "initialize")[0]["params"];
    assert_eq!(first["protocolVersion"], 1);
    assert_eq!(first["clientCapabilities"]["terminal"], false);
    let new = &sent(&bed, "session/new")[0]["params"];
    assert_eq!(new["cwd"], "/runs/t");
    assert_eq!(new["mcpServers"][0]["headers"][0]["value"], "Bearer run-token");
    let prompt = &sent(&bed, "session/prompt")[0]["params"];
    assert_eq!(prompt["sessionId"], "s-1");
    assert!(prompt["prompt"][0]["text"].as_str().unwrap().contains("> user: My word is kangaroo."));
    assert_eq!(prompt["prompt"][1]["text"], "[The message]\nWhich word?");
}

#[tokio::test]
async fn acp_resumes_its_session_and_counts_only_this_run() {
    let bed = bed(|line| {
        agent(line, |request| {
            vec![chunk("kangaroo"), usage(0.75, "USD"), ends(request, "end_turn")]
        })
    });
    bed.plane.push(LeasedTask { session: Some(kept(400_000)), ..second("Which word?") });
    let result = reported(&bed).await;
    assert_eq!((&result["text"], &result["actualCost"]), (&json!("kangaroo"), &json!(0.25)));
    assert_eq!(result["session"]["cost"], 0.75);
    assert_eq!(sent(&bed, "session/load")[0]["params"]["sessionId"], "s-1");
    assert!(sent(&bed, "session/new").is_empty());
    let prompt = &sent(&bed, "session/prompt")[0]["params"]["prompt"];
    assert_eq!(prompt, &json!([{ "type": "text", "text": "Which word?" }]));
}

#[tokio::test]
async fn acp_prefers_to_resume_without_the_old_messages() {
    let bed = bed(|line| {
        let request = read(line);
        match request["method"].as_str() {
            Some("initialize") => {
                let capabilities =
                    json!({ "loadSession": true, "sessionCapabilities": { "resume": {} } });
                vec![result(
                    &request,
                    json!({ "protocolVersion": 1, "agentCapabilities": capabilities }),
                )]
            }
            Some("session/resume") => vec![result(&request, json!({}))],
            _ => answers(line),
        }
    });
    bed.plane.push(LeasedTask { session: Some(kept(0)), ..second("Which word?") });
    assert_eq!(text(&bed).await, "It is 7.");
    assert!(sent(&bed, "session/load").is_empty());
}

#[tokio::test]
async fn acp_session_that_is_gone_is_begun_afresh_with_the_turns() {
    let bed = bed(|line| {
        let request = read(line);
        match request["method"].as_str() {
            Some("session/load") => vec![error(&request, -32002, "Session not found")],
            _ => answers(line),
        }
    });
    bed.plane.push(LeasedTask { session: Some(kept(400_000)), ..second("Which word?") });
    let result = reported(&bed).await;
    let text = result["text"].as_str().unwrap();
    assert!(text.starts_with("(The earlier session is gone") && text.ends_with("7."), "{text}");
    assert_eq!(result["actualCost"], 0.02);
    assert_eq!(bed.programs.started().len(), 1);
    let prompt = sent(&bed, "session/prompt").remove(0);
    assert!(prompt.to_string().contains("> user: My word is kangaroo."));
}

fn asks(line: &str) -> Vec<String> {
    let message = read(line);
    if message["id"] == "p1" {
        let outcome = &message["result"]["outcome"];
        let word =
            outcome["optionId"].as_str().unwrap_or_else(|| outcome["outcome"].as_str().unwrap());
        return vec![
            chunk(&format!("Answered: {word}.")),
            said(&json!({"jsonrpc": "2.0", "id": 3, "result": {"stopReason": "end_turn"}})),
        ];
    }
    agent(line, |_| {
        let call = json!({"sessionUpdate": "tool_call", "toolCallId": "c", "title": "rm build", "kind": "execute", "rawInput": {"command": "rm -rf build"}});
        let option = |kind: &str| json!({ "optionId": kind, "name": kind, "kind": kind });
        let options: Vec<_> = ["allow_always", "allow_once", "reject_once"].map(option).to_vec();
        let params =
            json!({"sessionId": "s-1", "toolCall": {"toolCallId": "c"}, "options": options});
        let request = json!({"jsonrpc": "2.0", "id": "p1", "method": "session/request_permission", "params": params});
        vec![update(call), said(&request)]
    })
}

#[tokio::test]
async fn acp_permission_is_the_owners_answer_to_the_exact_call() {
    let cases = [
        (ToolAnswer::Allowed, "Answered: allow_once."),
        (
            ToolAnswer::Refused("Rejected by you.".to_owned()),
            "Answered: reject_once.\n\nNot allowed: rm build (Rejected by you.).",
        ),
    ];
    for (answer, expected) in cases {
        let bed = bed(asks);
        bed.programs.answer(answer);
        bed.plane.push(task("t", 1, "worker", "clean up"));
        assert_eq!(text(&bed).await, expected);
        let call = bed.programs.asked().remove(0);
        assert_eq!(call.tool, "execute");
        assert_eq!(
            call.arguments,
            json!({"title": "rm build", "input": {"command": "rm -rf build"}})
        );
    }
}

#[tokio::test]
async fn acp_permission_is_decided_by_the_configuration_without_a_question() {
    for (how, expected) in [
        ("deny", "Answered: reject_once.\n\nNot allowed: rm build."),
        ("trust", "Answered: allow_once."),
    ] {
        let bed =
            bed_of(json!({ "runner": "acp", "command": ["tool"], "tool_approvals": how }), asks);
        bed.plane.push(task("t", 1, "worker", "clean up"));
        assert_eq!(text(&bed).await, expected);
        assert!(bed.programs.asked().is_empty());
        assert_eq!(sent(&bed, "session/new")[0]["params"]["mcpServers"], json!([]));
    }
}

#[tokio::test]
async fn acp_halt_cancels_the_turn_and_its_questions_before_it_ends_the_program() {
    let bed = bed(|line| {
        let message = read(line);
        if message["method"] == "session/cancel" {
            let id = json!({ "id": 3 });
            return vec![usage(0.3, "USD"), ends(&id, "cancelled")];
        }
        if message["id"] == "p1" { Vec::new() } else { asks(line) }
    });
    bed.plane.push(task("t", 1, "worker", "clean up"));
    until("asked", || bed.programs.asked().len() == 1).await;
    bed.halts();
    let result = reported(&bed).await;
    assert_eq!((&result["outcome"], &result["actualCost"]), (&json!("cancelled"), &json!(0.3)));
    assert_eq!(sent(&bed, "session/cancel")[0]["params"]["sessionId"], "s-1");
    let outcome = r#""outcome":{"outcome":"cancelled"}"#;
    assert!(bed.programs.written().iter().any(|line| line.contains(outcome)));
    assert_eq!(bed.programs.stopped(), ["t"]);
}

#[tokio::test]
async fn acp_agent_that_ignores_a_cancel_is_ended_after_a_second() {
    let bed = bed(|line| agent(line, |_| vec![chunk("Working.")]));
    bed.plane.push(task("t", 1, "worker", "go"));
    until("at work", || sent(&bed, "session/prompt").len() == 1).await;
    breathe().await;
    bed.halts();
    until("cancelled", || sent(&bed, "session/cancel").len() == 1).await;
    breathe().await;
    assert!(bed.programs.stopped().is_empty());
    bed.clock.advance(1_000);
    reported(&bed).await;
    assert_eq!(bed.programs.stopped(), ["t"]);
}

#[tokio::test]
async fn acp_cost_above_the_hold_is_told_at_once_and_stops_the_run() {
    let bed = bed(|line| agent(line, |_| vec![chunk("Half."), usage(2.0, "USD")]));
    *bed.plane.money.lock().unwrap() =
        RenewAnswer { cancel: true, reason: Some(StopCause::Budget), ..RenewAnswer::default() };
    bed.plane.push(task("t", 1, "worker", "go"));
    until("renewed", || bed.fakes.count::<RenewTask>() >= 1).await;
    assert_eq!(bed.fakes.bodies::<RenewTask>()[0]["costMicros"], 2_000_000);
    // At once: in the time of a cancel it could spend more.
    assert_eq!(reported(&bed).await["actualCost"], 2.0);
    assert_eq!(sent(&bed, "session/cancel").len(), 1);
}

#[tokio::test]
async fn acp_tokens_are_priced_where_the_cost_is_in_another_currency() {
    let table =
        json!({ "runner": "acp", "command": ["tool"], "input_price": 1, "output_price": 10 });
    let bed = bed_of(table, |line| {
        agent(line, |request| {
            let usage_of_turn =
                json!({"totalTokens": 110_000, "inputTokens": 100_000, "outputTokens": 10_000});
            let end = result(request, json!({ "stopReason": "end_turn", "usage": usage_of_turn }));
            vec![chunk("Done."), usage(9.0, "EUR"), end]
        })
    });
    bed.plane.push(task("t", 1, "worker", "go"));
    assert_eq!(reported(&bed).await["actualCost"], 0.2);
}

#[tokio::test]
async fn acp_stop_reasons_are_told() {
    let cases: [(&str, Replies, &str); 4] = [
        (
            "maximum of its model's tokens",
            |line| agent(line, |r| vec![chunk("Cut"), ends(r, "max_tokens")]),
            "Its last words: Cut",
        ),
        ("refuses to go on", |line| agent(line, |r| vec![ends(r, "refusal")]), ""),
        ("maximum of requests", |line| agent(line, |r| vec![ends(r, "max_turn_requests")]), ""),
        ("rate limit", |line| agent(line, |r| vec![error(r, -32603, "rate limit")]), ""),
    ];
    for (why, replies, more) in cases {
        let bed = bed(replies);
        bed.plane.push(task("t", 1, "worker", "go"));
        let result = reported(&bed).await;
        let text = result["text"].as_str().unwrap();
        assert_eq!(result["outcome"], "failed");
        assert!(text.contains(why) && text.contains(more), "{text}");
    }
}

#[tokio::test]
async fn acp_agent_that_is_not_signed_in_is_unavailable_with_the_fix() {
    fn at_the_session(line: &str) -> Vec<String> {
        let request = read(line);
        match request["method"].as_str() {
            Some("session/new") => vec![error(&request, -32000, "Authentication required")],
            _ => answers(line),
        }
    }
    fn at_the_message(line: &str) -> Vec<String> {
        agent(line, |request| vec![error(request, -32000, "Authentication required")])
    }
    fn during_the_turn(line: &str) -> Vec<String> {
        agent(line, |request| {
            vec![chunk("Half."), error(request, -32000, "Authentication required")]
        })
    }
    let free = Some(0.0);
    let cases: [(Replies, &str, Option<f64>); 3] = [
        (at_the_session, "unavailable", free),
        (at_the_message, "failed", Some(0.5)),
        (during_the_turn, "failed", Some(0.5)),
    ];
    for (replies, outcome, cost) in cases {
        let bed = bed_of(json!({ "runner": "acp", "command": ["/opt/codex-acp"] }), replies);
        bed.plane.push(task("t", 1, "worker", "go"));
        let result = reported(&bed).await;
        assert_eq!((&result["outcome"], result["actualCost"].as_f64()), (&json!(outcome), cost));
        let text = result["text"].as_str().unwrap();
        let fix = "Run `HOME=~/.local/state/quintet/worker/acp codex login` on the gateway's machine, or name CODEX_API_KEY";
        assert!(text.contains("not signed in (Authentication required)"), "{text}");
        assert!(text.contains(fix), "{text}");
    }
}

#[tokio::test]
async fn acp_agent_that_breaks_the_protocol_is_ended_with_the_reason() {
    let cases: [(Replies, &str); 6] = [
        (
            |line| {
                agent(line, |r| vec![chunk("Half."), "not json".to_owned(), ends(r, "end_turn")])
            },
            "not a protocol message: not json",
        ),
        (
            |line| agent(line, |_| vec![r#"{"jsonrpc":"2.0","id":3,"resul"#.to_owned()]),
            "not a protocol message",
        ),
        (
            |line| {
                agent(line, |_| {
                    vec![said(
                        &json!({"jsonrpc": "2.0", "id": 99, "result": {"stopReason": "end_turn"}}),
                    )]
                })
            },
            "a reply to an unknown request, id 99",
        ),
        (|line| agent(line, |_| vec!["x".repeat(5 << 20)]), "not a protocol message: xxx"),
        (|line| vec![result(&read(line), json!({ "protocolVersion": 2 }))], "speaks version 2"),
        (
            |line| agent(line, |_| (0..33).map(asks_for).collect()),
            "more than 32 permission requests",
        ),
    ];
    for (replies, why) in cases {
        let bed = bed(replies);
        bed.plane.push(task("t", 1, "worker", "go"));
        let result = reported(&bed).await;
        let text = result["text"].as_str().unwrap();
        assert_eq!(result["outcome"], "failed", "{text}");
        assert!(text.contains(why) && text.len() < 1_000, "{text}");
        assert_eq!(bed.programs.stopped(), ["t"], "{why}");
    }
}

fn asks_for(number: usize) -> String {
    let call = json!({ "toolCallId": format!("c{number}"), "title": "x" });
    let options = json!([{ "optionId": "y", "name": "y", "kind": "allow_once" }]);
    let params = json!({ "sessionId": "s-1", "toolCall": call, "options": options });
    said(
        &json!({"jsonrpc": "2.0", "id": format!("p{number}"), "method": "session/request_permission", "params": params}),
    )
}

#[tokio::test]
async fn acp_program_that_prints_noise_first_and_asks_for_files_is_answered() {
    let bed = bed(|line| {
        let message = read(line);
        if message["method"] == "initialize" {
            return [vec!["Loaded cached credentials.".to_owned()], answers(line)].concat();
        }
        if message["id"] == 70 {
            let code = message["error"]["code"].as_i64().unwrap();
            let id = json!({ "id": 3 });
            return vec![chunk(&format!("Refused: {code}.")), ends(&id, "end_turn")];
        }
        agent(line, |_| {
            vec![said(
                &json!({"jsonrpc": "2.0", "id": 70, "method": "fs/read_text_file", "params": {}}),
            )]
        })
    });
    bed.plane.push(task("t", 1, "worker", "go"));
    assert_eq!(text(&bed).await, "Refused: -32601.");
}

#[tokio::test]
async fn acp_program_that_never_speaks_or_ends_early_is_named() {
    let silent = bed(|_| Vec::new());
    silent.plane.push(task("t", 1, "worker", "go"));
    until("started", || silent.programs.started().len() == 1).await;
    breathe().await;
    // The lease is renewed meanwhile.
    for _ in 0..12 {
        silent.clock.advance(10_000);
        breathe().await;
    }
    let result = reported(&silent).await;
    assert_eq!(result["actualCost"], 0.0);
    assert!(
        result["text"].as_str().unwrap().contains("did not answer by the Agent Client Protocol")
    );

    let early = Bed::start(&json!({"agents": {"worker": {"runner": "acp", "command": ["tool"]}}}));
    let stderr = "Error: unknown option --acp".to_owned();
    early
        .programs
        .install("tool", ScriptedProgram { exit: Some(2), stderr, ..ScriptedProgram::default() });
    early.plane.push(task("t", 1, "worker", "go"));
    let text = text(&early).await;
    assert!(text.contains("exit code 2: Error: unknown option --acp, before its answer"), "{text}");
}

#[tokio::test]
async fn acp_model_is_chosen_before_the_message() {
    fn with_models(line: &str) -> Vec<String> {
        let request = read(line);
        match request["method"].as_str() {
            Some("session/new") => {
                let options = json!([{"id": "m", "category": "model", "type": "select", "options": [{"value": "big"}]}]);
                vec![result(&request, json!({ "sessionId": "s-1", "configOptions": options }))]
            }
            Some("session/set_config_option") => {
                vec![result(&request, json!({ "configOptions": [] }))]
            }
            _ => answers(line),
        }
    }
    let table = |model: &str| json!({ "runner": "acp", "command": ["tool"], "model": model });
    let bed = bed_of(table("big"), with_models);
    bed.plane.push(task("t", 1, "worker", "go"));
    reported(&bed).await;
    let chosen = &sent(&bed, "session/set_config_option")[0]["params"];
    assert_eq!(chosen, &json!({ "sessionId": "s-1", "configId": "m", "value": "big" }));
    let bed = bed_of(table("small"), with_models);
    bed.plane.push(task("t", 1, "worker", "go"));
    assert_eq!(text(&bed).await, "worker has no model small. It has: big.");
    assert!(sent(&bed, "session/prompt").is_empty());
}

#[tokio::test]
async fn openclaw_gets_no_servers_and_reaches_its_gateway_on_this_machine() {
    let bed = Bed::start(&json!({ "agents": { "worker": { "runner": "openclaw" } } }));
    bed.programs.install("openclaw", program(answers));
    bed.plane.push(second("Which word?"));
    let result = reported(&bed).await;
    assert_eq!(
        (&result["text"], &result["session"]["runner"]),
        (&json!("It is 7."), &json!("openclaw"))
    );
    let spec = bed.programs.started().remove(0);
    assert_eq!((spec.program.as_str(), spec.args.join(" ")), ("openclaw", "acp".to_owned()));
    assert_eq!(spec.reach.network, platform::ports::ProgramNetwork::All);
    assert_eq!(sent(&bed, "session/new")[0]["params"]["mcpServers"], json!([]));
}

#[tokio::test]
async fn openclaw_that_is_frozen_is_thawed_to_cancel_the_work_elsewhere() {
    for (runner, rests) in [("openclaw", 2), ("acp", 1)] {
        let table = json!({ "runner": runner, "command": ["tool"] });
        let bed = bed_of(table, |line| agent(line, |_| vec![usage(2.0, "USD")]));
        bed.plane.money.lock().unwrap().pause = true;
        bed.plane.push(task("t", 1, "worker", "go"));
        until("frozen", || bed.programs.rests() == [true]).await;
        bed.halts();
        if runner == "openclaw" {
            until("cancelled", || sent(&bed, "session/cancel").len() == 1).await;
            assert_eq!(bed.programs.rests(), [true, false]);
            bed.clock.advance(1_000);
        }
        reported(&bed).await;
        assert_eq!(bed.programs.rests().len(), rests, "{runner}");
        assert_eq!(sent(&bed, "session/cancel").len(), 1, "{runner}");
        assert_eq!(bed.programs.stopped(), ["t"]);
    }
}
