//! The aggregator's domain: events accepted once, their stages, lanes and leases, and the outbox. The state machine
//! runs over a synchronous SQL, so that SQLite and a Durable Object share it.
//!
//! [`handle`] carries out one [`Command`] and must run inside one transaction: natively a writer thread commits many
//! of them together, in a Durable Object `transactionSync` holds one. Neither shell knows what a command does.
//!
//! Tables (`schema.rs`): `event` is the log and the dedup memory, `queue` the small hot set of events that still move,
//! `task` what a gateway may lease, `place` and `drained` which one, `outbox` what is to be said, `said` the transcript, `rate` the limits.

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
mod replay;
mod schema;
mod stored;
#[cfg(feature = "suite")]
pub mod suite;
mod tasks;
#[cfg(all(test, feature = "memory"))]
mod tests;
mod transcript;

pub use advance::{NewTask, Patch, Place, Step};
pub use command::{Command, EventParts, Finish, Replayed, Reply};
pub use limits::{Gcra, Limit};
pub use port::Inbox;
pub use schema::SCHEMA;
pub use stored::{
    Draft, Entry, NewEvent, NewSaid, OutboxRow, Part, SeenGateway, SentReport, ShardStats,
    StoredEvent, TaskRow,
};

use contracts::Shard;
use platform::ports::{PortError, PortErrorKind, PortResult, Row, SqlValue, SyncSql};

/// What a command needs beside the tables.
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
    match command {
        Command::Accept(event) => accept::accept(context, *event),
        Command::Claim { limit, lease_ms } => claim::claim(context, limit, lease_ms),
        Command::ClaimOne { event, lease_ms } => claim::claim_one(context, &event, lease_ms),
        Command::Advance { event, version, step } => {
            advance::advance(context, &event, version, *step)
        }
        Command::Wake { event } => claim::wake(context, &event),
        Command::Recover { gateway } => claim::recover(context, &gateway),
        Command::NextDue => claim::next_due(context),
        Command::Lease { gateway, agents, capacity, lease_ms } => {
            tasks::lease(context, &gateway, &agents, capacity, lease_ms)
        }
        Command::Renew { task, epoch, progress, lease_ms } => {
            tasks::renew(context, &task, epoch, progress, lease_ms)
        }
        Command::Finish { task, epoch, outcome, text, event_version, step } => tasks::finish(
            context,
            &tasks::Finished { task, epoch, outcome, text, event_version },
            *step,
        ),
        Command::Task { task } => Ok(Reply::Task(tasks::get(context, &task)?.map(Box::new))),
        Command::Gateways => tasks::gateways(context),
        Command::Drain { gateway, drained } => tasks::drain(context, &gateway, drained),
        Command::Record(lines) => {
            lines.iter().try_for_each(|line| transcript::put(context, line, None))?;
            Ok(Reply::Done)
        }
        Command::Enqueue(deliveries) => outbox::enqueue(context, deliveries),
        Command::ClaimDeliveries { limit, lease_ms } => outbox::claim(context, limit, lease_ms),
        Command::Sent(report) => outbox::sent(context, &report),
        Command::Get { event } => read::get(context, &event),
        Command::List { state, channel, conversation, before, limit } => {
            read::list(context, state, channel, conversation, before, limit)
        }
        Command::AnsweredBy { conversation, message } => {
            read::answered_by(context, &conversation, &message)
        }
        Command::Said { conversation, after, limit } => {
            transcript::read(context, &conversation, after, limit)
        }
        Command::Stats { since_ms, latency_since_ms } => {
            read::stats(context, since_ms, latency_since_ms)
        }
        Command::Replay { event, actor } => replay::replay(context, &event, &actor),
    }
}
