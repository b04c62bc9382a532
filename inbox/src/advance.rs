//! The end of a step: the event moves, or waits, or is tried again; what it says and hands out goes
//! along in the same transaction.

use super::{
    Context, Draft, EventData, NewSaid, NewTask, StoredEvent, args, claim, json, outbox, tasks,
    transcript,
};
use contracts::event::Stage;
use contracts::{AgentId, ApprovalId, DecisionId, EventId, TaskId};
use platform::ports::{PortResult, SqlValue};
use serde::{Deserialize, Serialize};

/// Ends the step of a claimed event; `version` is the one that was claimed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Advance {
    pub event: EventId,
    pub version: u32,
    pub step: Step,
    /// Claims the event for its next step too, for this long, if its lane is free.
    pub keep_ms: Option<i64>,
}

/// Result of ending a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Advanced {
    /// False when the event had moved on since it was claimed, and nothing was changed.
    pub moved: bool,
    /// The event, when it was claimed for its next step.
    pub claimed: Option<StoredEvent>,
    /// Something else in this inbox is due now.
    pub more: bool,
}

/// Result of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Step {
    /// On to a stage (perhaps the same one, to change what is kept), due at `due_ms` unless the
    /// stage is an end.
    To { stage: Stage, note: Option<String>, patch: Box<Patch>, due_ms: i64 },
    /// The same stage again later; the failure is kept in the history.
    Retry { error: String, due_ms: i64 },
    /// Nothing new: look again later.
    Wait { due_ms: i64 },
}

/// Changes besides the stage; `None` leaves a member unchanged.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Patch {
    pub reason: Option<String>,
    pub agent: Option<AgentId>,
    pub decision_id: Option<DecisionId>,
    pub task_id: Option<TaskId>,
    pub approval_id: Option<ApprovalId>,
    pub digest: Option<String>,
    pub cost_limit: Option<i64>,
    /// The cost of a run that ended; added to that of earlier runs.
    pub cost_micros: Option<i64>,
    /// Replaces what the conductor learnt about the event.
    pub data: Option<EventData>,
    /// Begins a new run of the event.
    pub new_run: bool,
    /// The task of this run was leased and never begun: it waits for a gateway again.
    pub requeue: bool,
    /// Tells the caller that the gateway of the task is not to blame. Not stored.
    #[serde(skip)]
    pub blameless: bool,
    /// A task for a gateway.
    pub task: Option<NewTask>,
    /// Messages to deliver.
    pub say: Vec<Draft>,
    /// Lines for the transcript.
    pub said: Vec<NewSaid>,
}

impl Advance {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Advanced> {
        let moved = apply(context, &self.event, self.version, self.step)?;
        let claimed = match self.keep_ms.filter(|_| moved) {
            Some(lease_ms) => claim::claim_one(context, &self.event, lease_ms)?,
            None => None,
        };
        let more = claimed.is_none() && claim::is_more(context)?;
        Ok(Advanced { moved, claimed, more })
    }
}

/// Applies a step when the event still has this version.
pub(super) fn apply(
    context: &Context<'_>,
    event: &EventId,
    version: u32,
    step: Step,
) -> PortResult<bool> {
    let id = event.as_str();
    let current = context.number("SELECT version FROM event WHERE id = ?1", args![id])?;
    if current != i64::from(version) {
        return Ok(false);
    }
    match step {
        Step::Wait { due_ms } => release(context, id, due_ms)?,
        Step::Retry { error, due_ms } => {
            context.exec(
                "INSERT INTO stage (event_id, at_ms, stage, error, retry_ms) SELECT id, ?2, state, ?3, ?4 FROM event WHERE id = ?1",
                args![id, context.now_ms, error, due_ms],
            )?;
            context.exec(
                "UPDATE event SET attempts = attempts + 1, updated_ms = ?2 WHERE id = ?1",
                args![id, context.now_ms],
            )?;
            release(context, id, due_ms)?;
        }
        Step::To { stage, note, patch, due_ms } => to(context, event, stage, note, *patch, due_ms)?,
    }
    Ok(true)
}

/// The step's own due time, unless a wake came during the step: a claimed event is due at its
/// lease's end, so a due earlier time was set by a wake, whose cause this step may not have seen.
const DUE_AFTER_STEP: &str =
    "CASE WHEN lease_ms > 0 AND due_ms < lease_ms THEN MIN(due_ms, ?2) ELSE ?2 END";

/// Ends the step's lease.
fn release(context: &Context<'_>, id: &str, due_ms: i64) -> PortResult<()> {
    context.exec(
        &format!("UPDATE queue SET due_ms = {DUE_AFTER_STEP}, lease_ms = 0 WHERE event_id = ?1"),
        args![id, due_ms],
    )?;
    Ok(())
}

fn to(
    context: &Context<'_>,
    event: &EventId,
    stage: Stage,
    note: Option<String>,
    patch: Patch,
    due_ms: i64,
) -> PortResult<()> {
    let id = event.as_str();
    update(context, id, stage, &patch)?;
    context.exec(
        "INSERT INTO stage (event_id, at_ms, stage, note) VALUES (?1, ?2, ?3, ?4)",
        args![id, context.now_ms, stage.as_str(), note.or_else(|| patch.reason.clone())],
    )?;
    if stage.is_final() {
        context.exec("DELETE FROM queue WHERE event_id = ?1", args![id])?;
    } else {
        context
            .exec(&format!("UPDATE queue SET state = ?3, due_ms = {DUE_AFTER_STEP}, lease_ms = 0 WHERE event_id = ?1"), args![id, due_ms, stage.as_str()])?;
    }
    tasks::close(context, event, patch.new_run, stage.is_final())?;
    if stage.is_final() || stage == Stage::Answered {
        tasks::tell_of_end(context, event)?;
    }
    if stage.is_final() {
        tasks::forget_stop(context, event)?;
    }
    if patch.requeue {
        tasks::requeue(context, event)?;
    }
    if let Some(task) = &patch.task {
        tasks::insert(context, event, task)?;
    }
    for draft in &patch.say {
        outbox::put(context, draft)?;
    }
    for line in &patch.said {
        transcript::put(context, line, Some(event))?;
    }
    Ok(())
}

fn update(context: &Context<'_>, id: &str, stage: Stage, patch: &Patch) -> PortResult<()> {
    let data = patch.data.as_ref().map(json).transpose()?;
    let answered = matches!(stage, Stage::Answered).then_some(context.now_ms);
    context.exec(
        "UPDATE event SET state = ?2, version = version + 1, updated_ms = ?3, attempts = 0,
            reason = ?4, agent = COALESCE(?5, agent), decision_id = COALESCE(?6, decision_id), task_id = COALESCE(?7, task_id),
            approval_id = COALESCE(?8, approval_id), digest = COALESCE(?9, digest), cost_limit = COALESCE(?10, cost_limit),
            cost_micros = COALESCE(cost_micros + ?11, ?11, cost_micros), data = COALESCE(?12, data), runs = runs + ?13, answered_ms = COALESCE(?14, answered_ms)
         WHERE id = ?1",
        &[
            SqlValue::from(id),
            stage.as_str().into(),
            context.now_ms.into(),
            patch.reason.clone().into(),
            patch.agent.as_ref().map(contracts::AgentId::as_str).into(),
            patch.decision_id.as_ref().map(contracts::DecisionId::as_str).into(),
            patch.task_id.as_ref().map(contracts::TaskId::as_str).into(),
            patch.approval_id.as_ref().map(contracts::ApprovalId::as_str).into(),
            patch.digest.clone().into(),
            patch.cost_limit.into(),
            patch.cost_micros.into(),
            data.into(),
            patch.new_run.into(),
            answered.into(),
        ],
    )?;
    Ok(())
}

/// Puts an ended event, whose state is set already, back into its lane, due at once, with a line of
/// its history.
pub(super) fn reopen(context: &Context<'_>, id: &str, note: &str) -> PortResult<()> {
    context.exec(
        "INSERT OR REPLACE INTO queue (event_id, seq, shard, lane, control, state, due_ms)
         SELECT id, seq, shard, conversation, control, state, ?2 FROM event WHERE id = ?1",
        args![id, context.now_ms],
    )?;
    context.exec(
        "INSERT INTO stage (event_id, at_ms, stage, note) SELECT id, ?2, state, ?3 FROM event WHERE id = ?1",
        args![id, context.now_ms, note],
    )?;
    Ok(())
}
