//! A platform that took a message says later that it did not arrive.

use super::{Context, OutboxRow, args, json, outbox, redeliver, reply_id};
use contracts::EventId;
use contracts::event::Stage;
use contracts::outbox::DeliveryState;
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// Marks a sent message as failed, by the platform's id of a part of it. If it answers an event,
/// the event ends as one whose answer was refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoteUndelivered {
    pub chat: String,
    pub message: String,
    pub error: String,
    /// Only of a message to exactly this chat: where anybody may say so, as in mail.
    pub exact: bool,
}

/// Result of [`NoteUndelivered`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Undelivered {
    /// The message, marked.
    Noted(Box<OutboxRow>),
    /// Not among the newest sent messages.
    Unknown,
    /// A message to this chat is being sent, whose id is not recorded yet: ask again.
    Sending,
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
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Undelivered> {
        let found = outbox::with_part(context, &self.message, MESSAGES_MAX)?;
        if found.as_ref().is_some_and(|row| self.exact && row.target.chat != self.chat) {
            return Ok(Undelivered::Unknown);
        }
        let Some(mut row) = found else {
            let sql = "SELECT COUNT(*) FROM outbox WHERE shard = ?1 AND state = 'sending' AND target ->> 'chat' = ?2";
            let sending = context.number(sql, args![context.shard.as_str(), &self.chat])?;
            return Ok(if sending > 0 { Undelivered::Sending } else { Undelivered::Unknown });
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
        Ok(Undelivered::Noted(Box::new(row)))
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

#[cfg(all(test, feature = "memory"))]
mod tests {
    use super::*;
    use crate::tests::{Bed, draft};
    use crate::{Enqueue, Part, RecordSent, SentReport};

    fn note(message: &str) -> NoteUndelivered {
        NoteUndelivered {
            chat: "7".into(),
            message: message.into(),
            error: "too late".into(),
            exact: false,
        }
    }

    #[tokio::test]
    async fn message_whose_id_is_not_recorded_yet_is_asked_for_again() {
        let bed = Bed::new();
        bed.send(Enqueue(draft("reply", 1))).await;
        assert_eq!(bed.send(note("m1")).await, Undelivered::Unknown);
        let row = bed.work(0, 1).await.deliveries.remove(0);
        assert_eq!(bed.send(note("m1")).await, Undelivered::Sending);
        let other = NoteUndelivered { chat: "8".into(), ..note("m1") };
        assert_eq!(bed.send(other).await, Undelivered::Unknown);
        let parts = vec![Part::new("m0", "7".into(), "a"), Part::new("m1", "7".into(), "b")];
        let report = SentReport {
            id: row.id,
            revision: 1,
            chat: String::new(),
            parts,
            state: DeliveryState::Sent,
            due_ms: 0,
            quiet_until_ms: None,
            error: None,
            changed_ms: None,
        };
        bed.send(RecordSent(vec![report])).await;
        let Undelivered::Noted(row) = bed.send(note("m1")).await else { panic!("it is there") };
        assert_eq!((row.state, row.error.as_deref()), (DeliveryState::Failed, Some("too late")));
        let shows: Vec<&str> = row.parts.iter().map(|part| part.shows.as_str()).collect();
        assert_eq!(shows, ["a", ""], "the part that arrived is kept");
        assert_eq!(bed.send(note("m1")).await, Undelivered::Unknown, "once");
    }
}
