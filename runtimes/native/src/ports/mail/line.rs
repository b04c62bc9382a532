//! Connections to servers of mail, with the certificates and look-ups of every other one.

use crate::names::Names;
use platform::ports::mail::{Security, Server};
use platform::ports::{PortError, PortErrorKind, PortResult};
use rustls::pki_types::ServerName;
use rustls_platform_verifier::ConfigVerifierExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A connection, with TLS or on this machine.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}
pub(super) type Line = Box<dyn Duplex>;

/// Opens connections. It uses no proxy.
pub(super) struct Lines {
    names: Names,
    tls: TlsConnector,
}

impl Lines {
    /// With the system's certificates.
    pub(super) fn new() -> Result<Self, rustls::Error> {
        let config = rustls::ClientConfig::with_platform_verifier()?;
        Ok(Self { names: Names::of_client(), tls: TlsConnector::from(Arc::new(config)) })
    }

    /// A connection to the first address of the host that takes one.
    pub(super) async fn reach(&self, server: &Server) -> PortResult<TcpStream> {
        let mut failure = unavailable("the host has no address");
        let found = self.names.look_up(&server.host, server.port).await.map_err(unavailable)?;
        for address in found {
            // A name of this machine may have another address elsewhere.
            if server.security == Security::Plain && !address.ip().is_loopback() {
                continue;
            }
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

    /// The same connection with TLS.
    pub(super) async fn secured(&self, server: &Server, stream: TcpStream) -> PortResult<Line> {
        let name = ServerName::try_from(server.host.clone());
        let name = name.map_err(|_| invalid("the host has no valid name"))?;
        Ok(Box::new(self.tls.connect(name, stream).await.map_err(unavailable)?))
    }
}

pub(super) fn invalid(detail: impl Into<String>) -> PortError {
    PortError::clean(PortErrorKind::Invalid, detail)
}

pub(super) fn unavailable(error: impl std::fmt::Display) -> PortError {
    PortError::clean(PortErrorKind::Unavailable, error.to_string())
}

/// Nothing is changed by what takes longer.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = PortResult<T>>,
) -> PortResult<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(PortError::clean(PortErrorKind::Timeout, "the server did not answer in time"))
    })
}
