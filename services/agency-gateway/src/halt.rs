//! `POST /api/halt`: stops runs on this machine. The durable halt, which also prevents new starts,
//! is personal-assistant's.

use crate::Deps;
use axum::Json;
use axum::extract::State;
use contracts::Problem;
use contracts::halt::{HaltAnswer, HaltLevel, HaltRequest};
use http::StatusCode;
use platform::edge::{ApiError, ApiResult, JsonBody};

/// 202 while it stops, 200 if nothing runs here, 404 for an unknown task.
pub(crate) async fn halt(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<HaltRequest>,
) -> ApiResult<(StatusCode, Json<HaltAnswer>)> {
    if request.task_id.is_some() == request.all {
        return Err(Problem::field(
            "taskId",
            "Name one task, or say all.",
            "Send {\"taskId\": \"…\"} or {\"all\": true}.",
        )
        .into());
    }
    if let Some(task) = &request.task_id
        && deps.board.view(task).is_none()
    {
        return Err(ApiError::not_found(
            "such task at this gateway; personal-assistant halts it wherever it is",
        ));
    }
    let stopping = deps.board.halt(request.task_id.as_ref(), deps.clock.now_ms());
    let (status, level, message) = match stopping {
        0 => (StatusCode::OK, HaltLevel::Stopped, "Nothing of it runs here.".to_owned()),
        1 => (StatusCode::ACCEPTED, HaltLevel::Accepted, "One run is being stopped.".to_owned()),
        n => (StatusCode::ACCEPTED, HaltLevel::Accepted, format!("{n} runs are being stopped.")),
    };
    Ok((
        status,
        Json(HaltAnswer {
            success: true,
            task_id: request.task_id,
            message,
            level,
            unwritten: false,
        }),
    ))
}
