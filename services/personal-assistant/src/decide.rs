//! `POST /api/approvals/{id}/decide`: the owner's decision. The first one counts; later ones learn
//! who made it.
//!
//! One batch creates the hold if the approval is pending, no halt is in force and the budget covers
//! it, and changes the state only with that hold. If the budget does not cover it, nothing changes
//! and the approval stays pending.

use crate::actor::{actor, check_text};
use crate::authority::Authority;
use crate::ledger::{self, Amounts, Reserve, Shortfall};
use crate::policy::QUESTION;
use crate::store::{self, Answers, ApprovalRow, CLAIM_WINDOW_MS, SKEW_MS};
use crate::{Deps, ask, audit, halt_scope, owner, person, stake, tool_rules, unknown};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use contracts::approval::{Approval, ApprovalState, Choice, DecideRequest, Decision, Extent};
use contracts::{ErrorCode, Problem};
use platform::edge::{ApiError, ApiResult, JsonBody, Principal};
use platform::ports::{ClockExt, PortError, Statement};
use platform::time::rfc3339;

/// The handler.
pub async fn decide(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<DecideRequest>,
) -> ApiResult<Json<Approval>> {
    check_text("reason", request.reason.as_deref())?;
    check_text("answer", request.answer.as_deref())?;
    check_text("actor", request.actor.as_deref())?;
    check_text("name", request.name.as_deref())?;
    if request.answer.is_some() {
        let asked = match store::approval(&*deps.sql, &id).await {
            Ok(asked) => asked,
            Err(error) => {
                let authority = Authority::of(who, request.actor.as_deref());
                return Err(unknown::or_listed(&deps, &authority, &id, error).await);
            }
        };
        if asked.kind != QUESTION || request.decision != Decision::Approve {
            let detail = "Only a question has an answer.";
            return Err(Problem::field("answer", detail, "Approve or reject without it.").into());
        }
    }
    let authority = Authority::of(who, request.actor.as_deref());
    let actor = actor(who, request.actor);
    if authority.is_of_endpoint() {
        person::note(&deps, &actor, request.name.as_deref()).await;
    }
    let word = OwnerDecision {
        id: &id,
        decision: request.decision,
        extent: request.extent,
        reason: request.answer.as_deref().or(request.reason.as_deref()),
        version: request.version,
        actor: &actor,
        authority: &authority,
    };
    let row = match take(&deps, word).await {
        Ok(row) => row,
        Err(error) => return Err(unknown::or_listed(&deps, &authority, &id, error.into()).await),
    };
    row.wire(deps.clock.now_ms()).map(Json)
}

/// The owner's word on one approval.
#[derive(Clone, Copy, Debug)]
pub struct OwnerDecision<'a> {
    pub id: &'a str,
    pub decision: Decision,
    /// How far a yes to a tool call reaches.
    pub extent: Extent,
    pub reason: Option<&'a str>,
    /// The version that was shown; any other version is refused.
    pub version: Option<u32>,
    pub actor: &'a str,
    pub authority: &'a Authority,
}

/// The reason that a decision changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// It does not exist, or belongs to another endpoint: the two read alike.
    #[error("no such approval for this person")]
    NotFound,
    #[error("decided before")]
    AlreadyDecided(Box<ApprovalRow>, ApprovalState),
    #[error("it was shown in another version")]
    OtherVersion(u32),
    #[error("a halt is in force")]
    Halted,
    #[error("the budget does not cover it")]
    OverBudget(Shortfall),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("refused")]
    Refused(ApiError),
}

impl From<ApiError> for DecideError {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl From<DecideError> for ApiError {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::NotFound => store::no_approval(),
            DecideError::AlreadyDecided(row, state) => {
                let by = row.decided_by.clone().unwrap_or_else(|| "expiry".to_owned());
                let shown = row.decider().unwrap_or_else(|| by.clone());
                let at = rfc3339(row.decided_at.unwrap_or(row.expires_at));
                Problem::new(
                    ErrorCode::AlreadyDecided,
                    format!("It is {} since {at}, by {shown}.", state.as_str()),
                )
                .with("decidedBy", by)
                .with("decidedAt", at)
                .with("state", state.as_str())
                .into()
            }
            DecideError::OtherVersion(version) => Problem::new(
                ErrorCode::Conflict,
                format!("The approval has version {version} now."),
            )
            .with("version", version)
            .into(),
            DecideError::Halted => {
                Self::new(ErrorCode::Halted, "A halt is in force; the approval stays pending.")
            }
            DecideError::OverBudget(short) => over_budget(&short),
            DecideError::Port(error) => error.into(),
            DecideError::Refused(error) => error,
        }
    }
}

/// 402 with the remainder and the time of the next budget.
pub fn over_budget(short: &Shortfall) -> ApiError {
    Problem::new(
        ErrorCode::BudgetExhausted,
        format!("{} remains until {}.", short.remaining, short.resets_at),
    )
    .with("remaining", short.remaining.dollars())
    .with("resetsAt", short.resets_at.clone())
    .with("scope", short.scope.clone())
    .into()
}

/// Decides, or returns the reason that nothing changed.
pub async fn take(deps: &Deps, word: OwnerDecision<'_>) -> Result<ApprovalRow, DecideError> {
    let seen = store::approval(&*deps.sql, word.id).await?;
    if !word.authority.may_decide(deps, &seen).await? {
        return Err(DecideError::NotFound);
    }
    let now_ms = deps.clock.now_ms();
    refuse_decided(&seen, now_ms)?;
    if let Some(version) = word.version.filter(|version| *version != seen.version) {
        tracing::info!(approval = word.id, version, "a decision on another version");
        return Err(DecideError::OtherVersion(seen.version));
    }
    let is_extended = word.extent != Extent::Once;
    if is_extended && (word.decision == Decision::Reject || seen.choice() != Choice::ToolCall) {
        return Err(tool_rules::refuse_extent().into());
    }
    let attempt = deps.clock.random_hex(16);
    let owner = owner::read(deps).await?;
    let scopes = owner.scopes(deps, now_ms, &seen.agent, seen.endpoint().as_ref())?;
    let keys = ledger::keys(&scopes);
    let mut batch = match word.decision {
        Decision::Approve => {
            let order = Reserve {
                task: &seen.task,
                attempt: &attempt,
                amount: seen.amount(),
                until_ms: now_ms + CLAIM_WINDOW_MS + SKEW_MS,
                now_ms,
                keys: &keys,
            };
            let waits = "EXISTS (SELECT 1 FROM approvals a WHERE a.id = ?7 AND a.state = 'pending' AND a.version = ?8 AND a.expires_at > ?5)";
            vec![
                ledger::ensure(&scopes),
                stake::give_way(&seen.task, seen.amount(), &keys, now_ms),
                ledger::reserve(order, waits).bind(&seen.id).bind(seen.version),
            ]
        }
        Decision::Reject => Vec::new(),
    };
    let skipped = batch.len();
    batch.push(compare_and_set(&seen, word, &attempt, now_ms));
    let by = (word.actor, word.authority);
    let rule = tool_rules::write(deps, &seen, word.extent, by, &attempt);
    let rules = usize::from(rule.is_some());
    batch.extend(rule);
    batch.push(audit::of_approval(deps, &seen.id, &attempt));
    batch.push(ask::mirror(&seen.id, now_ms));
    batch.push(store::approval_by_id(&seen.id));
    batch.push(store::halted(&seen.task));
    batch.push(ledger::figures(&keys, now_ms));
    let mut answers = Answers::of(&*deps.sql, batch).await?;
    (0..skipped).for_each(|_| answers.skip());
    let won = answers.any();
    (0..rules + 2).for_each(|_| answers.skip());
    let row: ApprovalRow = answers.one()?.ok_or_else(|| store::unreadable("approval"))?;
    if won {
        tracing::info!(approval = %row.id, by = word.actor, decision = ?word.decision, "decided");
        ask::announce(deps, &row);
        return Ok(row);
    }
    refuse_decided(&row, now_ms)?;
    if answers.halted()? {
        return Err(DecideError::Halted);
    }
    let figures: Vec<Amounts> = answers.all()?;
    Err(DecideError::OverBudget(ledger::shortfall(&scopes, &figures, row.amount())))
}

fn refuse_decided(row: &ApprovalRow, now_ms: i64) -> Result<(), DecideError> {
    match row.state_at(now_ms)? {
        ApprovalState::Pending => Ok(()),
        state => Err(DecideError::AlreadyDecided(Box::new(row.clone()), state)),
    }
}

/// The reason of a decision without one of its own.
pub fn default_reason(decision: Decision, actor: &str) -> String {
    let done = match decision {
        Decision::Approve => "Approved",
        Decision::Reject => "Rejected",
    };
    format!("{done} by {actor}.")
}

fn compare_and_set(
    seen: &ApprovalRow,
    word: OwnerDecision<'_>,
    attempt: &str,
    now_ms: i64,
) -> Statement {
    let (state, valid_until, code) = match word.decision {
        Decision::Approve => ("approved", Some(now_ms + CLAIM_WINDOW_MS), None),
        Decision::Reject => ("rejected", None, Some("rejected_by_owner")),
    };
    // Rejecting needs no money and is allowed during a halt.
    let may = match word.decision {
        Decision::Approve => format!(
            "NOT {} AND EXISTS (SELECT 1 FROM hold h WHERE h.task = ?1 AND h.attempt = ?5 AND h.exp > ?4)",
            halt_scope::of_task()
        ),
        Decision::Reject => "true".to_owned(),
    };
    let reason =
        word.reason.map_or_else(|| default_reason(word.decision, word.actor), str::to_owned);
    Statement::new(format!(
        "UPDATE approvals SET state = ?6, version = version + 1, decided_at = ?4, decided_by = ?7, reason = ?8, code = ?9, valid_until = ?10, attempt = ?5
         WHERE id = ?2 AND state = 'pending' AND version = ?3 AND expires_at > ?4 AND {may} RETURNING id"
    ))
    .bind(&seen.task)
    .bind(&seen.id)
    .bind(seen.version)
    .bind(now_ms)
    .bind(attempt)
    .bind(state)
    .bind(word.actor)
    .bind(reason)
    .bind(code)
    .bind(valid_until)
}
