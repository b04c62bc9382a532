//! The progress of a run: its newest lines are kept, and the placeholder shows the last.

use super::{Context, args, transcript};
use crate::NewSaid;
use contracts::{EventId, TaskId};
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// Lines kept of a run; the oldest go first.
const LINES_MAX: i64 = 40;
/// Least time between two edits of a placeholder: Telegram allows 20 messages a minute in a group.
pub(super) const EDIT_EVERY_MS: i64 = 5_000;

/// Keeps a line of a leased run and edits its placeholder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoteProgress {
    pub task: TaskId,
    pub epoch: u32,
    pub line: String,
    /// The cost so far, in micro-dollars.
    pub cost_micros: Option<i64>,
    /// The placeholder with the line in it, under the id of its message.
    pub placeholder: NewSaid,
}

/// The lines kept of a run, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadProgress {
    pub task: TaskId,
}

/// A line of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProgressRow {
    pub at_ms: i64,
    pub line: String,
    pub cost_micros: Option<i64>,
}

impl NoteProgress {
    /// False: another gateway has the run, or its event has moved on, so nothing was kept.
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<bool> {
        let task = self.task.as_str();
        let found: Option<Row> = context.one(
            "SELECT e.id AS event_id FROM task t JOIN event e ON e.id = t.event_id
             WHERE t.id = ?1 AND t.epoch = ?2 AND t.state = 'leased' AND e.state = 'running'",
            args![task, self.epoch],
        )?;
        let Some(Row { event_id }) = found else { return Ok(false) };
        context.exec(
            "INSERT INTO progress (task_id, seq, at_ms, line, cost_micros)
             VALUES (?1, (SELECT COALESCE(MAX(seq), 0) + 1 FROM progress WHERE task_id = ?1), ?2, ?3, ?4)",
            args![task, context.now_ms, &self.line, self.cost_micros],
        )?;
        context.exec(
            "DELETE FROM progress WHERE task_id = ?1
                AND seq <= (SELECT MAX(seq) FROM progress WHERE task_id = ?1) - ?2",
            args![task, LINES_MAX],
        )?;
        // The revision stays, so that the answer is newer in any case, and so that questions and
        // answers to the same address go first. A line that comes too soon waits, and a newer one
        // takes its place: it may be the last for a long time. One that comes during a send is
        // queued by the record of that send, which sees that the row has changed since.
        context.exec(
            "UPDATE outbox SET text = ?2, updated_ms = MAX(?3, updated_ms + 1),
                state = CASE WHEN state = 'sending' THEN state ELSE 'queued' END,
                attempts = CASE WHEN state = 'sent' THEN 0 ELSE attempts END,
                due_ms = CASE WHEN state <> 'sent' THEN due_ms ELSE MAX(?3, updated_ms + ?4,
                    COALESCE((SELECT tat_ms FROM rate WHERE key = 'quiet:' || outbox.address), 0)) END
             WHERE id = ?1 AND state IN ('sent', 'queued', 'sending')",
            args![&self.placeholder.id, &self.placeholder.text, context.now_ms, EDIT_EVERY_MS],
        )?;
        transcript::put(context, &self.placeholder, Some(&event_id))?;
        Ok(true)
    }
}

#[derive(Deserialize)]
struct Row {
    event_id: EventId,
}

impl ReadProgress {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Vec<ProgressRow>> {
        context.all(
            "SELECT at_ms, line, cost_micros FROM progress WHERE task_id = ?1 ORDER BY seq",
            args![self.task.as_str()],
        )
    }
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    use super::*;
    use crate::tests::{Bed, asks, draft, task};
    use crate::{Draft, Enqueue, OutboxRow, Patch, RecordSent, SentReport, StoredEvent};
    use contracts::event::{Speaker, Stage};
    use contracts::outbox::DeliveryState;

    async fn note(bed: &Bed, event: &StoredEvent, epoch: u32, line: &str) -> bool {
        let placeholder = NewSaid {
            id: "reply".into(),
            conversation: event.conversation.clone(),
            speaker: Speaker::Agent,
            agent: None,
            text: line.into(),
            settled: false,
        };
        let task = TaskId::new(event.id.as_str());
        let line = line.to_owned();
        bed.send(NoteProgress { task, epoch, line, cost_micros: None, placeholder }).await
    }

    fn report(id: &str, revision: u32) -> SentReport {
        SentReport {
            chat: String::new(),
            id: id.to_owned(),
            revision,
            changed_ms: None,
            parts: Vec::new(),
            state: DeliveryState::Sent,
            due_ms: 0,
            quiet_until_ms: None,
            error: None,
        }
    }

    async fn sent(bed: &Bed, id: &str, revision: u32) {
        bed.send(RecordSent(vec![report(id, revision)])).await;
    }

    /// Records that exactly this was sent.
    async fn sent_row(bed: &Bed, row: &OutboxRow) {
        let changed_ms = Some(row.updated_ms);
        let report = SentReport { changed_ms, ..report(&row.id, row.revision) };
        bed.send(RecordSent(vec![report])).await;
    }

    /// An event whose task is leased, and its placeholder, which is not sent yet.
    async fn running() -> (Bed, StoredEvent, Draft) {
        let bed = Bed::new();
        bed.accept("1", "a").await;
        let event = bed.claim().await.remove(0);
        let mut reply = draft("reply", 1);
        reply.event_id = Some(event.id.clone());
        let patch =
            Patch { task: Some(task(&event)), say: vec![reply.clone()], ..Patch::default() };
        bed.to(&event, Stage::Running, patch).await;
        bed.send(asks("g", "*", 1)).await;
        (bed, event, reply)
    }

    #[tokio::test]
    async fn progress_waits_for_everything_else_at_its_address() {
        let (bed, event, _) = running().await;
        let next = async || bed.work(0, 8).await.deliveries.remove(0);
        assert_eq!(next().await.id, "reply");
        sent(&bed, "reply", 1).await;
        bed.clock.advance(5_000);
        assert!(note(&bed, &event, 1, "step 1").await);
        bed.send(Enqueue(draft("question", 1))).await;
        assert_eq!(next().await.id, "question");
        sent(&bed, "question", 1).await;
        let progress = next().await;
        assert_eq!((progress.id.as_str(), progress.text.as_str()), ("reply", "step 1"));
    }

    #[tokio::test]
    async fn progress_that_comes_too_soon_is_shown_later_and_delays_no_answer() {
        let (bed, event, reply) = running().await;
        let due = async || bed.work(0, 8).await.deliveries;
        assert_eq!(due().await.remove(0).id, "reply");
        sent(&bed, "reply", 1).await;
        assert!(note(&bed, &event, 1, "step 1").await);
        bed.clock.advance(4_999);
        assert!(note(&bed, &event, 1, "step 2").await);
        assert!(due().await.is_empty());
        bed.clock.advance(1);
        assert_eq!(due().await.remove(0).text, "step 2");
        sent(&bed, "reply", 1).await;
        assert!(note(&bed, &event, 1, "step 3").await);
        bed.send(Enqueue(Draft { revision: 2, text: "the answer".into(), ..reply })).await;
        assert_eq!(due().await.remove(0).text, "the answer");
    }

    #[tokio::test]
    async fn progress_that_comes_during_a_send_is_shown_at_the_usual_pace() {
        let (bed, event, reply) = running().await;
        let due = async || bed.work(0, 8).await.deliveries;
        let placeholder = due().await.remove(0);
        assert!(note(&bed, &event, 1, "step 1").await, "in the same millisecond");
        bed.clock.advance(1_000);
        assert!(note(&bed, &event, 1, "step 2").await);
        assert!(due().await.is_empty(), "it is still being sent");
        sent_row(&bed, &placeholder).await;
        bed.clock.advance(4_999);
        assert!(due().await.is_empty());
        bed.clock.advance(1);
        let edit = due().await.remove(0);
        assert_eq!(edit.text, "step 2");
        sent_row(&bed, &edit).await;
        bed.clock.advance(60_000);
        assert!(due().await.is_empty(), "it is shown, and once");

        assert!(note(&bed, &event, 1, "step 3").await);
        let edit = due().await.remove(0);
        assert!(note(&bed, &event, 1, "step 4").await);
        bed.send(Enqueue(Draft { revision: 2, text: "the answer".into(), ..reply })).await;
        sent_row(&bed, &edit).await;
        assert_eq!(due().await.remove(0).text, "the answer", "it waits for no pace");
    }

    #[tokio::test]
    async fn progress_keeps_the_newest_lines_of_the_lease_that_runs() {
        let bed = Bed::new();
        bed.accept("1", "a").await;
        let event = bed.claim().await.remove(0);
        let patch = Patch { task: Some(task(&event)), ..Patch::default() };
        bed.to(&event, Stage::Running, patch).await;
        assert!(!note(&bed, &event, 1, "before the lease").await);
        bed.send(asks("g", "*", 1)).await;
        for number in 1..=50 {
            assert!(note(&bed, &event, 1, &format!("step {number}")).await);
        }
        assert!(!note(&bed, &event, 2, "of another lease").await);
        let task = TaskId::new(event.id.as_str());
        let lines = bed.send(ReadProgress { task: task.clone() }).await;
        let ends = lines.first().zip(lines.last()).map(|(a, b)| (&*a.line, &*b.line));
        assert_eq!((lines.len(), ends), (40, Some(("step 11", "step 50"))));
        let (event, ..) = bed.get(&event.id).await;
        bed.to(&event, Stage::Done, Patch::default()).await;
        assert!(!note(&bed, &event, 1, "after the end").await);
    }
}
