//! `POST /api/feedback`: whether a decision was right, and the right agent.

use crate::{Deps, store};
use axum::extract::State;
use axum::{Extension, Json};
use contracts::Problem;
use contracts::routing::{DecisionRow, Feedback};
use platform::edge::{ApiError, ApiResult, JsonBody, Principal};

/// Returns the decision as recorded now.
pub async fn feedback(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    JsonBody(mut feedback): JsonBody<Feedback>,
) -> ApiResult<Json<DecisionRow>> {
    let now_ms = deps.clock.now_ms();
    if let Some(agent) = &feedback.agent {
        let snapshot =
            deps.shared.graph.current(&*deps.calls, &*deps.kv, deps.clock.now_ms()).await;
        let known = snapshot
            .graph
            .agents
            .iter()
            .find(|known| known.id.as_str().eq_ignore_ascii_case(agent.as_str()));
        let Some(known) = known else {
            let ids: Vec<&str> =
                snapshot.graph.agents.iter().map(|agent| agent.id.as_str()).collect();
            return Err(Problem::field(
                "agent",
                format!("There is no agent {agent}."),
                format!("Name one of: {}.", ids.join(", ")),
            )
            .into());
        };
        feedback.agent = Some(known.id.clone());
    }
    let decision = store::one(&*deps.sql, &feedback.decision_id)
        .await?
        .ok_or_else(|| ApiError::not_found("such decision"))?;
    if let Some(agent) = &feedback.agent {
        let same = *agent == decision.agent;
        if same != feedback.correct {
            let detail = format!(
                "The decision was {}, which contradicts correct: {} with agent: {agent}.",
                decision.agent, feedback.correct
            );
            return Err(Problem::field(
                "agent",
                detail,
                "Omit `agent` if the decision was right; name another agent if it was wrong.",
            )
            .into());
        }
    }
    let row = store::feedback(&*deps.sql, &feedback, who.as_str(), now_ms).await?;
    row.map(Json).ok_or_else(|| ApiError::not_found("such decision"))
}
