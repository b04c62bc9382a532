//! `GET /health`: whether decisions can be recorded, and whether a graph is loaded.

use crate::Deps;
use axum::extract::State;
use contracts::ServiceName;
use platform::edge::{Checkup, Found};
use platform::sql;

/// 503 when decisions cannot be recorded: every route is refused then.
pub async fn health(State(deps): State<Deps>) -> Checkup {
    let trail = deps.sql.query(sql!("SELECT 1 AS one FROM routing_decisions LIMIT 1")).await;
    let snapshot = deps.shared.graph.current(&*deps.calls, &*deps.kv, deps.clock.now_ms()).await;
    let graph = if snapshot.graph.version.is_some() {
        Found::Answers
    } else {
        let problem = "No skill graph is loaded: the built-in assistant gets every message.";
        Found::Failed(problem.to_owned())
    };
    let problem = "Decisions cannot be recorded: the database does not answer.";
    Checkup::new(ServiceName::AgencyRouter, env!("CARGO_PKG_VERSION"))
        .needs("database", Found::of(trail, problem))
        .uses("skill graph", graph)
}
