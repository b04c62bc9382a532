//! `GET /api/agents`: the pool. `POST /internal/outcomes`: the outcome of a run. `POST
//! /internal/instances/choose`: the gateway for the next run.

use crate::Deps;
use axum::Json;
use axum::extract::State;
use contracts::routing::{
    InstanceAnswer, InstanceRequest, OutcomeRecorded, OutcomeReport, PoolList,
};
use platform::edge::{ApiResult, JsonBody};
use platform::ports::ClockExt;

/// One row per agent of the current graph.
pub async fn agents(State(deps): State<Deps>) -> ApiResult<Json<PoolList>> {
    let now_ms = deps.clock.now_ms();
    let snapshot = deps.shared.graph.current(&*deps.calls, &*deps.kv, deps.clock.now_ms()).await;
    let pool = deps.shared.pool.current(&*deps.cell, now_ms).await;
    Ok(Json(PoolList { agents: pool.rows(&snapshot.graph, now_ms) }))
}

/// Records an outcome.
pub async fn outcomes(
    State(deps): State<Deps>,
    JsonBody(report): JsonBody<OutcomeReport>,
) -> ApiResult<Json<OutcomeRecorded>> {
    deps.shared.pool.report(&*deps.cell, &*deps.clock, &report).await?;
    Ok(Json(OutcomeRecorded { recorded: true }))
}

/// Chooses the best of some gateways for an agent's next run.
pub async fn choose(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<InstanceRequest>,
) -> ApiResult<Json<InstanceAnswer>> {
    let now_ms = deps.clock.now_ms();
    let pool = deps.shared.pool.current(&*deps.cell, now_ms).await;
    let gateway = pool.choose(
        &request.agent,
        &request.among,
        now_ms,
        (deps.clock.uniform(), deps.clock.uniform()),
    );
    Ok(Json(InstanceAnswer { gateway }))
}
