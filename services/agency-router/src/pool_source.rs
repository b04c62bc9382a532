//! The shared pool: one named cell, read at most every two seconds, changed by compare-and-set.

use crate::pool::Pool;
use contracts::routing::OutcomeReport;
use platform::ports::{Cell, Clock, ClockExt, PortError, PortErrorKind, PortResult};
use std::sync::{Arc, Mutex, PoisonError};

/// The cell's name.
const NAME: &str = "agency-router/pool";
/// Maximum age of a snapshot.
const FRESH_MS: i64 = 2_000;
/// Attempts to write against concurrent writers.
const ATTEMPTS: usize = 16;

#[derive(Default)]
struct State {
    read_at_ms: Option<i64>,
    pool: Arc<Pool>,
}

/// Shared by all requests of a process.
#[derive(Clone, Default)]
pub struct PoolSource(Arc<Mutex<State>>);

impl PoolSource {
    /// The pool, at most [`FRESH_MS`] old. If the cell cannot be read, the last known pool, so
    /// routing continues.
    pub async fn current(&self, cell: &dyn Cell, now_ms: i64) -> Arc<Pool> {
        let known = {
            let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.read_at_ms.is_some_and(|at| (0..FRESH_MS).contains(&(now_ms - at))) {
                return state.pool.clone();
            }
            state.pool.clone()
        };
        let pool = match cell.load(NAME).await {
            Ok((text, _)) => Arc::new(parse(&text)),
            Err(error) => {
                tracing::warn!(%error, "cannot read the pool");
                known
            }
        };
        self.keep(pool.clone(), now_ms);
        pool
    }

    /// Records the outcome of a run.
    ///
    /// # Errors
    /// Those of the cell, and `Conflict` after several attempts; nothing is recorded then.
    pub async fn report(
        &self,
        cell: &dyn Cell,
        clock: &dyn Clock,
        report: &OutcomeReport,
    ) -> PortResult<()> {
        for _ in 0..ATTEMPTS {
            let (text, version) = cell.load(NAME).await?;
            let now_ms = clock.now_ms();
            let mut pool = parse(&text);
            pool.apply(report, now_ms, clock.uniform());
            let text = serde_json::to_string(&pool)
                .map_err(|error| PortError::clean(PortErrorKind::Invalid, error.to_string()))?;
            if cell.store(NAME, &text, version).await? {
                self.keep(Arc::new(pool), now_ms);
                return Ok(());
            }
        }
        Err(PortError::clean(
            PortErrorKind::Conflict,
            "the pool's cell changed during every attempt",
        ))
    }

    fn keep(&self, pool: Arc<Pool>, now_ms: i64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State { read_at_ms: Some(now_ms), pool };
    }
}

/// Parses the pool. An unreadable one counts as empty: a few runs restore its contents.
fn parse(text: &str) -> Pool {
    serde_json::from_str(text).unwrap_or_default()
}
