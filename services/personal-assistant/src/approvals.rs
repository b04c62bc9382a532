//! `GET /api/approvals` and `GET /api/approvals/{id}`: list, read, and wait for a decision.

use crate::Deps;
use crate::reviewed::ReviewRow;
use crate::store::{self, ApprovalRow, ROW};
use crate::waiting::{WAIT_SECONDS_MAX, until_decided};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use contracts::Problem;
use contracts::approval::{Approval, ApprovalList, ApprovalState, ApprovalsQuery, WaitQuery};
use platform::edge::{ApiError, ApiResult, Principal, Query, Scope};
use platform::ports::{SqlExt, Statement};
use platform::sql;

const LIMIT_MAX: u32 = 500;
const LIMIT_DEFAULT: u32 = 100;
/// Newest first. `limit` 1–500.
pub async fn list(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    Query(query): Query<ApprovalsQuery>,
) -> ApiResult<Json<ApprovalList>> {
    let now_ms = deps.clock.now_ms();
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field(
            "limit",
            format!("`limit` is not from 1 to {LIMIT_MAX}."),
            "Correct the number.",
        )
        .into());
    }
    let condition = match query.state.as_deref() {
        None => "true",
        Some(text) => condition(ApprovalState::parse(text).ok_or_else(|| unknown_state(text))?),
    };
    // An agent's token sees only requests of its own scope; `?2` is null for everyone else.
    let own = (who == Principal::Scope(Scope::Agent)).then_some(Scope::Agent.as_str());
    let text = format!(
        "SELECT {ROW} FROM approvals WHERE ({condition}) AND (?2 IS NULL OR requested_by = ?2) ORDER BY requested_at DESC, id DESC LIMIT ?3"
    );
    let rows: Vec<ApprovalRow> =
        deps.sql.all(Statement::new(text).bind(now_ms).bind(own).bind(limit)).await?;
    let approvals = rows.iter().map(|row| row.wire(now_ms)).collect::<ApiResult<Vec<_>>>()?;
    Ok(Json(ApprovalList { approvals }))
}

fn unknown_state(text: &str) -> ApiError {
    let known: Vec<_> = ApprovalState::ALL.iter().map(|state| state.as_str()).collect();
    Problem::field(
        "state",
        format!("There is no state `{text}`."),
        format!("The states are: {}.", known.join(", ")),
    )
    .into()
}

/// The SQL condition for this state at time `?1`, equal to [`ApprovalRow::state_at`].
const fn condition(state: ApprovalState) -> &'static str {
    match state {
        ApprovalState::Pending => "state = 'pending' AND expires_at > ?1",
        ApprovalState::Expired => "state = 'expired' OR (state = 'pending' AND expires_at <= ?1)",
        ApprovalState::Approved => "state = 'approved' AND valid_until > ?1",
        ApprovalState::Claimed => "state = 'claimed' AND (valid_until > ?1 OR lease_until > ?1)",
        ApprovalState::Lapsed => {
            "(state = 'approved' AND valid_until <= ?1) OR (state = 'claimed' AND valid_until <= ?1 AND lease_until <= ?1)"
        }
        ApprovalState::Rejected => "state = 'rejected'",
        ApprovalState::Cancelled => "state = 'cancelled'",
        ApprovalState::Consumed => "state = 'consumed'",
    }
}

/// One approval; with `wait` (seconds, at most 30) it waits for the decision.
pub async fn one(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    Query(query): Query<WaitQuery>,
) -> ApiResult<Json<Approval>> {
    let wait = query.wait.unwrap_or(0);
    if wait > WAIT_SECONDS_MAX {
        return Err(Problem::field(
            "wait",
            format!("`wait` is more than {WAIT_SECONDS_MAX} seconds."),
            "Wait at most 30 seconds, then ask again.",
        )
        .into());
    }
    let row = store::approval(&*deps.sql, &id).await?;
    if who == Principal::Scope(Scope::Agent) && !row.was_requested_by(Scope::Agent.as_str()) {
        return Err(store::no_approval());
    }
    let row = until_decided(&deps, row, i64::from(wait) * 1_000).await?;
    let find = sql!(
        "SELECT model, verdict, words, cost_u, prompt FROM approval_review WHERE task = ?1",
        &row.task
    );
    let review: Option<ReviewRow> = deps.sql.one(find).await?;
    let mut approval = row.wire(deps.clock.now_ms())?;
    approval.review = review.map(Into::into);
    Ok(Json(approval))
}
