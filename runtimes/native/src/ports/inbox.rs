//! The inbox on SQLite: one writer thread with group commit. The writer commits all waiting
//! commands together; a failing command is rolled back alone, to its savepoint.

use super::clock::SystemClock;
use super::sql::{as_port_error, open};
use async_trait::async_trait;
use contracts::Shard;
use inbox::{Command, Context, Inbox, Reply, SCHEMA, handle};
use platform::ports::{Clock, ClockExt, PortError, PortErrorKind, PortResult};
use platform::sqlite::{ConnectionSql, commit_error};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::sync::oneshot;

/// Maximum commands per commit.
const BATCH_MAX: usize = 256;
/// Maximum waiting commands; beyond that callers are refused, so nothing acknowledged is lost.
const QUEUE_MAX: usize = 4096;

struct Job {
    shard: Shard,
    command: Command,
    answer: oneshot::Sender<PortResult<Reply>>,
}

/// The inboxes of all endpoints, in one file.
pub struct SqliteInbox {
    jobs: SyncSender<Job>,
}

impl SqliteInbox {
    /// Opens the file and starts the writer.
    ///
    /// # Errors
    /// Those of SQLite, or when the thread cannot start.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let connection = open(path)?;
        for statement in SCHEMA {
            connection.execute_batch(statement)?;
        }
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        std::thread::Builder::new()
            .name("inbox-writer".to_owned())
            .spawn(move || keep_writing(&connection, &queue, commit))?;
        Ok(Self { jobs })
    }
}

#[async_trait]
impl Inbox for SqliteInbox {
    async fn send(&self, shard: &Shard, command: Command) -> PortResult<Reply> {
        let (answer, answered) = oneshot::channel();
        let full =
            |_| PortError::clean(PortErrorKind::Unavailable, "the inbox's write queue is full");
        self.jobs.try_send(Job { shard: shard.clone(), command, answer }).map_err(full)?;
        answered.await.unwrap_or_else(|_| {
            Err(PortError::unknown(PortErrorKind::Unavailable, "the inbox's writer has ended"))
        })
    }
}

/// Commits a batch and returns one reply per command. A parameter, so that a test can inject a
/// panic.
type Commit = fn(&Connection, Vec<(Shard, Command)>) -> Vec<PortResult<Reply>>;

/// Runs the writer until the last sender is gone, and starts it again after a panic. The batch that
/// panicked is rolled back and its callers learn that the effect is unknown.
fn keep_writing(connection: &Connection, queue: &Receiver<Job>, commit: Commit) {
    let write = || write_all(connection, queue, commit);
    while catch_unwind(AssertUnwindSafe(write)).is_err() {
        tracing::error!("the inbox writer panicked; its batch is rolled back and it starts again");
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
    }
}

/// Commits and answers waiting commands, batch by batch, until the last sender is gone.
fn write_all(connection: &Connection, queue: &Receiver<Job>, commit: Commit) {
    while let Ok(first) = queue.recv() {
        let batch: Vec<Job> =
            std::iter::once(first).chain(queue.try_iter().take(BATCH_MAX - 1)).collect();
        let (commands, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|job| ((job.shard, job.command), job.answer)).unzip();
        let replies = commit(connection, commands);
        for (answer, reply) in answers.into_iter().zip(replies) {
            let _ = answer.send(reply);
        }
    }
}

/// Commits all commands in one transaction, each in its own savepoint. If COMMIT fails, every
/// command gets that error; an I/O failure there is of unknown effect.
fn commit(connection: &Connection, commands: Vec<(Shard, Command)>) -> Vec<PortResult<Reply>> {
    let n = commands.len();
    let all = |error: PortError| {
        let _ = connection.execute_batch("ROLLBACK");
        std::iter::repeat_n(Err(error), n).collect()
    };
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        return all(as_port_error(&error));
    }
    let replies: Vec<_> =
        commands.into_iter().map(|(shard, command)| one(connection, &shard, command)).collect();
    // A failure such as a full disk may have ended the transaction under the savepoints.
    if connection.is_autocommit() {
        let lost = PortError::clean(PortErrorKind::Full, "the transaction was rolled back");
        return replies.into_iter().map(|reply| reply.and(Err(lost.clone()))).collect();
    }
    match connection.execute_batch("COMMIT") {
        Ok(()) => replies,
        Err(error) => all(commit_error(&error)),
    }
}

fn one(connection: &Connection, shard: &Shard, command: Command) -> PortResult<Reply> {
    let failed = |error: rusqlite::Error| as_port_error(&error);
    connection.execute_batch("SAVEPOINT command").map_err(failed)?;
    let context = Context {
        sql: &ConnectionSql(connection),
        shard,
        now_ms: SystemClock.now_ms(),
        ulid: &|| SystemClock.ulid(),
    };
    match handle(&context, command) {
        Ok(reply) => {
            connection.execute_batch("RELEASE command").map_err(failed)?;
            Ok(reply)
        }
        Err(error) => {
            let _ = connection.execute_batch("ROLLBACK TO command; RELEASE command");
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use inbox::{InboxExt, NextDue};

    /// Panics inside a transaction for the shard `bad`, and commits everything else.
    fn panicking(
        connection: &Connection,
        commands: Vec<(Shard, Command)>,
    ) -> Vec<PortResult<Reply>> {
        if commands.iter().any(|(shard, _)| shard.as_str() == "bad") {
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            panic!("ordered by the test");
        }
        commit(connection, commands)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn inbox_writer_goes_on_after_a_panic() {
        let connection = Connection::open_in_memory().unwrap();
        for statement in SCHEMA {
            connection.execute_batch(statement).unwrap();
        }
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        let writer = std::thread::spawn(move || keep_writing(&connection, &queue, panicking));
        let inbox = SqliteInbox { jobs };
        let lost = inbox.ask(&Shard::new("bad"), NextDue).await.unwrap_err();
        assert_eq!(lost.effect, contracts::Effect::Unknown);
        let next = inbox.ask(&Shard::new("good"), NextDue).await;
        assert!(matches!(next, Ok(None)), "{next:?}");
        drop(inbox);
        writer.join().unwrap();
    }
}
