//! HTTP to the world. Addresses come from the configuration alone; redirects are not followed; dropping the future
//! aborts the request. A failure says whether the request may have been received.

use super::PortResult;
use async_trait::async_trait;
use bytes::Bytes;

/// A request to the world.
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

/// The whole answer (at most 4 MiB of body).
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

/// The largest body an answer may have.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Sends requests to the world.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// The answer, whatever its status. `PortError.effect` is `None` when no byte can have been received.
    async fn send(&self, request: OutboundRequest) -> PortResult<OutboundResponse>;
}
