//! Outbound HTTP with the runtime's `fetch`: no redirects, bounded responses, aborted at the
//! timeout.

use crate::clock::pause;
use crate::{invalid, unknown};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};
use platform::config::is_safe_url;
use platform::ports::{
    Outbound, OutboundRequest, OutboundResponse, OutboundStream, PortError, PortErrorKind,
    PortResult,
};
use std::pin::pin;
use worker::send::{SendFuture, SendWrapper};
use worker::{AbortController, Fetch, Headers, Method, Request, RequestInit, RequestRedirect};

/// Outbound requests.
pub struct FetchOutbound;

#[async_trait]
impl Outbound for FetchOutbound {
    async fn send_within(
        &self,
        request: OutboundRequest,
        bytes_max: usize,
    ) -> PortResult<OutboundResponse> {
        SendFuture::new(async move {
            let abort = AbortController::default();
            let limit = i64::try_from(request.timeout_ms).unwrap_or(i64::MAX);
            let signal = abort.signal();
            let answer = pin!(fetch(request, bytes_max, &signal));
            match select(answer, pin!(pause(limit))).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => {
                    abort.abort();
                    Err(late())
                }
            }
        })
        .await
    }
    async fn open(&self, request: OutboundRequest) -> PortResult<OutboundStream> {
        SendFuture::new(open(request)).await
    }
}

async fn fetch(
    request: OutboundRequest,
    bytes_max: usize,
    signal: &worker::AbortSignal,
) -> PortResult<OutboundResponse> {
    let mut response = head(request, signal).await?;
    let (status, headers) = (response.status_code(), http::HeaderMap::from(response.headers()));
    let mut body = BytesMut::new();
    if let Ok(mut stream) = response.stream() {
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(gone)?;
            if body.len() + chunk.len() > bytes_max {
                return Err(PortError::unknown(
                    PortErrorKind::Invalid,
                    "the response is too large",
                ));
            }
            body.extend_from_slice(&chunk);
        }
    }
    Ok(OutboundResponse { status, headers, body: body.freeze() })
}

/// The URL may contain a bot's token and the runtime's error may contain the URL, so neither is
/// logged.
fn gone(_: worker::Error) -> PortError {
    unknown("the connection failed")
}

fn late() -> PortError {
    PortError::unknown(PortErrorKind::Timeout, "no answer in time")
}

/// The response without its body.
async fn head(
    request: OutboundRequest,
    signal: &worker::AbortSignal,
) -> PortResult<worker::Response> {
    if !is_safe_url(&request.url) {
        return Err(PortError::clean(
            PortErrorKind::Invalid,
            "the address is neither https nor on this machine",
        ));
    }
    let headers = Headers::new();
    headers.set("user-agent", concat!("quintet/", env!("CARGO_PKG_VERSION"))).map_err(invalid)?;
    for (name, value) in &request.headers {
        headers.set(name, value).map_err(invalid)?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::from(request.method.to_string()))
        .with_headers(headers)
        .with_redirect(RequestRedirect::Manual);
    if !request.body.is_empty() {
        init.with_body(Some(js_sys::Uint8Array::from(request.body.as_ref()).into()));
    }
    let built = Request::new_with_init(&request.url, &init).map_err(invalid)?;
    Fetch::Request(built).send_with_signal(signal).await.map_err(gone)
}

/// Aborts its request when it is dropped: the rest is not wanted then.
struct Parts {
    stream: worker::ByteStream,
    abort: AbortController,
}

impl Drop for Parts {
    fn drop(&mut self) {
        std::mem::take(&mut self.abort).abort();
    }
}

impl Parts {
    /// The next part and the rest.
    async fn next(mut self, limit: i64) -> Option<(PortResult<Bytes>, Option<Self>)> {
        let part = match select(pin!(self.stream.next()), pin!(pause(limit))).await {
            Either::Left((part, _)) => part?,
            Either::Right(_) => return Some((Err(late()), None)),
        };
        Some(match part {
            Ok(part) => (Ok(part.into()), Some(self)),
            Err(error) => (Err(gone(error)), None),
        })
    }
}

async fn open(request: OutboundRequest) -> PortResult<OutboundStream> {
    let limit = i64::try_from(request.timeout_ms).unwrap_or(i64::MAX);
    let abort = AbortController::default();
    let signal = abort.signal();
    let answer = match select(pin!(head(request, &signal)), pin!(pause(limit))).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => {
            abort.abort();
            return Err(late());
        }
    };
    let mut response = answer?;
    let (status, headers) = (response.status_code(), http::HeaderMap::from(response.headers()));
    // Without a body there is no stream.
    let parts = response.stream().ok().map(|stream| SendWrapper::new(Parts { stream, abort }));
    let body = stream::unfold(parts, move |parts| {
        SendFuture::new(async move {
            let (part, rest) = parts?.0.next(limit).await?;
            Some((part, rest.map(SendWrapper::new)))
        })
    });
    Ok(OutboundStream { status, headers, body: body.boxed() })
}
