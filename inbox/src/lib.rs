//! The aggregator's domain: events accepted once, their stages, lanes and leases, and the outbox.
//! The state machine runs over a synchronous SQL, so that SQLite and a Durable Object share it.
//!
//! [`handle`] carries out one [`Command`] and must run inside one transaction: natively a writer
//! thread commits many of them together, in a Durable Object `transactionSync` holds one. Neither
//! shell knows what a command does.
//!
//! Tables (`schema.rs`): `event` is the log and the dedup memory, `queue` the small hot set of
//! events that still move, `task` what a gateway may lease, `place` and `drained` which one,
//! `outbox` what is to be said, `said` the transcript, `rate` the limits.

mod accept;
mod advance;
mod claim;
mod command;
mod limits;
#[cfg(feature = "memory")]
pub mod memory;
mod outbox;
mod port;
mod read;
mod remembered;
mod replay;
mod schema;
mod stored;
#[cfg(feature = "suite")]
pub mod suite;
mod tasks;
#[cfg(all(test, feature = "memory"))]
mod tests;
mod transcript;

pub use accept::{Accept, Accepted};
pub use advance::{Advance, Advanced, NewTask, Patch, Place, Step};
pub use claim::{ClaimWork, NextDue, Recover, Wake, Work};
pub use command::{Command, InboxCommand, Reply};
pub use limits::{Gcra, Limit};
pub use outbox::{Enqueue, RecordSent};
pub use port::{Inbox, InboxExt};
pub use read::{EventParts, FindAnswered, GetEvent, ListEvents, ReadStats};
pub use remembered::{Answered, Choice, EventData, EventOrigin, Press};
pub use replay::{Replay, Replayed};
pub use schema::SCHEMA;
pub use stored::{
    Draft, Entry, NewEvent, NewSaid, OutboxRow, Part, SeenGateway, SentReport, ShardStats,
    StoredEvent, TaskRow, TaskState,
};
pub use tasks::{
    DrainGateway, Finish, FinishRun, GetRun, GetTask, LeaseTasks, ListGateways, PrepareRun,
    Prepared, RenewLease,
};
pub use transcript::{ReadTranscript, Record, Transcript};

use contracts::Shard;
use platform::ports::{PortError, PortErrorKind, PortResult, Row, SqlValue, SyncSql};

/// Everything a command needs besides the tables.
pub struct Context<'a> {
    pub sql: &'a dyn SyncSql,
    pub shard: &'a Shard,
    /// Milliseconds since the epoch.
    pub now_ms: i64,
    /// A fresh ULID.
    pub ulid: &'a dyn Fn() -> String,
}

impl Context<'_> {
    fn exec(&self, sql: &str, args: &[SqlValue]) -> PortResult<Vec<Row>> {
        self.sql.exec(sql, args)
    }
    fn all<T: serde::de::DeserializeOwned>(
        &self,
        sql: &str,
        args: &[SqlValue],
    ) -> PortResult<Vec<T>> {
        self.sql.exec(sql, args)?.into_iter().map(platform::ports::sql::read_row).collect()
    }
    fn one<T: serde::de::DeserializeOwned>(
        &self,
        sql: &str,
        args: &[SqlValue],
    ) -> PortResult<Option<T>> {
        self.sql.exec(sql, args)?.into_iter().next().map(platform::ports::sql::read_row).transpose()
    }
    /// A single number, 0 where there is no row.
    fn number(&self, sql: &str, args: &[SqlValue]) -> PortResult<i64> {
        let row = self.sql.exec(sql, args)?.into_iter().next();
        Ok(row.and_then(|row| row.values().next().and_then(serde_json::Value::as_i64)).unwrap_or(0))
    }
}

/// Parameters of a statement, each by its `Into<SqlValue>`.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$(platform::ports::SqlValue::from($value)),*] };
}
use args;

/// JSON for a column.
fn json<T: serde::Serialize>(value: &T) -> PortResult<String> {
    serde_json::to_string(value)
        .map_err(|e| PortError::clean(PortErrorKind::Invalid, e.to_string()))
}

/// Carries out a command. Run it in a transaction, and roll that back when it fails.
pub fn handle(context: &Context<'_>, command: Command) -> PortResult<Reply> {
    command.carry_out(context)
}
