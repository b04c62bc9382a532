//! The parts that the steps of all stages are made of.

use contracts::event::{Speaker, Stage};
use contracts::{AgentId, ChannelKind};
use inbox::{Draft, NewSaid, Patch, Step, StoredEvent};
use platform::ports::{CallError, PortResult};

/// What a step may end in beside its result.
pub(super) enum Stop {
    /// Try this stage again later.
    Again(String),
    /// It will never work, for this reason.
    Never(String),
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(problem) if !problem.code.retryable() => {
                Self::Never(format!("{}: {}", problem.code.as_str(), problem.detail))
            }
            CallError::Refused(problem) => Self::Again(problem.detail),
            CallError::Port(error) => Self::Again(error.to_string()),
        }
    }
}

pub(super) fn to(stage: Stage, note: Option<String>, patch: Patch, due_ms: i64) -> Step {
    Step::To { stage, note, patch: Box::new(patch), due_ms }
}

/// The name of the event's one reply. A run that is begun again goes on in the same message; a replay opens a new one.
pub(crate) fn reply_id(event: &StoredEvent) -> String {
    if event.replays == 0 {
        format!("re:{}", event.id)
    } else {
        format!("re:{}~r{}", event.id, event.replays)
    }
}

/// The event's one reply, at a new revision: a placeholder first, then its edit. In the transcript too.
pub(crate) fn say(
    event: &StoredEvent,
    agent: Option<&AgentId>,
    text: &str,
    settled: bool,
) -> Patch {
    let id = reply_id(event);
    let said = NewSaid {
        id: id.clone(),
        conversation: event.conversation.clone(),
        speaker: if agent.is_some() { Speaker::Agent } else { Speaker::System },
        agent: agent.cloned(),
        text: text.to_owned(),
        settled,
    };
    let draft = Draft {
        id,
        revision: event.version + 1,
        target: event.origin.target.clone(),
        text: text.to_owned(),
        buttons: None,
        event_id: Some(event.id.clone()),
        kind: "reply".to_owned(),
        expires_ms: None,
    };
    // The web console has no platform behind it: the transcript is the message.
    let say = if event.channel == ChannelKind::Web.as_str() { Vec::new() } else { vec![draft] };
    Patch { say, said: vec![said], ..Patch::default() }
}

/// What is to be done: the event's own words, or an earlier message that they hand to somebody else.
pub(super) fn message_of(event: &StoredEvent) -> &str {
    event.data.message.as_deref().unwrap_or(&event.text)
}

pub(super) fn port<T>(result: PortResult<T>) -> Result<T, Stop> {
    result.map_err(|error| Stop::Again(error.to_string()))
}
