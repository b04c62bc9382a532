//! Renewals of a run: `POST /internal/renewed` for a leased one, `POST /api/tasks/{id}/renew` for
//! one that was started without a lease. Each brings the cost so far. It counts as held at once;
//! when it exceeds the limit, `top_up` finds out whether the run goes on.

use crate::cut_off::{self, Last};
use crate::store::{self, Answers, ApprovalRow, HALTED, SKEW_MS};
use crate::top_up::{self, Word};
use crate::{Deps, ledger};
use axum::Json;
use axum::extract::{Path, State};
use contracts::task::{
    LEASE_MS, RenewAnswer, RenewClaimRequest, RenewedAnswer, RenewedRequest, StopCause,
};
use contracts::{ErrorCode, Micros};
use platform::edge::{ApiError, ApiResult, JsonBody};
use platform::ports::Statement;
use platform::secret::digest_hex;
use platform::sql;

/// A reported cost above this is counted as this: no sum of exact amounts exceeds it.
const COST_MAX: i64 = 1 << 50;

/// The answer to a renewal.
struct Renewal {
    /// Whether the claim continues.
    renewed: bool,
    limit: Micros,
    word: Word,
}

/// `POST /internal/renewed`.
pub async fn renewed(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<RenewedRequest>,
) -> ApiResult<Json<RenewedAnswer>> {
    let Renewal { renewed, limit, word } =
        keep(&deps, request.task_id.as_str(), request.cost_micros).await?;
    let (reason, detail) = word.cause();
    Ok(Json(RenewedAnswer {
        task_id: request.task_id,
        renewed,
        cost_limit: limit,
        reason,
        detail,
        pause: word == Word::Pause,
    }))
}

/// `POST /api/tasks/{taskId}/renew`.
pub async fn renew(
    State(deps): State<Deps>,
    Path(task): Path<String>,
    JsonBody(request): JsonBody<RenewClaimRequest>,
) -> ApiResult<Json<RenewAnswer>> {
    let newest = sql!(
        "SELECT 1 AS one FROM claim WHERE token_hash = ?1 AND task = ?2 AND seq = (SELECT MAX(c.seq) FROM claim c WHERE c.task = ?2)",
        digest_hex(request.claim_token.as_bytes()),
        &task
    );
    if deps.sql.query(newest).await?.is_empty() {
        return Err(ApiError::new(
            ErrorCode::Forbidden,
            "The claimToken is not the one of this task's newest claim.",
        ));
    }
    let Renewal { limit, word, .. } = keep(&deps, &task, request.cost_micros).await?;
    let (reason, detail) = word.cause();
    Ok(Json(RenewAnswer {
        cancel: reason.is_some(),
        lease_ms: LEASE_MS,
        cost_limit: limit,
        reason,
        detail,
        pause: word == Word::Pause,
    }))
}

async fn keep(deps: &Deps, task: &str, cost: Option<i64>) -> ApiResult<Renewal> {
    let now_ms = deps.clock.now_ms();
    let cost = cost.filter(|cost| *cost >= 0).map(|cost| Micros(cost.min(COST_MAX)));
    let mut batch = Vec::new();
    if let Some(cost) = cost {
        batch.extend([report(task, cost), ledger::count(task, cost)]);
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
        return Ok(Renewal { renewed, limit: Micros::ZERO, word: Word::GoOn });
    };
    let limit = Micros(last.limit_u);
    let stop = |cause, detail: Option<&str>| {
        Ok(Renewal { renewed, limit, word: Word::Stop(cause, detail.map(str::to_owned)) })
    };
    if halted {
        return stop(StopCause::Halted, None);
    }
    if row.was_cut_off() {
        return stop(StopCause::Stopped, Some("Its lease ended without a renewal."));
    }
    let spent = Micros(last.cost_u.unwrap_or(0));
    if !renewed || spent <= limit {
        return Ok(Renewal { renewed, limit, word: Word::GoOn });
    }
    let (word, limit) = top_up::seek(deps, &row, spent, limit).await?;
    Ok(Renewal { renewed, limit, word })
}

/// The highest cost that the newest run of a task has reported.
fn report(task: &str, cost: Micros) -> Statement {
    sql!(
        "UPDATE claim SET cost_u = MAX(COALESCE(cost_u, 0), ?2)
         WHERE task = ?1 AND seq = (SELECT MAX(c.seq) FROM claim c WHERE c.task = ?1)",
        task,
        cost
    )
}

fn lease(task: &str, now_ms: i64) -> Statement {
    sql!(
        format!(
            "UPDATE approvals SET lease_until = MAX(lease_until, ?2)
             WHERE task = ?1 AND state = 'claimed' AND lease_until IS NOT NULL AND NOT {HALTED} RETURNING id"
        ),
        task,
        now_ms + LEASE_MS + SKEW_MS
    )
}
