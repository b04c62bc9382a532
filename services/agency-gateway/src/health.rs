//! `GET /health`: whether work can be leased, and whether the agents' programs exist.

use crate::Deps;
use axum::Json;
use axum::extract::State;
use contracts::ServiceName;
use contracts::monitoring::Health;

/// Maximum silence of the control plane; a long poll lasts 25 s.
const SILENCE_MS: i64 = 90_000;

/// `ok`, or `degraded` with the reason.
pub(crate) async fn health(State(deps): State<Deps>) -> Json<Health> {
    let control = deps.board.control();
    let mut problems: Vec<String> = control.problem.into_iter().collect();
    let full = deps.board.running() >= usize::try_from(deps.config.capacity).unwrap_or(usize::MAX);
    if problems.is_empty()
        && !full
        && control.heard_ms.is_some_and(|heard| deps.clock.now_ms() - heard > SILENCE_MS)
    {
        problems.push("webhook-aggregator has not answered for a while.".to_owned());
    }
    for (agent, program) in deps.config.programs() {
        // Health is open to everybody: it names the agent, not the path.
        if program.command.first().is_some_and(|path| !deps.programs.exists(path)) {
            problems.push(format!("The program of agent {agent} was not found."));
        }
    }
    let status = if problems.is_empty() { "ok" } else { "degraded" };
    Json(Health {
        service: ServiceName::AgencyGateway,
        status: status.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        problems,
    })
}
