//! The ledger under several processes on one file: nothing exceeds a limit, the ledger equals what
//! was spent, and no hold is left behind. The same storm with “read, then add” breaks the limit.
//!
//! 6,000 operations; as many as `QUINTET_STORM` says with it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "the storm has processes and a clock of its own; tests stop at the first surprise"
)]

// Only a part of the bed is of use here.
#[allow(dead_code, reason = "the other test target uses the rest")]
mod kit;

use async_trait::async_trait;
use kit::*;
use platform::memory::{ManualClock, MemorySql};
use platform::ports::{PortResult, Row, Sql, Statement};
use platform::sqlite::{run, run_batch};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PROCESSES: u64 = 8;
const OPEN_MAX: usize = 50;
const DAY_LIMIT: i64 = 40_000_000;
/// The rows of a storm's worker: file, number, operations, and how it holds money.
const WORKER: &str = "QUINTET_STORM_WORKER";

/// The database in a file that other processes have open, too.
struct FileSql(Mutex<Connection>);

impl FileSql {
    fn open(path: &Path) -> Self {
        let mut connection = Connection::open(path).unwrap();
        // SQLite's own handler sleeps for so long that few meet.
        connection
            .busy_handler(Some(|_| {
                std::thread::sleep(Duration::from_micros(100));
                true
            }))
            .unwrap();
        // Locks do not depend on what is on disk; the storm is about them.
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;").unwrap();
        Self(Mutex::new(connection))
    }
}

#[async_trait]
impl Sql for FileSql {
    async fn query(&self, statement: Statement) -> PortResult<Vec<Row>> {
        run(&self.0.lock().unwrap(), &statement)
    }
    async fn batch(&self, statements: Vec<Statement>) -> PortResult<Vec<Vec<Row>>> {
        run_batch(&mut self.0.lock().unwrap(), &statements)
    }
}

/// The time is also the seed of the random numbers, so each process has its own.
fn bed_on(path: &Path, seed: u64) -> Bed {
    let config = json!({"budget": {"daily": DAY_LIMIT as f64 / 1e6, "monthly": 1_000}, "agents": {"codegen": {"daily_budget": 25}}});
    let clock = ManualClock::at(1_790_000_002_000 + i64::try_from(seed).unwrap());
    let none = Arc::new(MemorySql::with_migrations(&[]));
    Bed::at(config, Arc::new(FileSql::open(path)), none, clock)
}

async fn number(sql: &dyn Sql, text: &str) -> i64 {
    let rows = sql.query(Statement::new(text.to_owned())).await.unwrap();
    rows[0].get("n").and_then(Value::as_i64).unwrap_or(0)
}

/// Micro-dollars by which a scope exceeds its limit.
const EXCESS: &str = "SELECT MAX(b.spent_u + (SELECT COALESCE(SUM(h.amt_u), 0) FROM hold h WHERE h.scope = b.scope AND h.exp > 0) - b.limit_u) AS n FROM budget b";

/// One process: requests, claims, settlements, repetitions, and a look at the limits now and then.
async fn work(path: &Path, seed: u64, operations: u64) {
    let bed = bed_on(path, seed);
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut open: Vec<(String, Value)> = Vec::new();
    // So much that the day's limit is reached after about two thirds of them.
    let most = (480_000_000 / (operations * PROCESSES)).max(3);
    for n in 0..operations {
        match dice.u64(0..10) {
            // More that runs at once makes the sums of the holds long, not the storm harder.
            0..=4 if open.len() < OPEN_MAX => {
                let task = format!("t{seed}-{n}");
                let mut body = request(&task, dice.u64(1..most) as f64 / 1e6);
                body["agentType"] = json!(["codegen", "security"][dice.usize(0..2)]);
                let (status, approval) = bed.post(OPERATOR, "/api/approve", body.clone()).await;
                assert_eq!(status, 200, "{approval}");
                if approval["approved"] == true {
                    if dice.u64(0..5) == 0 {
                        assert_eq!(bed.post(OPERATOR, "/api/approve", body).await.0, 200);
                    }
                    let (status, claim) = bed.claim(&approval).await;
                    assert_eq!(status, 200, "{claim}");
                    let mut kept = approval.clone();
                    kept["token"] = claim["claimToken"].clone();
                    open.push((task, kept));
                }
            }
            0..=8 => {
                let Some((task, approval)) = open.pop() else { continue };
                let limit = approval["costLimit"].as_f64().unwrap();
                let cost = (limit * dice.f64() * 1e6).floor() / 1e6;
                for _ in 0..=dice.u64(0..2) {
                    let token = &approval["token"];
                    let (status, answer) = bed.settle(&task, token, Some(cost), "success").await;
                    assert_eq!(status, 200, "{answer}");
                }
            }
            _ => assert!(number(&*bed.deps.sql, EXCESS).await <= 0, "a limit is exceeded"),
        }
    }
    for (task, approval) in open {
        bed.settle(&task, &approval["token"], Some(0.0), "failed").await;
    }
}

/// The same without the statement: read what is left, then add.
async fn naive(path: &Path, seed: u64, operations: u64) {
    let sql = FileSql::open(path);
    let mut dice = fastrand::Rng::with_seed(seed);
    for n in 0..operations {
        let amount = dice.i64(1_000..200_000);
        let left = "SELECT b.limit_u - b.spent_u - (SELECT COALESCE(SUM(h.amt_u), 0) FROM hold h WHERE h.scope = b.scope) AS n FROM budget b WHERE b.scope LIKE 'day:%' AND b.scope NOT LIKE '%agent%' LIMIT 1";
        if number(&sql, left).await >= amount {
            tokio::task::yield_now().await;
            std::thread::yield_now();
            let add = format!(
                "INSERT INTO hold (task, scope, attempt, amt_u, exp) SELECT 'n{seed}-{n}', scope, 'x', {amount}, 9 FROM budget WHERE scope LIKE 'day:%' AND scope NOT LIKE '%agent%' LIMIT 1"
            );
            sql.query(Statement::new(add)).await.unwrap();
        }
    }
}

/// Runs this test again in processes of its own.
fn processes(path: &Path, operations: u64, kind: &str) {
    let children: Vec<_> = (0..PROCESSES)
        .map(|number| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "worker", "--nocapture"])
                .env(WORKER, format!("{kind} {number} {operations} {}", path.display()))
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success(), "a process of the storm failed");
    }
}

fn run_here<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Nothing by itself: a process of the storm.
#[test]
fn worker() {
    let Ok(told) = std::env::var(WORKER) else { return };
    let parts: Vec<&str> = told.splitn(4, ' ').collect();
    let (seed, operations) = (parts[1].parse().unwrap(), parts[2].parse().unwrap());
    let path = Path::new(parts[3]);
    run_here(async {
        if parts[0] == "naive" {
            naive(path, seed, operations).await;
        } else {
            work(path, seed, operations).await;
        }
    });
}

fn database(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("ledger.db");
    let connection = Connection::open(&path).unwrap();
    for migration in MIGRATIONS {
        connection.execute_batch(migration).unwrap();
    }
    path
}

#[test]
fn ledger_of_eight_processes_exceeds_no_limit_and_equals_what_was_spent() {
    let operations: u64 =
        std::env::var("QUINTET_STORM").ok().and_then(|count| count.parse().ok()).unwrap_or(6_000);
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path());
    let begun = std::time::Instant::now();
    processes(&path, operations / PROCESSES, "ledger");
    let sql = FileSql::open(&path);
    run_here(async {
        let refused =
            number(&sql, "SELECT COUNT(*) AS n FROM approvals WHERE code = 'budget_exhausted'")
                .await;
        let posted = number(&sql, "SELECT COUNT(*) AS n FROM posted").await;
        println!(
            "{operations} operations by {PROCESSES} processes in {:?}: {posted} posted, {refused} refused",
            begun.elapsed()
        );
        assert!(number(&sql, EXCESS).await <= 0);
        assert!(posted > 100 && refused > 100, "{posted} posted, {refused} refused: no storm");
        let differs = "SELECT COUNT(*) AS n FROM budget b WHERE b.spent_u <> (SELECT COALESCE(SUM(p.amt_u), 0) FROM posted p WHERE EXISTS (SELECT 1 FROM hold h WHERE h.task = p.task AND h.scope = b.scope))";
        assert_eq!(number(&sql, differs).await, 0, "the ledger is not what was spent");
        let left = "SELECT COUNT(*) AS n FROM hold WHERE exp > 0";
        assert_eq!(number(&sql, left).await, 0, "a hold is left behind");
        let twice =
            "SELECT COUNT(*) AS n FROM (SELECT task FROM posted GROUP BY task HAVING COUNT(*) > 1)";
        assert_eq!(number(&sql, twice).await, 0, "a settlement counted twice");
    });
}

#[test]
fn ledger_that_reads_and_then_adds_exceeds_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path());
    run_here(async {
        let bed = bed_on(&path, 0);
        bed.ask("first", 0.001).await;
        bed.deps.sql.query(Statement::new("DELETE FROM hold")).await.unwrap();
    });
    processes(&path, 400, "naive");
    let sql = FileSql::open(&path);
    let excess = run_here(number(&sql, EXCESS));
    println!("read, then add: {excess} micro-dollars above the limit");
    assert!(excess > 0, "the storm would not notice it");
}
