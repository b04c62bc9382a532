//! The platform behind the `local` endpoints: answers our requests as each channel's platform
//! would, on this machine alone.

use axum::Json;
use axum::Router;
use axum::body::{HttpBody, to_bytes};
use axum::extract::{Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use contracts::files::FILE_BYTES_CEILING;
use contracts::{ChannelKind, ErrorCode};
use http::header;
use platform::edge::{ApiError, FromLoopback};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;
use webhook_aggregator::channels::local_platform;

/// A request without a file, at most.
const BODY_BYTES_MAX: usize = 1 << 20;
/// A file in a form, at most.
const UPLOAD_BYTES_MAX: usize = FILE_BYTES_CEILING as usize + BODY_BYTES_MAX;
/// Uploads that are read at a time. Any program of this machine may send one, without a token.
const UPLOADS_MAX: usize = 2;

static UPLOADS: Semaphore = Semaphore::const_new(UPLOADS_MAX);

/// Path of a channel's stand-in API on this server.
pub fn path(channel: ChannelKind) -> String {
    format!("/local/{channel}")
}

/// Every stand-in API, at its [`path`].
pub fn router() -> Router {
    Router::new().route("/local/{channel}/{*path}", any(answer)).layer(from_fn(near_only))
}

fn too_large() -> ApiError {
    let detail = format!(
        "A request here has at most {BODY_BYTES_MAX} bytes, one with a file {UPLOAD_BYTES_MAX}."
    );
    ApiError::new(ErrorCode::TooLarge, detail)
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
    request: Request,
) -> Result<Json<Value>, ApiError> {
    /// Numbers of messages.
    static NEXT: AtomicU64 = AtomicU64::new(1000);
    let platform = ChannelKind::parse(&channel).and_then(local_platform).ok_or_else(not_here)?;
    // Only here is it known where this server is reached.
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.map(str::to_owned);
    let upper = request.body().size_hint().upper();
    let is_large = upper.is_none_or(|bytes| bytes > BODY_BYTES_MAX as u64);
    let turn = if is_large && platform.takes_file(&path) {
        // Its sender tries again; to wait here would let requests pile up.
        let full = "As many files as can be taken at a time are being taken.";
        Some(UPLOADS.try_acquire().map_err(|_| ApiError::new(ErrorCode::Unavailable, full))?)
    } else {
        None
    };
    let limit = if turn.is_some() { UPLOAD_BYTES_MAX } else { BODY_BYTES_MAX };
    let body = to_bytes(request.into_body(), limit).await.map_err(|_| too_large())?;
    let body = String::from_utf8_lossy(&body);
    let mut answer = platform.answer(&path, &body, NEXT.fetch_add(1, Ordering::Relaxed));
    if let (Some(Value::String(address)), Some(host)) = (answer.get_mut("upload_url"), host) {
        *address = format!("http://{host}/local/{channel}{address}");
    }
    Ok(Json(answer))
}
