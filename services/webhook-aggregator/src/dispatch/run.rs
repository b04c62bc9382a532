//! Approved → Running: the task is put up for lease; Running: looks after leases that ran out.

use super::place;
use super::stand_in::stand_in;
use crate::ended_by::{self, HALTED};
use crate::steps::{Stop, message_in_context, port, say, to};
use crate::{Deps, about, control, files, pool};
use contracts::approval::{GivenUp, GivenUpAnswer, GivenUpRequest};
use contracts::calls::personal_assistant::ReportGivenUp;
use contracts::event::{Speaker, Stage, TranscriptLine};
use contracts::outbox::{Buttons, Target};
use contracts::routing::{OutcomeReport, PoolOutcome};
use contracts::task::{TaskContext, Turn};
use contracts::{AgentId, ApprovalId, Micros, Shard, TaskId};
use inbox::{
    EventData, GetTask, InboxExt, NewTask, Patch, PrepareRun, ReadProgress, Step, StoredEvent,
    TaskRow, TaskState, stop_button,
};
use platform::ports::PortResult;

/// A task nobody leases is looked at this often.
const LOOK_AGAIN_MS: i64 = 60_000;
/// So long a task waits for a gateway to come back.
const WAIT_MS: i64 = 24 * 3_600_000;
/// When nobody has taken a task for this long, the person is told.
const TELL_AFTER_MS: i64 = 45_000;
/// Maximum bytes of the earlier turns that a run is handed; maximum characters of one.
const HISTORY_BYTES_MAX: usize = 16 << 10;
const TURN_CHARS_MAX: usize = 4_000;
/// A message is begun this often at most.
pub(super) const RUNS_MAX: u32 = 4;
/// A task that is leased and never begun is handed out this often at most.
const LEASES_MAX: u32 = 10;

pub(super) async fn approved(deps: &Deps, event: &StoredEvent) -> Result<Step, Stop> {
    let agent = event.agent.clone().ok_or_else(|| Stop::Never("approved for nobody".to_owned()))?;
    let (Some(approval_id), Some(digest)) = (event.approval_id.clone(), event.digest.clone())
    else {
        return Err(Stop::Never("approved without an approval".to_owned()));
    };
    let conversation = event.conversation.clone();
    let turns = deps.config.agents.agent(&agent).history;
    // An agent that works for a known sender must not take the words of others for theirs.
    let without_public = !event.origin.public_only;
    let prepare = PrepareRun { conversation, lines: turns.saturating_mul(4), without_public };
    let prepared = port(deps.inbox.ask(&event.shard, prepare).await)?;
    let addressed = event.data.taken_back_from.iter().chain([&agent]);
    let message = without_address(&message_in_context(event), addressed);
    let about = about::of_installation(deps, event, &agent, &message).await;
    let task = NewTask {
        id: event.current_task(),
        message: files::with_files(&message, event),
        context: TaskContext {
            channel: Some(event.channel.clone()),
            conversation: Some(event.conversation.0.clone()),
            event_id: Some(event.id.clone()),
            skill_files: event.data.skill_files.clone(),
            reason: event.data.reason.clone(),
            history: history(event, prepared.lines, turns),
            attachments: files::of_message(event),
            about,
            ..TaskContext::default()
        },
        agent: agent.clone(),
        approval_id,
        digest,
        cost_limit: event.cost_limit.unwrap_or(0),
        place: place::place(deps, event, &agent, prepared.gateways).await,
    };
    // When the gateway that it is kept for does not come, the others are called.
    let due_ms = if task.place.gateway.is_some() {
        task.place.until_ms
    } else {
        deps.clock.now_ms() + TELL_AFTER_MS
    };
    // Another program, or another price, is said before it runs.
    let placeholder = format!(
        "{}{}",
        stand_in(deps, event, &agent),
        placeholder(&agent, Micros(task.cost_limit))
    );
    let mut patch = Patch {
        task_id: Some(task.id.clone()),
        task: Some(task),
        ..say(event, Some(&agent), &placeholder, false)
    };
    // A press is looked up in the inbox of the endpoint that it comes from.
    if !event.origin.posted {
        let stops = Buttons::one("Stop", stop_button(&event.id));
        patch.say.iter_mut().for_each(|draft| draft.buttons = Some(stops.clone()));
    } else if !edits(deps, &event.origin.target) {
        // Without a button it would be a message of its own, and each line of progress another.
        patch.say.clear();
    }
    Ok(to(Stage::Running, None, patch, due_ms))
}

/// Whether a sent message of this chat can be changed.
fn edits(deps: &Deps, target: &Target) -> bool {
    let endpoint = deps.config.endpoint(&target.channel, &target.endpoint);
    let connection = endpoint.and_then(|endpoint| endpoint.connection.as_ref());
    connection.is_none_or(|connection| connection.edits())
}

/// The message in place of the answer while the run goes on.
fn placeholder(agent: &AgentId, cost_limit: Micros) -> String {
    match cost_limit {
        Micros::ZERO => format!("Working on it ({agent}) …"),
        limit => format!("Working on it ({agent}, about {limit}) …"),
    }
}

/// The placeholder of a run that said this: the line, its time so far, and its cost so far.
pub(crate) fn placeholder_with(
    row: &TaskRow,
    line: &str,
    cost: Option<Micros>,
    now_ms: i64,
) -> String {
    let first = placeholder(&row.agent, row.cost_limit);
    let seconds = (now_ms - row.leased_ms.unwrap_or(now_ms)).max(0) / 1000;
    let time = match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    };
    let cost = cost.filter(|cost| *cost > Micros::ZERO);
    let cost = cost.map(|cost| format!(" · {cost} so far")).unwrap_or_default();
    format!("{first}\n\n{line}\n\n{time}{cost}")
}

/// `@codegen fix it` and `/codegen fix it` reach codegen as `fix it`, and so does the agent it is
/// reassigned to.
fn without_address<'a>(text: &str, mut agents: impl Iterator<Item = &'a AgentId>) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    let name = first.trim_start_matches(['@', '/']).trim_end_matches([':', ',']);
    let rest = text.trim_start().get(first.len()..).unwrap_or_default().trim();
    let addressed = first.starts_with(['@', '/'])
        && agents.any(|agent| name.eq_ignore_ascii_case(agent.as_str()))
        && !rest.is_empty();
    if addressed { rest.to_owned() } else { text.to_owned() }
}

/// The last `turns` before this event's own that fit, oldest first. A message that came later waits
/// for its own turn, and a command to Quintet is no part of the talk.
fn history(event: &StoredEvent, lines: Vec<TranscriptLine>, turns: u32) -> Vec<Turn> {
    let of_event = |line: &&TranscriptLine| line.event_id.as_ref() == Some(&event.id);
    let own = lines.iter().filter(of_event).map(|line| line.seq).min().unwrap_or(i64::MAX);
    let counts = |line: &TranscriptLine| match line.speaker {
        Speaker::System => false,
        Speaker::User => {
            line.seq < own
                && control::parse(&line.text).is_none()
                && !control::is_stop_word(&line.text)
        }
        Speaker::Agent => line.settled,
    };
    let earlier =
        lines.iter().rev().filter(|line| line.event_id.as_ref() != Some(&event.id) && counts(line));
    let mut room = HISTORY_BYTES_MAX;
    let mut history: Vec<Turn> = earlier
        .take(turns as usize)
        .map_while(|line| {
            let text = platform::text::short(&line.text, TURN_CHARS_MAX);
            room = room.checked_sub(text.len())?;
            Some(Turn { speaker: line.speaker, agent: line.agent.clone(), text })
        })
        .collect();
    history.reverse();
    history
}

/// One task.
async fn task_of(deps: &Deps, shard: &Shard, task: &TaskId) -> PortResult<Option<TaskRow>> {
    deps.inbox.ask(shard, GetTask { task: task.clone() }).await
}

pub(super) async fn running(deps: &Deps, event: &StoredEvent) -> Result<Step, Stop> {
    let task = event.task_id.clone().unwrap_or_else(|| event.current_task());
    let row = port(task_of(deps, &event.shard, &task).await)?
        .ok_or_else(|| Stop::Never("its task is gone".to_owned()))?;
    let now = deps.clock.now_ms();
    match row.state {
        TaskState::Leased if row.lease_until_ms > now => {
            Ok(Step::Wait { due_ms: row.lease_until_ms + 1 })
        }
        TaskState::Leased => lost(deps, event, &row).await,
        TaskState::Queued if now - row.created_ms > WAIT_MS => {
            let patch = Patch {
                reason: Some("no_gateway".to_owned()),
                ..say(
                    event,
                    None,
                    "No machine was online for this agent for a day, so this was not done.",
                    true,
                )
            };
            Ok(to(Stage::Expired, None, patch, 0))
        }
        TaskState::Queued if now - row.created_ms < TELL_AFTER_MS => {
            deps.signal.notify(pool::WAITING);
            Ok(Step::Wait { due_ms: row.created_ms + TELL_AFTER_MS })
        }
        TaskState::Queued if !event.data.told_offline => {
            let text = format!(
                "{} is offline. Your message is queued and will start when it is back online.",
                row.agent
            );
            let patch = Patch {
                data: Some(EventData { told_offline: true, ..event.data.clone() }),
                ..say(event, None, &text, false)
            };
            Ok(to(
                Stage::Running,
                Some("no gateway has taken it yet".to_owned()),
                patch,
                now + LOOK_AGAIN_MS,
            ))
        }
        _ => Ok(Step::Wait { due_ms: now + LOOK_AGAIN_MS }),
    }
}

/// The current run of an event.
pub(crate) async fn run_of(deps: &Deps, event: &StoredEvent) -> Option<TaskRow> {
    let task = event.task_id.clone().unwrap_or_else(|| event.current_task());
    task_of(deps, &event.shard, &task).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "a lost run could not be read");
        None
    })
}

/// After the commit: the router's pool hears of a run that was lost. A restart of this process ends
/// the leases of its own gateway by itself (until 0), which is no failure of it.
pub(crate) fn tell_of_loss(deps: &Deps, run: TaskRow, outcome: PoolOutcome) {
    // One that waits again was told of when its lease ran out.
    if run.state == TaskState::Leased && run.gateway_id.is_some() && run.lease_until_ms > 0 {
        pool::report(
            deps,
            &OutcomeReport { gateway: run.gateway_id, ..pool::bare(run.agent, outcome) },
        );
    }
}

/// The run begun under an approval by the time its lease of this epoch ended. After that the lease
/// begins nothing.
async fn given_up(deps: &Deps, id: &ApprovalId, epoch: u32) -> Result<GivenUpAnswer, Stop> {
    let request = GivenUpRequest { approval_id: id.clone(), epoch };
    Ok(deps.calls.ask::<ReportGivenUp>(&(), &request).await?)
}

/// The last line of a run whose gateway is gone, for the beginning of its answer.
async fn was_at(deps: &Deps, event: &StoredEvent, row: &TaskRow) -> String {
    let lines = deps.inbox.ask(&event.shard, ReadProgress { task: row.id.clone() }).await;
    let last = lines.unwrap_or_default().pop();
    last.map(|last| format!("It was at: {}\n\n", last.line)).unwrap_or_default()
}

/// The gateway vanished. A run that it never began is requeued under the same approval, or under a
/// new one if that has expired. A run that it began is repeated with a new approval if the agent
/// has no effects; otherwise the owner decides.
async fn lost(deps: &Deps, event: &StoredEvent, row: &TaskRow) -> Result<Step, Stop> {
    let GivenUpAnswer { was, cost } = given_up(deps, &row.approval_id, row.epoch).await?;
    let cost_micros = cost.map(|cost| cost.0);
    let counts = cost.filter(|cost| *cost > Micros::ZERO);
    let counts = counts.map_or_else(String::new, |cost| {
        format!(" It counts as {cost}, unless its machine reports otherwise.")
    });
    if row.stopped || was == GivenUp::Ended {
        let (end, reason) = if row.stopped {
            let who = ended_by::stopped(deps, &event.shard, row).await;
            (format!("{} was stopped. {who}", row.agent), "stopped")
        } else {
            (HALTED.to_owned(), "halted")
        };
        let text = format!("{}{end}{counts}", was_at(deps, event, row).await);
        let reason = Some(reason.to_owned());
        let patch = Patch { reason, cost_micros, ..say(event, Some(&row.agent), &text, true) };
        return Ok(to(Stage::Halted, None, patch, 0));
    }
    if was == GivenUp::Open && row.epoch < LEASES_MAX {
        let note = "leased and never begun; it waits for a gateway again";
        let patch = Patch { requeue: true, ..Patch::default() };
        return Ok(to(
            Stage::Running,
            Some(note.to_owned()),
            patch,
            deps.clock.now_ms() + TELL_AFTER_MS,
        ));
    }
    let begun = was == GivenUp::Begun;
    let careful = begun && deps.config.agents.agent(&row.agent).may_have_effects();
    if careful || event.runs >= RUNS_MAX {
        let text = if begun {
            format!(
                "{}{} was interrupted while working on this. It was not restarted, because it may already have changed something.{counts}",
                was_at(deps, event, row).await,
                row.agent,
            )
        } else {
            "No machine could start this after many attempts, so nothing was done. The message is saved, and the owner can replay it.".to_owned()
        };
        let reason = Some("gateway_lost".to_owned());
        let patch = Patch { reason, cost_micros, ..say(event, None, &text, true) };
        return Ok(to(Stage::Dead, None, patch, 0));
    }
    let note = match was {
        GivenUp::Begun => "the gateway was lost; begun again",
        GivenUp::Lapsed => "no gateway began it while its approval was valid; approved anew",
        GivenUp::Open | GivenUp::Ended => "handed out many times and never begun; approved anew",
    };
    // Who came too late for an approval has not failed.
    let blameless = was == GivenUp::Lapsed;
    let patch = Patch { new_run: true, blameless, cost_micros, ..Patch::default() };
    Ok(to(Stage::Routed, Some(note.to_owned()), patch, deps.clock.now_ms()))
}
