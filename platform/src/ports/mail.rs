//! Mailboxes: messages in by IMAP and out by SMTP, over TLS. For hosts whose process keeps running;
//! a Worker has no such port. The adapter reads and writes the formats of mail, so that a service
//! has neither in it.

use super::PortResult;
use crate::config::is_loopback;
use crate::secret::Secret;
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Maximum bytes of a message that is fetched whole.
pub const MESSAGE_BYTES_MAX: u32 = 40 << 20;
/// Maximum messages of a page.
pub const PAGE_MESSAGES_MAX: usize = 20;

/// Fetches and sends mail.
#[async_trait]
pub trait Mail: Send + Sync {
    /// The messages behind a place, oldest first, at most a page of them; those of a mailbox with
    /// another validity are not looked for. Changes nothing in the mailbox.
    ///
    /// [`PortErrorKind::Invalid`](super::PortErrorKind::Invalid): the sign-in is refused, or there
    /// is no such folder.
    async fn fetch(&self, account: &MailAccount, behind: Behind) -> PortResult<Page>;
    /// The content of a file of a message; `None` where it is gone.
    async fn file(&self, account: &MailAccount, file: FilePlace) -> PortResult<Option<Bytes>>;
    /// Sends a message to one reader.
    async fn send(&self, account: &MailAccount, letter: &Letter) -> PortResult<Sent>;
    /// Tries the sign-in at both servers: IMAP, then SMTP.
    async fn sign_in(&self, account: &MailAccount) -> [PortResult<()>; 2];
}

/// A mailbox with its two servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailAccount {
    pub address: String,
    pub imap: Server,
    pub smtp: Server,
    pub user: String,
    pub password: Secret,
    pub folder: String,
}

/// A server of mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub security: Security,
    pub host: String,
    pub port: u16,
}

/// How a connection is kept secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte on.
    Tls,
    /// TLS after the command `STARTTLS`, without which nothing is sent.
    StartTls,
    /// None, to a loopback address.
    Plain,
}

impl Server {
    /// Reads `imaps://host:993`, or `imap://127.0.0.1:143`.
    pub fn imap(text: &str) -> Option<Self> {
        Self::read(text, &[("imaps", Security::Tls, 993), ("imap", Security::Plain, 143)])
    }
    /// Reads `smtps://host:465`, `smtp+starttls://host:587`, or `smtp://127.0.0.1:25`.
    pub fn smtp(text: &str) -> Option<Self> {
        Self::read(
            text,
            &[
                ("smtps", Security::Tls, 465),
                ("smtp+starttls", Security::StartTls, 587),
                ("smtp", Security::Plain, 25),
            ],
        )
    }
    fn read(text: &str, schemes: &[(&str, Security, u16)]) -> Option<Self> {
        let (scheme, place) = text.split_once("://")?;
        let (_, security, default) = schemes.iter().find(|(known, ..)| *known == scheme)?;
        let authority: http::uri::Authority = place.trim_end_matches('/').parse().ok()?;
        let port = authority.port();
        let port = port.map_or(Some(*default), |port| port.as_str().parse().ok())?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let is_safe = *security != Security::Plain || is_loopback(&host);
        // `http` has no port where the text after the colon is no number.
        let is_whole = authority.port().is_some() || authority.as_str() == authority.host();
        let is_named = !host.is_empty() && is_whole && !authority.as_str().contains('@');
        (is_safe && is_named).then_some(Self { security: *security, host, port })
    }
}

/// A place in a mailbox: behind the message of this number, in the order of arrival. The numbers
/// count under one validity alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Behind the newest one: no message, and where the next look begins.
    Newest,
    Message {
        validity: u32,
        uid: u32,
        /// Only those that came since this day, milliseconds since the epoch.
        since_ms: Option<i64>,
        /// A first message that the server does not hand over counts as one that cannot be read;
        /// else the look fails.
        gives_up: bool,
    },
}

/// The result of a look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub validity: u32,
    /// Number of the newest message of the mailbox, or more.
    pub newest: u32,
    /// Oldest first.
    pub messages: Vec<Received>,
    /// There are more behind these.
    pub has_more: bool,
}

/// Beginnings of a subject by which programs say that a message is passed on, in lower case.
pub const FORWARD_MARKS: [&str; 5] = ["fwd:", "fw:", "wg:", "tr:", "rv:"];

/// A file of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilePlace {
    pub validity: u32,
    pub uid: u32,
    /// Its number among the files of the message, from 0.
    pub number: usize,
}

/// A message as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Received {
    pub validity: u32,
    pub uid: u32,
    /// By the clock of its server, milliseconds since the epoch.
    pub received_ms: i64,
    /// SHA-256 of the whole message.
    pub digest: String,
    /// Its id and those that it names, without angle brackets.
    pub message_id: Option<String>,
    pub in_reply_to: Option<String>,
    /// From the first message of its thread on.
    pub references: Vec<String>,
    /// The one address that it says it is from, in lower case; `None` where there are several.
    pub from: Option<String>,
    /// The name beside it.
    pub from_name: Option<String>,
    /// The addresses of its one header `To`, in lower case; empty where there are several, of which
    /// a server that checks them may have seen others. `Cc` is left out: a signature need not cover
    /// a header that the writer did not set, so another person can add one.
    pub to: Vec<String>,
    pub subject: String,
    /// The first header `Authentication-Results`, on one line.
    pub authentication: Option<String>,
    /// A program wrote it, or a list passed it on: it gets no answer.
    pub is_automatic: bool,
    /// It says that a message did not arrive.
    pub bounce: Option<Bounce>,
    /// The writer's own words, without a signature.
    pub text: String,
    /// The words of earlier messages below them.
    pub quoted: Option<String>,
    /// Words that were passed on.
    pub forwarded: Option<String>,
    /// The writer of those.
    pub forwarded_by: Option<String>,
    pub files: Vec<OfferedFile>,
    /// Further files, of which there are too many.
    pub more_files: u32,
    /// Bytes of a message that is too long, whose files were not read.
    pub too_long: Option<u64>,
    /// It cannot be read: its beginning.
    pub broken: Option<String>,
}

/// A message of ours that will not arrive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Bounce {
    pub message_id: String,
    /// In lower case.
    pub recipient: String,
    pub why: String,
}

/// A file as its message describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OfferedFile {
    pub name: String,
    pub kind: String,
    pub bytes: u64,
}

/// A message to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter {
    /// Its id and those of its thread, without angle brackets.
    pub message_id: String,
    pub in_reply_to: Option<String>,
    pub references: Vec<String>,
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: Option<String>,
    pub file: Option<SentFile>,
}

/// A file to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentFile {
    pub name: String,
    pub kind: String,
    pub content: Bytes,
}

/// The server's verdict on a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    Accepted,
    /// `is_final`: it would be refused again.
    Refused {
        is_final: bool,
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_of_mail_is_reached_by_tls_or_on_this_machine() {
        let server =
            |security, host: &str, port| Some(Server { security, host: host.into(), port });
        assert_eq!(
            Server::imap("imaps://mx.example.org"),
            server(Security::Tls, "mx.example.org", 993)
        );
        assert_eq!(Server::imap("imap://[::1]:1143"), server(Security::Plain, "::1", 1143));
        assert_eq!(Server::smtp("smtps://a.b:1465/"), server(Security::Tls, "a.b", 1465));
        assert_eq!(Server::smtp("smtp+starttls://a.b"), server(Security::StartTls, "a.b", 587));
        for bad in [
            "imap://mx.example.org",
            "smtps://a.b",
            "imaps://u@a.b",
            "imaps://",
            "a.b:993",
            "imaps://a.b:x",
            "imaps://a.b/INBOX",
        ] {
            assert_eq!(Server::imap(bad), None, "{bad}");
        }
        assert_eq!(Server::smtp("smtp://a.b:25"), None);
    }
}
