//! The shared database: one SQLite file in WAL mode, with every write synced before its response.

use async_trait::async_trait;
use platform::ports::{PortError, PortErrorKind, PortResult, Row, Sql, Statement};
use platform::sqlite::{port_error, run, run_batch};
use rusqlite::{Connection, OpenFlags};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// Maximum waiting statements; beyond that callers are refused.
const QUEUE_MAX: usize = 4096;

/// Migrations in order; each number is the schema version afterwards.
pub(super) const MIGRATIONS: &[(u32, &str)] = &[
    (1, include_str!("../../../../migrations/0001_personal_assistant.sql")),
    (2, include_str!("../../../../migrations/0002_agency_router.sql")),
    (3, include_str!("../../../../migrations/0003_skill_graph_loader.sql")),
    (4, include_str!("../../../../migrations/0004_monitoring_dashboard.sql")),
    (5, include_str!("../../../../migrations/0005_skill_graph_parent.sql")),
    (6, include_str!("../../../../migrations/0006_claim_epoch.sql")),
    (7, include_str!("../../../../migrations/0007_halt_endpoint.sql")),
    (8, include_str!("../../../../migrations/0008_cost_ticks.sql")),
    (9, include_str!("../../../../migrations/0009_page_key.sql")),
    (10, include_str!("../../../../migrations/0010_tool_calls.sql")),
    (11, include_str!("../../../../migrations/0011_person.sql")),
    (12, include_str!("../../../../migrations/0012_memory.sql")),
    (13, include_str!("../../../../migrations/0013_review.sql")),
    (14, include_str!("../../../../migrations/0014_audit.sql")),
];

/// Maximum wait for another writer.
const BUSY: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// SQLite in a file, in a thread of its own: what fills the runtime's pool of threads holds up no
/// halt.
pub struct SqliteSql {
    jobs: SyncSender<Job>,
}

/// Opens a database file with our pragmas.
///
/// # Errors
/// Those of SQLite.
pub fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
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
        Self::on(connection)
    }
    /// Opens the file to read it as it is, beside a server or without one.
    ///
    /// # Errors
    /// Those of SQLite; also when there is no such file.
    pub fn read_only(path: &Path) -> anyhow::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        Self::on(connection)
    }
    fn on(connection: Connection) -> anyhow::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        std::thread::Builder::new()
            .name("database".to_owned())
            .spawn(move || keep_working(connection, &queue))?;
        Ok(Self { jobs })
    }
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> PortResult<T> + Send + 'static,
    ) -> PortResult<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let _ = answer.send(work(connection));
        });
        let full = |_| PortError::clean(PortErrorKind::Unavailable, "the database's queue is full");
        self.jobs.try_send(job).map_err(full)?;
        answered.await.unwrap_or_else(|_| {
            Err(PortError::unknown(PortErrorKind::Unavailable, "the statement ended in a panic"))
        })
    }
}

/// Works until the last sender is gone. A panic ends one job, and its caller learns that the effect
/// is unknown.
fn keep_working(mut connection: Connection, queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv() {
        if catch_unwind(AssertUnwindSafe(|| job(&mut connection))).is_err() {
            tracing::error!("a statement panicked and is rolled back");
            if !connection.is_autocommit() {
                let _ = connection.execute_batch("ROLLBACK");
            }
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    fn opened() -> (tempfile::TempDir, SqliteSql) {
        let place = tempfile::tempdir().unwrap();
        let sql = SqliteSql::open(&place.path().join("quintet.db")).unwrap();
        (place, sql)
    }

    #[test]
    fn database_answers_while_the_pool_of_the_runtime_is_full() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (_place, sql) = opened();
            tokio::task::spawn_blocking(|| {
                loop {
                    std::thread::park();
                }
            });
            let asked = sql.query(Statement::new("SELECT 1 AS one"));
            let rows = tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap();
            assert_eq!(rows.unwrap().len(), 1);
        });
        runtime.shutdown_background();
    }

    #[tokio::test]
    async fn database_goes_on_after_a_panic() {
        let (_place, sql) = opened();
        let lost = sql
            .blocking(|connection| -> PortResult<()> {
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                panic!("ordered by the test");
            })
            .await;
        assert_eq!(lost.unwrap_err().effect, contracts::Effect::Unknown);
        sql.query(Statement::new("SELECT 1 AS one")).await.unwrap();
        sql.batch(vec![Statement::new("SELECT 1 AS one")]).await.unwrap();
    }
}
