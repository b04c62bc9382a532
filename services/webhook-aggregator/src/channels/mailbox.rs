//! A channel whose messages are mail, which a port fetches and sends.

use super::inbound::Inbound;
use bytes::Bytes;
use inbox::{KeptFile, OutboxRow};
use platform::ports::MailAccount;
use platform::ports::mail::{Letter, Received};

/// The mailbox of a connection. Pure, as its connection is.
pub trait Mailbox: Send + Sync {
    /// The account; `None` for the mailbox of this machine, in which nothing lies.
    fn account(&self) -> Option<&MailAccount>;
    /// Reads a message of the mailbox.
    fn read_mail(&self, message: &Received) -> Inbound;
    /// The letter that a message still takes, with the file that it is about; `None` when
    /// everything is sent.
    fn letter(&self, row: &OutboxRow, file: Option<(&KeptFile, &Bytes)>) -> Option<Addressed>;
}

/// A letter to send.
#[derive(Clone, Debug)]
pub struct Addressed {
    pub letter: Letter,
    /// A digest of its content.
    pub shows: String,
}
