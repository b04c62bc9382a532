//! Received → Routed: who gets it.

use super::answer::not_available;
use super::choice;
use crate::control::{command_word, registry};
use crate::pointed::own_words;
use crate::steps::{Stop, message_in_context, message_of, port, say, to};
use crate::{Deps, files};
use contracts::approval::{DecideRequest, Decision, Extent};
use contracts::calls::agency_router::RouteEvent;
use contracts::calls::personal_assistant::Decide;
use contracts::event::Stage;
use contracts::routing::{Previous, RouteAnswer, RouteRequest, UnknownAgent};
use contracts::{AgentId, ApprovalId, EventId};
use inbox::{Advance, EventData, FindAnswered, InboxExt, ListEvents, Patch, Step, StoredEvent};

/// How many earlier events of the conversation are looked at.
const RECENT: u32 = 8;

/// An answer older than this is no conversation any more.
const STICKY_MS: i64 = 24 * 3_600_000;

pub(super) async fn received(deps: &Deps, event: &StoredEvent) -> Result<Step, Stop> {
    port(withdraw_edited(deps, event).await)?;
    if let Some(step) = files::next(deps, event).await? {
        return Ok(step);
    }
    // A schedule takes nothing up and answers nothing.
    let recent = match &event.origin.schedule {
        Some(_) => Vec::new(),
        None => port(earlier(deps, event, event).await)?,
    };
    if let Some(step) = port(choice::by_name(deps, event, &recent).await)? {
        return Ok(step);
    }
    let replied = port(replied_to(deps, event).await)?;
    let earlier = match &replied {
        // A reply takes the talk up where that stood.
        Some(replied) => port(earlier(deps, event, replied).await)?,
        None => recent,
    };
    let exclude = &event.data.exclude;
    let request = request(deps, event, &earlier, replied.is_some(), exclude);
    let answer = deps.calls.ask::<RouteEvent>(&(), &request).await?;
    if let Some(step) = refused(event, &answer) {
        return Ok(step);
    }
    if exclude.contains(&answer.agent) {
        return Ok(nobody_else(event, &answer));
    }
    let note = format!(
        "{} ({} %): {}",
        answer.agent,
        (answer.confidence * 100.0).round() as i64,
        answer.reason
    );
    let taken_back = last_of(event, &earlier).filter(|_| answer.takes_back);
    if let Some(last) = taken_back {
        // The follow-up that pushed it on may wait as well.
        for since in earlier.iter().take_while(|since| since.seq != last.seq).chain([last]) {
            port(withdraw(deps, event, since, &REASSIGNED).await)?;
        }
    }
    let mut not_for = taken_back.unwrap_or(event).data.taken_back_from.clone();
    not_for.extend(taken_back.and_then(|last| last.agent.clone()));
    not_for.retain(|agent| *agent != answer.agent);
    let message = taken_back.map(message_in_context);
    let data = EventData {
        exclude: exclude.clone(),
        reason: Some(answer.reason.clone()),
        skill_files: answer.skill_files_used.clone(),
        fallback: answer.fallback,
        estimated_cost: answer.estimated_cost,
        complexity: Some(answer.complexity),
        taken_back_from: not_for,
        follows_up: answer.follows_up,
        message: message.or_else(|| event.data.message.clone()),
        files: taken_back.unwrap_or(event).data.files.clone(),
        ..EventData::default()
    };
    let patch = Patch {
        agent: Some(answer.agent.clone()),
        decision_id: Some(answer.decision_id.clone()),
        data: Some(data),
        ..Patch::default()
    };
    // Asked once: another run of the same message (an agent stands in) goes where it is sent.
    let may_ask = answer.needs_choice && event.runs <= 1;
    if may_ask && let Some(agent) = choice::by_model(deps, event, &answer).await {
        return Ok(choice::given(&answer, &agent, patch, deps.clock.now_ms()));
    }
    if may_ask && let Some(step) = choice::put(deps, event, &answer, patch.clone()) {
        return Ok(step);
    }
    Ok(to(Stage::Routed, Some(note), patch, deps.clock.now_ms()))
}

/// No agent may take the message, or it is for one that does not exist.
fn refused(event: &StoredEvent, answer: &RouteAnswer) -> Option<Step> {
    if answer.closed {
        let patch = Patch {
            reason: Some("not_public".to_owned()),
            ..say(event, None, "No agent here accepts messages from you.", true)
        };
        return Some(to(Stage::Refused, Some(answer.reason.clone()), patch, 0));
    }
    answer.unknown_agent.as_ref().map(|unknown| addressed_to_none(event, unknown))
}

/// The message begins with a name that no agent has, or with a command that is none.
fn addressed_to_none(event: &StoredEvent, unknown: &UnknownAgent) -> Step {
    let command = command_word(message_of(event));
    if command.is_some() && event.origin.in_group && !event.origin.reply {
        // In a group it may be another bot's.
        let patch = Patch { reason: Some("not_addressed".to_owned()), ..Patch::default() };
        return to(Stage::Ignored, Some("a command that is none of ours".to_owned()), patch, 0);
    }
    let (reason, text) = match command.filter(|_| unknown.nearest.is_empty()) {
        Some(word) => ("unknown_command", registry::unknown(word)),
        None => ("unknown_agent", unknown.text()),
    };
    let patch = Patch { reason: Some(reason.to_owned()), ..say(event, None, &text, true) };
    to(Stage::Refused, Some(format!("no agent is called {}", unknown.name)), patch, 0)
}

/// The agent cannot run, and the router names no other: the sender named this one, or the graph
/// relates no other to it.
fn nobody_else(event: &StoredEvent, answer: &RouteAnswer) -> Step {
    let text = not_available(&answer.agent, event.data.why_not.as_deref().unwrap_or_default());
    let patch = Patch {
        reason: Some("agent_unavailable".to_owned()),
        agent: Some(answer.agent.clone()),
        ..say(event, None, &text, true)
    };
    to(Stage::Failed, Some(answer.reason.clone()), patch, 0)
}

/// `replies`: the first of the earlier messages is the one whose answer this one replies to.
fn request(
    deps: &Deps,
    event: &StoredEvent,
    earlier: &[StoredEvent],
    replies: bool,
    exclude: &[AgentId],
) -> RouteRequest {
    let endpoint = deps.config.endpoint(&event.channel, &event.endpoint);
    let origin = &event.origin;
    let answered = |earlier: &&StoredEvent| {
        matches!(earlier.state, Stage::Answered | Stage::Done | Stage::Failed)
            && event.received_ms - earlier.received_ms < STICKY_MS
    };
    // Answers to our own questions are also Done, but carry no agent.
    let lately = || earlier.iter().filter(answered).find(|earlier| earlier.agent.is_some());
    // Who replies means that one, however long ago and whatever became of it.
    let replied = earlier.first().filter(|replied| replies && replied.agent.is_some());
    let last = replied.or_else(lately);
    let sticky_agent = last.and_then(|last| last.agent.clone());
    let said_before = |last: &StoredEvent| {
        let (decision_id, agent) = (last.decision_id.clone()?, last.agent.clone()?);
        Some(Previous {
            decision_id,
            agent,
            message: own_words(message_of(last)).to_owned(),
            taken_back_from: last.data.taken_back_from.clone(),
        })
    };
    let previous = last_of(event, earlier).and_then(said_before);
    RouteRequest {
        message: own_words(message_of(event)).to_owned(),
        channel: Some(event.channel.clone()),
        user_id: origin.actor.clone(),
        sticky_agent: sticky_agent.filter(|agent| !exclude.contains(agent)),
        is_reply: origin.reply,
        in_group: origin.in_group,
        posted: origin.posted,
        asked: last.is_some_and(|last| last.data.asks),
        bound_agent: origin.agent.clone().or_else(|| {
            endpoint?.agent_of(std::iter::once(&origin.target.chat).chain(&origin.aliases))
        }),
        previous,
        taken_back_from: event.data.taken_back_from.clone(),
        exclude: exclude.to_vec(),
        public_only: origin.public_only,
        // Each run is a decision of its own; within a run the same decision comes back.
        event_id: Some(EventId::new(event.current_task().as_str())),
        ..RouteRequest::default()
    }
}

/// Why a parked message is closed.
struct Withdrawal {
    reason: &'static str,
    note: &'static str,
    told: &'static str,
    to_the_approver: &'static str,
}

const REASSIGNED: Withdrawal = Withdrawal {
    reason: "taken_back",
    note: "reassigned by its sender",
    told: "You reassigned this to another agent.",
    to_the_approver: "The sender reassigned this to another agent.",
};
const EDITED: Withdrawal = Withdrawal {
    reason: "edited",
    note: "edited by its sender",
    told: "You edited this message; the new text counts.",
    to_the_approver: "The sender edited the message.",
};

/// If the sender edits a parked message, closes it: the owner was asked about the old text, and the
/// new text would run.
async fn withdraw_edited(deps: &Deps, event: &StoredEvent) -> platform::ports::PortResult<()> {
    let Some(edited) = &event.origin.edits else { return Ok(()) };
    match deps.event(edited).await? {
        Some((edited, ..)) => withdraw(deps, event, &edited, &EDITED).await,
        None => Ok(()),
    }
}

/// If the sender reassigns a parked message, closes it: the reassigning message carries the work,
/// so a late approval cannot start it twice.
async fn withdraw(
    deps: &Deps,
    event: &StoredEvent,
    last: &StoredEvent,
    why: &Withdrawal,
) -> platform::ports::PortResult<()> {
    if last.state == Stage::Parked && speaks_for(event, last) {
        let patch =
            Patch { reason: Some(why.reason.to_owned()), ..say(last, None, why.told, true) };
        let step = to(Stage::Refused, Some(why.note.to_owned()), patch, 0);
        let command =
            Advance { event: last.id.clone(), version: last.version, step, keep_ms: None };
        let moved = deps.inbox.ask(&last.shard, command).await?.moved;
        deps.notify_event(&last.id);
        if let Some(approval) =
            last.approval_id.as_ref().filter(|_| moved && !choice::is_open(last))
        {
            reject(deps, event, approval, why.to_the_approver).await;
        }
    }
    Ok(())
}

/// Rejects the approval of a message that was reassigned or stopped. If the assistant cannot be
/// reached, the approval expires; its event has ended in any case.
pub(crate) async fn reject(deps: &Deps, by: &StoredEvent, approval: &ApprovalId, why: &str) {
    let request = DecideRequest {
        extent: Extent::Once,
        answer: None,
        decision: Decision::Reject,
        reason: Some(why.to_owned()),
        version: None,
        actor: by.origin.actor.clone(),
        name: by.origin.name.clone(),
    };
    if let Err(error) = deps.calls.tell::<Decide>(approval, &request).await {
        tracing::warn!(%error, approval = %approval, "an approval could not be rejected");
    }
}

/// The sender's latest routed message here, skipping bare follow-ups such as “yes, do it”.
fn last_of<'a>(event: &StoredEvent, earlier: &'a [StoredEvent]) -> Option<&'a StoredEvent> {
    let says_something = |last: &&StoredEvent| last.agent.is_some() && !last.data.follows_up;
    earlier.iter().find(says_something).filter(|last| speaks_for(event, last))
}

/// The sender of `last`, or an approver, may reassign or stop it.
pub(crate) fn speaks_for(event: &StoredEvent, last: &StoredEvent) -> bool {
    event.origin.approver || last.sender == event.sender
}

/// Messages of the conversation before one, the newest first; that one too, where it is not the
/// event itself.
async fn earlier(
    deps: &Deps,
    event: &StoredEvent,
    before: &StoredEvent,
) -> platform::ports::PortResult<Vec<StoredEvent>> {
    let is_reply = before.seq != event.seq;
    let ulid =
        is_reply.then(|| before.id.as_str().rsplit('.').next().unwrap_or_default().to_owned());
    let list = ListEvents {
        state: None,
        channel: None,
        conversation: Some(event.conversation.0.clone()),
        before: ulid,
        limit: RECENT,
    };
    let mut events: Vec<StoredEvent> = deps.inbox.ask(&event.shard, list).await?;
    events.retain(|earlier| earlier.seq < before.seq && !earlier.control);
    if is_reply {
        events.insert(0, before.clone());
    }
    Ok(events)
}

/// The event that we answered with the message that this one replies to.
async fn replied_to(
    deps: &Deps,
    event: &StoredEvent,
) -> platform::ports::PortResult<Option<StoredEvent>> {
    let Some(message) = event.origin.replies_to.as_ref() else {
        return Ok(None);
    };
    let command =
        FindAnswered { conversation: event.conversation.0.clone(), message: message.to_owned() };
    let found = deps.inbox.ask(&event.shard, command).await?;
    Ok(found.filter(|found| found.seq < event.seq))
}
