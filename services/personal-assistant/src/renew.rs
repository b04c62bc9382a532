//! Renewals of a run: `POST /internal/renewed` for a leased one, `POST /api/tasks/{id}/renew` for
//! one that was started without a lease. Each brings the cost so far. It counts as held at once;
//! when it, or what the next step may cost, exceeds the limit, `top_up` finds out whether the run
//! goes on.

use crate::cut_off::{self, Last};
use crate::store::{self, Answers, ApprovalRow, NEWEST_CLAIM, SKEW_MS};
use crate::top_up::{self, Cost, Word};
use crate::{Deps, claim, halt_scope, ledger, resting};
use axum::Json;
use axum::extract::{Path, State};
use contracts::task::{LEASE_MS, RenewAnswer, RenewClaimRequest, RenewedRequest, StopCause};
use contracts::{ErrorCode, Micros};
use platform::edge::{ApiError, ApiResult, JsonBody};
use platform::ports::Statement;
use platform::sql;

/// A reported cost above this is counted as this: no sum of exact amounts exceeds it.
const COST_MAX: i64 = 1 << 50;

/// Whether a run goes on, and how far it may spend.
struct Renewal {
    limit: Micros,
    word: Word,
}

impl Renewal {
    fn answer(self) -> Json<RenewAnswer> {
        let (reason, detail) = self.word.cause();
        Json(RenewAnswer {
            cancel: reason.is_some(),
            lease_ms: LEASE_MS,
            cost_limit: self.limit,
            reason,
            detail,
            pause: self.word == Word::Pause,
        })
    }
}

/// `POST /internal/renewed`.
pub async fn renewed(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<RenewedRequest>,
) -> ApiResult<Json<RenewAnswer>> {
    let report = (request.cost_micros, request.need_micros);
    Ok(keep(&deps, request.task_id.as_str(), report).await?.answer())
}

/// `POST /api/tasks/{taskId}/renew`.
pub async fn renew(
    State(deps): State<Deps>,
    Path(task): Path<String>,
    JsonBody(request): JsonBody<RenewClaimRequest>,
) -> ApiResult<Json<RenewAnswer>> {
    let claim = claim::by_token(&deps, &request.claim_token).await?;
    if !claim.is_some_and(|claim| claim.task == task && claim.is_newest()) {
        return Err(ApiError::new(
            ErrorCode::Forbidden,
            "The claimToken is not the one of this task's newest claim.",
        ));
    }
    let report = (request.cost_micros, request.need_micros);
    Ok(keep(&deps, &task, report).await?.answer())
}

/// Extends the lease of a run of the assistant itself.
pub async fn extend(deps: &Deps, task: &str) -> ApiResult<()> {
    deps.sql.batch(vec![lease(task, deps.clock.now_ms())]).await?;
    Ok(())
}

async fn keep(
    deps: &Deps,
    task: &str,
    (cost, need): (Option<i64>, Option<i64>),
) -> ApiResult<Renewal> {
    let now_ms = deps.clock.now_ms();
    let amount = |given: Option<i64>| {
        given.filter(|given| *given >= 0).map(|given| Micros(given.min(COST_MAX)))
    };
    let (cost, need) = (amount(cost), amount(need).unwrap_or_default());
    let mut batch = Vec::new();
    if let Some(cost) = cost {
        batch.extend([
            report(task, cost),
            resting::hold_again_if_spending(task, now_ms, cost),
            ledger::count(task, cost),
        ]);
    }
    let told = batch.len();
    batch.extend([
        lease(task, now_ms),
        store::approval_by_task(task),
        store::halted(task),
        cut_off::last_known(task),
    ]);
    let mut answers = Answers::of(&*deps.sql, batch).await?;
    (0..told).for_each(|_| answers.skip());
    let renewed = answers.any();
    let row: Option<ApprovalRow> = answers.one()?;
    let halted = answers.halted()?;
    let last: Option<Last> = answers.one()?;
    let (Some(row), Some(last)) = (row, last) else {
        return Ok(Renewal { limit: Micros::ZERO, word: Word::GoOn });
    };
    let limit = Micros(last.limit_u);
    let stop = |cause, detail: Option<&str>| {
        Ok(Renewal { limit, word: Word::Stop(cause, detail.map(str::to_owned)) })
    };
    if halted {
        return stop(StopCause::Halted, None);
    }
    if row.was_cut_off() {
        return stop(StopCause::CutOff, Some("The server lost contact with its machine."));
    }
    let spent = Micros(last.cost_u.unwrap_or(0));
    let need = need.max(spent);
    if !renewed || need <= limit {
        return Ok(Renewal { limit, word: Word::GoOn });
    }
    let (word, limit) = top_up::seek(deps, &row, Cost { spent, need, limit }).await?;
    Ok(Renewal { limit, word })
}

/// The highest cost that the newest run of a task has reported.
fn report(task: &str, cost: Micros) -> Statement {
    sql!(
        format!(
            "UPDATE claim AS c SET cost_u = MAX(COALESCE(cost_u, 0), ?2) WHERE c.task = ?1 AND {NEWEST_CLAIM}"
        ),
        task,
        cost
    )
}

fn lease(task: &str, now_ms: i64) -> Statement {
    sql!(
        format!(
            "UPDATE approvals SET lease_until = MAX(lease_until, ?2)
             WHERE task = ?1 AND state = 'claimed' AND lease_until IS NOT NULL AND NOT {} RETURNING id",
            halt_scope::of_task()
        ),
        task,
        now_ms + LEASE_MS + SKEW_MS
    )
}
