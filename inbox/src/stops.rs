//! Stops of single messages: what still moves in a conversation, and the mark that ends a run.

use super::{Context, Step, StoredEvent, TaskState, advance, args, claim, read, tasks};
use contracts::event::Stage;
use contracts::{EventId, Shard};
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// The messages of a conversation that wait, are parked or run; oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListOpen {
    pub conversation: String,
}

/// Stops one message. A message that no gateway has ends at once; a run is marked, and its
/// gateway learns of it with its next renewal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StopEvent {
    pub event: EventId,
    /// The version that was seen.
    pub version: u32,
    /// The control input that asked for it; due again when the run has ended.
    pub by: EventId,
    /// The end of a message that no gateway has.
    pub ended: Step,
}

/// Result of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stopping {
    /// It ended without a run.
    Ended,
    /// A gateway has it and will be told.
    Marked,
    /// It moved meanwhile: read it again.
    Moved,
}

/// Begins the press data of a stop button.
const BUTTON: &str = "s1";

/// The press data of the button that stops this message: `s1:<ULID>`. It needs no secret: only the
/// sender and approvers are obeyed, in the same chat.
pub fn stop_button(event: &EventId) -> String {
    let ulid = event.as_str().rsplit_once('.').map_or("", |(_, ulid)| ulid);
    format!("{BUTTON}:{ulid}")
}

/// The message of this inbox that a press is to stop, if it is one on a stop button.
pub fn pressed_to_stop(shard: &Shard, token: &str) -> Option<EventId> {
    let (_, ulid) = token.split_once(':').filter(|(prefix, _)| *prefix == BUTTON)?;
    Some(EventId::new(format!("{shard}.{ulid}")))
}

/// Messages of the lane `?1` that a stop can end. An answer that is known is delivered.
const OPEN: &str = "FROM queue q WHERE q.lane = ?1 AND q.control = 0 AND q.state <> 'answered'";

impl ListOpen {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Vec<StoredEvent>> {
        let columns = claim::EVENT_COLUMNS;
        let sql = format!(
            "SELECT {columns} FROM event WHERE id IN (SELECT q.event_id {OPEN}) ORDER BY seq"
        );
        context.all(&sql, args![self.conversation])
    }
}

impl StopEvent {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Stopping> {
        let found = read::event(context, &self.event)?;
        let Some(event) = found.filter(|event| event.version == self.version) else {
            return Ok(Stopping::Moved);
        };
        let task = event.task_id.clone().unwrap_or_else(|| event.current_task());
        let leased = event.state == Stage::Running
            && tasks::get(context, &task)?.is_some_and(|row| row.state == TaskState::Leased);
        if !leased {
            let ended = advance::apply(context, &self.event, self.version, self.ended)?;
            return Ok(if ended { Stopping::Ended } else { Stopping::Moved });
        }
        context.exec(
            "INSERT INTO stop (task_id, event_id, at_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT (task_id) DO UPDATE SET event_id = excluded.event_id",
            args![task.as_str(), self.by.as_str(), context.now_ms],
        )?;
        Ok(Stopping::Marked)
    }
}

/// Whether something of a conversation is open, and whether it is this sender's to stop.
pub(super) fn open_here(
    context: &Context<'_>,
    conversation: &str,
    sender: Option<&str>,
    approver: bool,
) -> PortResult<(bool, bool)> {
    let open = context.number(&format!("SELECT COUNT(*) {OPEN}"), args![conversation])? > 0;
    let own = format!(
        "SELECT COUNT(*) {OPEN} AND EXISTS (SELECT 1 FROM event e WHERE e.id = q.event_id AND e.sender = ?2)"
    );
    let own = open && (approver || context.number(&own, args![conversation, sender])? > 0);
    Ok((open, own))
}

#[cfg(test)]
mod tests {
    use crate::tests::{Bed, asks, task};
    use crate::{Patch, Step, StopEvent, Stopping};
    use contracts::event::Stage;

    #[tokio::test]
    async fn mark_of_a_stop_is_gone_when_its_message_has_ended() {
        let bed = Bed::new();
        bed.accept("1", "a").await;
        let event = bed.claim().await.remove(0);
        let patch = Patch { task: Some(task(&event)), ..Patch::default() };
        bed.to(&event, Stage::Running, patch).await;
        bed.send(asks("g", "*", 1)).await;
        let (event, ..) = bed.get(&event.id).await;
        let ended =
            Step::To { stage: Stage::Refused, note: None, patch: Box::default(), due_ms: 0 };
        let (by, version) = (event.id.clone(), event.version);
        let stop = StopEvent { event: event.id.clone(), version, by, ended };
        assert_eq!(bed.send(stop).await, Stopping::Marked);
        assert_eq!(bed.inbox.rows("stop"), 1);
        assert!(bed.to(&event, Stage::Done, Patch::default()).await);
        assert_eq!(bed.inbox.rows("stop"), 0);
    }
}
