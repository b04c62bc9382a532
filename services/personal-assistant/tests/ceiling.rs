//! The budget holds under concurrent requests: in memory, and in a file with several connections.

use crate::kit::*;
use async_trait::async_trait;
use platform::memory::MemorySql;
use platform::ports::{PortResult, Row, Sql, Statement};
use platform::sqlite::{port_error, run_batch};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

fn amount(i: usize) -> f64 {
    (100_001 + 7_919 * i) as f64 / 1e6
}

/// Sends 64 requests at once; returns the number approved. The approved amount must equal the held
/// amount and stay within the limit.
async fn storm(bed: Bed) -> usize {
    let tasks: Vec<_> = (0..64)
        .map(|i| {
            let router = bed.router.clone();
            tokio::spawn(async move {
                send(&router, AGENT, "POST", "/api/approve", request(&format!("t{i}"), amount(i)))
                    .await
            })
        })
        .collect();
    let mut approved = Vec::new();
    for (i, task) in tasks.into_iter().enumerate() {
        let (status, answer) = task.await.unwrap();
        assert_eq!(status, 200, "{answer}");
        match answer["approved"] {
            Value::Bool(true) => approved.push((amount(i) * 1e6).round() as i64),
            _ => assert_eq!(answer["code"], "budget_exhausted"),
        }
    }
    let held = bed.rows("SELECT SUM(amt_u) AS held FROM hold WHERE scope LIKE 'day:%|all'").await
        [0]["held"]
        .as_i64()
        .unwrap();
    assert_eq!(held, approved.iter().sum::<i64>());
    assert!(held <= 5_000_000, "{held}");
    let partial = bed.rows("SELECT task FROM hold GROUP BY task HAVING COUNT(*) <> 2").await;
    assert!(partial.is_empty(), "a hold on some scopes and not on others: {partial:?}");
    approved.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn budget_is_never_exceeded_by_64_concurrent_callers() {
    let approved = storm(Bed::with(json!({"budget": {"daily": 5.0}}))).await;
    assert!((10..64).contains(&approved), "{approved}");
}

/// SQLite in a file with one connection per thread, as for several processes.
struct FileSql {
    path: PathBuf,
}

thread_local! {
    static CONNECTION: RefCell<Option<(PathBuf, Connection)>> = const { RefCell::new(None) };
}

#[async_trait]
impl Sql for FileSql {
    async fn query(&self, statement: Statement) -> PortResult<Vec<Row>> {
        Ok(self.batch(vec![statement]).await?.remove(0))
    }
    async fn batch(&self, statements: Vec<Statement>) -> PortResult<Vec<Vec<Row>>> {
        CONNECTION.with_borrow_mut(|slot| {
            if slot.as_ref().is_none_or(|(path, _)| *path != self.path) {
                let connection = Connection::open(&self.path).map_err(|e| port_error(&e))?;
                connection
                    .busy_timeout(std::time::Duration::from_secs(30))
                    .map_err(|e| port_error(&e))?;
                *slot = Some((self.path.clone(), connection));
            }
            run_batch(&mut slot.as_mut().unwrap().1, &statements)
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn budget_is_never_exceeded_by_eight_connections_to_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quintet.db");
    let first = Connection::open(&path).unwrap();
    first
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {}",
            MIGRATIONS.concat()
        ))
        .unwrap();
    let unused = Arc::new(MemorySql::with_migrations(&[]));
    let approved =
        storm(Bed::over(json!({"budget": {"daily": 5.0}}), Arc::new(FileSql { path }), unused))
            .await;
    assert!((10..64).contains(&approved), "{approved}");
}
