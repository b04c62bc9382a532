//! Received → Routed: who gets it.

use super::{Stop, list_of, port, say, to};
use crate::{Deps, ask};
use contracts::event::Stage;
use contracts::routing::{RouteAnswer, RouteRequest};
use contracts::{AgentId, EventId, ServiceName};
use platform::inbox::{Command, Patch, Reply, Step, StoredEvent};
use platform::ports::calls;
use serde_json::{Value, json};

/// How many earlier events are looked at for the agent a conversation is with.
const RECENT: u32 = 8;

pub(super) async fn received(deps: &Deps, event: &StoredEvent) -> Result<Step, Stop> {
    let exclude: Vec<AgentId> = list_of(event, "exclude");
    let request = RouteRequest {
        message: event.text.clone(),
        channel: Some(event.channel.clone()),
        user_id: event.payload.get("actor").and_then(Value::as_str).map(str::to_owned),
        sticky_agent: port(talking_to(deps, event).await)?.filter(|agent| !exclude.contains(agent)),
        exclude: exclude.clone(),
        public_only: event.payload.get("publicOnly") == Some(&Value::Bool(true)),
        // Each run is a decision of its own; within a run the same decision comes back.
        event_id: Some(EventId::new(event.current_task().as_str())),
        ..RouteRequest::default()
    };
    let answer: RouteAnswer = calls::post(deps.calls.as_ref(), ServiceName::AgencyRouter, "/internal/route", &request).await?;
    if answer.closed {
        let patch = Patch { reason: Some("not_public".to_owned()), ..say(event, None, "Nobody here is open to you.", true) };
        return Ok(to(Stage::Refused, Some(answer.reason), patch, 0));
    }
    let note = format!("{} ({} %): {}", answer.agent, (answer.confidence * 100.0).round() as i64, answer.reason);
    let patch = Patch {
        agent: Some(answer.agent.clone()),
        decision_id: Some(answer.decision_id.clone()),
        data: Some(json!({
            "exclude": exclude,
            "reason": answer.reason,
            "skillFiles": answer.skill_files_used,
            "fallback": answer.fallback,
            "estimatedCost": answer.estimated_cost,
        })),
        ..Patch::default()
    };
    Ok(to(Stage::Routed, Some(note), patch, deps.clock.now_ms()))
}

/// The agent that answered last in this conversation.
async fn talking_to(deps: &Deps, event: &StoredEvent) -> platform::ports::PortResult<Option<AgentId>> {
    let list = Command::List { state: None, channel: None, conversation: Some(event.conversation.0.clone()), before: None, limit: RECENT };
    let events: Vec<StoredEvent> = ask!(deps, &event.shard, list, Reply::Events(events) => events)?;
    let answered = |earlier: &StoredEvent| earlier.seq < event.seq && !earlier.control && matches!(earlier.state, Stage::Answered | Stage::Done);
    Ok(events.into_iter().find(answered).and_then(|earlier| earlier.agent))
}
