//! The server of the Model Context Protocol: what agents ask, and how the owner answers.

use crate::kit::*;
use contracts::calls::agency_router::Analyze;
use serde_json::{Value, json};

async fn rpc(bed: &Bed, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let (status, answer) = bed.post(AGENT, "/mcp", body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)));
    answer
}

pub async fn call(bed: &Bed, tool: &str, arguments: Value) -> Value {
    rpc(bed, "tools/call", json!({"name": tool, "arguments": arguments})).await["result"].clone()
}

/// A call in the background, once it waits for the owner: with its approval.
pub async fn asked(
    bed: &Bed,
    tool: &str,
    arguments: Value,
) -> (tokio::task::JoinHandle<Value>, Value) {
    // The newest comes first.
    bed.clock.advance(1);
    let before = pending(bed).await.len();
    let params = json!({"name": tool, "arguments": arguments});
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
    let router = bed.router.clone();
    let waits = tokio::spawn(async move {
        send(&router, AGENT, "POST", "/mcp", body).await.1["result"].clone()
    });
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
        let rows = pending(bed).await;
        if rows.len() > before {
            return (waits, rows[0].clone());
        }
    }
    panic!("nobody was asked");
}

pub async fn pending(bed: &Bed) -> Vec<Value> {
    bed.get(OPERATOR, "/api/approvals?state=pending").await["approvals"].as_array().unwrap().clone()
}

const BASH: &str =
    r#"{"tool": "Bash", "arguments": {"command": "rm -rf build"}, "reason": "to start afresh"}"#;

pub fn bash() -> Value {
    serde_json::from_str(BASH).unwrap()
}

#[tokio::test]
async fn mcp_introduces_itself_and_lists_its_tools() {
    let bed = Bed::new();
    let hello =
        rpc(&bed, "initialize", json!({"protocolVersion": "2025-06-18", "capabilities": {}})).await;
    assert_eq!(hello["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(hello["result"]["serverInfo"]["name"], "quintet");
    let other = rpc(&bed, "initialize", json!({"protocolVersion": "1999-01-01"})).await;
    assert_eq!(other["result"]["protocolVersion"], "2025-11-25");
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(bed.post(AGENT, "/mcp", note).await.0, 202);
    let list = rpc(&bed, "tools/list", json!({})).await;
    let tools = list["result"]["tools"].as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["request_approval", "ask_owner", "budget_status", "route", "search_skills"]);
    assert!(tools.iter().all(|tool| tool["inputSchema"]["type"] == "object"));
}

#[tokio::test]
async fn mcp_refuses_strangers_and_nonsense() {
    let bed = Bed::new();
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(bed.post("wrong", "/mcp", ping.clone()).await.0, 401);
    assert_eq!(bed.post(VIEWER, "/mcp", ping).await.0, 403);
    assert_eq!(bed.send(AGENT, "GET", "/mcp", Value::Null).await.0, 405);
    assert_eq!(bed.post(AGENT, "/mcp", json!([])).await.0, 400);
    assert_eq!(rpc(&bed, "no/such", json!({})).await["error"]["code"], -32_601);
    let unknown = rpc(&bed, "tools/call", json!({"name": "rm"})).await;
    assert_eq!(unknown["error"]["code"], -32_602);
    assert_eq!(call(&bed, "request_approval", json!({})).await["isError"], true);
    assert!(pending(&bed).await.is_empty());
}

#[tokio::test]
async fn tool_call_waits_for_the_owner_and_is_allowed_once() {
    let bed = Bed::new();
    let (waits, row) = asked(&bed, "request_approval", bash()).await;
    assert_eq!((&row["type"], &row["operation"]), (&json!("tool-call"), &json!("Bash")));
    assert_eq!(row["arguments"], json!({"command": "rm -rf build"}));
    let shown = row["description"].as_str().unwrap();
    assert!(
        shown.contains("command: rm -rf build") && shown.contains("to start afresh"),
        "{shown}"
    );
    bed.decide(&row["id"], "approve").await;
    let answer = waits.await.unwrap();
    let said = &answer["structuredContent"];
    assert_eq!((&said["approved"], &said["approvalId"]), (&json!(true), &row["id"]), "{answer}");
    assert_eq!(
        bed.get(OPERATOR, "/api/approvals?state=consumed").await["approvals"][0]["id"],
        row["id"]
    );

    // The same call again is a new question.
    let (waits, again) = asked(&bed, "request_approval", bash()).await;
    assert_ne!(again["id"], row["id"]);
    bed.decide(&again["id"], "reject").await;
    assert_eq!(waits.await.unwrap()["structuredContent"]["approved"], false);
    // A refusal answers it at once, for a while.
    assert_eq!(
        call(&bed, "request_approval", bash()).await["structuredContent"]["approved"],
        false
    );
}

#[tokio::test]
async fn other_arguments_are_another_question() {
    let bed = Bed::new();
    let (_, first) = asked(&bed, "request_approval", bash()).await;
    let other = json!({"tool": "Bash", "arguments": {"command": "rm -rf /"}});
    let (waits, second) = asked(&bed, "request_approval", other).await;
    bed.decide(&first["id"], "approve").await;
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    assert_eq!(pending(&bed).await[0]["id"], second["id"]);
}

#[tokio::test]
async fn decision_made_while_the_agent_was_away_is_delivered_to_it() {
    let bed = Bed::new();
    let (waits, row) = asked(&bed, "request_approval", bash()).await;
    waits.abort();
    bed.decide(&row["id"], "approve").await;
    let answer = call(&bed, "request_approval", bash()).await;
    let said = &answer["structuredContent"];
    assert_eq!((&said["approved"], &said["approvalId"]), (&json!(true), &row["id"]));
}

#[tokio::test]
async fn claude_code_is_answered_in_its_own_form() {
    let bed = Bed::new();
    let prompt = json!({"tool_name": "Write", "input": {"file_path": "a", "content": "b"}, "tool_use_id": "toolu_1"});
    let (waits, row) = asked(&bed, "request_approval", prompt.clone()).await;
    bed.decide(&row["id"], "approve").await;
    let text = waits.await.unwrap()["content"][0]["text"].as_str().unwrap().to_owned();
    let word: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(word, json!({"behavior": "allow", "updatedInput": prompt["input"]}));
    // The same id is the same call, also after its answer.
    let again = call(&bed, "request_approval", prompt).await;
    assert_eq!(again["content"][0]["text"].as_str().unwrap(), text);
    let denied = json!({"tool_name": "Write", "input": {}, "tool_use_id": "toolu_2"});
    let (waits, row) = asked(&bed, "request_approval", denied).await;
    bed.decide(&row["id"], "reject").await;
    let text = waits.await.unwrap()["content"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["behavior"], "deny");
}

#[tokio::test]
async fn halted_tool_call_is_denied() {
    let bed = Bed::new();
    bed.post(OPERATOR, "/api/halt", json!({"all": true})).await;
    let answer = call(&bed, "request_approval", bash()).await;
    assert_eq!(answer["structuredContent"]["approved"], false, "{answer}");
    assert!(pending(&bed).await.is_empty());
}

#[tokio::test]
async fn cost_of_a_tool_call_is_held_and_posted() {
    let bed = Bed::new();
    let paid = json!({"tool": "buy", "arguments": {}, "estimatedCost": 2.5});
    let (waits, row) = asked(&bed, "request_approval", paid).await;
    bed.decide(&row["id"], "approve").await;
    assert_eq!(waits.await.unwrap()["structuredContent"]["approved"], true);
    assert_eq!(bed.day().await["spent"], 2.5);
    let dear = json!({"tool": "buy", "arguments": {}, "estimatedCost": 9000});
    assert_eq!(call(&bed, "request_approval", dear).await["structuredContent"]["approved"], false);
}

#[tokio::test]
async fn question_is_answered_in_words_or_by_its_options() {
    let bed = Bed::new();
    let (waits, row) = asked(&bed, "ask_owner", json!({"question": "Which branch?"})).await;
    let path = format!("/api/approvals/{}/decide", row["id"].as_str().unwrap());
    let words = json!({"decision": "approve", "answer": "release/2"});
    assert_eq!(bed.post(OPERATOR, &path, words).await.0, 200);
    let said = waits.await.unwrap()["structuredContent"].clone();
    assert_eq!(said, json!({"answered": true, "answer": "release/2"}));

    for (decision, answer) in [("approve", "staging"), ("reject", "production")] {
        let question = json!({"question": "Where?", "options": ["staging", "production"]});
        let (waits, row) = asked(&bed, "ask_owner", question).await;
        bed.decide(&row["id"], decision).await;
        assert_eq!(waits.await.unwrap()["structuredContent"]["answer"], answer);
        bed.clock.advance(11 * 60_000);
    }
}

#[tokio::test]
async fn options_that_buttons_would_not_tell_apart_have_none() {
    let bed = Bed::new();
    let long = |end: &str| format!("{} {end}", "the same beginning of both".repeat(2));
    for (number, options) in [
        json!(["staging", "production"]),
        json!([long("keep"), long("delete")]),
        json!(["Yes", "yes "]),
        json!(["\u{200b}", ""]),
    ]
    .into_iter()
    .enumerate()
    {
        let question = json!({"question": format!("Where, {number}?"), "options": options});
        let (_, row) = asked(&bed, "ask_owner", question).await;
        let kind = if number == 0 { "two" } else { "words" };
        assert_eq!(row["choice"]["kind"], kind, "{row}");
        bed.decide(&row["id"], "reject").await;
    }
}

#[tokio::test]
async fn answer_in_words_never_approves_a_tool_call() {
    let bed = Bed::new();
    let (_, row) = asked(&bed, "request_approval", bash()).await;
    let path = format!("/api/approvals/{}/decide", row["id"].as_str().unwrap());
    let words = json!({"decision": "approve", "answer": "no, rather not"});
    assert_eq!(bed.post(OPERATOR, &path, words).await.0, 422);
    assert_eq!(pending(&bed).await.len(), 1);
}

#[tokio::test]
async fn waiting_call_shows_signs_of_life() {
    let bed = Bed::new();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "request_approval", "arguments": bash(), "_meta": {"progressToken": "p"}}});
    let router = bed.router.clone();
    let waits = tokio::spawn(async move {
        let accept = "application/json, text/event-stream";
        send_text(&router, AGENT, "POST", "/mcp", accept, body).await
    });
    while pending(&bed).await.is_empty() {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        bed.clock.advance(10_500);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    bed.decide(&pending(&bed).await[0]["id"], "approve").await;
    let (status, text) = waits.await.unwrap();
    assert_eq!(status, 200);
    let messages: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(messages.iter().any(|m| m["params"]["progressToken"] == "p"), "{text}");
    assert_eq!(messages.last().unwrap()["result"]["structuredContent"]["approved"], true);
}

#[tokio::test]
async fn mcp_tells_the_budget_and_asks_its_neighbours() {
    let bed = Bed::new();
    let status = call(&bed, "budget_status", json!({})).await;
    assert!(status["structuredContent"]["scopes"][0]["remaining"].is_number(), "{status}");
    assert_eq!(call(&bed, "route", json!({"message": " "})).await["isError"], true);
    assert_eq!(bed.neighbours.count::<Analyze>(), 0);
}

/// A request of a run, as the gateway's relay sends it.
pub fn of_run(
    claim_token: &Value,
    tool: &str,
    arguments: &Value,
) -> http::Request<axum::body::Body> {
    let params = json!({"name": tool, "arguments": arguments});
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
    http::Request::post("/mcp")
        .header("authorization", format!("Bearer {AGENT}"))
        .header("content-type", "application/json")
        .header("x-quintet-run", claim_token.as_str().unwrap())
        .body(axum::body::Body::from(body.to_string()))
        .unwrap()
}

/// A call of a run that is answered.
pub async fn call_of_run(bed: &Bed, claim_token: &Value, tool: &str, arguments: &Value) -> Value {
    use http_body_util::BodyExt;
    let request = of_run(claim_token, tool, arguments);
    let response = tower::ServiceExt::oneshot(bed.router.clone(), request).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice::<Value>(&bytes).unwrap()["result"].clone()
}

/// A call of a run in the background, once the owner was asked: with the approval.
pub async fn asked_by(
    bed: &Bed,
    claim_token: &Value,
    tool: &str,
    arguments: Value,
) -> (tokio::task::JoinHandle<Value>, Value) {
    use http_body_util::BodyExt;
    let request = of_run(claim_token, tool, &arguments);
    // The newest comes first.
    bed.clock.advance(1);
    let before = pending(bed).await.len();
    let router = bed.router.clone();
    let waits = tokio::spawn(async move {
        let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&bytes).unwrap()["result"].clone()
    });
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
        let rows = pending(bed).await;
        if rows.len() > before {
            return (waits, rows[0].clone());
        }
    }
    panic!("nobody was asked");
}

#[tokio::test]
async fn run_that_asks_is_named_and_asked_about_in_its_chat() {
    let bed = Bed::new();
    bed.approver("1");
    let approval = bed.ask_in_chat(EVENT, 0.5).await;
    let token = bed.claim(&approval).await.1["claimToken"].clone();
    let before = bed.deliveries().len();
    let (_, row) = asked_by(&bed, &token, "request_approval", bash()).await;
    assert_eq!(row["agentType"], "codegen", "{row}");
    bed.background().await;
    let sent = bed.deliveries().split_off(before);
    let chats: Vec<_> = sent.iter().map(|delivery| delivery.target.chat.as_str()).collect();
    assert_eq!(chats, ["700100200"], "the run's own chat, not every approver's");
    assert!(sent[0].text.starts_with("Approval needed: codegen \u{b7} Bash"), "{}", sent[0].text);
    let question = json!({"question": "Which port?"});
    asked_by(&bed, &token, "ask_owner", question).await;
    bed.background().await;
    let text = bed.deliveries().pop().unwrap().text;
    assert!(text.starts_with("codegen asks you:"), "{text}");
}

#[tokio::test]
async fn answer_for_one_run_is_none_for_another() {
    let bed = Bed::new();
    let tokens = [bed.claimed("t-1", 0.5).await, bed.claimed("t-2", 0.5).await];
    let (_, first) = asked_by(&bed, &tokens[0], "request_approval", bash()).await;
    let (_, second) = asked_by(&bed, &tokens[1], "request_approval", bash()).await;
    assert_ne!(first["id"], second["id"]);
    assert_eq!(pending(&bed).await.len(), 2);
}
