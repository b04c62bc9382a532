//! `POST /api/chat`: the assistant answers the owner's questions from the skill graph and the
//! state.
//!
//! This version asks no model, and every answer says so. Chat spends nothing and does nothing:
//! "halt" here gets a hint to the halt command. Messages are stored by session.

mod answers;
mod intent;

use crate::Deps;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use contracts::Problem;
use contracts::chat::{ChatAnswer, ChatRequest, Usage};
use futures_util::stream;
use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use platform::edge::{ApiError, ApiResult, JsonBody};
use platform::ports::ClockExt;
use platform::sql;
use serde_json::json;

/// Maximum characters of a message.
const MESSAGE_CHARS_MAX: usize = 8_000;
const SESSION_CHARS_MAX: usize = 200;
/// Words per chunk of a streamed answer.
const PIECE_WORDS: usize = 6;

/// The handler: JSON, or server-sent events if the caller accepts them.
pub async fn chat(
    State(deps): State<Deps>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ChatRequest>,
) -> ApiResult<Response> {
    validate(&request)?;
    let message = answers::answer(&deps, &request.session_key, &request.message).await?;
    keep(&deps, &request, &message).await?;
    let answer = ChatAnswer { message, session_key: request.session_key, usage: Usage::default() };
    let wants_stream = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/event-stream"));
    if wants_stream { Ok(streamed(&answer)) } else { Ok(Json(answer).into_response()) }
}

fn validate(request: &ChatRequest) -> ApiResult<()> {
    let wrong = |field: &str, max: usize| {
        ApiError::from(Problem::field(
            field,
            format!("`{field}` is empty or has more than {max} characters."),
            format!("Send 1 to {max} characters."),
        ))
    };
    let fits = |text: &str, max: usize| {
        !text.trim().is_empty() && text.chars().count() <= max && !text.contains('\0')
    };
    if !fits(&request.message, MESSAGE_CHARS_MAX) {
        return Err(wrong("message", MESSAGE_CHARS_MAX));
    }
    if !fits(&request.session_key, SESSION_CHARS_MAX) {
        return Err(wrong("sessionKey", SESSION_CHARS_MAX));
    }
    Ok(())
}

/// Stores question and answer, or neither.
async fn keep(deps: &Deps, request: &ChatRequest, answer: &str) -> ApiResult<()> {
    // The answer's id sorts directly after the question's.
    let id = format!("msg_{}", deps.clock.ulid());
    let rows =
        [(id.clone(), "user", request.message.as_str()), (format!("{id}~"), "assistant", answer)];
    let insert = rows.map(|(id, role, content)| {
        sql!(
            "INSERT INTO chat_message (id, session, role, content, at) VALUES (?1, ?2, ?3, ?4, ?5)",
            id,
            &request.session_key,
            role,
            content,
            deps.clock.now_ms()
        )
    });
    deps.sql.batch(insert.into()).await?;
    Ok(())
}

/// `data: {"delta": …}` per chunk, then `event: done` with the whole answer.
fn streamed(answer: &ChatAnswer) -> Response {
    let words: Vec<&str> = answer.message.split_inclusive(' ').collect();
    let mut events: Vec<String> = words
        .chunks(PIECE_WORDS)
        .map(|piece| format!("data: {}\n\n", json!({"delta": piece.concat()})))
        .collect();
    events.push(format!("event: done\ndata: {}\n\n", json!(answer)));
    let body =
        Body::from_stream(stream::iter(events.into_iter().map(Ok::<_, std::convert::Infallible>)));
    ([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")], body).into_response()
}
