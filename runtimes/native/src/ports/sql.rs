//! The shared database: one SQLite file in WAL mode, with every write synced before its response.

use async_trait::async_trait;
use platform::ports::{PortError, PortErrorKind, PortResult, Row, Sql, Statement};
use platform::sqlite::{port_error, run, run_batch};
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Migrations in order; each number is the schema version afterwards.
const MIGRATIONS: &[(u32, &str)] = &[
    (1, include_str!("../../../../migrations/0001_personal_assistant.sql")),
    (2, include_str!("../../../../migrations/0002_agency_router.sql")),
    (3, include_str!("../../../../migrations/0003_skill_graph_loader.sql")),
    (4, include_str!("../../../../migrations/0004_monitoring_dashboard.sql")),
    (5, include_str!("../../../../migrations/0005_skill_graph_parent.sql")),
    (6, include_str!("../../../../migrations/0006_claim_epoch.sql")),
    (7, include_str!("../../../../migrations/0007_halt_endpoint.sql")),
    (8, include_str!("../../../../migrations/0008_cost_ticks.sql")),
];

/// SQLite in a file.
pub struct SqliteSql {
    connection: Arc<Mutex<Connection>>,
}

/// Opens a database file with our pragmas.
///
/// # Errors
/// Those of SQLite.
pub fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: a committed write survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

impl SqliteSql {
    /// Opens the file and migrates it.
    ///
    /// # Errors
    /// Those of SQLite; also when a newer version wrote the database.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let mut connection = open(path)?;
        migrate(&mut connection)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> PortResult<T> + Send + 'static,
    ) -> PortResult<T> {
        let connection = self.connection.clone();
        tokio::task::spawn_blocking(move || {
            work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
        })
        .await
        .unwrap_or_else(|e| Err(PortError::unknown(PortErrorKind::Unavailable, e.to_string())))
    }
}

fn migrate(connection: &mut Connection) -> anyhow::Result<()> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let newest = MIGRATIONS.last().map_or(0, |(number, _)| *number);
    anyhow::ensure!(
        version <= newest,
        "the database has version {version}, but this program supports {newest}. Use the newer \
         quintet that wrote it."
    );
    for (number, text) in MIGRATIONS.iter().filter(|(number, _)| *number > version) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(text)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}

#[async_trait]
impl Sql for SqliteSql {
    async fn query(&self, statement: Statement) -> PortResult<Vec<Row>> {
        self.blocking(move |connection| run(connection, &statement)).await
    }
    async fn batch(&self, statements: Vec<Statement>) -> PortResult<Vec<Vec<Row>>> {
        self.blocking(move |connection| run_batch(connection, &statements)).await
    }
}

/// SQLite's error as a port error.
pub fn as_port_error(error: &rusqlite::Error) -> PortError {
    port_error(error)
}
