//! `POST /api/approve`: the request is checked, a model looks at it where the rules leave it the
//! choice, and the outcome is recorded.

use crate::approve::{self, Asking};
use crate::policy::Verdict;
use crate::{Deps, owner, request, review, store, waiting};
use axum::extract::State;
use axum::{Extension, Json};
use contracts::approval::{ApproveAnswer, ApproveRequest};
use contracts::{Micros, ServiceName};
use platform::edge::{ApiResult, JsonBody, Principal, Scope};
use platform::models::Use;
use platform::ports::SqlExt;

/// The handler.
pub async fn approve(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    JsonBody(request): JsonBody<ApproveRequest>,
) -> ApiResult<Json<ApproveAnswer>> {
    request::validate(&request)?;
    if !who.is_service(ServiceName::WebhookAggregator) {
        request::refuse_reserved(&request)?;
    }
    let reviewed = match may_be_reviewed(&deps, who, &request).await? {
        Some(amount) => review::review(&deps, &request, amount).await,
        None => None,
    };
    let asking = Asking { reviewed: reviewed.as_ref(), ..Asking::default() };
    let recorded = approve::record_asking(&deps, who, &request, asking).await?;
    let wait_ms = i64::from(request.wait.unwrap_or(0)) * 1_000;
    let row = waiting::until_decided(&deps, recorded.row, wait_ms).await?;
    approve::answer(&row, deps.clock.now_ms(), recorded.shortfall).map(Json)
}

/// The amount that a model looks at, if it does: the rules leave it the choice, the run could
/// start, its sender is known, no agent makes the request, and it is new. An agent could ask again
/// in other words until the model approves.
async fn may_be_reviewed(
    deps: &Deps,
    who: Principal,
    request: &ApproveRequest,
) -> ApiResult<Option<Micros>> {
    let is_by_an_agent = who == Principal::Scope(Scope::Agent);
    if is_by_an_agent || deps.config.models().used_for(Use::Review).is_none() {
        return Ok(None);
    }
    let is_no_case = request
        .channel_context
        .as_ref()
        .is_some_and(|context| context.cannot_start.is_some() || context.public);
    let ruling = approve::ruling(deps, who, request, &owner::read(deps).await?);
    if is_no_case || ruling.verdict != Verdict::AskOwner || !ruling.may_be_reviewed {
        return Ok(None);
    }
    let known: Option<store::ApprovalRow> =
        deps.sql.one(store::approval_by_task(request.task_id.as_str())).await?;
    Ok(known.is_none().then_some(ruling.amount))
}
