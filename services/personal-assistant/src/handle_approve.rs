//! `POST /api/approve`: the request is checked, a model looks at it where the rules leave it the
//! choice, and the outcome is recorded.

use crate::approve::{self, Asking};
use crate::policy::Verdict;
use crate::{Deps, owner, request, review, store, waiting};
use axum::extract::State;
use axum::{Extension, Json};
use contracts::ServiceName;
use contracts::approval::{ApproveAnswer, ApproveRequest};
use platform::edge::{ApiResult, JsonBody, Principal};
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
    let reviewed = if may_be_reviewed(&deps, who, &request).await? {
        review::review(&deps, who, &request).await
    } else {
        None
    };
    let asking = Asking { reviewed: reviewed.as_ref(), ..Asking::default() };
    let recorded = approve::record_asking(&deps, who, &request, asking).await?;
    let wait_ms = i64::from(request.wait.unwrap_or(0)) * 1_000;
    let row = waiting::until_decided(&deps, recorded.row, wait_ms).await?;
    approve::answer(&row, deps.clock.now_ms(), recorded.shortfall).map(Json)
}

/// Whether a model looks at it: the rules leave it the choice, the run could start, its sender is
/// known, and the request is new.
async fn may_be_reviewed(deps: &Deps, who: Principal, request: &ApproveRequest) -> ApiResult<bool> {
    if deps.config.models().used_for(Use::Review).is_none() {
        return Ok(false);
    }
    let is_no_case = request
        .channel_context
        .as_ref()
        .is_some_and(|context| context.cannot_start.is_some() || context.public);
    let ruling = approve::ruling(deps, who, request, &owner::read(deps).await?);
    if is_no_case || ruling.verdict != Verdict::AskOwner || !ruling.may_be_reviewed {
        return Ok(false);
    }
    let known: Option<store::ApprovalRow> =
        deps.sql.one(store::approval_by_task(request.task_id.as_str())).await?;
    Ok(known.is_none())
}
