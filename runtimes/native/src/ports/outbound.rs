//! Outbound HTTP with reqwest: no redirects, no proxy for loopback, bounded responses.

use crate::http_client::{self, is_near};
use async_trait::async_trait;
use bytes::BytesMut;
use futures_util::{StreamExt, stream};
use platform::config::is_safe_url;
use platform::ports::{
    Outbound, OutboundRequest, OutboundResponse, OutboundStream, PortError, PortErrorKind,
    PortResult,
};
use std::time::Duration;
use tokio::time::timeout;

/// Outbound requests.
pub struct ReqwestOutbound {
    client: reqwest::Client,
    /// For this machine: a proxy would resolve the name to another host.
    near: reqwest::Client,
}

/// With our name.
fn builder(is_near: bool) -> reqwest::ClientBuilder {
    http_client::builder(is_near).user_agent(concat!("quintet/", env!("CARGO_PKG_VERSION")))
}

/// A client for an address; loopback never uses a proxy.
///
/// # Errors
/// When the system's certificates cannot be loaded.
pub fn client_for(url: &str, timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    builder(is_near(url)).timeout(timeout).build()
}

impl ReqwestOutbound {
    /// A client with its own connection pool.
    ///
    /// # Errors
    /// When the system's certificates cannot be loaded.
    pub fn new() -> Result<Self, reqwest::Error> {
        Ok(Self { client: builder(false).build()?, near: builder(true).build()? })
    }
}

impl ReqwestOutbound {
    /// The request as reqwest has it, without a time limit.
    fn builder(&self, request: OutboundRequest) -> PortResult<reqwest::RequestBuilder> {
        if !is_safe_url(&request.url) {
            return Err(PortError::clean(
                PortErrorKind::Invalid,
                "the address is neither https nor on this machine",
            ));
        }
        let client = if is_near(&request.url) { &self.near } else { &self.client };
        let mut builder = client.request(request.method, &request.url).body(request.body);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        Ok(builder)
    }
}

fn late() -> PortError {
    PortError::unknown(PortErrorKind::Timeout, "no answer in time")
}

fn failed(error: &reqwest::Error) -> PortError {
    let text = error.to_string();
    if error.is_connect() {
        PortError::clean(PortErrorKind::Unavailable, text)
    } else if error.is_timeout() {
        PortError::unknown(PortErrorKind::Timeout, text)
    } else if error.is_builder() {
        PortError::clean(PortErrorKind::Invalid, text)
    } else {
        PortError::unknown(PortErrorKind::Unavailable, text)
    }
}

#[async_trait]
impl Outbound for ReqwestOutbound {
    async fn send_within(
        &self,
        request: OutboundRequest,
        bytes_max: usize,
    ) -> PortResult<OutboundResponse> {
        let limit = Duration::from_millis(request.timeout_ms);
        let builder = self.builder(request)?.timeout(limit);
        // Telegram's URL contains the bot's token, so the error must not contain the URL.
        let answer = builder.send().await.map_err(|e| failed(&e.without_url()))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let mut body = BytesMut::new();
        let mut stream = answer.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|e| failed(&e.without_url()))?;
            if body.len() + chunk.len() > bytes_max {
                return Err(PortError::unknown(
                    PortErrorKind::Invalid,
                    "the response is too large",
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(OutboundResponse { status, headers, body: body.freeze() })
    }
    async fn open(&self, request: OutboundRequest) -> PortResult<OutboundStream> {
        let limit = Duration::from_millis(request.timeout_ms);
        let sent = self.builder(request)?.send();
        let answer = timeout(limit, sent).await.map_err(|_| late())?;
        let answer = answer.map_err(|e| failed(&e.without_url()))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let parts = Some(answer.bytes_stream().boxed());
        let body = stream::unfold(parts, move |parts| async move {
            let mut parts = parts?;
            match timeout(limit, parts.next()).await {
                Ok(Some(Ok(part))) => Some((Ok(part), Some(parts))),
                Ok(Some(Err(error))) => Some((Err(failed(&error.without_url())), None)),
                Ok(None) => None,
                Err(_) => Some((Err(late()), None)),
            }
        });
        Ok(OutboundStream { status, headers, body: body.boxed() })
    }
}
