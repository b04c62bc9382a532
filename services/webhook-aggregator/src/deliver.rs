//! Sending kept answers again.

use crate::{Deps, pump};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use contracts::event::DeliverAnswer;
use contracts::{ErrorCode, EventId, Problem};
use inbox::{InboxExt, Redeliver, Redelivered};
use platform::edge::{ApiError, ApiResult, Principal};

/// `POST /api/events/{id}/deliver`.
pub(crate) async fn one(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> ApiResult<Json<DeliverAnswer>> {
    let event_id = EventId::new(id);
    let conflict = |detail: &str, fix: &str| {
        Err(ApiError::from(Problem::new(ErrorCode::Conflict, detail).with_fix(fix)))
    };
    let Some(shard) = deps.shard_of(&event_id) else {
        return Err(ApiError::not_found("event of this id"));
    };
    let command = Redeliver { event: event_id.clone(), actor: who.as_str().to_owned() };
    match deps.inbox.ask(&shard, command).await? {
        Redelivered::Yes => {
            deps.notify_event(&event_id);
            pump::soon(&deps, shard);
            Ok(Json(DeliverAnswer { event_id }))
        }
        Redelivered::NotFound => Err(ApiError::not_found("event of this id")),
        Redelivered::StillOpen => conflict(
            "The event has not ended, so its answer is still being delivered, or there is none yet.",
            "Wait until it ends.",
        ),
        Redelivered::NothingKept => conflict(
            "No answer for a chat is kept for this event.",
            "Run it again with `quintet replay`.",
        ),
    }
}
