//! Mailboxes over TLS, with the same certificates and look-ups as every other connection.

mod build;
mod imap;
mod parse;
mod smtp;
#[cfg(test)]
mod tests;
mod words;

use crate::names::Names;
use async_trait::async_trait;
use bytes::Bytes;
use imap::Session;
use platform::ports::mail::{
    Behind, FilePlace, Letter, Mail, MailAccount, Page, Security, Sent, Server,
};
use platform::ports::{PortError, PortErrorKind, PortResult};
use rustls::pki_types::ServerName;
use rustls_platform_verifier::ConfigVerifierExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Maximum time to connect and sign in.
const OPEN: Duration = Duration::from_secs(20);
/// Maximum time of a look, with all messages of its page.
const LOOK: Duration = Duration::from_secs(300);
/// Maximum time to fetch a file, within the lease of a step.
const FILE: Duration = Duration::from_secs(45);

/// A connection, with TLS or on this machine.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}
type Line = Box<dyn Duplex>;

/// Mailboxes by IMAP and SMTP. It uses no proxy.
pub struct TlsMail {
    names: Names,
    tls: TlsConnector,
}

impl TlsMail {
    /// With the system's certificates.
    ///
    /// # Errors
    /// When they cannot be loaded.
    pub fn new() -> Result<Self, rustls::Error> {
        let config = rustls::ClientConfig::with_platform_verifier()?;
        Ok(Self { names: Names::of_client(), tls: TlsConnector::from(Arc::new(config)) })
    }

    /// A connection to the first address of the host that takes one.
    async fn reach(&self, server: &Server) -> PortResult<TcpStream> {
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

    async fn secured(&self, server: &Server, stream: TcpStream) -> PortResult<Line> {
        let name = ServerName::try_from(server.host.clone());
        let name = name.map_err(|_| invalid("the host has no valid name"))?;
        Ok(Box::new(self.tls.connect(name, stream).await.map_err(unavailable)?))
    }

    /// A session that is signed in.
    async fn session(&self, account: &MailAccount) -> PortResult<Session> {
        within(OPEN, async {
            let stream = self.reach(&account.imap).await?;
            let line = match account.imap.security {
                Security::Plain => Box::new(stream) as Line,
                Security::Tls | Security::StartTls => self.secured(&account.imap, stream).await?,
            };
            let mut session = Session::greeted(line).await?;
            session.sign_in(&account.user, account.password.reveal()).await?;
            Ok(session)
        })
        .await
    }
}

fn invalid(detail: impl Into<String>) -> PortError {
    PortError::clean(PortErrorKind::Invalid, detail)
}

fn unavailable(error: impl std::fmt::Display) -> PortError {
    PortError::clean(PortErrorKind::Unavailable, error.to_string())
}

/// Nothing is changed by what takes longer.
async fn within<T>(limit: Duration, work: impl Future<Output = PortResult<T>>) -> PortResult<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(PortError::clean(PortErrorKind::Timeout, "the server did not answer in time"))
    })
}

#[async_trait]
impl Mail for TlsMail {
    async fn fetch(&self, account: &MailAccount, behind: Behind) -> PortResult<Page> {
        let mut session = self.session(account).await?;
        let page = within(LOOK, session.page(&account.folder, behind)).await?;
        session.end().await;
        Ok(page)
    }
    async fn file(&self, account: &MailAccount, file: FilePlace) -> PortResult<Option<Bytes>> {
        within(FILE, async {
            let mut session = self.session(account).await?;
            let content = session.file(&account.folder, file).await?;
            session.end().await;
            Ok(content)
        })
        .await
    }
    async fn send(&self, account: &MailAccount, letter: &Letter) -> PortResult<Sent> {
        smtp::send(self, account, letter).await
    }
    async fn sign_in(&self, account: &MailAccount) -> [PortResult<()>; 2] {
        let imap = async {
            let mut session = self.session(account).await?;
            within(OPEN, session.look(&account.folder)).await?;
            session.end().await;
            Ok(())
        };
        [imap.await, smtp::sign_in(self, account).await]
    }
}
