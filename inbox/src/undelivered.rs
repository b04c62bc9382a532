//! A platform that took a message says later that it did not arrive.

use super::{Context, OutboxRow, args, json, outbox, redeliver, reply_id};
use contracts::EventId;
use contracts::event::Stage;
use contracts::outbox::DeliveryState;
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// Marks a sent message as failed, by the platform's id of a part of it. If it answers an event,
/// the event ends as one whose answer was refused. The reply is the message; `None` where no sent
/// message among the newest has this id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoteUndelivered {
    pub message: String,
    pub error: String,
}

/// Messages that are looked at.
const MESSAGES_MAX: u32 = 2_000;

#[derive(Deserialize)]
struct Known {
    state: Stage,
    reason: Option<String>,
    replays: u32,
}

impl NoteUndelivered {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Option<OutboxRow>> {
        let Some(mut row) = outbox::with_part(context, &self.message, MESSAGES_MAX)? else {
            return Ok(None);
        };
        // Sent once more, it is a further message, and what arrived does not come again.
        for part in row.parts.iter_mut().filter(|part| part.id == self.message) {
            part.id.clear();
            part.shows.clear();
        }
        row.state = DeliveryState::Failed;
        row.error = Some(self.error);
        context.exec(
            "UPDATE outbox SET state = 'failed', error = ?2, parts = ?3, updated_ms = ?4 WHERE id = ?1",
            args![&row.id, row.error.clone(), json(&row.parts)?, context.now_ms],
        )?;
        if let Some(event) = &row.event_id {
            reopen(context, event, &row.id)?;
        }
        Ok(Some(row))
    }
}

/// The event of an answer looks at its deliveries again.
fn reopen(context: &Context<'_>, event: &EventId, delivery: &str) -> PortResult<()> {
    let id = event.as_str();
    let sql = "SELECT state, reason, replays FROM event WHERE id = ?1";
    let Some(known) = context.one::<Known>(sql, args![id])? else { return Ok(()) };
    let is_its_answer = reply_id(event, known.replays) == delivery;
    if !is_its_answer || !matches!(known.state, Stage::Done | Stage::Failed) {
        return Ok(());
    }
    let failure = known.reason.filter(|_| known.state == Stage::Failed);
    redeliver::reopen(context, id, failure, "its answer did not arrive")
}
