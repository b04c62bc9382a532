//! `GET /health`: whether decisions can be recorded, and whether a graph is loaded.

use crate::Deps;
use axum::Json;
use axum::extract::State;
use contracts::ServiceName;
use contracts::monitoring::Health;
use platform::sql;

/// `ok`, or `degraded` with the reason.
pub async fn health(State(deps): State<Deps>) -> Json<Health> {
    let mut problems = Vec::new();
    if let Err(error) = deps.sql.query(sql!("SELECT 1 AS one FROM routing_decisions LIMIT 1")).await
    {
        tracing::error!(%error, "health: cannot read the audit trail");
        problems.push("Decisions cannot be recorded: the database does not answer.".to_owned());
    }
    let snapshot = deps.shared.graph.current(&*deps.calls, &*deps.kv, deps.clock.now_ms()).await;
    if snapshot.graph.version.is_none() {
        problems.push(
            "No skill graph is loaded: the built-in assistant gets every message.".to_owned(),
        );
    }
    let status = if problems.is_empty() { "ok" } else { "degraded" };
    Json(Health {
        service: ServiceName::AgencyRouter,
        status: status.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        problems,
    })
}
