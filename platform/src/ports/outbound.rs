//! Outbound HTTP. URLs come from the configuration only; redirects are not followed; dropping the
//! future aborts the request. An error says whether the request may have been received.

use super::PortResult;
use async_trait::async_trait;
use bytes::Bytes;

/// An outbound request.
#[derive(Clone, Debug)]
pub struct OutboundRequest {
    pub method: http::Method,
    /// Absolute, https, or http to a loopback address.
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    /// From connecting to the last byte.
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
}
