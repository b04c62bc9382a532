//! `POST /api/tasks/{taskId}/settle`: posts the cost of a finished run once, even during a halt.

use crate::claiming::{self, Claimed};
use crate::posting::{self, Posting};
use crate::store::{self, Answers, ApprovalRow};
use crate::{Deps, ask, notices, top_up};
use axum::Json;
use axum::extract::{Path, State};
use contracts::approval::{Outcome, SettleAnswer, SettleRequest};
use contracts::{AgentId, ErrorCode, Micros, TaskId};
use platform::agents::Price;
use platform::edge::{ApiError, ApiResult, JsonBody};
use platform::ports::ClockExt;
use platform::sql;
use serde::Deserialize;

/// Maximum bytes of `usage`, which is stored for people only; larger ones are left out.
const USAGE_BYTES_MAX: usize = 16 << 10;

/// The hold of the task; no row means that there never was one.
#[derive(Deserialize)]
struct HoldRow {
    limit_u: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct PostedRow {
    amt_u: i64,
    outcome: String,
    reported_u: Option<i64>,
    unpriced: i64,
    overrun_u: i64,
    /// 1 if it is only the last known cost.
    cut_off: i64,
}

/// The handler.
pub async fn settle(
    State(deps): State<Deps>,
    Path(task): Path<String>,
    JsonBody(request): JsonBody<SettleRequest>,
) -> ApiResult<Json<SettleAnswer>> {
    post(&deps, &task, &request).await.map(Json)
}

/// Posts a task's cost once.
pub async fn post(deps: &Deps, task: &str, request: &SettleRequest) -> ApiResult<SettleAnswer> {
    let look = vec![
        claiming::with_token(&request.claim_token),
        store::approval_by_task(task),
        sql!(
            "SELECT MAX(COALESCE(limit_u, amt_u)) AS limit_u, MIN(exp) AS exp FROM hold WHERE task = ?1 HAVING COUNT(*) > 0",
            task
        ),
    ];
    let mut answers = Answers::of(&*deps.sql, look).await?;
    let claim = answers.one::<Claimed>()?.filter(|claim| claim.task == task).ok_or_else(|| {
        ApiError::new(ErrorCode::Forbidden, "The claimToken does not belong to this task.")
    })?;
    let approval: ApprovalRow = answers.one()?.ok_or_else(|| store::unreadable("approval"))?;
    let hold: Option<HoldRow> = answers.one()?;
    let now_ms = deps.clock.now_ms();
    let is_held = claim.is_newest() && hold.as_ref().is_some_and(|hold| hold.exp > now_ms);
    let amount = hold.map_or(approval.amount(), |hold| Micros(hold.limit_u));
    let reported = request.actual_cost.or(claim.cost_u.map(Micros));
    let cost = cost(reported, request.outcome, approval.declared_free != 0, amount, is_held);
    let posting = Posting {
        task,
        seq: claim.seq,
        amount: cost.posted,
        outcome: request.outcome.as_str(),
        reported: request.actual_cost,
        unpriced: cost.unpriced,
        overrun: cost.overrun,
        usage: request
            .usage
            .as_ref()
            .map(ToString::to_string)
            .filter(|text| text.len() <= USAGE_BYTES_MAX),
        at_ms: now_ms,
        nonce: &deps.clock.random_hex(16),
    };
    let mut batch = Vec::new();
    if claim.is_cut_off() {
        batch.extend(posting::correct(&posting));
    }
    batch.extend(posting::post(&posting));
    if claim.has_asked() {
        batch.extend(top_up::withdraw(task, now_ms));
    }
    let steps = batch.len();
    batch.push(sql!("SELECT amt_u, outcome, reported_u, unpriced, overrun_u, cut_off FROM posted WHERE task = ?1 AND seq = ?2", task, claim.seq));
    let mut answers = Answers::of(&*deps.sql, batch).await?;
    (0..steps).for_each(|_| answers.skip());
    let row: PostedRow = answers.one()?.ok_or_else(|| store::unreadable("posting"))?;
    deps.signal.notify(&crate::waiting::key(&approval.id));
    if claim.has_asked() {
        ask::flush_soon(deps);
    }
    if row.cut_off != 0 {
        // The run was cut off while this settlement was on its way.
        return Err(ApiError::new(ErrorCode::Unavailable, "The run was just posted as cut off."));
    }
    same(&row, request)?;
    if row.amt_u > 0 {
        notices::soon(deps);
    }
    Ok(SettleAnswer {
        task_id: TaskId::new(task),
        posted: Micros(row.amt_u),
        unpriced: row.unpriced != 0,
        unknown: row.unpriced != 0 && !has_price(deps, &approval.agent),
        overrun: Micros(row.overrun_u),
    })
}

/// Whether a run of this agent has a price of its own, which then counts.
fn has_price(deps: &Deps, agent: &str) -> bool {
    matches!(deps.config.agents.agent(&AgentId::new(agent)).price, Price::Known(_))
}

/// Repeating a settlement with the same amounts returns the same response; other amounts are a
/// conflict and change nothing.
fn same(row: &PostedRow, request: &SettleRequest) -> ApiResult<()> {
    if row.outcome == request.outcome.as_str()
        && row.reported_u == request.actual_cost.map(|cost| cost.0)
    {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::Conflict,
        format!("It was already settled: {}, {}.", row.outcome, Micros(row.amt_u)),
    ))
}

/// The posted cost, with its flags.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    posted: Micros,
    unpriced: bool,
    overrun: Micros,
}

/// A run without a reported cost is posted at its hold (`amount`), unless it certainly cost
/// nothing: it could not start, or its runner is free and it did not succeed with something more
/// expensive. Any cost above its own live hold is overrun.
fn cost(
    reported: Option<Micros>,
    outcome: Outcome,
    free: bool,
    amount: Micros,
    is_held: bool,
) -> Cost {
    let (posted, unpriced) = match (reported, outcome) {
        (Some(reported), _) => (reported, false),
        (None, Outcome::Unavailable) => (Micros::ZERO, false),
        (None, Outcome::Success) => (amount, !(free && amount == Micros::ZERO)),
        (None, Outcome::Failed | Outcome::Cancelled | Outcome::Timeout) if free => {
            (Micros::ZERO, false)
        }
        (None, Outcome::Failed | Outcome::Cancelled | Outcome::Timeout) => (amount, true),
    };
    let covered = if is_held { amount } else { Micros::ZERO };
    Cost { posted, unpriced, overrun: posted.minus(covered) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(
        actual: Option<i64>,
        outcome: Outcome,
        free: bool,
        amount: i64,
        is_held: bool,
    ) -> (i64, bool, i64) {
        let cost = cost(actual.map(Micros), outcome, free, Micros(amount), is_held);
        (cost.posted.0, cost.unpriced, cost.overrun.0)
    }

    #[test]
    fn settlement_posts_the_reported_cost() {
        assert_eq!(settled(Some(3), Outcome::Failed, false, 5, true), (3, false, 0));
        assert_eq!(settled(Some(7), Outcome::Success, true, 5, true), (7, false, 2));
        assert_eq!(settled(Some(3), Outcome::Unavailable, false, 5, false), (3, false, 3));
    }

    #[test]
    fn settlement_without_a_cost_posts_the_hold_unless_the_run_was_free() {
        assert_eq!(settled(None, Outcome::Success, true, 5, true), (5, true, 0));
        assert_eq!(settled(None, Outcome::Success, true, 0, true), (0, false, 0));
        assert_eq!(settled(None, Outcome::Success, false, 0, true), (0, true, 0));
        assert_eq!(settled(None, Outcome::Timeout, true, 5, true), (0, false, 0));
        assert_eq!(settled(None, Outcome::Timeout, false, 5, false), (5, true, 5));
        assert_eq!(settled(None, Outcome::Unavailable, false, 5, true), (0, false, 0));
    }
}
