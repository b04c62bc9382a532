//! One request and its response: what is refused before the router, and where the connection is
//! meanwhile.

use super::connections::{Phase, Refusal, Slot};
use crate::identity;
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::ErrorCode;
use contracts::calls::{Call, agency_gateway, personal_assistant};
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request};
use hyper::body::{Frame, Incoming, SizeHint};
use platform::edge::ApiError;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;
use tower::ServiceExt;

/// Answers one request.
pub(super) async fn answer(
    app: Router,
    slot: Arc<Slot>,
    peer: SocketAddr,
    body_limit: Duration,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let refusal = refusal(&slot, &request);
    let phase = if request.body().is_end_stream() { Phase::Busy } else { Phase::Body };
    if !slot.enter(phase) {
        // Its response would be cut off in the middle.
        return Ok(full());
    }
    let late = Arc::new(AtomicBool::new(false));
    let mut response = if let Some(refusal) = refusal {
        refusal
    } else {
        let mut request = request.map(|body| {
            Body::new(Timed {
                inner: body,
                deadline: Box::pin(tokio::time::sleep(body_limit)),
                late: late.clone(),
                slot: slot.clone(),
            })
        });
        request.extensions_mut().insert(ConnectInfo(peer));
        app.oneshot(request).await.unwrap_or_else(|never| match never {})
    };
    if late.load(Ordering::Relaxed) {
        let seconds = body_limit.as_secs_f32();
        let detail = format!("The body did not arrive within {seconds} s.");
        response = closing(ApiError::new(ErrorCode::Malformed, detail));
    }
    slot.enter(Phase::Busy);
    Ok(response.map(|inner| Body::new(Ending { inner, slot })))
}

/// The reason for which the router never sees a request.
fn refusal(slot: &Slot, request: &Request<Incoming>) -> Option<Response> {
    // RFC 9112, 3.2: with two the next reader may choose the other.
    if request.headers().get_all(HOST).iter().nth(1).is_some() {
        let detail = "The request has more than one Host header.";
        return Some(closing(ApiError::new(ErrorCode::Malformed, detail)));
    }
    if !slot.has_room(is_halt(request.uri().path())) {
        return Some(full());
    }
    None
}

fn full() -> Response {
    closing(ApiError::new(ErrorCode::Unavailable, Refusal::Full.detail()))
}

/// Whether this is the owner's way to stop everything, or the proof that goes before it.
fn is_halt(path: &str) -> bool {
    let of = |service: &str, call: &str| {
        path.strip_prefix('/').and_then(|rest| rest.strip_prefix(service)) == Some(call)
    };
    path == identity::PATH
        || of(personal_assistant::Halt::CALLEE.as_str(), personal_assistant::Halt::PATH)
        || of(agency_gateway::Halt::CALLEE.as_str(), agency_gateway::Halt::PATH)
}

/// A refusal after which the connection ends.
fn closing(error: ApiError) -> Response {
    let mut response = error.into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A request's body, which must end before the deadline.
struct Timed {
    inner: Incoming,
    deadline: Pin<Box<Sleep>>,
    late: Arc<AtomicBool>,
    slot: Arc<Slot>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::Error;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // Before the bytes, so that a body that drips has no more time than any other.
        if self.deadline.as_mut().poll(context).is_ready() {
            self.late.store(true, Ordering::Relaxed);
            let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
            return Poll::Ready(Some(Err(axum::Error::new(late))));
        }
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(context));
        if frame.is_none() || self.inner.is_end_stream() {
            self.slot.enter(Phase::Busy);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)))
    }
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's body. After it the connection waits for the next request.
struct Ending {
    inner: Body,
    slot: Arc<Slot>,
}

impl HttpBody for Ending {
    type Data = Bytes;
    type Error = axum::Error;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.slot.enter(Phase::Head);
    }
}
