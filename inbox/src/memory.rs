//! The inbox over SQLite in memory: one transaction a command.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test equipment: a broken fake must stop the test"
)]

use crate::{Command, Context, Inbox, Reply, SCHEMA, handle};
use async_trait::async_trait;
use contracts::Shard;
use platform::memory::Faults;
use platform::ports::{Clock, ClockExt, PortResult};
use platform::sqlite::{ConnectionSql, commit_error, port_error};
use rusqlite::Connection;
use std::sync::{Arc, Mutex};

/// All shards in one database in memory.
pub struct MemoryInbox {
    connection: Mutex<Connection>,
    clock: Arc<dyn Clock>,
    pub faults: Faults,
}

impl MemoryInbox {
    /// An empty inbox.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let connection = Connection::open_in_memory().expect("SQLite in memory");
        for statement in SCHEMA {
            connection.execute_batch(statement).expect("the inbox's schema");
        }
        Self { connection: Mutex::new(connection), clock, faults: Faults::default() }
    }
    /// The number of rows of a table.
    pub fn rows(&self, table: &str) -> i64 {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        let connection = self.connection.lock().expect("no test panics while it reads");
        connection.query_row(&sql, [], |row| row.get(0)).expect("a table of the schema")
    }
    /// The dedup keys of all events, in the order of their commits.
    pub fn keys(&self) -> Vec<String> {
        let connection = self.connection.lock().expect("no test panics while it reads");
        let read = connection.prepare("SELECT dedupe_key FROM event ORDER BY seq");
        let mut read = read.expect("the table of events");
        let keys = read.query_map([], |row| row.get(0)).expect("the table of events");
        keys.collect::<Result<_, _>>().expect("keys are texts")
    }
}

#[async_trait]
impl Inbox for MemoryInbox {
    async fn send(&self, shard: &Shard, command: Command) -> PortResult<Reply> {
        self.faults.around(|| {
            let connection = self.connection.lock().unwrap();
            let transaction = connection.unchecked_transaction().map_err(|e| port_error(&e))?;
            let context = Context {
                sql: &ConnectionSql(&transaction),
                shard,
                now_ms: self.clock.now_ms(),
                ulid: &|| self.clock.ulid(),
            };
            let reply = handle(&context, command)?;
            transaction.commit().map_err(|e| commit_error(&e))?;
            Ok(reply)
        })
    }
}
