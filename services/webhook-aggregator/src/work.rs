//! The buttons below an answer with changes in a worktree: show the diff, keep, discard. A press is
//! an order for the gateway that has the worktree, and waits for it.

use crate::Deps;
use crate::config::Standing;
use crate::dispatch::speaks_for;
use crate::steps::{answer_press, say, to};
use contracts::approval::Outcome;
use contracts::calls::personal_assistant::CheckHalts;
use contracts::event::Stage;
use contracts::halt::HaltCheck;
use contracts::outbox::{Button, Buttons};
use contracts::task::{ResultRequest, TaskContext, WorkAction, WorkOrder};
use contracts::{ApprovalId, EventId};
use inbox::{
    EventData, GetTask, InboxExt, KeptWork, ListEvents, ListOpen, NewTask, Patch, Placement, Press,
    Step, StoredEvent, TaskRow, TaskState,
};
use platform::ports::{CallError, PortResult};

/// Begins the press data of these buttons: `w1:<ULID>:<letter>`. It needs no secret: only the
/// sender and approvers are obeyed, in the same chat.
const BUTTON: &str = "w1:";
/// When no gateway has taken an order for this long, the person is told.
const TELL_AFTER_MS: i64 = 15_000;
/// Maximum wait for the gateway.
const WAIT_MS: i64 = 7 * 24 * 3_600_000;
const LOOK_AGAIN_MS: i64 = 60_000;
/// Events of a conversation among which the newest change of a worktree is looked for. A person
/// whose button is older asks an approver.
const NEWER_MAX: u32 = 200;
const OLD: &str = "This button is no longer valid.";

const fn letter(action: WorkAction) -> &'static str {
    match action {
        WorkAction::Diff => "s",
        WorkAction::Keep => "k",
        WorkAction::Discard => "d",
    }
}

/// Whether this is the press data of such a button.
pub(crate) fn is_of_work(token: &str) -> bool {
    token.starts_with(BUTTON)
}

/// The message of this inbox and the action that a press names.
fn read(press: &StoredEvent, token: &str) -> Option<(EventId, WorkAction)> {
    let (ulid, pressed) = token.strip_prefix(BUTTON)?.split_once(':')?;
    let action = WorkAction::ALL.into_iter().find(|action| letter(*action) == pressed)?;
    Some((EventId::new(format!("{}.{ulid}", press.shard)), action))
}

/// Adds the buttons to an answer whose run has changed a worktree.
pub(crate) fn offer(event: &StoredEvent, row: &TaskRow, request: &ResultRequest, step: &mut Step) {
    let (Some(worktree), Some(gateway)) = (&request.worktree, &row.gateway_id) else { return };
    let Step::To { patch, stage: Stage::Answered | Stage::Halted, .. } = step else { return };
    let Some((_, ulid)) = event.id.as_str().rsplit_once('.') else { return };
    let button = |action: WorkAction| Button {
        label: action.label().to_owned(),
        data: format!("{BUTTON}{ulid}:{}", letter(action)),
    };
    let more = WorkAction::ALL.map(button).to_vec();
    let buttons = Buttons { approve: String::new(), reject: String::new(), labels: None, more };
    // A press is looked up in the inbox of the endpoint that it comes from.
    if let Some(reply) = patch.say.first_mut().filter(|_| !event.origin.posted) {
        reply.buttons = Some(buttons);
    }
    let data = patch.data.take().unwrap_or_else(|| event.data.clone());
    let work = KeptWork { worktree: worktree.clone(), gateway: gateway.clone() };
    patch.data = Some(EventData { work: Some(work), ..data });
}

/// The next step of a press.
pub(crate) async fn advance(
    deps: &Deps,
    event: &StoredEvent,
    press: &Press,
) -> Result<Step, CallError> {
    Ok(match event.state {
        Stage::Running => waiting(deps, event).await?,
        _ => pressed(deps, event, press).await?,
    })
}

async fn pressed(deps: &Deps, event: &StoredEvent, press: &Press) -> Result<Step, CallError> {
    let ack = |text: &str| {
        let said = answer_press(deps, event, press.callback.clone(), text.to_owned());
        Patch { say: vec![said], ..Patch::default() }
    };
    let done = |text: &str| to(Stage::Done, Some(text.to_owned()), ack(text), 0);
    let Some((id, action)) = read(event, &press.token) else { return Ok(done(OLD)) };
    let here = |of: &StoredEvent| of.origin.target.chat == event.origin.target.chat;
    let found = deps.event(&id).await?.map(|(found, ..)| found).filter(here);
    let Some((of, work)) = found.and_then(|of| Some((of.clone(), of.data.work?))) else {
        return Ok(done(OLD));
    };
    if event.origin.late {
        return Ok(done(OLD));
    }
    if !may_order(deps, event, &of, &work).await? {
        return Ok(done("Only the sender of the newest work there, or an approver, can do that."));
    }
    if action != WorkAction::Diff {
        let endpoint = Some(of.shard.clone());
        let check = HaltCheck { tasks: vec![], agent: of.agent.clone(), endpoint };
        let halted = deps.calls.ask::<CheckHalts>(&(), &check).await?;
        if halted.all {
            return Ok(done("Everything is halted. Press again after the resume."));
        }
        if halted.held {
            let what = if halted.endpoint_held { "chat" } else { "agent" };
            return Ok(done(&format!("This {what} is halted. Press again after the resume.")));
        }
    }
    let list = ListOpen { conversation: of.conversation.0.clone(), with_threads: false };
    let open = deps.inbox.ask(&of.shard, list).await?;
    if open.iter().any(|open| !open.control && open.state == Stage::Running) {
        return Ok(done("The agent is at work here. Press again after its answer."));
    }
    let Some(agent) = of.agent else { return Ok(done(OLD)) };
    let task = NewTask {
        id: event.current_task(),
        agent,
        message: String::new(),
        context: TaskContext {
            order: Some(WorkOrder { worktree: work.worktree, action }),
            ..TaskContext::default()
        },
        approval_id: ApprovalId::new(""),
        digest: String::new(),
        cost_limit: 0,
        place: Placement {
            gateway: Some(work.gateway),
            until_ms: i64::MAX,
            ..Placement::default()
        },
    };
    let text = format!("{} …", action.label());
    let patch = Patch { task_id: Some(task.id.clone()), task: Some(task), ..ack(&text) };
    let due_ms = deps.clock.now_ms() + TELL_AFTER_MS;
    Ok(to(Stage::Running, Some(action.label().to_owned()), patch, due_ms))
}

/// Whether a press may order this: an approver, else someone who is still heard here and sent the
/// message whose run changed the worktree last. An agent goes on in the worktree of a conversation,
/// so that an older button acts on newer work.
async fn may_order(
    deps: &Deps,
    press: &StoredEvent,
    of: &StoredEvent,
    work: &KeptWork,
) -> PortResult<bool> {
    if press.origin.approver {
        return Ok(true);
    }
    let endpoint = deps.config.endpoint(&press.channel, &press.endpoint);
    let heard = endpoint
        .zip(press.sender.as_deref())
        .is_some_and(|(endpoint, user)| endpoint.standing(user) != Standing::Stranger);
    if !heard || !speaks_for(press, of) {
        return Ok(false);
    }
    let list = ListEvents {
        state: None,
        channel: None,
        conversation: Some(of.conversation.0.clone()),
        before: None,
        limit: NEWER_MAX,
    };
    let recent = deps.inbox.ask(&of.shard, list).await?;
    let is_same = |event: &&StoredEvent| {
        event.data.work.as_ref().is_some_and(|other| other.worktree == work.worktree)
    };
    Ok(recent.iter().find(is_same).is_some_and(|newest| speaks_for(press, newest)))
}

async fn waiting(deps: &Deps, event: &StoredEvent) -> PortResult<Step> {
    let task = event.task_id.clone().unwrap_or_else(|| event.current_task());
    let row = deps.inbox.ask(&event.shard, GetTask { task }).await?;
    let now = deps.clock.now_ms();
    let Some(row) = row else {
        return Ok(to(Stage::Done, None, said(event, OLD), 0));
    };
    Ok(match row.state {
        TaskState::Leased if row.lease_until_ms > now => {
            Step::Wait { due_ms: row.lease_until_ms + 1 }
        }
        // Only this gateway has the worktree, and a lease that ended is open to every gateway.
        TaskState::Leased => {
            let text = "Its machine went away while doing this. Press the button again.";
            let reason = Some("gateway_lost".to_owned());
            to(Stage::Failed, None, Patch { reason, ..said(event, text) }, 0)
        }
        TaskState::Queued if now - row.created_ms > WAIT_MS => {
            let text = "Its machine was not online for a week, so nothing was done.";
            to(Stage::Expired, None, said(event, text), 0)
        }
        TaskState::Queued if now - row.created_ms >= TELL_AFTER_MS && !event.data.told_offline => {
            let text = "The machine with this work is offline. It is done when that is back.";
            let data = Some(EventData { told_offline: true, ..event.data.clone() });
            let patch = Patch { data, ..said(event, text) };
            to(Stage::Running, Some("its gateway is away".to_owned()), patch, now + LOOK_AGAIN_MS)
        }
        _ => Step::Wait { due_ms: now + LOOK_AGAIN_MS },
    })
}

/// A message of its own. By a press's interaction it would replace the message with the buttons.
fn said(event: &StoredEvent, text: &str) -> Patch {
    let mut patch = say(event, None, text, true);
    patch.say.iter_mut().for_each(|draft| draft.target.interaction = None);
    patch
}

/// The end of an order, as its gateway reports it.
pub(crate) fn outcome_step(event: &StoredEvent, result: &ResultRequest) -> Step {
    let stage = match result.outcome {
        Outcome::Success => Stage::Done,
        _ => Stage::Failed,
    };
    let reason = (stage == Stage::Failed).then(|| "work_not_done".to_owned());
    let patch = Patch { reason, ..said(event, result.text.trim()) };
    to(stage, Some("answered by its gateway".to_owned()), patch, 0)
}
