//! The end of a run, and the step that it means for its event.

use super::{Context, Step, TaskState, advance, args, run_log, sessions, tasks};
use contracts::TaskId;
use contracts::approval::Outcome;
use contracts::run_log::RunLog;
use contracts::task::BackendSession;
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// A run's end as it was reported, with the step it means for its event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FinishRun {
    pub task: TaskId,
    pub epoch: u32,
    pub outcome: Outcome,
    pub text: String,
    /// The backend's session, for the next run.
    #[serde(default)]
    pub session: Option<BackendSession>,
    #[serde(default)]
    pub log: Option<RunLog>,
    pub event_version: u32,
    pub step: Step,
}

/// Result of ending a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finish {
    /// Recorded now.
    First,
    /// The same end was recorded before.
    Again,
    /// A newer lease, or no such lease.
    Stale,
    /// The event moved while the result was on its way: read it again.
    EventMoved,
}

impl FinishRun {
    /// Records a run's end and moves its event in one go. A report of the newest epoch is taken
    /// even after its lease ran out, as long as nothing else was decided meanwhile: the work is
    /// done and its answer is worth having.
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Finish> {
        let Some(row) = tasks::get(context, &self.task)? else { return Ok(Finish::Stale) };
        if row.epoch != self.epoch {
            return Ok(Finish::Stale);
        }
        if row.state == TaskState::Done {
            let same = row.outcome.as_deref() == Some(self.outcome.as_str());
            return Ok(if same { Finish::Again } else { Finish::Stale });
        }
        if row.state != TaskState::Leased {
            return Ok(Finish::Stale);
        }
        if !advance::apply(context, &row.event_id, self.event_version, self.step)? {
            return Ok(Finish::EventMoved);
        }
        context.exec(
            "UPDATE task SET state = 'done', outcome = ?2, text = ?3 WHERE id = ?1",
            args![self.task.as_str(), self.outcome.as_str(), &self.text],
        )?;
        if let Some(session) = &self.session {
            sessions::keep(context, &row, session)?;
        }
        run_log::keep(context, &row.event_id, &self.task, self.log)?;
        Ok(Finish::First)
    }
}
