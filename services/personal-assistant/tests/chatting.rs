//! The owner's chat.

use crate::kit::*;
use serde_json::{Value, json};

async fn say(bed: &Bed, message: &str) -> String {
    let (status, answer) =
        bed.post(OPERATOR, "/api/chat", json!({"message": message, "sessionKey": "s1"})).await;
    assert_eq!(
        (status, &answer["sessionKey"], &answer["usage"]),
        (200, &json!("s1"), &json!({"inputTokens": 0, "outputTokens": 0}))
    );
    answer["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn chat_answers_from_the_state_and_says_that_no_model_was_asked() {
    let bed = Bed::new();
    bed.ask("t1", 5.0).await;
    assert!(say(&bed, "How much budget is left?").await.contains("$0.00 of $50.00 spent"));
    assert!(say(&bed, "What is pending?").await.contains("Fix the build"));
    assert!(say(&bed, "Is anything halted?").await.contains("Nothing is halted"));
    assert!(say(&bed, "What happened lately?").await.contains("No message has come in yet"));
    assert!(say(&bed, "Who are you?").await.contains("no model is configured"));
}

#[tokio::test]
async fn chat_looks_up_other_questions_in_the_graph_with_citations() {
    let bed = Bed::new();
    let answer = say(&bed, "How should retries work?").await;
    assert!(
        answer.contains("Retry with backoff and jitter. [skills/error-handling.md]"),
        "{answer}"
    );
    bed.calls.faults.refuse_next(1, platform::ports::PortErrorKind::Unavailable);
    assert!(say(&bed, "How should retries work?").await.contains("cannot be read right now"));
}

#[tokio::test]
async fn chat_never_runs_commands() {
    let bed = Bed::new();
    assert!(say(&bed, "halt everything").await.contains("I do not act from here"));
    assert_eq!(bed.get(OPERATOR, "/api/halts").await["halts"], json!([]));
}

#[tokio::test]
async fn chat_session_remembers_only_its_own_messages() {
    let bed = Bed::new();
    say(&bed, "How should retries work?").await;
    assert!(say(&bed, "What did I ask?").await.contains("How should retries work?"));
    let (_, other) = bed
        .post(OPERATOR, "/api/chat", json!({"message": "What did I ask?", "sessionKey": "s2"}))
        .await;
    assert!(other["message"].as_str().unwrap().contains("your first message here"));
}

#[tokio::test]
async fn chat_can_stream_the_answer() {
    let bed = Bed::new();
    let whole = say(&bed, "Who are you?").await;
    let (status, text) = send_text(
        &bed.router,
        OPERATOR,
        "POST",
        "/api/chat",
        "text/event-stream",
        json!({"message": "Who are you?", "sessionKey": "s1"}),
    )
    .await;
    assert_eq!(status, 200);
    let (deltas, done) = text.split_once("event: done\ndata: ").unwrap();
    let joined: String = deltas
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .map(|data| {
            serde_json::from_str::<Value>(data).unwrap()["delta"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(joined, whole);
    assert_eq!(serde_json::from_str::<Value>(done.trim()).unwrap()["message"], json!(whole));
}

#[tokio::test]
async fn chat_refuses_empty_and_long_messages_and_other_scopes() {
    let bed = Bed::new();
    for (message, session) in
        [("x".repeat(8_001), "s1"), (" ".to_owned(), "s1"), ("x".to_owned(), "")]
    {
        assert_eq!(
            bed.post(OPERATOR, "/api/chat", json!({"message": message, "sessionKey": session}))
                .await
                .0,
            422
        );
    }
    for token in [VIEWER, AGENT, GATEWAY] {
        assert_eq!(
            bed.post(token, "/api/chat", json!({"message": "hi", "sessionKey": "s1"})).await.0,
            403
        );
    }
}
