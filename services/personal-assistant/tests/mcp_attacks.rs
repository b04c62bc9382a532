//! Attacks on the tools that ask the owner: floods, refusals that are talked round, borrowed names.

use crate::kit::*;
use crate::mcp::{asked, asked_by, bash, call, call_of_run, of_run, pending};
use serde_json::{Value, json};
use tower::ServiceExt;

const MINUTE_MS: i64 = 60_000;

fn with_id(id: &str) -> Value {
    json!({"tool_name": "Bash", "input": {"command": "rm -rf build"}, "tool_use_id": id})
}

/// The decision in Claude Code's form.
fn behaviour(answer: &Value) -> String {
    let text = answer["content"][0]["text"].as_str().unwrap();
    let word: Value = serde_json::from_str(text).unwrap();
    word["behavior"].as_str().unwrap().to_owned()
}

/// Sends a call that waits, and lets it reach its wait.
async fn waiting(bed: &Bed, request: http::Request<axum::body::Body>) -> Waiting {
    let waits = tokio::spawn(bed.router.clone().oneshot(request));
    bed.background().await;
    waits
}

type Waiting = tokio::task::JoinHandle<Result<axum::response::Response, std::convert::Infallible>>;

fn question(text: &str, token: &str) -> http::Request<axum::body::Body> {
    let params = json!({"name": "ask_owner", "arguments": {"question": text}});
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
    http::Request::post("/mcp")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.to_string()))
        .unwrap()
}

#[tokio::test]
async fn third_call_that_joins_a_question_is_refused_with_the_id_to_poll() {
    let bed = Bed::new();
    let first = waiting(&bed, question("Which?", AGENT)).await;
    let second = waiting(&bed, question("Which?", AGENT)).await;
    let id = pending(&bed).await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(pending(&bed).await.len(), 1);
    let third = waiting(&bed, question("Which?", AGENT)).await;
    assert!(third.is_finished(), "a third connection is not kept");
    let refused = call(&bed, "ask_owner", json!({"question": "Which?"})).await;
    let text = refused["content"][0]["text"].as_str().unwrap();
    assert!(refused["isError"] == true && text.contains(&id), "{refused}");
    assert!(text.contains(&format!("/personal-assistant/api/approvals/{id}")), "{text}");
    // The place of a caller that went away is free again.
    first.abort();
    bed.background().await;
    let again = waiting(&bed, question("Which?", AGENT)).await;
    assert!(!again.is_finished());
    bed.decide(&json!(id), "approve").await;
    bed.background().await;
    assert!(second.is_finished() && again.is_finished());
}

#[tokio::test]
async fn calls_of_one_run_wait_four_at_a_time() {
    let bed = Bed::new();
    let token = bed.claimed("t-1", 0.5).await;
    for number in 0..6 {
        let asks = json!({"question": format!("Question {number}?")});
        let waits = waiting(&bed, of_run(&token, "ask_owner", &asks)).await;
        assert_eq!(waits.is_finished(), number >= 4, "{number}");
    }
    assert_eq!(pending(&bed).await.len(), 6, "the questions themselves are open");
}

#[tokio::test]
async fn calls_of_one_token_wait_64_at_a_time_and_leave_others_their_places() {
    let bed = Bed::new();
    for number in 0..64 {
        let waits = waiting(&bed, question(&format!("Question {number}?"), OPERATOR)).await;
        assert!(!waits.is_finished(), "{number}");
    }
    for number in 64..70 {
        let waits = waiting(&bed, question(&format!("Question {number}?"), OPERATOR)).await;
        assert!(waits.is_finished(), "{number}");
    }
    assert!(!waiting(&bed, question("Another?", AGENT)).await.is_finished());
}

#[tokio::test]
async fn refusal_of_a_tool_call_holds_under_every_id_and_without_one() {
    for ids in [["toolu_1", "toolu_2"], ["", "toolu_1"], ["toolu_1", ""]] {
        let bed = Bed::new();
        let given = |id: &str| {
            let mut call = with_id(id);
            if id.is_empty() {
                call.as_object_mut().unwrap().remove("tool_use_id");
            }
            call
        };
        let (waits, row) = asked(&bed, "request_approval", given(ids[0])).await;
        bed.decide(&row["id"], "reject").await;
        assert_eq!(behaviour(&waits.await.unwrap()), "deny");
        for id in [ids[1], ids[0]] {
            let again = call(&bed, "request_approval", given(id)).await;
            assert_eq!(behaviour(&again), "deny", "{ids:?}");
        }
        // Another comment beside the same command is the same call.
        let mut reworded = given(ids[1]);
        reworded["input"]["description"] = json!("Tidy up");
        let again = call(&bed, "request_approval", reworded).await;
        assert_eq!(behaviour(&again), "deny", "{ids:?}");
        assert!(pending(&bed).await.is_empty());
        bed.clock.advance(11 * MINUTE_MS);
        asked(&bed, "request_approval", given(ids[1])).await;
    }
}

#[tokio::test]
async fn allowed_call_is_answered_again_under_its_id_for_a_minute_and_not_during_a_halt() {
    let bed = Bed::new();
    let (waits, row) = asked(&bed, "request_approval", with_id("toolu_1")).await;
    bed.decide(&row["id"], "approve").await;
    assert_eq!(behaviour(&waits.await.unwrap()), "allow");
    bed.clock.advance(MINUTE_MS - 1_000);
    assert_eq!(behaviour(&call(&bed, "request_approval", with_id("toolu_1")).await), "allow");
    bed.post(OPERATOR, "/api/halt", json!({"all": true})).await;
    assert_eq!(behaviour(&call(&bed, "request_approval", with_id("toolu_1")).await), "deny");
    bed.post(OPERATOR, "/api/resume", json!({"all": true})).await;
    bed.clock.advance(2_000);
    let (_, again) = asked(&bed, "request_approval", with_id("toolu_1")).await;
    assert_ne!(again["id"], row["id"], "a new question");
}

#[tokio::test]
async fn name_of_a_run_counts_only_with_the_token_of_its_claim() {
    let bed = Bed::new();
    bed.approver("1");
    let approval = bed.ask_in_chat(EVENT, 0.5).await;
    let token = bed.claim(&approval).await.1["claimToken"].clone();
    let before = bed.deliveries().len();
    // Any holder of the agent token may write any header.
    let mut request = question("Which?", AGENT);
    request.headers_mut().insert("x-quintet-task", EVENT.parse().unwrap());
    request.headers_mut().insert("x-quintet-agent", "codegen".parse().unwrap());
    waiting(&bed, request).await;
    assert_eq!(pending(&bed).await[0]["agentType"], "agent");
    let chats: Vec<_> = bed.deliveries()[before..].iter().map(|d| d.target.chat.clone()).collect();
    assert_eq!(chats, ["1"], "not the chat of the run");
    // A token that is none, and that of a run that has ended.
    let asks = json!({"question": "And now?"});
    let status = async |token: &Value| {
        let request = of_run(token, "ask_owner", &asks);
        bed.router.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    assert_eq!(status(&json!("0".repeat(64))).await, 403);
    bed.settle(EVENT, &token, Some(0.1), "success").await;
    assert_eq!(status(&token).await, 403);
    assert_eq!(pending(&bed).await.len(), 1);
}

#[tokio::test]
async fn halted_run_is_answered_no_and_its_questions_end() {
    let bed = Bed::new();
    let token = bed.claimed("t-1", 0.5).await;
    let (waits, row) = asked_by(&bed, &token, "request_approval", bash()).await;
    bed.post(OPERATOR, "/api/halt", json!({"taskId": "t-1"})).await;
    assert_eq!(bed.decide(&row["id"], "approve").await.0, 409);
    bed.clock.advance(3_000);
    assert_eq!(waits.await.unwrap()["structuredContent"]["approved"], false);
    let later = call_of_run(&bed, &token, "request_approval", &json!({"tool": "Read"})).await;
    assert_eq!(later["structuredContent"]["approved"], false, "{later}");
    assert!(pending(&bed).await.is_empty());
}

#[tokio::test]
async fn requests_by_hand_cannot_pass_for_a_tool_call_a_question_or_more_money() {
    let bed = Bed::new();
    for (field, value) in [
        ("taskId", "tool-call:0123456789abcdef0123456789abcdef"),
        ("taskId", "question:0123456789abcdef0123456789abcdef"),
        ("taskId", "t-1~more1"),
        ("taskId", "telegram.main.01ARZ3NDEKTSV4RRFFQ69G5FAV~2"),
        ("type", "tool-call"),
        ("type", "question"),
        ("type", "more-money"),
    ] {
        for who in [AGENT, OPERATOR] {
            let mut asks = request("t-1", 0.5);
            asks[field] = json!(value);
            let (status, problem) = bed.post(who, "/api/approve", asks).await;
            assert_eq!((status, &problem["field"]), (422, &json!(field)), "{value}: {problem}");
        }
    }
    // The aggregator's own runs are counted in this form.
    bed.ask_in_chat("telegram.main.01ARZ3NDEKTSV4RRFFQ69G5FAV~2", 0.5).await;
}

#[tokio::test]
async fn thousandth_repetition_of_a_call_is_refused() {
    let bed = Bed::new();
    for _ in 0..999 {
        let (waits, row) = asked(&bed, "request_approval", bash()).await;
        bed.decide(&row["id"], "approve").await;
        assert_eq!(waits.await.unwrap()["structuredContent"]["approved"], true);
    }
    for _ in 0..3 {
        let answer = call(&bed, "request_approval", bash()).await;
        assert_eq!(answer["isError"], true, "{answer}");
        assert!(pending(&bed).await.is_empty());
    }
}
