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
