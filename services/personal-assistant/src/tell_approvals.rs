//! `POST /internal/approvals`: the requests that a person in a chat may decide, as text.

use crate::authority::Authority;
use crate::store::ApprovalRow;
use crate::{Deps, halt};
use axum::Json;
use axum::extract::State;
use contracts::approval::{ApprovalsText, ApprovalsTextRequest};
use contracts::{ErrorCode, Micros};
use platform::edge::{ApiError, ApiResult, JsonBody};
use platform::ports::SqlExt;
use platform::sql;
use platform::text::as_code;

/// Maximum pending requests that are looked at, and that are listed.
const ROWS_MAX: u32 = 200;
const LISTED_MAX: usize = 10;
/// Characters shown of a request.
const SHOWN_CHARS: usize = 200;

/// The owner reads all, an approver those of his endpoint.
pub async fn tell(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<ApprovalsTextRequest>,
) -> ApiResult<Json<ApprovalsText>> {
    let authority = Authority::of_person(&request.actor);
    if authority == Authority::Nobody {
        return Err(ApiError::new(ErrorCode::Forbidden, "The actor names no approver."));
    }
    let pending = sql!(
        "SELECT * FROM approvals WHERE state = 'pending' AND expires_at > ?1
         ORDER BY requested_at DESC, id DESC LIMIT ?2",
        deps.clock.now_ms(),
        ROWS_MAX
    );
    let rows: Vec<ApprovalRow> = deps.sql.all(pending).await?;
    let mut own = Vec::new();
    for row in &rows {
        if authority.may_decide(&deps, row).await? {
            own.push(row);
        }
    }
    let mut lines: Vec<String> = own.iter().take(LISTED_MAX).map(|row| line(row)).collect();
    if own.len() > LISTED_MAX {
        lines.push(format!("… and {} more; the dashboard lists all.", own.len() - LISTED_MAX));
    }
    if lines.is_empty() {
        lines.push("No request waits for you.".to_owned());
    } else {
        lines.push("Decide with its buttons, or /approve ID and /reject ID.".to_owned());
    }
    Ok(Json(ApprovalsText {
        message: lines.join("\n"),
        pending: u32::try_from(own.len()).unwrap_or(u32::MAX),
        halted: halt::all_halted(&deps).await?,
    }))
}

/// The text of others is one line of code.
fn line(row: &ApprovalRow) -> String {
    let words = as_code(&row.description, SHOWN_CHARS);
    format!("{} {}, up to {}: {words}", row.id, row.agent, Micros(row.amount_u))
}
