//! The ports and settings that the router is built with, and its memory between requests.

use crate::config::Config;
use crate::graph_source::GraphSource;
use crate::pool_source::PoolSource;
use platform::edge::Auth;
use platform::ports::{Calls, Cell, Clock, Kv, Sql};
use std::sync::Arc;

/// The router's ports and settings.
#[derive(Clone)]
pub struct Deps {
    /// The shared database with migration 0002.
    pub sql: Arc<dyn Sql>,
    /// Copies of graph and model.
    pub kv: Arc<dyn Kv>,
    /// Calls to skill-graph-loader, signed in as agency-router.
    pub calls: Arc<dyn Calls>,
    /// Holds the pool.
    pub cell: Arc<dyn Cell>,
    pub clock: Arc<dyn Clock>,
    pub stopwatch: Stopwatch,
    pub auth: Auth,
    pub config: Arc<Config>,
    /// Start with `Shared::default()`, once a process: requests and clones share what was loaded.
    pub shared: Shared,
}

/// Milliseconds since any moment, as fine as the runtime has them: a route takes some 0.02 ms.
pub type Stopwatch = Arc<dyn Fn() -> f64 + Send + Sync>;

/// A stopwatch for runtimes that have nothing finer than the clock.
pub fn stopwatch_of(clock: Arc<dyn Clock>) -> Stopwatch {
    Arc::new(move || clock.now_ms() as f64)
}

/// What is kept in memory between requests.
#[derive(Clone, Default)]
pub struct Shared {
    pub graph: GraphSource,
    pub pool: PoolSource,
}

/// How long an isolate believes that its graph is the current one.
const WORKERS_FRESH_MS: i64 = 2_000;

impl Shared {
    /// For Workers, where asking another service costs more than routing.
    pub fn for_workers() -> Self {
        Self { graph: GraphSource::fresh_for(WORKERS_FRESH_MS), ..Self::default() }
    }
}
