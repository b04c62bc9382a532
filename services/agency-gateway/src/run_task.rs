//! `POST /api/run-task`: runs work for a program of the owner. It needs an approval; the claim is
//! the gate.

use crate::board::{Begin, Entry};
use crate::runner::Job;
use crate::{Deps, run};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use contracts::approval::{Approval, WaitQuery};
use contracts::calls::personal_assistant::ReadApproval;
use contracts::task::RunTaskRequest;
use contracts::{AgentId, ApprovalId, ErrorCode, Problem};
use futures_util::FutureExt;
use http::StatusCode;
use platform::edge::{ApiError, ApiResult, RawBody, parse_json};
use platform::ports::CallError;
use platform::secret::Secret;
use serde_json::Value;

/// 202 with the task's view; 200 if this task already runs or ran here with the same approval; 403
/// without an approval.
pub(crate) async fn run_task(
    State(deps): State<Deps>,
    RawBody(body): RawBody,
) -> ApiResult<Response> {
    let (approval, request) = read(&deps, &body).await?;
    let starts = |agent: &AgentId| deps.config.starts_a_program(agent);
    let kind = starts(&request.agent);
    let running = deps.board.running_of(|agent| starts(agent) == kind);
    let most = deps.config.most(&request.agent);
    if running >= usize::try_from(most).unwrap_or(usize::MAX)
        && deps.board.view(&request.task_id).is_none()
    {
        return Err(ApiError::new(
            ErrorCode::Unavailable,
            "This gateway runs as many tasks as it may.",
        ));
    }
    let digest = bound(approval, &request)?;
    let entry = Entry {
        task: request.task_id.clone(),
        agent: request.agent.clone(),
        epoch: None,
        approval: request.approval_id.clone(),
    };
    let ticket = match deps.board.begin(entry, deps.clock.now_ms()) {
        Begin::Go(ticket) => ticket,
        Begin::Known(view, approval) if approval == request.approval_id => {
            return Ok((StatusCode::OK, Json(view)).into_response());
        }
        Begin::Known(..) => {
            return Err(ApiError::new(
                ErrorCode::Conflict,
                "This task runs or ran here by another approval.",
            ));
        }
        Begin::Closed => {
            return Err(ApiError::new(ErrorCode::Unavailable, "This gateway is shutting down."));
        }
    };
    let claim = match run::claim(&deps, &request.approval_id, &request.agent, &digest, None)
        .await
        .map_err(refusal)
    {
        Ok(claim) => claim,
        Err(error) => {
            ticket.withdraw();
            return Err(error);
        }
    };
    let view = ticket.view();
    let job = Job {
        task: request.task_id,
        agent: request.agent,
        message: request.message,
        context: request.context,
        cost_limit: claim.cost_limit,
        session: None,
        claim: Some(Secret::new(&claim.claim_token)),
        exchange: None,
    };
    deps.background.spawn(run::direct(deps.clone(), job, claim, ticket).boxed());
    Ok((StatusCode::ACCEPTED, Json(view)).into_response())
}

/// Checks the approval first: a missing or unknown one is reported before any other problem.
async fn read(deps: &Deps, body: &[u8]) -> ApiResult<(Approval, RunTaskRequest)> {
    let value: Value = parse_json(body)?;
    let approval = value.get("approvalId").and_then(Value::as_str).unwrap_or_default();
    if value.is_object() && approval.is_empty() {
        return Err(ApiError::new(ErrorCode::NotApproved, "The request names no approvalId."));
    }
    let (id, now) = (ApprovalId::from(approval), WaitQuery::default());
    let approval = deps.calls.ask::<ReadApproval>(&id, &now).await.map_err(refusal)?;
    if !approval.state.was_approved() {
        return Err(ApiError::new(
            ErrorCode::NotApproved,
            format!("The approval is {}.", approval.state.as_str()),
        ));
    }
    let request: RunTaskRequest = parse_json(body)?;
    for (field, text) in [
        ("taskId", request.task_id.as_str()),
        ("agent", request.agent.as_str()),
        ("message", &request.message),
    ] {
        if text.trim().is_empty() {
            return Err(Problem::field(
                field,
                format!("The field `{field}` is empty."),
                "Fill it in.",
            )
            .into());
        }
    }
    Ok((approval, request))
}

/// Checks that the approval is for this task, this agent and this message (the one in its
/// arguments, or its description), so that exactly the approved work runs. Returns the approval's
/// digest.
fn bound(approval: Approval, request: &RunTaskRequest) -> ApiResult<String> {
    let approved = approval
        .arguments
        .as_ref()
        .and_then(|arguments| arguments.get("message"))
        .and_then(Value::as_str)
        .unwrap_or(&approval.description);
    let other_message = approved != request.message;
    let differs = [
        (approval.task_id != request.task_id, "another task"),
        (approval.agent_type != request.agent, "another agent"),
        (
            request.digest.as_ref().is_some_and(|digest| *digest != approval.digest),
            "other content (the digest differs)",
        ),
        (
            other_message,
            "another message (it stands in `arguments.message`, else in the description)",
        ),
    ];
    match differs.into_iter().find(|(differs, _)| *differs) {
        Some((_, what)) => {
            Err(ApiError::new(ErrorCode::NotApproved, format!("The approval is for {what}.")))
        }
        None => Ok(approval.digest),
    }
}

/// Reports halts and budgets as such; any other refusal means that this work is not approved.
fn refusal(error: CallError) -> ApiError {
    match error {
        CallError::Refused(problem)
            if matches!(problem.code, ErrorCode::Halted | ErrorCode::BudgetExhausted)
                || problem.status >= 500 =>
        {
            ApiError(problem)
        }
        CallError::Refused(problem)
            if matches!(problem.code, ErrorCode::Forbidden | ErrorCode::Unauthenticated) =>
        {
            tracing::error!(
                detail = problem.detail,
                "personal-assistant does not know this gateway's token, or lets it read no \
                 approvals"
            );
            ApiError::new(
                ErrorCode::Upstream,
                "personal-assistant does not let this gateway read or claim the approval.",
            )
        }
        CallError::Refused(problem) if problem.code == ErrorCode::NotFound => {
            ApiError::new(ErrorCode::NotApproved, "There is no such approval.")
        }
        CallError::Refused(problem) => ApiError::new(ErrorCode::NotApproved, problem.detail),
        other @ CallError::Port(_) => other.into(),
    }
}
