//! `GET /api/decisions` and `/api/decisions/{id}`: the audit trail, newest first.

use crate::{Deps, store};
use axum::Json;
use axum::extract::{Path, State};
use contracts::routing::{DecisionList, DecisionRow, DecisionsQuery};
use contracts::{DecisionId, Problem};
use platform::edge::{ApiError, ApiResult, Query};

/// Maximum page size.
const LIMIT_MAX: u32 = 200;
/// Default page size.
const LIMIT: u32 = 50;

/// Returns a page; `cursor` is null on the last.
pub async fn list(
    State(deps): State<Deps>,
    Query(page): Query<DecisionsQuery>,
) -> ApiResult<Json<DecisionList>> {
    let limit = page.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field(
            "limit",
            format!("`limit` must be 1 to {LIMIT_MAX}, got {limit}."),
            format!("Ask for 1 to {LIMIT_MAX} and follow `cursor`."),
        )
        .into());
    }
    // One extra row shows whether there is a next page.
    let mut decisions = store::page(
        &*deps.sql,
        page.cursor.as_deref().filter(|cursor| !cursor.is_empty()),
        limit + 1,
    )
    .await?;
    let more = decisions.len() > limit as usize;
    decisions.truncate(limit as usize);
    let cursor = decisions.last().filter(|_| more).map(|row| row.id.0.clone());
    Ok(Json(DecisionList { decisions, cursor }))
}

/// Returns one decision.
pub async fn one(State(deps): State<Deps>, Path(id): Path<String>) -> ApiResult<Json<DecisionRow>> {
    let row = store::one(&*deps.sql, &DecisionId::new(id)).await?;
    row.map(Json).ok_or_else(|| ApiError::not_found("such decision"))
}
