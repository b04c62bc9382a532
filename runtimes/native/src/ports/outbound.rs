//! Outbound HTTP with reqwest: no redirects, no proxy for loopback, bounded responses.

use crate::names::Names;
use async_trait::async_trait;
use bytes::BytesMut;
use futures_util::StreamExt;
use platform::config::{is_loopback, is_safe_url};
use platform::ports::outbound::ANSWER_BYTES_MAX;
use platform::ports::{
    Outbound, OutboundRequest, OutboundResponse, PortError, PortErrorKind, PortResult,
};
use std::sync::Arc;
use std::time::Duration;

/// Outbound requests.
pub struct ReqwestOutbound {
    client: reqwest::Client,
    /// For this machine: a proxy would resolve the name to another host.
    near: reqwest::Client,
}

/// A client with our defaults.
fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .dns_resolver(Arc::new(Names::of_client()))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_mins(1))
        .user_agent(concat!("quintet/", env!("CARGO_PKG_VERSION")))
}

/// A client for an address; loopback never uses a proxy.
///
/// # Errors
/// When the system's certificates cannot be loaded.
pub fn client_for(url: &str, timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    let builder = builder().timeout(timeout);
    if is_near(url) { builder.no_proxy().build() } else { builder.build() }
}

/// Whether the URL names this machine.
pub fn is_near(url: &str) -> bool {
    url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(is_loopback)).unwrap_or(false)
}

impl ReqwestOutbound {
    /// A client with its own connection pool.
    ///
    /// # Errors
    /// When the system's certificates cannot be loaded.
    pub fn new() -> Result<Self, reqwest::Error> {
        Ok(Self { client: builder().build()?, near: builder().no_proxy().build()? })
    }
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
    async fn send(&self, request: OutboundRequest) -> PortResult<OutboundResponse> {
        if !is_safe_url(&request.url) {
            return Err(PortError::clean(
                PortErrorKind::Invalid,
                "the address is neither https nor on this machine",
            ));
        }
        let client = if is_near(&request.url) { &self.near } else { &self.client };
        let mut builder = client
            .request(request.method, &request.url)
            .timeout(Duration::from_millis(request.timeout_ms))
            .body(request.body);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        // Telegram's URL contains the bot's token, so the error must not contain the URL.
        let answer = builder.send().await.map_err(|e| failed(&e.without_url()))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let mut body = BytesMut::new();
        let mut stream = answer.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|e| failed(&e.without_url()))?;
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(PortError::unknown(
                    PortErrorKind::Invalid,
                    "the response is too large",
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(OutboundResponse { status, headers, body: body.freeze() })
    }
}
