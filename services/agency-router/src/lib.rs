//! Decides who gets a message, how sure that is, and why.
//!
//! * `route.rs` is the decision, pure: named outright, follow-up, content, gate, pool. The crate
//!   `text-model` is the content model, `pool.rs` the agents' health, `fallback.rs` who stands in,
//!   `complexity.rs` how much work it is.
//! * `graph_source.rs` and `pool_source.rs` keep graph, model and pool in memory; `store.rs` is the
//!   audit trail.
//! * `handle_route.rs`, `analyze.rs`, `feedback.rs`, `decisions.rs`, `stats.rs`, `agents.rs`,
//!   `handle_train.rs` are the endpoints; `answer.rs` puts an answer together.

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
use contracts::ServiceName;
use contracts::calls::agency_router as calls;
use platform::edge::Routes;

fn routes(deps: &Deps) -> Routes<Deps> {
    Routes::new(ServiceName::AgencyRouter, deps.auth.clone())
        .health(deps.clock.clone(), health::health)
        .document(include_str!("../../../docs/api/agency-router.json"))
        .call(calls::Route, handle_route::public)
        .call(calls::Analyze, analyze::analyze)
        .call(calls::GiveFeedback, feedback::feedback)
        .call(calls::ReadPool, agents::agents)
        .call(calls::ListDecisions, decisions::list)
        .call(calls::ReadDecision, decisions::one)
        .call(calls::ReadRoutingStats, stats::stats)
        .call(calls::RouteEvent, handle_route::internal)
        .call(calls::ReportOutcome, agents::outcomes)
        .call(calls::ChooseInstance, agents::choose)
        .call(calls::Train, handle_train::train)
        .call(calls::ReportPublished, handle_train::published)
}

/// The service.
pub fn router(deps: Deps) -> Router {
    routes(&deps).finish(deps)
}
