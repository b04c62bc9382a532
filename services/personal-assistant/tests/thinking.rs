//! The owner's chat with a model: what it is told, what it costs, and what happens without it.

use crate::kit::{Bed, OPERATOR};
use platform::memory::MemoryOutbound;
use platform::ports::{PortError, PortErrorKind};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Mutex;

/// $4 and $20 a million tokens.
pub fn config(uses: &[&str]) -> Value {
    json!({"models": {"claude": {"api": "anthropic", "base_url": "https://models.example", "api_key": "sk-hush", "model": "claude-opus-5-5", "uses": uses}}})
}

pub fn bed() -> Bed {
    Bed::with(config(&["chat"]))
}

pub fn says(text: &str) -> Value {
    json!({"model": "claude-opus-5-5", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 1000, "output_tokens": 10}})
}

pub fn calls(name: &str, input: &Value) -> Value {
    json!({"model": "claude-opus-5-5", "content": [{"type": "tool_use", "id": "tu", "name": name, "input": input}],
        "stop_reason": "tool_use", "usage": {"input_tokens": 1000, "output_tokens": 10}})
}

/// Answers in this order, the last one again and again.
pub fn serve(bed: &Bed, answers: impl IntoIterator<Item = Value>) {
    let answers = Mutex::new(VecDeque::from_iter(answers));
    bed.outbound.answer(move |_| {
        let mut answers = answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Ok(MemoryOutbound::json(200, &answer.unwrap()))
    });
}

pub async fn chat(bed: &Bed, session: &str, message: &str) -> Value {
    let body = json!({"message": message, "sessionKey": session});
    let (status, answer) = bed.post(OPERATOR, "/api/chat", body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

pub async fn say(bed: &Bed, session: &str, message: &str) -> String {
    chat(bed, session, message).await["message"].as_str().unwrap().to_owned()
}

/// The request of the newest call.
pub fn told(bed: &Bed) -> Value {
    serde_json::from_str(&bed.outbound.sent().last().unwrap().body).unwrap()
}

#[tokio::test]
async fn chat_is_answered_by_the_model_and_costs_to_the_micro_dollar() {
    let bed = bed();
    serve(&bed, [says("Good morning.")]);
    let answer = chat(&bed, "s", "Hello").await;
    assert_eq!(answer["message"], "Good morning.");
    assert_eq!(answer["usage"], json!({"inputTokens": 1000, "outputTokens": 10}));
    // 1,000 × $4 + 10 × $20, for a million each.
    assert_eq!(answer["cost"], 0.0042);
    let day = bed.day().await;
    assert_eq!((&day["spent"], &day["held"]), (&json!(0.0042), &json!(0.0)));
    let list = bed.get(OPERATOR, "/api/approvals?state=consumed").await;
    assert_eq!(list["approvals"][0]["type"], "assistant-chat");
}

#[tokio::test]
async fn model_looks_things_up_and_every_call_is_paid() {
    let bed = bed();
    bed.ask("t1", 5.0).await;
    serve(
        &bed,
        [
            calls("pending_approvals", &json!({})),
            calls("budget_status", &json!({})),
            calls("search_skills", &json!({"query": "retries"})),
            calls("approve", &json!({"id": "apr_1"})),
            says("One waits for you."),
        ],
    );
    let answer = chat(&bed, "s", "What waits?").await;
    assert_eq!(
        (&answer["message"], &answer["cost"]),
        (&json!("One waits for you."), &json!(0.021))
    );
    let results: Vec<String> = told(&bed)["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|turn| turn["content"][0]["content"].as_str().map(str::to_owned))
        .collect();
    assert!(results[0].contains("Fix the build"), "{results:?}");
    assert!(results[1].contains("of $50.00 spent"), "{results:?}");
    assert!(results[2].contains("Retry with backoff"), "{results:?}");
    assert_eq!(results[3], "There is no such tool.");
    let pending = bed.get(OPERATOR, "/api/approvals?state=pending").await;
    assert_eq!(pending["approvals"].as_array().unwrap().len(), 1, "it decided nothing");
}

#[tokio::test]
async fn conversation_goes_on_and_another_one_begins_afresh() {
    let bed = bed();
    serve(&bed, [says("In Rust: v.sort()"), says("In Python: sorted(v)"), says("Hi.")]);
    say(&bed, "s", "Sort a list in Rust").await;
    say(&bed, "s", "now in Python").await;
    let turns = told(&bed)["messages"].clone();
    assert_eq!(turns[0]["content"][0]["text"], "Sort a list in Rust");
    assert_eq!(turns[1]["content"][0]["text"], "In Rust: v.sort()");
    say(&bed, "other", "hi there").await;
    assert_eq!(told(&bed)["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn over_budget_is_402_and_asks_no_model() {
    let bed = bed();
    assert_eq!(bed.send(OPERATOR, "PUT", "/api/budget", json!({"daily": 0.01})).await.0, 200);
    let body = json!({"message": "Hello", "sessionKey": "s"});
    let (status, problem) = bed.post(OPERATOR, "/api/chat", body).await;
    assert_eq!((status, &problem["code"]), (402, &json!("budget_exhausted")));
    assert!(bed.outbound.sent().is_empty());
}

#[tokio::test]
async fn chat_that_the_rules_do_not_approve_is_answered_without_the_model() {
    let bed = bed();
    let rules = json!({"requiresHumanApproval": ["assistant-chat"]});
    assert_eq!(bed.send(OPERATOR, "PUT", "/api/context", rules).await.0, 200);
    let answer = chat(&bed, "s", "How should retries work?").await;
    let text = answer["message"].as_str().unwrap();
    assert!(
        text.contains("Retry with backoff") && text.contains("your rules do not approve"),
        "{text}"
    );
    assert_eq!(answer["usage"], json!({"inputTokens": 0, "outputTokens": 0}));
    assert!(bed.outbound.sent().is_empty() && bed.deliveries().is_empty(), "nobody is asked");
}

#[tokio::test]
async fn model_that_fails_is_told_and_the_answer_comes_without_it() {
    for (failure, free) in [
        (Ok(MemoryOutbound::json(401, &json!({"error": {"message": "invalid x-api-key"}}))), true),
        (Ok(MemoryOutbound::json(400, &json!({"error": {"message": "too long"}}))), true),
        (Ok(MemoryOutbound::json(200, &json!({"nonsense": 1}))), false),
        (Err(PortError::unknown(PortErrorKind::Timeout, "no answer in time")), false),
    ] {
        let bed = bed();
        let is_retried = matches!(&failure, Ok(answer) if answer.status == 200) || failure.is_err();
        bed.outbound.answer(move |_| failure.clone());
        let asking = chat(&bed, "s", "How should retries work?");
        let answer = if is_retried { bed.turning(asking).await } else { asking.await };
        let text = answer["message"].as_str().unwrap();
        assert!(text.contains("Retry with backoff"), "{text}");
        assert!(text.contains("because the model did not answer"), "{text}");
        let day = bed.day().await;
        assert_eq!((day["spent"] == json!(0.0), &day["held"]), (free, &json!(0.0)));
    }
}

#[tokio::test]
async fn halt_ends_the_chat_with_the_model() {
    let bed = bed();
    assert_eq!(bed.post(OPERATOR, "/api/halt", json!({"all": true})).await.0, 202);
    let text = say(&bed, "s", "Is anything halted?").await;
    assert!(text.contains("Everything is halted"), "{text}");
    assert!(bed.outbound.sent().is_empty());
}

#[tokio::test]
async fn answer_streams_as_it_comes_and_ends_with_the_whole() {
    let bed = bed();
    serve(&bed, [calls("halts", &json!({})), says("Nothing is halted.")]);
    let body = json!({"message": "Is anything halted?", "sessionKey": "s"});
    let text = bed.streamed("/api/chat", body).await;
    let deltas: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .filter_map(|data| data["delta"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(deltas, "Nothing is halted.");
    let done = text.split("event: done\ndata: ").nth(1).unwrap();
    let done: Value = serde_json::from_str(done.trim()).unwrap();
    assert_eq!((&done["message"], &done["cost"]), (&json!("Nothing is halted."), &json!(0.0084)));
}

#[tokio::test]
async fn long_conversation_is_summarised_and_goes_on_from_there() {
    let bed = Bed::with(config(&["chat", "summary"]));
    let long = "We decided on the blue door. ".repeat(200);
    bed.outbound.answer(move |sent| {
        let is_summary = sent.body.contains("You summarise a conversation");
        Ok(MemoryOutbound::json(200, &says(if is_summary { "The door is blue." } else { &long })))
    });
    for place in 0..8 {
        say(&bed, "s", &format!("And then, number {place}?")).await;
        bed.background().await;
    }
    let first = told(&bed)["messages"][0]["content"][0]["text"].as_str().unwrap().to_owned();
    assert!(first.contains("The door is blue."), "{first}");
    let spent = bed.get(OPERATOR, "/api/approvals?state=consumed").await;
    let kinds: Vec<_> =
        spent["approvals"].as_array().unwrap().iter().map(|one| &one["type"]).collect();
    assert!(kinds.contains(&&json!("assistant-summary")));
}

#[tokio::test]
async fn agents_model_sets_no_price_for_the_assistants_own_work() {
    let bed = Bed::with(config(&["chat", "agents"]));
    serve(&bed, [says("Hello.")]);
    assert_eq!(say(&bed, "s", "Hello").await, "Hello.");
    let list = bed.get(OPERATOR, "/api/approvals?state=consumed").await;
    let held = list["approvals"][0]["costLimit"].as_f64().unwrap();
    assert!(held < 0.1, "{held}");
}
