//! The platform behind the `local` endpoints: answers our requests as each channel's platform
//! would, on this machine alone.

use axum::Json;
use axum::Router;
use axum::extract::{Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use contracts::{ChannelKind, ErrorCode};
use platform::edge::{ApiError, FromLoopback};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use webhook_aggregator::channels::local_platform;

/// Path of a channel's stand-in API on this server.
pub fn path(channel: ChannelKind) -> String {
    format!("/local/{channel}")
}

/// Every stand-in API, at its [`path`].
pub fn router() -> Router {
    Router::new().route("/local/{channel}/{*path}", any(answer)).layer(from_fn(near_only))
}

fn not_here() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "There is no such path.")
}

async fn near_only(request: Request, next: Next) -> Response {
    if request.extensions().get::<FromLoopback>().is_some() {
        next.run(request).await
    } else {
        not_here().into_response()
    }
}

async fn answer(
    Path((channel, path)): Path<(String, String)>,
    body: String,
) -> Result<Json<Value>, ApiError> {
    /// Numbers of messages.
    static NEXT: AtomicU64 = AtomicU64::new(1000);
    let platform = ChannelKind::parse(&channel).and_then(local_platform).ok_or_else(not_here)?;
    Ok(Json(platform.answer(&path, &body, NEXT.fetch_add(1, Ordering::Relaxed))))
}
