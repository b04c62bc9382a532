//! Decides who gets a message, how sure that is, and why.
//!
//! * `route.rs` is the decision, pure: named outright, follow-up, content, gate, pool. `text-model` is the content model,
//!   `pool.rs` the agents' health, `fallback.rs` who stands in, `complexity.rs` how much work it is.
//! * `graph_source.rs` and `pool_source.rs` keep graph, model and pool in memory; `store.rs` is the audit trail.
//! * `handle_route.rs`, `analyze.rs`, `feedback.rs`, `decisions.rs`, `stats.rs`, `agents.rs`, `handle_train.rs` are the
//!   endpoints; `answer.rs` puts an answer together.

mod agents;
mod analyze;
mod answer;
pub mod built_in;
pub mod complexity;
pub mod config;
mod decisions;
mod deps;
pub mod fallback;
mod feedback;
mod graph_source;
mod handle_route;
mod handle_train;
mod health;
pub mod pool;
mod pool_source;
pub mod route;
#[cfg(test)]
mod samples;
mod stats;
mod store;

pub use config::Config;
pub use deps::{Deps, Shared, Stopwatch, stopwatch_of};
pub use graph_source::{GraphSource, Snapshot};
pub use pool_source::PoolSource;

use axum::Router;
use axum::routing::{get, post};
use contracts::ServiceName;
use platform::edge::{Routes, Scope};

const OPERATOR: &[Scope] = &[Scope::Operator];
const READERS: &[Scope] = &[Scope::Operator, Scope::Viewer];

fn routes(deps: &Deps) -> Routes<Deps> {
    Routes::new(ServiceName::AgencyRouter, deps.auth.clone())
        .open("/health", get(health::health))
        .scoped(OPERATOR, "/api/route", post(handle_route::public))
        .scoped(READERS, "/api/analyze", post(analyze::analyze))
        .scoped(OPERATOR, "/api/feedback", post(feedback::feedback))
        .scoped(READERS, "/api/agents", get(agents::agents))
        .scoped(READERS, "/api/decisions", get(decisions::list))
        .scoped(READERS, "/api/decisions/{id}", get(decisions::one))
        .scoped(READERS, "/api/routing-stats", get(stats::stats))
        .internal("/internal/route", post(handle_route::internal))
        .internal("/internal/outcomes", post(agents::outcomes))
        .internal("/internal/instances/choose", post(agents::choose))
        .internal("/internal/train", post(handle_train::train))
        .internal("/internal/published", post(handle_train::published))
}

/// The service.
pub fn router(deps: Deps) -> Router {
    routes(&deps).finish(deps)
}
