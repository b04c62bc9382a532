//! `POST /api/approvals/{id}/claim`: the only way from an approval to work. `/internal/given-up`:
//! its lease expired; had the work started?
//!
//! The statements that record a claim also check it: no halt, the same digest, still valid, no
//! other live claim, and the money held. After a claim's lease expires, its last known cost is
//! posted, and another claim may follow while the approval is valid.

use crate::claiming::{Claimed, Claiming, claiming, with_token};
use crate::decide::over_budget;
use crate::ledger::{self, Amounts, Shortfall};
use crate::store::{self, Answers, ApprovalRow, SKEW_MS};
use crate::{Deps, cut_off, owner};
use axum::Json;
use axum::extract::{Path, State};
use contracts::agent_run::AgentRun;
use contracts::agent_run::RUNS;
use contracts::approval::{
    ApprovalState, ClaimAnswer, ClaimRequest, GivenUp, GivenUpAnswer, GivenUpRequest,
};
use contracts::task::LEASE_MS;
use contracts::{ErrorCode, Problem};
use platform::edge::{ApiError, ApiResult, JsonBody};
use platform::ports::{ClockExt, PortError, SqlExt};
use platform::secret::digest_hex;
use platform::sql;
use serde_json::Value;

/// Reads the claim with this token.
pub async fn by_token(deps: &Deps, token: &str) -> ApiResult<Option<Claimed>> {
    Ok(deps.sql.one(with_token(token)).await?)
}

/// The reason that a claim is refused.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error("a halt is in force")]
    Halted,
    #[error("the digest differs")]
    OtherDigest,
    #[error("something else would run")]
    OtherRun,
    #[error("the lease was released")]
    GivenUp,
    #[error("another claim exists")]
    Claimed(ApprovalState),
    #[error("it is not approved")]
    NotApproved(ApprovalState),
    #[error("the hold expired and the budget no longer covers it")]
    OverBudget(Shortfall),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("refused")]
    Refused(ApiError),
}

impl From<ApiError> for ClaimError {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl From<ClaimError> for ApiError {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Halted => {
                Self::new(ErrorCode::Halted, "A halt is in force, so nothing may start.")
            }
            ClaimError::OtherDigest => {
                Self::new(ErrorCode::Conflict, "The digest does not match the approved content.")
            }
            ClaimError::OtherRun => Self::new(
                ErrorCode::Conflict,
                "The agent's settings have changed since it was approved: send the message again.",
            ),
            ClaimError::Claimed(state) => {
                Self::new(ErrorCode::Conflict, format!("It is {} already.", state.as_str()))
            }
            ClaimError::GivenUp => Self::new(
                ErrorCode::StaleEpoch,
                "This lease was released; another gateway has the task.",
            ),
            ClaimError::NotApproved(state) => {
                Problem::new(ErrorCode::NotApproved, format!("The approval is {}.", state.as_str()))
                    .with("state", state.as_str())
                    .into()
            }
            ClaimError::OverBudget(short) => over_budget(&short),
            ClaimError::Port(error) => error.into(),
            ClaimError::Refused(error) => error,
        }
    }
}

/// Whether a halt covers this approval, or the run that asks by it.
pub async fn is_halted(deps: &Deps, row: &ApprovalRow) -> ApiResult<bool> {
    if is_halted_in_memory(deps, row) {
        return Ok(true);
    }
    Ok(Answers::of(&*deps.sql, vec![store::halted(&row.task)]).await?.halted()?)
}

fn is_halted_in_memory(deps: &Deps, row: &ApprovalRow) -> bool {
    deps.unwritten.covers_any(&row.task, row.run.as_deref())
}

/// `POST /api/approvals/{id}/claim`.
pub async fn claim(
    State(deps): State<Deps>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<ClaimRequest>,
) -> ApiResult<Json<ClaimAnswer>> {
    if let Some(runs) = &request.runs {
        let seen = store::approval(&*deps.sql, &id).await?;
        if !is_as_decided(&seen, runs)? {
            return Err(ClaimError::OtherRun.into());
        }
    }
    Ok(Json(take(&deps, &id, &request.digest, request.epoch).await?))
}

/// Whether a gateway is about to start what a person, or a model, decided on. A decision of the
/// rules alone holds for the agent, however it is configured.
fn is_as_decided(seen: &ApprovalRow, about: &AgentRun) -> ApiResult<bool> {
    let Some(arguments) = seen
        .arguments
        .as_ref()
        .filter(|_| seen.is_decided_by_a_person() || seen.is_approved_by_a_model())
    else {
        return Ok(true);
    };
    let arguments: Value =
        serde_json::from_str(arguments).map_err(|_| store::unreadable("arguments"))?;
    let Some(shown) = arguments.get(RUNS) else { return Ok(true) };
    let shown: Vec<AgentRun> =
        serde_json::from_value(shown.clone()).map_err(|_| store::unreadable("arguments"))?;
    Ok(shown.contains(about))
}

/// Claims an approved task; returns the token that settles it.
pub async fn take(
    deps: &Deps,
    id: &str,
    digest: &str,
    epoch: Option<u32>,
) -> Result<ClaimAnswer, ClaimError> {
    let seen = store::approval(&*deps.sql, id).await?;
    if is_halted_in_memory(deps, &seen) {
        return Err(ClaimError::Halted);
    }
    // The run before this claim may have cost something.
    cut_off::post_due(deps, Some(&seen.task)).await?;
    let owner = owner::read(deps).await?;
    let now_ms = deps.clock.now_ms();
    let until_ms = now_ms + LEASE_MS + SKEW_MS;
    let scopes = owner.scopes(deps, now_ms, &seen.agent, seen.endpoint().as_ref())?;
    let token = deps.clock.random_hex(32);
    let hash = digest_hex(token.as_bytes());
    let order = Claiming {
        id,
        task: &seen.task,
        digest,
        amount: seen.amount(),
        epoch,
        hash: &hash,
        now_ms,
        until_ms,
    };
    let mut batch = vec![ledger::ensure(&scopes)];
    batch.extend(claiming(order));
    batch.extend([
        store::approval_by_id(id),
        store::halted(&seen.task),
        ledger::figures(&ledger::keys(&scopes), now_ms),
    ]);
    let mut answers = Answers::of(&*deps.sql, batch).await?;
    (0..3).for_each(|_| answers.skip());
    if answers.any() {
        tracing::info!(approval = id, "claimed");
        return Ok(ClaimAnswer { claim_token: token, cost_limit: seen.amount() });
    }
    let row: ApprovalRow = answers.one()?.ok_or_else(|| store::unreadable("approval"))?;
    let halted = answers.halted()?;
    let figures: Vec<Amounts> = answers.all()?;
    why_not(&row, digest, epoch, halted, now_ms)?;
    Err(ClaimError::OverBudget(ledger::shortfall(&scopes, &figures, row.amount())))
}

/// The first reason, in order of importance for people.
fn why_not(
    row: &ApprovalRow,
    digest: &str,
    epoch: Option<u32>,
    halted: bool,
    now_ms: i64,
) -> Result<(), ClaimError> {
    if halted {
        return Err(ClaimError::Halted);
    }
    if row.digest != digest {
        return Err(ClaimError::OtherDigest);
    }
    if row.given_up(epoch) {
        return Err(ClaimError::GivenUp);
    }
    match row.state_at(now_ms)? {
        // It adds money to a run, and starts none.
        state if row.tops_up.is_some() => Err(ClaimError::NotApproved(state)),
        ApprovalState::Approved => Ok(()),
        ApprovalState::Claimed if row.lease_until.is_none_or(|until| until <= now_ms) => Ok(()),
        state @ (ApprovalState::Claimed | ApprovalState::Consumed) => {
            Err(ClaimError::Claimed(state))
        }
        state => Err(ClaimError::NotApproved(state)),
    }
}

/// Records a lost lease. From now on it can claim nothing. The same statement finds its claim, so
/// the next lease is the only one.
pub async fn given_up(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<GivenUpRequest>,
) -> ApiResult<Json<GivenUpAnswer>> {
    let now_ms = deps.clock.now_ms();
    let id = request.approval_id.as_str();
    let task = store::approval(&*deps.sql, id).await?.task;
    let shut = sql!(
        "UPDATE approvals SET epoch_min = MAX(epoch_min, ?2) WHERE id = ?1",
        id,
        i64::from(request.epoch) + 1
    );
    let batch =
        vec![shut, store::approval_by_id(id), store::halted(&task), cut_off::last_known(&task)];
    let mut answers = Answers::of(&*deps.sql, batch).await?;
    answers.skip();
    let row: ApprovalRow = answers.one()?.ok_or_else(|| store::unreadable("approval"))?;
    let halted = answers.halted()?;
    let cost =
        answers.one::<cut_off::Last>()?.filter(|_| row.was_claimed()).map(|last| last.cost(&deps));
    let was = match row.state_at(now_ms)? {
        // A new run would be a new task, which this task's halt does not cover.
        _ if halted => GivenUp::Ended,
        _ if row.was_claimed() => GivenUp::Begun,
        ApprovalState::Approved => GivenUp::Open,
        ApprovalState::Lapsed => GivenUp::Lapsed,
        _ => GivenUp::Ended,
    };
    Ok(Json(GivenUpAnswer { was, cost }))
}
