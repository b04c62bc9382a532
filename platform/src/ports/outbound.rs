//! Outbound HTTP. URLs come from the configuration only; redirects are not followed; dropping the
//! future aborts the request. An error says whether the request may have been received.

use super::PortResult;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, once};

/// An outbound request.
#[derive(Clone, Debug)]
pub struct OutboundRequest {
    pub method: http::Method,
    /// Absolute, https, or http to a loopback address.
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    /// From connecting to the last byte; of a response in parts, to its head and then from part to
    /// part.
    pub timeout_ms: u64,
}

/// The whole response.
#[derive(Clone, Debug)]
pub struct OutboundResponse {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl OutboundResponse {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A response whose body is read part by part. Dropping it aborts the request.
pub struct OutboundStream {
    pub status: u16,
    pub headers: http::HeaderMap,
    /// Ends after an error.
    pub body: BoxStream<'static, PortResult<Bytes>>,
}

impl OutboundStream {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl From<OutboundResponse> for OutboundStream {
    /// The whole body as one part.
    fn from(whole: OutboundResponse) -> Self {
        let OutboundResponse { status, headers, body } = whole;
        Self { status, headers, body: once(std::future::ready(Ok(body))).boxed() }
    }
}

/// Maximum bytes of a response body, unless the caller names another limit.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Sends outbound requests.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Returns the response with any status. `PortError.effect` is `None` when certainly no byte
    /// was received. A longer body than `bytes_max` is `Invalid` with an unknown effect; no more of
    /// it is read.
    async fn send_within(
        &self,
        request: OutboundRequest,
        bytes_max: usize,
    ) -> PortResult<OutboundResponse>;
    /// The same with at most [`ANSWER_BYTES_MAX`] bytes of body.
    async fn send(&self, request: OutboundRequest) -> PortResult<OutboundResponse> {
        self.send_within(request, ANSWER_BYTES_MAX).await
    }
    /// Returns the response with any status as soon as its head is there. The reader limits how
    /// much of the body it takes. Without streaming the body comes as one part of at most
    /// [`ANSWER_BYTES_MAX`].
    async fn open(&self, request: OutboundRequest) -> PortResult<OutboundStream> {
        Ok(self.send(request).await?.into())
    }
}
