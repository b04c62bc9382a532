//! `POST /internal/schedules/plan`: the due times of a schedule around the present. They are
//! computed here because this service has the time zones, and the owner's own.

use crate::due::Due;
use crate::{Deps, owner};
use axum::Json;
use axum::extract::State;
use contracts::Problem;
use contracts::schedule::{PlanAnswer, PlanRequest};
use platform::edge::{ApiResult, JsonBody};

pub(crate) async fn plan(
    State(deps): State<Deps>,
    JsonBody(asked): JsonBody<PlanRequest>,
) -> ApiResult<Json<PlanAnswer>> {
    let zone = match &asked.timing.time_zone {
        Some(zone) => zone.clone(),
        None => owner::read(&deps).await?.time_zone,
    };
    let due = Due::read(&asked.timing, &zone).map_err(|mistake| {
        // The field as the API has it.
        let field = if mistake.key == "time_zone" { "timeZone" } else { mistake.key };
        Problem::field(field, format!("`{field}` {}", mistake.what), mistake.fix)
    })?;
    Ok(Json(due.plan(&asked)))
}
