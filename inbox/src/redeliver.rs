//! A kept answer is sent again, without running its agent again.

use super::{BEGINNING, Context, advance, aliases, args, json, reply_id};
use contracts::EventId;
use contracts::event::{REPLY_FAILED, Stage};
use contracts::outbox::Target;
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// Sends the answer of an ended event again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Redeliver {
    pub event: EventId,
    /// Who wanted it, for the history.
    pub actor: String,
}

/// Result of [`Redeliver`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Redelivered {
    Yes,
    NotFound,
    /// It has not ended.
    StillOpen,
    /// No answer for a chat is kept.
    NothingKept,
}

#[derive(Deserialize)]
struct Known {
    state: Stage,
    reason: Option<String>,
    replays: u32,
    target: Option<String>,
}

impl Redeliver {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Redelivered> {
        let (id, actor) = (self.event.as_str(), &self.actor);
        let known = context.one::<Known>(
            "SELECT state, reason, replays, payload -> 'target' AS target FROM event WHERE id = ?1",
            args![id],
        )?;
        let Some(known) = known else { return Ok(Redelivered::NotFound) };
        if !known.state.is_final() {
            return Ok(Redelivered::StillOpen);
        }
        let reason = known.reason.unwrap_or_default();
        let is_answered = match known.state {
            Stage::Done | Stage::Failed => true,
            Stage::Dead => reason.starts_with(REPLY_FAILED),
            _ => false,
        };
        let reply = reply_id(&self.event, known.replays);
        let rows = context.number("SELECT COUNT(*) FROM outbox WHERE id = ?1", args![&reply])?;
        if !is_answered || rows == 0 {
            return Ok(Redelivered::NothingKept);
        }
        let target: Target =
            known.target.and_then(|target| serde_json::from_str(&target).ok()).unwrap_or_default();
        let target = aliases::resolved(context, &target)?;
        // An answer that the chat shows in part is completed; one that it shows in full comes as a
        // new message.
        context.exec(
            "UPDATE outbox SET state = 'queued', revision = revision + 1, attempts = 0, error = NULL, due_ms = ?2, updated_ms = ?2,
                target = ?3, expires_ms = NULL, parts = CASE WHEN state = 'sent' THEN '[]' ELSE parts END
             WHERE id = ?1",
            args![&reply, context.now_ms, json(&target)?],
        )?;
        // Its files that did not arrive go with it, and the one that has the rest of a long answer.
        context.exec(
            "UPDATE outbox SET state = 'queued', revision = revision + 1, attempts = 0, error = NULL, due_ms = ?2, updated_ms = ?2,
                target = ?3, expires_ms = NULL, parts = '[]'
             WHERE event_id = ?1 AND kind = 'file' AND id LIKE ?4
                AND (state IN ('failed', 'unknown', 'expired') OR (id LIKE ?5
                    AND EXISTS (SELECT 1 FROM outbox r WHERE r.id = ?6 AND r.kind = ?7)))",
            args![
                id,
                context.now_ms,
                json(&target)?,
                format!("file:%~r{}:%", known.replays),
                format!("file:%~r{}:0", known.replays),
                &reply,
                BEGINNING
            ],
        )?;
        let failure = Some(reason).filter(|_| known.state == Stage::Failed);
        reopen(context, id, failure, &format!("its answer is sent again by {actor}"))?;
        Ok(Redelivered::Yes)
    }
}

/// An ended event is Answered once more, and looks at its deliveries.
pub(super) fn reopen(
    context: &Context<'_>,
    event: &str,
    failure: Option<String>,
    note: &str,
) -> PortResult<()> {
    context.exec(
        "UPDATE event SET state = 'answered', reason = ?3, version = version + 1, attempts = 0, updated_ms = ?2 WHERE id = ?1",
        args![event, context.now_ms, failure],
    )?;
    advance::reopen(context, event, note)
}
