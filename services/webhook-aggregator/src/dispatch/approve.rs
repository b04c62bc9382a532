//! Routed → Approved, Parked or Refused; Parked → what was decided.

use super::answer::{not_available, was_chosen};
use super::{place, run};
use crate::config::Endpoint;
use crate::steps::{AT_ONCE, Stop, message_in_context, port, say, to};
use crate::{Deps, files};
use contracts::agent_run::AgentRun;
use contracts::agent_run::RUNS;
use contracts::approval::{ApprovalState, ApproveRequest, CANNOT_START, ChannelContext, WaitQuery};
use contracts::calls::personal_assistant::{Approve, CheckHalts, ReadApproval};
use contracts::event::Stage;
use contracts::halt::{HaltCheck, HaltCheckAnswer};
use contracts::outbox::Target;
use contracts::{AgentId, ErrorCode};
use inbox::{EventData, InboxExt, ListGateways, Patch, SeenGateway, Step, StoredEvent};
use serde_json::{Map, Value, json};

/// A parked event looks again this often by itself: a lost wake costs time, never a decision.
const LOOK_AGAIN_MS: i64 = 60_000;
/// Maximum characters of a message shown to the owner: as many as an approval holds.
const DESCRIPTION_CHARS: usize = contracts::approval::DESCRIPTION_CHARS_MAX;

pub(super) async fn routed(deps: &Deps, event: &StoredEvent) -> Result<Step, Stop> {
    let agent = event.agent.clone().ok_or_else(|| Stop::Never("routed to nobody".to_owned()))?;
    // An answer from the graph starts nothing.
    let (runs, cannot_start) = if deps.config.agents.agent(&agent).is_program() {
        let seen = port(deps.inbox.ask(&event.shard, ListGateways).await)?;
        (place::runs(deps, seen.clone(), &agent), cannot_start(deps, seen, &agent))
    } else {
        (Vec::new(), None)
    };
    let mut request = request(deps, event, &agent, &runs);
    let now = deps.clock.now_ms();
    let halts = halts_of(event, &agent);
    // Asking for approval during a halt would be refused, and recorded, each time.
    if event.data.held_from.is_some() {
        let halted = deps.calls.ask::<CheckHalts>(&(), &halts).await?;
        if let Some(step) = still_held(event, &halted, now) {
            return Ok(step);
        }
    }
    if let Some(context) = request.channel_context.as_mut() {
        context.cannot_start.clone_from(&cannot_start);
    }
    let answer = deps.calls.ask::<Approve>(&(), &request).await?;
    if answer.code.as_deref() == Some(CANNOT_START) {
        return Ok(not_ready(event, &agent, &cannot_start.unwrap_or_default()));
    }
    if answer.code.as_deref() == Some(ErrorCode::Halted.as_str()) {
        let halted = deps.calls.ask::<CheckHalts>(&(), &halts).await?;
        // A halt of this task ends it, whatever else is halted. One of everything, of its agent or
        // of its endpoint keeps it, even if it has just been lifted.
        if halted.by_task.is_empty() {
            return Ok(held(event, &agent, &halted, now));
        }
    }
    let mut patch = Patch {
        task_id: Some(request.task_id),
        approval_id: Some(answer.approval_id.clone()),
        digest: Some(answer.digest.clone()),
        cost_limit: Some(answer.cost_limit.unwrap_or_default().0),
        ..Patch::default()
    };
    Ok(match answer.state {
        state if answer.approved && state.was_approved() => {
            to(Stage::Approved, Some(answer.reason), patch, now)
        }
        ApprovalState::Pending => {
            let text = format!(
                "{agent} needs approval: {} Waiting for the owner ({}).",
                answer.reason, answer.approval_id
            );
            merge(&mut patch, say(event, None, &text, false));
            to(Stage::Parked, Some(answer.reason), patch, now + LOOK_AGAIN_MS)
        }
        _ => {
            let code = answer.code.unwrap_or_else(|| "rejected".to_owned());
            merge(&mut patch, say(event, None, &format!("Not done: {}", answer.reason), true));
            patch.reason = Some(code);
            to(Stage::Refused, Some(answer.reason), patch, 0)
        }
    })
}

/// The reason that no gateway in service could start the agent, with the fix.
fn cannot_start(deps: &Deps, seen: Vec<SeenGateway>, agent: &AgentId) -> Option<String> {
    let unready = place::unready(deps, seen, agent)?;
    Some(format!("{}. To fix it, {}.", unready.why, unready.fix))
}

/// The agent could not start anywhere: a related one gets the message if the router says so.
fn not_ready(event: &StoredEvent, agent: &AgentId, why: &str) -> Step {
    let note = Some(format!("{agent} is not ready: {why}"));
    if event.runs >= run::RUNS_MAX || was_chosen(event) {
        let patch = Patch {
            reason: Some("agent_unavailable".to_owned()),
            ..say(event, None, &not_available(agent, why), true)
        };
        return to(Stage::Failed, note, patch, 0);
    }
    let mut data = event.data.clone();
    data.exclude.push(agent.clone());
    data.why_not = Some(why.to_owned());
    let text = format!("{agent} is not available right now …");
    let said = say(event, None, &text, false);
    let patch = Patch { new_run: true, data: Some(data), ..said };
    to(Stage::Received, note, patch, AT_ONCE)
}

/// The halts that a message for this agent must look at. A kept one has got a new run each time,
/// and a halt of it may name an earlier one.
fn halts_of(event: &StoredEvent, agent: &AgentId) -> HaltCheck {
    let first = event.data.held_from.unwrap_or(event.runs);
    HaltCheck {
        tasks: (first..=event.runs.max(1)).map(|run| event.task_of(run)).collect(),
        agent: Some(agent.clone()),
        endpoint: Some(event.shard.clone()),
    }
}

/// Keeps a message during a halt: the resume wakes it. The refused approval stays as it is, so the
/// message goes on as a run of its own. During a halt of its agent or its endpoint alone it leaves
/// the line of its conversation to messages for others.
fn held(event: &StoredEvent, agent: &AgentId, halted: &HaltCheckAnswer, now_ms: i64) -> Step {
    let is_apart = halted.held && !halted.all;
    let what = match is_apart {
        true if halted.endpoint_held => "This chat",
        true => agent.as_str(),
        false => "Everything",
    };
    let text = format!("{what} is halted. Your message is saved and will start after the resume.");
    let held_from = Some(event.data.held_from.unwrap_or(event.runs));
    let patch = Patch {
        new_run: true,
        reason: Some(ErrorCode::Halted.as_str().to_owned()),
        data: Some(EventData { held_from, ..event.data.clone() }),
        ..say(event, None, &text, false)
    };
    let stage = if is_apart { Stage::Parked } else { Stage::Routed };
    let wait_ms = if halted.all || halted.held { LOOK_AGAIN_MS } else { 0 };
    to(stage, Some("kept until the halt ends".to_owned()), patch, now_ms + wait_ms)
}

/// The next step of a kept message while a halt of it is in force.
fn still_held(event: &StoredEvent, halted: &HaltCheckAnswer, now_ms: i64) -> Option<Step> {
    if !halted.by_task.is_empty() {
        return Some(stopped_by_owner(event));
    }
    let is_apart = halted.held && !halted.all;
    if is_apart && event.state == Stage::Routed {
        let reason = Some(ErrorCode::Halted.as_str().to_owned());
        let patch = Patch { reason, ..Patch::default() };
        let note = Some("kept until the halt ends".to_owned());
        return Some(to(Stage::Parked, note, patch, now_ms + LOOK_AGAIN_MS));
    }
    (halted.all || halted.held).then_some(Step::Wait { due_ms: now_ms + LOOK_AGAIN_MS })
}

/// The end of a message whose task was halted before it started.
fn stopped_by_owner(event: &StoredEvent) -> Step {
    let patch = Patch {
        reason: Some(ErrorCode::Halted.as_str().to_owned()),
        ..say(event, None, "Stopped by the owner before it started.", true)
    };
    to(Stage::Refused, None, patch, 0)
}

/// A message that was kept apart: it joins its line again once the halt has ended.
async fn kept_apart(deps: &Deps, event: &StoredEvent) -> Result<Step, Stop> {
    let agent = event.agent.clone().ok_or_else(|| Stop::Never("routed to nobody".to_owned()))?;
    let halted = deps.calls.ask::<CheckHalts>(&(), &halts_of(event, &agent)).await?;
    let now = deps.clock.now_ms();
    if let Some(step) = still_held(event, &halted, now) {
        return Ok(step);
    }
    let note = Some("the halt has ended".to_owned());
    Ok(to(Stage::Routed, note, Patch::default(), now))
}

fn request(deps: &Deps, event: &StoredEvent, agent: &AgentId, runs: &[AgentRun]) -> ApproveRequest {
    let origin = &event.origin;
    // The approvers are those of the chat that the answer goes to.
    let endpoint = deps.config.endpoint(&origin.target.channel, &origin.target.endpoint);
    let message = files::with_files(&message_in_context(event), event);
    // The approver is shown that nobody has just written it.
    let shown = match &origin.schedule {
        Some(name) => format!("Schedule “{name}”: {message}"),
        None => message.clone(),
    };
    let digests: Vec<_> = event.data.files.iter().map(|file| &file.sha256).collect();
    let mut arguments = Map::from_iter([("message".to_owned(), json!(message))]);
    if !digests.is_empty() {
        arguments.insert("files".to_owned(), json!(digests));
    }
    if !runs.is_empty() {
        arguments.insert(RUNS.to_owned(), json!(runs));
    }
    ApproveRequest {
        task_id: event.current_task(),
        kind: agent.0.clone(),
        description: shown.chars().take(DESCRIPTION_CHARS).collect(),
        estimated_cost: event.data.estimated_cost.unwrap_or_default(),
        agent_type: agent.clone(),
        channel_context: Some(ChannelContext {
            channel: Some(event.channel.clone()),
            endpoint: Some(event.endpoint.clone()),
            conversation: Some(event.conversation.0.clone()),
            event_id: Some(event.id.clone()),
            sender: origin.actor.clone(),
            public: origin.public_only,
            ask: endpoint
                .map(|endpoint| where_to_ask(endpoint, &origin.target, origin.approver))
                .unwrap_or_default(),
            ..ChannelContext::default()
        }),
        operation: Some("run".to_owned()),
        arguments: Some(Value::Object(arguments)),
        wait: None,
    }
}

/// In the conversation when who asked may approve there; else each approver directly.
fn where_to_ask(endpoint: &Endpoint, target: &Target, approver: bool) -> Vec<Target> {
    if approver {
        // A question is a message of its own: it outlives the token of the interaction it came
        // from.
        return vec![Target { interaction: None, reply_to: None, ..target.clone() }];
    }
    endpoint.approver_targets()
}

pub(super) async fn parked(deps: &Deps, event: &StoredEvent) -> Result<Step, Stop> {
    if event.state.is_held(event.reason.as_deref()) {
        return kept_apart(deps, event).await;
    }
    let id = event
        .approval_id
        .clone()
        .ok_or_else(|| Stop::Never("parked without an approval".to_owned()))?;
    let approval = deps.calls.ask::<ReadApproval>(&id, &WaitQuery::default()).await?;
    let now = deps.clock.now_ms();
    let by = approval.decider();
    Ok(match approval.state {
        ApprovalState::Pending => Step::Wait { due_ms: now + LOOK_AGAIN_MS },
        state if state.was_approved() => {
            // The hold may have been made at another amount than was asked for.
            let patch = Patch {
                digest: Some(approval.digest),
                cost_limit: Some(approval.cost_limit.0),
                ..Patch::default()
            };
            to(Stage::Approved, Some(format!("approved by {by}")), patch, now)
        }
        ApprovalState::Rejected => {
            // If the approver gave no reason, the record repeats who rejected it: leave that out.
            let says_more =
                !approval.reason.is_empty() && !approval.reason.starts_with("Rejected by");
            let why = if says_more { format!(" {}", approval.reason) } else { String::new() };
            let patch = Patch {
                reason: Some(approval.code.unwrap_or_else(|| "rejected".to_owned())),
                ..say(event, None, &format!("Rejected by {by}.{why}"), true)
            };
            to(Stage::Refused, Some(format!("rejected by {by}")), patch, 0)
        }
        ApprovalState::Cancelled => stopped_by_owner(event),
        _ => {
            let patch = Patch {
                reason: Some("not_decided".to_owned()),
                ..say(event, None, "Nobody approved this in time, so it was not done.", true)
            };
            to(Stage::Expired, None, patch, 0)
        }
    })
}

fn merge(patch: &mut Patch, said: Patch) {
    patch.say = said.say;
    patch.said = said.said;
}
