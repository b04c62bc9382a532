//! The platform behind the `local` endpoints: answers the API calls of all three platforms, on this
//! machine only. It stores nothing; messages are in the events and conversations.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON by name: a missing member reads as null, and every object written to is created \
        here"
)]

use axum::extract::{Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::{Json, Router};
use contracts::ErrorCode;
use platform::edge::{ApiError, FromLoopback};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

/// Next message id.
static NEXT: AtomicU64 = AtomicU64::new(1000);

/// `/local/telegram/bot…/method`, `/local/slack/method`, `/local/discord/…`.
pub fn router() -> Router {
    Router::new()
        .route("/telegram/{bot}/{method}", post(telegram))
        .route("/slack/{method}", post(slack))
        .route("/discord/{*path}", any(discord))
        .layer(from_fn(near_only))
}

async fn near_only(request: Request, next: Next) -> Response {
    if request.extensions().get::<FromLoopback>().is_some() {
        next.run(request).await
    } else {
        ApiError::new(ErrorCode::NotFound, "There is no such path.").into_response()
    }
}

fn number() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

async fn telegram(Path((_, method)): Path<(String, String)>, body: String) -> Json<Value> {
    let body: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
    let message = body["message_id"].as_u64().unwrap_or_else(number);
    Json(match method.as_str() {
        "sendMessage" | "editMessageText" => {
            json!({ "ok": true, "result": { "message_id": message, "chat": { "id": body["chat_id"] } } })
        }
        _ => json!({ "ok": true, "result": true }),
    })
}

async fn slack(Path(method): Path<String>, body: String) -> Json<Value> {
    let channel = body
        .split('&')
        .find_map(|pair| pair.strip_prefix("channel="))
        .unwrap_or("D0LOCAL01")
        .to_owned();
    let ts = body
        .split('&')
        .find_map(|pair| pair.strip_prefix("ts="))
        .map_or_else(|| format!("1790000000.{:06}", number()), str::to_owned);
    Json(match method.as_str() {
        "chat.postMessage" | "chat.update" | "chat.postEphemeral" => {
            json!({ "ok": true, "channel": channel, "ts": ts })
        }
        _ => json!({ "ok": false, "error": "unknown_method" }),
    })
}

async fn discord(Path(path): Path<String>) -> Json<Value> {
    let id = number().to_string();
    Json(if path.ends_with("/channels") {
        json!({ "id": id })
    } else {
        json!({ "id": id, "channel_id": "830000000000000042" })
    })
}
