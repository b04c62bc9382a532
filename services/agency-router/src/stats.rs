//! `GET /api/routing-stats?since=`: the decisions since a time, and the accuracy of those with
//! feedback in the last seven days.

use crate::{Deps, store};
use axum::Json;
use axum::extract::State;
use contracts::routing::RoutingStats;
use platform::edge::{ApiResult, Query};
use serde::Deserialize;

const DAY_MS: i64 = 24 * 3600 * 1000;
/// The window of the accuracy.
const WEEK_MS: i64 = 7 * DAY_MS;

/// The query.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// Milliseconds since the epoch; by default the start of the UTC day. personal-assistant knows
    /// the owner's day, because it has the time zone.
    since: Option<i64>,
}

/// Metrics since then.
pub async fn stats(
    State(deps): State<Deps>,
    Query(Since { since }): Query<Since>,
) -> ApiResult<Json<RoutingStats>> {
    let now_ms = deps.clock.now_ms();
    let since = since.unwrap_or(now_ms - now_ms.rem_euclid(DAY_MS));
    Ok(Json(store::stats(&*deps.sql, since, now_ms - WEEK_MS).await?))
}
