//! The router's ports and settings, and its memory between requests.

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
    /// Create it once per process with `Shared::default()`; requests and clones share the loaded
    /// data.
    pub shared: Shared,
}

/// Milliseconds from any starting point, as fine as the runtime allows: a route takes about 0.02
/// ms.
pub type Stopwatch = Arc<dyn Fn() -> f64 + Send + Sync>;

/// A stopwatch for runtimes with nothing finer than the clock.
pub fn stopwatch_of(clock: Arc<dyn Clock>) -> Stopwatch {
    Arc::new(move || clock.now_ms() as f64)
}

/// Data kept in memory between requests.
#[derive(Clone, Default)]
pub struct Shared {
    pub graph: GraphSource,
    pub pool: PoolSource,
}

/// How long an isolate treats its graph as current.
const WORKERS_FRESH_MS: i64 = 2_000;

impl Shared {
    /// For Workers, where a call to another service costs more than a route.
    pub fn for_workers() -> Self {
        Self { graph: GraphSource::fresh_for(WORKERS_FRESH_MS), ..Self::default() }
    }
}
