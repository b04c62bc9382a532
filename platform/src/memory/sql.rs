//! The shared database as SQLite in memory.

use super::Faults;
use crate::ports::{PortResult, Row, Sql, Statement};
use crate::sqlite::{run, run_batch};
use async_trait::async_trait;
use rusqlite::Connection;
use std::sync::Mutex;

/// SQLite in memory.
pub struct MemorySql {
    connection: Mutex<Connection>,
    pub faults: Faults,
}

impl MemorySql {
    /// A database with these migrations applied.
    pub fn with_migrations(migrations: &[&str]) -> Self {
        let connection = Connection::open_in_memory().expect("SQLite in memory");
        for migration in migrations {
            connection.execute_batch(migration).expect("a migration applies");
        }
        Self { connection: Mutex::new(connection), faults: Faults::default() }
    }
}

#[async_trait]
impl Sql for MemorySql {
    async fn query(&self, statement: Statement) -> PortResult<Vec<Row>> {
        self.faults.around(|| run(&self.connection.lock().unwrap(), &statement))
    }
    async fn batch(&self, statements: Vec<Statement>) -> PortResult<Vec<Vec<Row>>> {
        self.faults.around(|| run_batch(&mut self.connection.lock().unwrap(), &statements))
    }
}
