//! Agents that are models: what they are told, what they may do, and what they cost.

use crate::bed::{Bed, Knowledge, breathe, task, until};
use contracts::approval::ClaimAnswer;
use contracts::calls::personal_assistant::{Claim, Settle};
use contracts::calls::webhook_aggregator::{FinishTask, ReadFile, RenewTask};
use contracts::event::Speaker;
use contracts::files::Attachment;
use contracts::graph::{Agent, SearchHit, Skill, SkillKind};
use contracts::task::{LeasedTask, RenewAnswer, StopCause, Turn};
use contracts::{AgentId, FileId, Micros};
use platform::memory::{MemoryOutbound, Sent};
use platform::secret::digest_hex;
use serde_json::{Value, json};

/// `codegen` is a model for $4 and $20 a million tokens, with at most 1,000 tokens of answer.
fn config() -> Value {
    json!({
        "models": {"claude": {"api": "anthropic", "base_url": "http://127.0.0.1:9", "api_key": "sk-key", "model": "claude-opus-5-5", "max_tokens": 1000}},
        "agents": {"codegen": {"runner": "anthropic"}},
    })
}

fn agent_file() -> Knowledge {
    let file = |id: &str, kind, body: &str| Skill {
        id: id.to_owned(),
        path: format!("{id}.md"),
        kind,
        title: id.to_owned(),
        description: "Writes code.".to_owned(),
        keywords: vec![],
        aliases: vec![],
        tags: vec![],
        headings: vec![],
        related_agents: vec![],
        body: body.to_owned(),
        extra: [].into(),
    };
    let agent = Agent {
        id: "codegen".into(),
        skill: "agent-codegen".to_owned(),
        title: "Code".to_owned(),
        description: "Writes code.".to_owned(),
        keywords: vec![],
        aliases: vec![],
        bullets: vec![],
        examples: vec![],
        negatives: vec![],
        complexity: vec![],
        related_agents: vec![],
        related_channels: vec![],
        model: None,
        fallback: false,
        public: false,
    };
    let hit = SearchHit {
        id: "testing".to_owned(),
        path: "testing.md".to_owned(),
        kind: SkillKind::Guide,
        title: "Testing".to_owned(),
        description: String::new(),
        heading: None,
        snippet: "Test first.".to_owned(),
        highlights: vec![],
        score: 1.0,
    };
    Knowledge {
        agents: vec![agent],
        files: vec![
            file("agent-codegen", SkillKind::Agent, "Always answer in rhymes."),
            file("testing", SkillKind::Guide, "Write the failing test first."),
        ],
        hits: vec![hit],
    }
}

fn says(text: &str) -> Value {
    json!({"model": "claude-opus-5-5", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 1000, "output_tokens": 10, "cache_read_input_tokens": 500}})
}

fn calls(name: &str, input: &Value) -> Value {
    json!({"model": "claude-opus-5-5", "content": [{"type": "tool_use", "id": "tu", "name": name, "input": input}],
        "stop_reason": "tool_use", "usage": {"input_tokens": 1000, "output_tokens": 10}})
}

/// Answers in this order.
fn serve(bed: &Bed, answers: Vec<Value>) {
    let answers = std::sync::Mutex::new(std::collections::VecDeque::from(answers));
    bed.outbound.answer(move |_: &Sent| {
        let answer = answers.lock().unwrap().pop_front().unwrap();
        Ok(MemoryOutbound::json(200, &answer))
    });
}

fn bodies(bed: &Bed) -> Vec<Value> {
    bed.outbound.sent().iter().map(|sent| serde_json::from_str(&sent.body).unwrap()).collect()
}

async fn run(bed: &Bed, task: LeasedTask) -> Value {
    bed.plane.push(task);
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    bed.fakes.bodies::<FinishTask>()[0].clone()
}

fn bed() -> Bed {
    let bed = Bed::start(&config());
    bed.knows(agent_file());
    bed
}

#[tokio::test]
async fn model_gets_its_file_the_conversation_and_the_message_and_is_charged_exactly() {
    let bed = bed();
    serve(&bed, vec![says("  A rhyme.  ")]);
    let mut task = task("t", 1, "codegen", "Now in Python");
    let turn = |speaker, agent: Option<&str>, text: &str| Turn {
        speaker,
        agent: agent.map(AgentId::from),
        text: text.to_owned(),
    };
    task.context.history = vec![
        turn(Speaker::Agent, Some("pm"), "An answer from before"),
        turn(Speaker::User, None, "Sort a list"),
        turn(Speaker::Agent, Some("codegen"), "In Rust: v.sort()"),
    ];
    let result = run(&bed, task).await;
    assert_eq!((&result["outcome"], &result["text"]), (&json!("success"), &json!("A rhyme.")));
    // 1,000 × $4 + 500 × $0.20 + 10 × $20, for a million each.
    assert_eq!(bed.fakes.bodies::<Settle>()[0]["actualCost"], 0.0043);
    assert_eq!(result["usage"]["cache_read_input_tokens"], 500);
    let asked = &bodies(&bed)[0];
    let system = asked["system"][0]["text"].as_str().unwrap();
    assert!(system.contains("Always answer in rhymes.") && system.contains("# Code (codegen)"));
    assert!(!system.contains("Sort a list"), "what people say is no instruction");
    assert_eq!(asked["messages"][0]["content"][0]["text"], "Sort a list");
    assert_eq!(asked["messages"][1]["role"], "assistant");
    assert_eq!(asked["messages"][2]["content"][0]["text"], "Now in Python");
    assert_eq!(asked["messages"].as_array().unwrap().len(), 3, "it begins with a person");
    assert!(bed.outbound.sent()[0].url.starts_with("http://127.0.0.1:9/v1/messages"));
}

#[tokio::test]
async fn model_searches_and_reads_the_graph_and_nothing_else() {
    let bed = bed();
    serve(
        &bed,
        vec![
            calls("search_skills", &json!({"query": "tests"})),
            calls("read_skill", &json!({"id": "testing"})),
            calls("read_skill", &json!({"id": "../../etc/passwd"})),
            calls("run_command", &json!({"command": "reboot"})),
            says("Test first."),
        ],
    );
    let result = run(&bed, task("t", 1, "codegen", "How do we test?")).await;
    assert_eq!(result["text"], "Test first.");
    let last = bodies(&bed).pop().unwrap();
    let results: Vec<_> = last["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|turn| turn["content"][0].get("content"))
        .map(|text| text.as_str().unwrap().to_owned())
        .collect();
    assert!(results[0].contains("Test first.") && results[0].contains("\"id\":\"testing\""));
    assert_eq!(
        results[1..],
        [
            "Write the failing test first.",
            "The skill graph has no such file.",
            "There is no such tool."
        ]
    );
    // Four calls for $0.0042 each, and the last for $0.0043.
    assert_eq!(bed.fakes.bodies::<Settle>()[0]["actualCost"], 0.0211);
}

#[tokio::test]
async fn call_that_the_hold_does_not_cover_is_granted_before_it_is_sent() {
    let bed = bed();
    bed.fakes.on::<Claim>(|_, _| {
        Ok(ClaimAnswer { claim_token: "token".to_owned(), cost_limit: Micros(10_000) })
    });
    *bed.plane.money.lock().unwrap() =
        RenewAnswer { pause: true, cost_limit: Micros(10_000), ..RenewAnswer::default() };
    serve(&bed, vec![says("Done.")]);
    bed.plane.push(task("t", 1, "codegen", "go"));
    until("asked", || bed.fakes.count::<RenewTask>() == 1).await;
    breathe().await;
    assert!(bed.outbound.sent().is_empty(), "nothing is sent before it is granted");
    let asked = &bed.fakes.bodies::<RenewTask>()[0];
    let need = asked["needMicros"].as_i64().unwrap();
    assert!(
        need > 20_000 && need < 40_000 && asked.get("costMicros").is_none_or(Value::is_null),
        "{asked}"
    );
    *bed.plane.money.lock().unwrap() =
        RenewAnswer { cost_limit: Micros(50_000), ..RenewAnswer::default() };
    bed.clock.advance(2_000);
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    assert_eq!(bed.fakes.bodies::<Settle>()[0]["actualCost"], 0.0043);
}

#[tokio::test]
async fn declined_call_is_never_sent_and_costs_nothing() {
    let bed = bed();
    bed.fakes.on::<Claim>(|_, _| {
        Ok(ClaimAnswer { claim_token: "token".to_owned(), cost_limit: Micros(10_000) })
    });
    *bed.plane.money.lock().unwrap() = RenewAnswer {
        cancel: true,
        reason: Some(StopCause::Budget),
        detail: Some("The budget does not cover more.".to_owned()),
        ..RenewAnswer::default()
    };
    let result = run(&bed, task("t", 1, "codegen", "go")).await;
    assert_eq!(result["reason"], "budget");
    assert!(bed.outbound.sent().is_empty());
    assert_eq!(bed.fakes.bodies::<Settle>()[0]["actualCost"], 0.0);
}

#[tokio::test]
async fn failure_of_the_model_is_told_with_its_fix_and_keeps_the_cost() {
    for (status, text, fix) in [
        (401, "invalid x-api-key sk-1234", "Check api_key in [models.claude]."),
        (404, "no such model", "Check model and base_url in [models.claude]."),
        (400, "prompt is too long", ""),
    ] {
        let bed = bed();
        let words = text.to_owned();
        bed.outbound.answer(move |_| {
            Ok(MemoryOutbound::json(status, &json!({"error": {"message": words}})))
        });
        let result = run(&bed, task("t", 1, "codegen", "go")).await;
        let said = result["text"].as_str().unwrap();
        assert!(said.contains(&format!("status {status}")) && said.contains(fix), "{said}");
        assert!(!said.contains(text), "the server's words are in the log alone: {said}");
        assert_eq!((&result["outcome"], &result["actualCost"]), (&json!("failed"), &json!(0.0)));
    }
}

#[tokio::test]
async fn cut_declined_and_empty_answers_are_told_as_such() {
    for (stop, text, outcome, says_so) in [
        ("max_tokens", "Half", "success", "1000 tokens that max_tokens of models.claude allows"),
        ("refusal", "", "failed", "declined"),
        ("end_turn", "", "failed", "gave no answer"),
        ("model_context_window_exceeded", "Half", "success", "/new"),
    ] {
        let bed = bed();
        let mut answer = says(text);
        answer["stop_reason"] = stop.into();
        serve(&bed, vec![answer]);
        let result = run(&bed, task("t", 1, "codegen", "go")).await;
        let said = result["text"].as_str().unwrap();
        assert!(said.starts_with(text) && said.contains(says_so), "{said}");
        assert_eq!(result["outcome"], outcome);
    }
}

#[tokio::test]
async fn model_that_calls_without_end_is_stopped() {
    let bed = bed();
    bed.outbound
        .answer(|_| Ok(MemoryOutbound::json(200, &calls("search_skills", &json!({"query": "x"})))));
    let result = run(&bed, task("t", 1, "codegen", "go")).await;
    assert!(result["text"].as_str().unwrap().contains("20 calls of its model"), "{result}");
    assert_eq!(bed.outbound.sent().len(), 20);
}

#[tokio::test]
async fn pictures_are_shown_and_texts_are_read() {
    let bed = bed();
    serve(&bed, vec![says("Seen.")]);
    let files: [(&str, &str, &'static [u8]); 3] = [
        ("plan.png", "image/png", b"\x89PNG\r\n"),
        ("notes.txt", "text/plain", b"Buy milk."),
        ("data.bin", "application/octet-stream", b"\0\x01\xff"),
    ];
    let mut task = task("t", 1, "codegen", "Look");
    task.context.attachments = files
        .iter()
        .enumerate()
        .map(|(place, (name, kind, content))| Attachment {
            id: FileId::new(place.to_string()),
            name: (*name).to_owned(),
            kind: (*kind).to_owned(),
            bytes: content.len() as u64,
            sha256: digest_hex(content),
        })
        .collect();
    bed.fakes.on_bytes::<ReadFile>(move |id, ()| {
        Ok(bytes::Bytes::from_static(files[id.as_str().parse::<usize>().unwrap()].2))
    });
    run(&bed, task).await;
    let parts = bodies(&bed)[0]["messages"][0]["content"].clone();
    assert_eq!(parts[0]["source"]["media_type"], "image/png");
    assert_eq!(parts[1]["text"], "[The file notes.txt]\nBuy milk.");
    assert_eq!(
        parts[2]["text"],
        "[The file data.bin, application/octet-stream: you cannot read it.]"
    );
    assert_eq!(parts[3]["text"], "Look");
}

#[tokio::test]
async fn halt_ends_a_call_and_counts_it_as_its_ceiling() {
    let bed = bed();
    bed.outbound.hang();
    bed.plane.push(task("t", 1, "codegen", "go"));
    until("called", || bed.outbound.sent().len() == 1).await;
    bed.halts();
    until("reported", || bed.fakes.count::<FinishTask>() == 1).await;
    let cost = bed.fakes.bodies::<Settle>()[0]["actualCost"].as_f64().unwrap();
    // 1,000 tokens of answer at $20 are $0.02.
    assert!((0.02..0.04).contains(&cost), "{cost}");
    assert_eq!(bed.fakes.bodies::<FinishTask>()[0]["reason"], "halted");
}

#[tokio::test]
async fn model_for_agents_runs_every_agent_without_a_table() {
    let mut config = config();
    config["models"]["claude"]["uses"] = json!(["agents"]);
    config["agents"] = json!({"docs": {"daily_budget": 5}, "pm": {"runner": "knowledge"}});
    let bed = Bed::start(&config);
    bed.knows(agent_file());
    bed.outbound.answer(|_| Ok(MemoryOutbound::json(200, &says("By the model."))));
    for (place, (agent, is_asked)) in
        [("codegen", true), ("docs", true), ("pm", false)].into_iter().enumerate()
    {
        bed.plane.push(task(&format!("t{place}"), 1, agent, "go"));
        until("reported", || bed.fakes.count::<FinishTask>() == place + 1).await;
        let text = bed.fakes.bodies::<FinishTask>()[place]["text"].clone();
        assert_eq!(text == "By the model.", is_asked, "{agent}: {text}");
    }
}
