//! `GET /api/events/{id}/log`: the program's log of an event's newest run. A call of its own, so
//! that it can be refused to those who may not read conversations.

use crate::Deps;
use axum::Json;
use axum::extract::{Path, State};
use contracts::EventId;
use contracts::run_log::{EventLog, KeptLog, RunLog};
use inbox::{InboxExt, LogRow, ReadCursor, ReadLog};
use platform::edge::{ApiError, ApiResult};
use platform::time::rfc3339;

pub(crate) async fn read(
    State(deps): State<Deps>,
    Path(id): Path<String>,
) -> ApiResult<Json<EventLog>> {
    let missing = || ApiError::not_found("event of this id");
    let event = EventId::new(id);
    let shard = deps.shard_of(&event).ok_or_else(missing)?;
    let row = deps.inbox.ask(&shard, ReadLog { event: event.clone() }).await?;
    if row.is_none() {
        deps.inbox.ask(&shard, ReadCursor { event }).await?.ok_or_else(missing)?;
    }
    let shown = |row: LogRow| KeptLog {
        task: row.task_id,
        at: rfc3339(row.at_ms),
        log: RunLog { text: row.text, left_out_bytes: row.left_out_bytes },
    };
    Ok(Json(EventLog { log: row.map(shown) }))
}
