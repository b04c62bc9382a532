//! The durable inbox: accept once, then stage by stage to an end. One command is one transaction;
//! the state machine behind it is [`crate::handle`], the same for SQLite and Durable Objects.

use crate::{Command, InboxCommand, Reply};
use async_trait::async_trait;
use contracts::Shard;
use platform::ports::{PortError, PortErrorKind, PortResult};

/// Sends a command to the inbox of a shard.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Carries the command out in one durable transaction. An error with effect `None` changed
    /// nothing.
    async fn send(&self, shard: &Shard, command: Command) -> PortResult<Reply>;
}

/// The same with each command's own reply.
#[async_trait]
pub trait InboxExt {
    /// Sends a command. An error with effect `None` changed nothing.
    async fn ask<C: InboxCommand>(&self, shard: &Shard, command: C) -> PortResult<C::Reply>;
}

#[async_trait]
impl<I: Inbox + ?Sized> InboxExt for I {
    async fn ask<C: InboxCommand>(&self, shard: &Shard, command: C) -> PortResult<C::Reply> {
        // The other side of a fetch may be of another version.
        let other =
            || PortError::unknown(PortErrorKind::Invalid, "the inbox answered another command");
        C::reply(self.send(shard, command.into()).await?).ok_or_else(other)
    }
}
