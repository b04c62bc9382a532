//! `GET /api/routing-stats?since=`: the decisions since a time, and the accuracy of those with
//! feedback in the last seven days.

use crate::{Deps, store};
use axum::Json;
use axum::extract::State;
use contracts::monitoring::SinceQuery;
use contracts::routing::RoutingStats;
use platform::edge::{ApiResult, Query};

const DAY_MS: i64 = 24 * 3600 * 1000;
/// The window of the accuracy.
const WEEK_MS: i64 = 7 * DAY_MS;

/// Metrics since then.
pub async fn stats(
    State(deps): State<Deps>,
    Query(SinceQuery { since }): Query<SinceQuery>,
) -> ApiResult<Json<RoutingStats>> {
    let now_ms = deps.clock.now_ms();
    let since = since.unwrap_or(now_ms - now_ms.rem_euclid(DAY_MS));
    Ok(Json(store::stats(&*deps.sql, since, now_ms - WEEK_MS).await?))
}
