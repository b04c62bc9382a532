//! `POST /mcp`: a server of the Model Context Protocol (streamable HTTP), with which agents ask for
//! approval of a tool call and put questions to the owner.
//!
//! Each request stands alone: there are no sessions, so a restart of either side loses nothing. A
//! call that waits for the owner is answered as an event stream, kept open by comments or progress.

mod asker;
mod known;
mod owner;
mod rpc;
mod tools;
mod values;

use self::asker::Asker;
pub use self::asker::RUN_HEADER;
use self::rpc::{INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, RpcError};
use crate::Deps;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use contracts::ErrorCode;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::{FutureExt, stream};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use platform::edge::{ApiError, Principal, RawBody};
use serde_json::{Value, json};

/// Versions of the protocol, the newest first. The parts that we use are the same in all of them.
const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// Time between two signs of life while the owner is asked.
const SIGN_OF_LIFE_MS: i64 = 10_000;
/// The handler of `POST`.
pub async fn serve(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    headers: HeaderMap,
    RawBody(bytes): RawBody,
) -> Response {
    let Ok(message) = serde_json::from_slice::<Value>(&bytes) else {
        let error = RpcError::new(PARSE_ERROR, "The body is not JSON.");
        return (StatusCode::BAD_REQUEST, Json(failure(&Value::Null, &error))).into_response();
    };
    let Some(method) = method_of(&message) else {
        if message.get("result").or_else(|| message.get("error")).is_some() {
            return StatusCode::ACCEPTED.into_response();
        }
        let error = RpcError::new(INVALID_REQUEST, "The body is not one JSON-RPC 2.0 message.");
        return (StatusCode::BAD_REQUEST, Json(failure(&Value::Null, &error))).into_response();
    };
    let Some(id) = message.get("id").filter(|id| id.is_string() || id.is_number()) else {
        return StatusCode::ACCEPTED.into_response();
    };
    let (id, params) = (id.clone(), message.get("params").cloned().unwrap_or_default());
    let is_patient = method == "tools/call" && tools::waits(&params);
    let token = params.pointer("/_meta/progressToken").cloned().unwrap_or_default();
    let asker = match Asker::of(&deps, who, &headers).await {
        Ok(asker) => asker,
        Err(error) => return error.into_response(),
    };
    let work = answer(deps.clone(), asker, method.to_owned(), id, params).boxed();
    if is_patient && accepts_events(&headers) {
        return streamed(&deps, token, work);
    }
    Json(work.await).into_response()
}

/// The method of a message of JSON-RPC 2.0.
fn method_of(message: &Value) -> Option<&str> {
    let version = message.get("jsonrpc").and_then(Value::as_str);
    message.get("method").and_then(Value::as_str).filter(|_| version == Some("2.0"))
}

/// The handler of `GET` and `DELETE`: we send nothing unasked and have no sessions.
pub async fn unsupported() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed, "Send JSON-RPC messages by POST.")
}

fn accepts_events(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|accept| accept.contains("text/event-stream"))
}

async fn answer(deps: Deps, asker: Asker, method: String, id: Value, params: Value) -> Value {
    let result = match method.as_str() {
        "initialize" => Ok(initialize(&params)),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": tools::list() })),
        "tools/call" => tools::call(&deps, &asker, &params).await,
        _ => Err(RpcError::new(METHOD_NOT_FOUND, format!("There is no method {method}."))),
    };
    match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => failure(&id, &error),
    }
}

fn failure(id: &Value, error: &RpcError) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": error.code, "message": error.message } })
}

fn initialize(params: &Value) -> Value {
    let wanted = params["protocolVersion"].as_str().unwrap_or_default();
    let version = VERSIONS.iter().find(|known| **known == wanted).unwrap_or(&VERSIONS[0]);
    json!({
        "protocolVersion": version,
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "quintet", "version": env!("CARGO_PKG_VERSION") },
        "instructions": "Ask with request_approval before you do what the owner has not allowed; \
            ask_owner puts a question to the owner. Both wait until the owner answers.",
    })
}

/// The response as an event stream: signs of life, then the answer.
fn streamed(deps: &Deps, token: Value, work: BoxFuture<'static, Value>) -> Response {
    let clock = deps.clock.clone();
    let events = stream::unfold((Some(work), 0_u64), move |(work, signs)| {
        let (clock, token) = (clock.clone(), token.clone());
        async move {
            let nap = clock.sleep_until(clock.now_ms() + SIGN_OF_LIFE_MS);
            Some(match select(work?, nap).await {
                Either::Left((answer, _)) => (event(&answer), (None, signs)),
                Either::Right(((), work)) => {
                    (sign_of_life(&token, signs + 1), (Some(work), signs + 1))
                }
            })
        }
    });
    let body =
        Body::from_stream(futures_util::StreamExt::map(events, Ok::<_, std::convert::Infallible>));
    ([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")], body).into_response()
}

fn event(message: &Value) -> String {
    format!("event: message\ndata: {message}\n\n")
}

/// Progress, if the caller asked for it: it keeps clients from giving up.
fn sign_of_life(token: &Value, signs: u64) -> String {
    if token.is_null() {
        return ": waiting for the owner\n\n".to_owned();
    }
    let params =
        json!({ "progressToken": token, "progress": signs, "message": "Waiting for the owner." });
    event(&json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params }))
}
