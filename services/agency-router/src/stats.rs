//! `GET /api/routing-stats`: today's decisions, and the accuracy of what got feedback in the last seven days.

use crate::{Deps, store};
use axum::Json;
use axum::extract::State;
use contracts::routing::RoutingStats;
use platform::edge::ApiResult;

/// The window of the accuracy.
const WEEK_MS: i64 = 7 * 24 * 3600 * 1000;

/// Figures since the start of the owner's day.
pub async fn stats(State(deps): State<Deps>) -> ApiResult<Json<RoutingStats>> {
    let now_ms = deps.clock.now_ms();
    let stats = store::stats(&*deps.sql, deps.config.day_start_ms(now_ms), now_ms - WEEK_MS).await?;
    Ok(Json(stats))
}
