//! The end of the log of a run's program. An event keeps that of its newest run that has ended, so
//! that repeated runs fill no disk.

use super::{Context, args};
use contracts::run_log::RunLog;
use contracts::{EventId, TaskId};
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// The log of an event's newest run that has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadLog {
    pub event: EventId,
}

/// A log as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRow {
    pub task_id: TaskId,
    pub at_ms: i64,
    pub text: String,
    pub left_out_bytes: u64,
}

/// Keeps the log of a run in the place of the one before; without one, none is kept.
pub(super) fn keep(
    context: &Context<'_>,
    event: &EventId,
    task: &TaskId,
    log: Option<RunLog>,
) -> PortResult<()> {
    let Some(RunLog { text, left_out_bytes }) = log.and_then(RunLog::bounded) else {
        context.exec("DELETE FROM run_log WHERE event_id = ?1", args![event.as_str()])?;
        return Ok(());
    };
    let left_out = i64::try_from(left_out_bytes).unwrap_or(i64::MAX);
    context.exec(
        "INSERT INTO run_log (event_id, task_id, at_ms, text, left_out_bytes)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (event_id) DO UPDATE SET task_id = excluded.task_id, at_ms = excluded.at_ms,
            text = excluded.text, left_out_bytes = excluded.left_out_bytes",
        args![event.as_str(), task.as_str(), context.now_ms, text, left_out],
    )?;
    Ok(())
}

impl ReadLog {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Option<LogRow>> {
        context.one(
            "SELECT task_id, at_ms, text, left_out_bytes FROM run_log WHERE event_id = ?1",
            args![self.event.as_str()],
        )
    }
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    use super::*;
    use crate::tests::{Bed, asks, task};
    use crate::{Finish, FinishRun, Forget, Patch, Replay, Step, StoredEvent};
    use contracts::approval::Outcome;
    use contracts::event::Stage;
    use contracts::run_log::LOG_BYTES_MAX;

    /// Leases the run of this event and ends it with this log.
    async fn run(bed: &Bed, event: &StoredEvent, id: &str, log: Option<RunLog>) -> Finish {
        let mut task = task(event);
        task.id = TaskId::new(id);
        bed.to(event, Stage::Running, Patch { task: Some(task), ..Patch::default() }).await;
        bed.send(asks("g", "*", 1)).await;
        end(bed, &event.id, id, log).await
    }

    async fn end(bed: &Bed, event: &EventId, id: &str, log: Option<RunLog>) -> Finish {
        let (event, ..) = bed.get(event).await;
        bed.send(FinishRun {
            task: TaskId::new(id),
            epoch: 1,
            outcome: Outcome::Failed,
            text: "failed".into(),
            session: None,
            log,
            event_version: event.version,
            step: Step::To { stage: Stage::Failed, note: None, patch: Box::default(), due_ms: 0 },
        })
        .await
    }

    fn log(text: &str) -> RunLog {
        RunLog { text: text.into(), left_out_bytes: 0 }
    }

    #[tokio::test]
    async fn log_of_a_run_is_kept_with_its_end_and_bounded() {
        let bed = Bed::new();
        bed.accept("1", "a").await;
        let event = bed.claim().await.remove(0);
        let read = async || bed.send(ReadLog { event: event.id.clone() }).await;
        assert_eq!(read().await, None);
        let long = format!("{}\nerror: it broke", "x".repeat(LOG_BYTES_MAX));
        assert_eq!(run(&bed, &event, event.id.as_str(), Some(log(&long))).await, Finish::First);
        let kept = read().await.map(|row| (row.task_id.0, row.text, row.left_out_bytes));
        let left_out = LOG_BYTES_MAX as u64 + 1;
        assert_eq!(kept, Some((event.id.0.clone(), "error: it broke".into(), left_out)));
        assert_eq!(
            end(&bed, &event.id, event.id.as_str(), Some(log("again"))).await,
            Finish::Again
        );
        assert_eq!(read().await.map(|row| row.text), Some("error: it broke".into()));
    }

    #[tokio::test]
    async fn log_of_a_new_run_replaces_the_one_before_and_goes_with_its_event() {
        let bed = Bed::new();
        bed.accept_public("1", "a").await;
        let event = bed.claim().await.remove(0);
        run(&bed, &event, event.id.as_str(), Some(log("first"))).await;
        let read = async || bed.send(ReadLog { event: event.id.clone() }).await;
        for (number, text) in [(1, Some("second")), (2, None), (3, Some("last"))] {
            bed.send(Replay { event: event.id.clone(), actor: "owner".into() }).await;
            let event = bed.claim().await.remove(0);
            let id = format!("{}~{number}", event.id);
            run(&bed, &event, &id, text.map(log)).await;
            let kept = read().await;
            let expected = text.map(|text| (id, text.to_owned()));
            assert_eq!(kept.map(|row| (row.task_id.0, row.text)), expected);
        }
        bed.clock.advance(9 * 24 * 3_600_000);
        let events = vec![event.id.clone()];
        bed.send(Forget { events, later: Vec::new(), ended_before_ms: i64::MAX }).await;
        assert_eq!((bed.inbox.rows("event"), bed.inbox.rows("run_log")), (0, 0));
    }
}
