//! Routed → Approved, Parked or Refused; Parked → what was decided.

use crate::Deps;
use crate::config::Endpoint;
use crate::steps::{Stop, message_of, say, to};
use contracts::approval::{
    ApprovalState, ApproveRequest, ChannelContext, GivenUpAnswer, GivenUpRequest, WaitQuery,
};
use contracts::calls::personal_assistant::{Approve, ReadApproval, ReportGivenUp};
use contracts::event::Stage;
use contracts::outbox::Target;
use contracts::{AgentId, ApprovalId};
use inbox::{Patch, Step, StoredEvent};
use serde_json::json;

/// A parked event looks again this often by itself: a lost wake costs time, never a decision.
const LOOK_AGAIN_MS: i64 = 60_000;
/// Maximum characters of a message shown to the owner: as many as an approval holds.
const DESCRIPTION_CHARS: usize = contracts::approval::DESCRIPTION_CHARS_MAX;

pub(super) async fn routed(deps: &Deps, event: &StoredEvent) -> Result<Step, Stop> {
    let agent = event.agent.clone().ok_or_else(|| Stop::Never("routed to nobody".to_owned()))?;
    let request = request(deps, event, &agent);
    let answer = deps.calls.ask::<Approve>(&(), &request).await?;
    let mut patch = Patch {
        task_id: Some(request.task_id),
        approval_id: Some(answer.approval_id.clone()),
        digest: Some(answer.digest.clone()),
        cost_limit: Some(answer.cost_limit.unwrap_or_default().0),
        ..Patch::default()
    };
    let now = deps.clock.now_ms();
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

fn request(deps: &Deps, event: &StoredEvent, agent: &AgentId) -> ApproveRequest {
    let origin = &event.origin;
    let endpoint = deps.config.endpoint(&event.channel, &event.endpoint);
    ApproveRequest {
        task_id: event.current_task(),
        kind: agent.0.clone(),
        description: message_of(event).chars().take(DESCRIPTION_CHARS).collect(),
        estimated_cost: event.data.estimated_cost.unwrap_or_default(),
        agent_type: agent.clone(),
        channel_context: Some(ChannelContext {
            channel: Some(event.channel.clone()),
            endpoint: Some(event.endpoint.clone()),
            conversation: Some(event.conversation.0.clone()),
            event_id: Some(event.id.clone()),
            sender: origin.actor.clone(),
            ask: endpoint
                .map(|endpoint| where_to_ask(endpoint, &origin.target, origin.approver))
                .unwrap_or_default(),
            ..ChannelContext::default()
        }),
        operation: Some("run".to_owned()),
        arguments: Some(json!({ "message": message_of(event) })),
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

/// The run begun under an approval by the time its lease of this epoch ended. After that the lease
/// begins nothing.
pub(super) async fn given_up(
    deps: &Deps,
    id: &ApprovalId,
    epoch: u32,
) -> Result<GivenUpAnswer, Stop> {
    let request = GivenUpRequest { approval_id: id.clone(), epoch };
    Ok(deps.calls.ask::<ReportGivenUp>(&(), &request).await?)
}

pub(super) async fn parked(deps: &Deps, event: &StoredEvent) -> Result<Step, Stop> {
    let id = event
        .approval_id
        .clone()
        .ok_or_else(|| Stop::Never("parked without an approval".to_owned()))?;
    let approval = deps.calls.ask::<ReadApproval>(&id, &WaitQuery::default()).await?;
    let now = deps.clock.now_ms();
    let by = approval.decided_by.clone().unwrap_or_else(|| "the rules".to_owned());
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
        ApprovalState::Cancelled => {
            let patch = Patch {
                reason: Some("halted".to_owned()),
                ..say(event, None, "Stopped by the owner before it started.", true)
            };
            to(Stage::Refused, None, patch, 0)
        }
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
