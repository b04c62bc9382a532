//! A stop from the chat: ends what runs in this conversation, else what waits in it. Unlike a halt
//! it forbids nothing that comes after it.

use crate::Deps;
use crate::dispatch::{choice, reject, speaks_for};
use crate::steps::{open_where, say, to};
use contracts::event::Stage;
use contracts::{EventId, Micros};
use inbox::{
    EventData, GetTask, InboxExt, Patch, Step, StopEvent, StopPress, Stopping, StoredEvent, Waiting,
};
use platform::ports::PortResult;

const INVALID: &str = "This button is no longer valid.";
const MOVES: &str = "Its state just changed. Press again.";
const NOT_ALLOWED: &str = "Only its sender or an approver can stop this.";
/// A message that moves while it is being stopped is read again this often.
const RACES_MAX: usize = 8;
/// A stop looks again at runs that have not ended; their end wakes it sooner.
const LOOK_AGAIN_MS: i64 = 10_000;
/// A running gateway listens to this signal and renews at once.
const HALTS: &str = "halts";

/// The next step of a stop: first it ends or marks, then it waits for the runs and tells their
/// cost.
pub(crate) async fn advance(deps: &Deps, stop: &StoredEvent) -> PortResult<Step> {
    if !stop.data.stops.is_empty() {
        return tell_end(deps, stop).await;
    }
    let mut ended = Vec::new();
    for _ in 0..RACES_MAX {
        let open = open_before(deps, stop).await?;
        if open.is_empty() {
            break;
        }
        let Some(targets) = targets(stop, &open) else {
            return Ok(done(stop, NOT_ALLOWED));
        };
        let mut marked = Vec::new();
        let mut moved = false;
        for target in targets {
            match end(deps, stop, target, None).await? {
                Stopping::Ended => ended.push(target.id.clone()),
                Stopping::Marked => marked.push(target.clone()),
                Stopping::Moved => moved = true,
            }
        }
        if !marked.is_empty() {
            deps.signal.notify(HALTS);
            return Ok(wait_for(deps, stop, &marked));
        }
        if !moved {
            break;
        }
    }
    if ended.is_empty() {
        return Ok(done(stop, "Nothing is running here."));
    }
    let (spent, ..) = outcome(deps, &ended).await?;
    let cost = if spent == Micros::ZERO {
        "Stopped before it started; it cost nothing.".to_owned()
    } else {
        format!("Stopped. It had spent {spent}.")
    };
    Ok(done(stop, &with_rest(deps, stop, cost).await?))
}

/// A press on a button of a stop; the text for the presser. The run's own message tells its end.
pub(crate) async fn pressed(
    deps: &Deps,
    press: &StoredEvent,
    asked: &StopPress,
) -> PortResult<String> {
    match asked {
        StopPress::Stop(id) => pressed_stop(deps, press, id).await,
        StopPress::Instead(waiting) => pressed_instead(deps, press, waiting).await,
        StopPress::After(waiting) => Ok(match waits(deps, press, waiting).await? {
            Ok(_) => "It comes after this.".to_owned(),
            Err(why) => why.to_owned(),
        }),
    }
}

/// An event of the chat in which this was pressed.
async fn here(deps: &Deps, press: &StoredEvent, id: &EventId) -> PortResult<Option<StoredEvent>> {
    let found = deps.event(id).await?.map(|(event, ..)| event);
    Ok(found.filter(|event| event.origin.target.chat == press.origin.target.chat))
}

/// The run that a message waits for, or why a press on its buttons does nothing.
async fn waits(
    deps: &Deps,
    press: &StoredEvent,
    Waiting { run, number, message }: &Waiting,
) -> PortResult<Result<StoredEvent, &'static str>> {
    let (run, message) = (here(deps, press, run).await?, here(deps, press, message).await?);
    let Some((run, message)) = run.zip(message) else { return Ok(Err(INVALID)) };
    if run.conversation != message.conversation {
        return Ok(Err(INVALID));
    }
    if !matches!(message.state, Stage::Received | Stage::Routed | Stage::Approved) {
        return Ok(Err("This message does not wait any more."));
    }
    if run.state != Stage::Running || run.runs != *number {
        return Ok(Err("That run has ended already, so nothing was stopped."));
    }
    Ok(Ok(run))
}

async fn pressed_instead(
    deps: &Deps,
    press: &StoredEvent,
    waiting: &Waiting,
) -> PortResult<String> {
    for _ in 0..RACES_MAX {
        let run = match waits(deps, press, waiting).await? {
            Ok(run) => run,
            Err(why) => return Ok(why.to_owned()),
        };
        if !speaks_for(press, &run) {
            return Ok(NOT_ALLOWED.to_owned());
        }
        match end(deps, press, &run, Some(&waiting.message)).await? {
            Stopping::Ended => return Ok("Stopped before it started; this comes next.".to_owned()),
            Stopping::Marked => {
                deps.signal.notify(HALTS);
                return Ok(format!("Stopping {}; this comes next …", named(&run)));
            }
            Stopping::Moved => {}
        }
    }
    Ok(MOVES.to_owned())
}

fn named(run: &StoredEvent) -> &str {
    run.agent.as_ref().map_or("it", |agent| agent.as_str())
}

async fn pressed_stop(deps: &Deps, press: &StoredEvent, id: &EventId) -> PortResult<String> {
    for _ in 0..RACES_MAX {
        let Some(event) = here(deps, press, id).await? else {
            return Ok(INVALID.to_owned());
        };
        if !speaks_for(press, &event) {
            return Ok(NOT_ALLOWED.to_owned());
        }
        if event.state.is_final() || event.state == Stage::Answered {
            return Ok("It has ended already.".to_owned());
        }
        match end(deps, press, &event, None).await? {
            Stopping::Ended => return Ok("Stopped before it started.".to_owned()),
            Stopping::Marked => {
                deps.signal.notify(HALTS);
                return Ok(format!("Stopping {} …", named(&event)));
            }
            Stopping::Moved => {}
        }
    }
    Ok(MOVES.to_owned())
}

fn done(stop: &StoredEvent, text: &str) -> Step {
    to(Stage::Done, None, say(stop, None, text, true), 0)
}

/// The open messages of the conversation from before the stop.
async fn open_before(deps: &Deps, stop: &StoredEvent) -> PortResult<Vec<StoredEvent>> {
    let mut open = deps.inbox.ask(&stop.shard, open_where(stop)).await?;
    open.retain(|open| open.seq < stop.seq);
    Ok(open)
}

/// The run, else everything that waits. `None`: nothing of it is this sender's to stop.
fn targets<'a>(stop: &StoredEvent, open: &'a [StoredEvent]) -> Option<Vec<&'a StoredEvent>> {
    let own: Vec<_> = open.iter().filter(|open| speaks_for(stop, open)).collect();
    let runs: Vec<_> = own.iter().copied().filter(|own| own.state == Stage::Running).collect();
    let targets = if runs.is_empty() { own } else { runs };
    (!targets.is_empty()).then_some(targets)
}

/// `then`: the waiting message that goes on first.
async fn end(
    deps: &Deps,
    stop: &StoredEvent,
    target: &StoredEvent,
    then: Option<&EventId>,
) -> PortResult<Stopping> {
    let text = if target.sender == stop.sender {
        "You stopped this before it started."
    } else {
        "An approver stopped this before it started."
    };
    let patch = Patch { reason: Some("stopped".to_owned()), ..say(target, None, text, true) };
    let command = StopEvent {
        event: target.id.clone(),
        version: target.version,
        by: stop.id.clone(),
        ended: to(Stage::Refused, Some("stopped from the chat".to_owned()), patch, 0),
        then: then.cloned(),
    };
    let stopping = deps.inbox.ask(&target.shard, command).await?;
    if stopping == Stopping::Ended {
        let asked = target.state == Stage::Parked && !choice::is_open(target);
        if let Some(approval) = target.approval_id.as_ref().filter(|_| asked) {
            reject(deps, stop, approval, "It was stopped from the chat.").await;
        }
        deps.notify_conversation(target.conversation.as_str());
        deps.notify_event(&target.id);
    }
    Ok(stopping)
}

/// The runs are told; the answer comes when they have ended.
fn wait_for(deps: &Deps, stop: &StoredEvent, runs: &[StoredEvent]) -> Step {
    let agents: Vec<_> = runs.iter().filter_map(|run| run.agent.as_ref()).collect();
    let first = agents.first().map_or("it", |agent| agent.as_str());
    let stops = runs.iter().map(|run| run.id.clone()).collect();
    let patch = Patch {
        data: Some(EventData { stops, ..stop.data.clone() }),
        ..say(stop, None, &format!("Stopping {first} …"), false)
    };
    let note = Some("its gateway is told".to_owned());
    to(Stage::Received, note, patch, deps.clock.now_ms() + LOOK_AGAIN_MS)
}

async fn tell_end(deps: &Deps, stop: &StoredEvent) -> PortResult<Step> {
    for id in &stop.data.stops {
        let runs = deps.event(id).await?.is_some_and(|(event, ..)| event.state == Stage::Running);
        if runs {
            return Ok(Step::Wait { due_ms: deps.clock.now_ms() + LOOK_AGAIN_MS });
        }
    }
    let (spent, was_stopped, is_known) = outcome(deps, &stop.data.stops).await?;
    let text = match (was_stopped, is_known) {
        (true, true) => format!("Stopped. It had spent {spent}."),
        (false, true) => format!("It ended before the stop reached it. It spent {spent}."),
        (true, false) => format!("Stopped. Its cost is unknown; {spent} counts."),
        (false, false) => {
            format!("It ended before the stop reached it. Its cost is unknown; {spent} counts.")
        }
    };
    Ok(done(stop, &with_rest(deps, stop, text).await?))
}

/// The cost of these messages, whether their runs ended by the stop, and whether the cost is known.
async fn outcome(deps: &Deps, events: &[EventId]) -> PortResult<(Micros, bool, bool)> {
    let (mut spent, mut was_stopped, mut is_known) = (Micros::ZERO, true, true);
    for id in events {
        let Some((event, ..)) = deps.event(id).await? else { continue };
        spent = spent.plus(Micros(event.cost_micros.unwrap_or(0)));
        is_known &= !event.data.cost_unknown;
        let task = event.task_id.clone().unwrap_or_else(|| event.current_task());
        let row = deps.inbox.ask(&event.shard, GetTask { task }).await?;
        let outcome = row.and_then(|row| row.outcome);
        was_stopped &= outcome.is_none_or(|outcome| outcome == "cancelled");
    }
    Ok((spent, was_stopped, is_known))
}

/// Names what of the sender still waits.
async fn with_rest(deps: &Deps, stop: &StoredEvent, text: String) -> PortResult<String> {
    let open = open_before(deps, stop).await?;
    let left = open.iter().filter(|open| speaks_for(stop, open)).count();
    Ok(match left {
        0 => text,
        1 => format!("{text} The message after it comes next; write “stop” to end that one too."),
        left => format!("{text} {left} messages after it come next; “stop” ends them too."),
    })
}
