//! Mailboxes over TLS, with the same certificates and look-ups as every other connection.

mod build;
mod html;
mod imap;
mod line;
mod parse;
pub mod reader;
mod smtp;
#[cfg(test)]
mod tests;
mod words;

use async_trait::async_trait;
use bytes::Bytes;
use imap::Session;
use line::{Line, Lines, within};
use platform::ports::PortResult;
use platform::ports::mail::{Behind, FilePlace, Letter, Mail, MailAccount, Page, Security, Sent};
use reader::Reader;
use std::time::Duration;

/// Maximum time to connect and sign in.
const OPEN: Duration = Duration::from_secs(20);
/// Maximum time of a look, with all messages of its page.
const LOOK: Duration = Duration::from_mins(5);
/// Maximum time to fetch a file, within the lease of a step.
const FILE: Duration = Duration::from_secs(45);

/// Mailboxes by IMAP and SMTP.
pub struct TlsMail {
    lines: Lines,
    reader: Reader,
}

impl TlsMail {
    /// With the system's certificates.
    ///
    /// # Errors
    /// When they cannot be loaded.
    pub fn new() -> Result<Self, rustls::Error> {
        Ok(Self { lines: Lines::new()?, reader: Reader::new() })
    }

    #[cfg(test)]
    fn reading(reader: Reader) -> Result<Self, rustls::Error> {
        Ok(Self { lines: Lines::new()?, reader })
    }

    /// A session that is signed in.
    async fn session(&self, account: &MailAccount) -> PortResult<Session> {
        within(OPEN, async {
            let stream = self.lines.reach(&account.imap).await?;
            let line = match account.imap.security {
                Security::Plain => Box::new(stream) as Line,
                Security::Tls | Security::StartTls => {
                    self.lines.secured(&account.imap, stream).await?
                }
            };
            let mut session = Session::greeted(line, self.reader.clone()).await?;
            session.sign_in(&account.user, account.password.reveal()).await?;
            Ok(session)
        })
        .await
    }
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
        smtp::send(&self.lines, account, letter).await
    }
    async fn sign_in(&self, account: &MailAccount) -> [PortResult<()>; 2] {
        let imap = async {
            let mut session = self.session(account).await?;
            within(OPEN, session.look(&account.folder)).await?;
            session.end().await;
            Ok(())
        };
        [imap.await, smtp::sign_in(&self.lines, account).await]
    }
}
