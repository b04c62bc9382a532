//! `POST /api/policy/replay`.

use crate::trial::trial;
use crate::{Deps, owner, rulebook};
use axum::Json;
use axum::extract::State;
use contracts::Problem;
use contracts::policy::{DAYS_DEFAULT, DAYS_MAX, PolicyTrial, ReplayRequest};
use platform::edge::{ApiResult, JsonBody};

/// Decides the requests of the last days again.
pub async fn replay(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<ReplayRequest>,
) -> ApiResult<Json<PolicyTrial>> {
    let days = request.days.unwrap_or(DAYS_DEFAULT);
    if days == 0 || days > DAYS_MAX {
        let detail = format!("`days` is not a number from 1 to {DAYS_MAX}.");
        return Err(Problem::field("days", detail, "Send the days to look back.").into());
    }
    let owner = owner::read(&deps).await?;
    Ok(Json(match &request.policy {
        Some(update) => {
            let after = rulebook::tried(&deps, &owner, update).await?;
            trial(&deps, Some(&owner.rules), &after, days).await?
        }
        None => trial(&deps, None, &owner.rules, days).await?,
    }))
}
