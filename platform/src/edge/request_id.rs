//! The id of every request: the caller's `X-Request-Id` if valid, otherwise generated. It is in the
//! response header, in a problem's body, and in the log.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use contracts::Problem;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::Instrument;

/// The id; handlers take it as an extension.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

const HEADER: http::HeaderName = http::HeaderName::from_static("x-request-id");
const LENGTH_MAX: usize = 64;

static COUNTER: AtomicU64 = AtomicU64::new(1);

pub(super) async fn layer(mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(HEADER)
        .and_then(|v| v.to_str().ok())
        .filter(|id| is_sane(id))
        .map_or_else(fresh, str::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("request", "request.id" = %id, method = %request.method(), path = %request.uri().path());
    let response = next.run(request).instrument(span).await;
    stamp(response, &id)
}

fn is_sane(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= LENGTH_MAX
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// An id that is unique within this process. Between processes the address-space layout makes it
/// differ, so it needs neither clock nor random numbers.
fn fresh() -> String {
    let seed = std::ptr::from_ref(&COUNTER) as usize as u64;
    format!("r{:x}-{:x}", seed >> 12 & 0xff_ffff, COUNTER.fetch_add(1, Ordering::Relaxed))
}

fn stamp(mut response: Response, id: &str) -> Response {
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        if problem.request_id.is_empty() {
            id.clone_into(&mut problem.request_id);
        }
        *response.body_mut() = serde_json::to_vec(&problem).unwrap_or_default().into();
        response.headers_mut().remove(http::header::CONTENT_LENGTH);
        if problem.status >= 500 {
            tracing::warn!("request.id" = %id, code = problem.code.as_str(), status = problem.status, "refused");
        }
    }
    if let Ok(value) = http::HeaderValue::from_str(id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}
