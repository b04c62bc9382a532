//! The durable inbox: accept once, then stage by stage to an end. One command is one transaction; the state machine
//! behind it is [`crate::handle`], the same for SQLite and Durable Objects.

use crate::{Command, Reply};
use async_trait::async_trait;
use contracts::Shard;
use platform::ports::PortResult;

/// Sends a command to the inbox of a shard.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Carries the command out in one durable transaction. An error with effect `None` changed nothing.
    async fn send(&self, shard: &Shard, command: Command) -> PortResult<Reply>;
}
