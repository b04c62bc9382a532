//! An agent that speaks the Agent Client Protocol, line by line.

use platform::memory::ScriptedProgram;
use serde_json::{Value, json};

pub type Replies = fn(&str) -> Vec<String>;

pub fn said(message: &Value) -> String {
    message.to_string()
}

pub fn result(request: &Value, result: Value) -> String {
    said(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }))
}

pub fn error(request: &Value, code: i64, message: &str) -> String {
    let error = json!({ "code": code, "message": message });
    said(&json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }))
}

pub fn update(update: Value) -> String {
    let params = json!({ "sessionId": "s-1", "update": update });
    said(&json!({ "jsonrpc": "2.0", "method": "session/update", "params": params }))
}

pub fn chunk(text: &str) -> String {
    update(
        json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}),
    )
}

pub fn usage(amount: f64, currency: &str) -> String {
    let cost = json!({ "amount": amount, "currency": currency });
    update(json!({"sessionUpdate": "usage_update", "used": 10, "size": 100, "cost": cost}))
}

pub fn read(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

/// An agent that can resume; `turn` are its lines for a prompt.
pub fn agent(line: &str, turn: impl Fn(&Value) -> Vec<String>) -> Vec<String> {
    let request = read(line);
    match request["method"].as_str() {
        Some("initialize") => {
            let capabilities =
                json!({ "loadSession": true, "mcpCapabilities": { "http": true, "sse": false } });
            vec![result(
                &request,
                json!({ "protocolVersion": 1, "agentCapabilities": capabilities }),
            )]
        }
        Some("session/new") => vec![result(&request, json!({ "sessionId": "s-1" }))],
        Some("session/load") => {
            vec![chunk("An old answer."), usage(0.5, "USD"), result(&request, Value::Null)]
        }
        Some("session/prompt") => turn(&request),
        _ => Vec::new(),
    }
}

pub fn ends(request: &Value, why: &str) -> String {
    result(request, json!({ "stopReason": why }))
}

pub fn answers(line: &str) -> Vec<String> {
    agent(line, |request| {
        vec![chunk("It is "), usage(0.02, "USD"), chunk("7."), ends(request, "end_turn")]
    })
}

pub fn program(replies: Replies) -> ScriptedProgram {
    ScriptedProgram { replies: Some(replies), ..ScriptedProgram::default() }
}
