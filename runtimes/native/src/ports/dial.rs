//! WebSockets with tungstenite, over the same TLS and the same look-ups as outbound requests.

use crate::names::Names;
use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use platform::config::is_safe_socket_url;
use platform::ports::dial::MESSAGE_BYTES_MAX;
use platform::ports::{Dial, Frame, PortError, PortErrorKind, PortResult, Socket};
use rustls::pki_types::ServerName;
use rustls_platform_verifier::ConfigVerifierExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Opens WebSockets. It uses no proxy.
pub struct TungsteniteDial {
    names: Names,
    tls: TlsConnector,
}

impl TungsteniteDial {
    /// With the system's certificates.
    ///
    /// # Errors
    /// When they cannot be loaded.
    pub fn new() -> Result<Self, rustls::Error> {
        let config = rustls::ClientConfig::with_platform_verifier()?;
        Ok(Self { names: Names::of_client(), tls: TlsConnector::from(Arc::new(config)) })
    }

    async fn connect(&self, url: &str) -> PortResult<Box<dyn Socket>> {
        let uri: http::Uri = url.parse().map_err(|_| invalid("the address cannot be read"))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let is_tls = uri.scheme_str() == Some("wss");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let stream = self.reach(&host, port).await?;
        if !is_tls {
            return shake(url, stream).await;
        }
        let name = ServerName::try_from(host).map_err(|_| invalid("the host has no valid name"))?;
        let stream = self.tls.connect(name, stream).await.map_err(unavailable)?;
        shake(url, stream).await
    }

    /// A connection to the first address of the host that takes one.
    async fn reach(&self, host: &str, port: u16) -> PortResult<TcpStream> {
        let mut failure = unavailable("the host has no address");
        for address in self.names.look_up(host, port).await.map_err(unavailable)? {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => failure = unavailable(error),
            }
        }
        Err(failure)
    }
}

fn invalid(detail: &str) -> PortError {
    PortError::clean(PortErrorKind::Invalid, detail)
}

fn unavailable(error: impl std::fmt::Display) -> PortError {
    PortError::clean(PortErrorKind::Unavailable, error.to_string())
}

/// The opening handshake. A redirect or a page is a refusal.
async fn shake<S>(url: &str, stream: S) -> PortResult<Box<dyn Socket>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let opened = client_async_with_config(url, stream, Some(limits)).await;
    let (socket, _) = opened.map_err(|error| match error {
        tungstenite::Error::Http(answer) => {
            unavailable(format!("the other side answered {}", answer.status()))
        }
        error => unavailable(error),
    })?;
    Ok(Box::new(Opened(socket)))
}

struct Opened<S>(WebSocketStream<S>);

#[async_trait]
impl Dial for TungsteniteDial {
    async fn open(&self, url: &str, timeout_ms: u64) -> PortResult<Box<dyn Socket>> {
        if !is_safe_socket_url(url) {
            return Err(invalid("the address is neither wss nor on this machine"));
        }
        let opened = tokio::time::timeout(Duration::from_millis(timeout_ms), self.connect(url));
        opened.await.unwrap_or_else(|_| {
            let detail = "the connection was not opened in time";
            Err(PortError::clean(PortErrorKind::Timeout, detail))
        })
    }
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for Opened<S> {
    async fn send(&mut self, text: String) -> PortResult<()> {
        self.0.send(Message::text(text)).await.map_err(lost)
    }
    async fn ping(&mut self) -> PortResult<()> {
        self.0.send(Message::Ping(bytes::Bytes::new())).await.map_err(lost)
    }
    async fn next(&mut self) -> Frame {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Frame::Text(text.as_str().to_owned()),
            Some(Ok(Message::Binary(bytes))) => {
                Frame::Text(String::from_utf8_lossy(&bytes).into_owned())
            }
            Some(Ok(Message::Close(frame))) => closed(frame),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Frame::Alive,
            Some(Err(error)) => Frame::Closed { code: None, reason: error.to_string() },
            None => Frame::Closed { code: None, reason: "the connection broke".to_owned() },
        }
    }
    async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        let _ = self.0.close(Some(frame)).await;
    }
}

fn lost(error: tungstenite::Error) -> PortError {
    PortError::unknown(PortErrorKind::Unavailable, error.to_string())
}

fn closed(frame: Option<CloseFrame>) -> Frame {
    match frame {
        Some(frame) => {
            Frame::Closed { code: Some(frame.code.into()), reason: frame.reason.to_string() }
        }
        None => Frame::Closed { code: None, reason: "no reason".to_owned() },
    }
}
