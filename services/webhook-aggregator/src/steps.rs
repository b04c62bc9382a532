//! The parts of a step: where it goes, what it says, why it stops. Every stage builds its result of
//! these.

use crate::Deps;
use contracts::AgentId;
use contracts::event::{Speaker, Stage};
use contracts::outbox::Target;
use inbox::{Draft, ListOpen, NewSaid, Patch, Step, StoredEvent};
use platform::ports::{CallError, PortResult};

/// A Telegram press can be answered for 150 s; nowhere is a later answer of use.
const PRESS_ANSWER_MS: i64 = 150_000;

/// Reasons for a step to end without a result.
pub(crate) enum Stop {
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

/// The due time of a step that nothing waits for. Not the present: the inbox may have another
/// clock.
pub(crate) const AT_ONCE: i64 = 0;

pub(crate) fn to(stage: Stage, note: Option<String>, patch: Patch, due_ms: i64) -> Step {
    Step::To { stage, note, patch: Box::new(patch), due_ms }
}

/// The name of the event's one reply. A repeated run edits the same message; a replay opens a
/// new one.
pub(crate) fn reply_id(event: &StoredEvent) -> String {
    inbox::reply_id(&event.id, event.replays)
}

/// The text below the name of its schedule: no message stands above it in the chat.
fn headed(event: &StoredEvent, text: &str) -> String {
    match &event.origin.schedule {
        Some(name) => format!("Schedule “{name}”:\n\n{text}"),
        None => text.to_owned(),
    }
}

/// The event's one reply, as a line of the transcript.
pub(crate) fn line_of(
    event: &StoredEvent,
    agent: Option<&AgentId>,
    text: &str,
    settled: bool,
) -> NewSaid {
    NewSaid {
        id: reply_id(event),
        conversation: event.conversation.clone(),
        speaker: if agent.is_some() { Speaker::Agent } else { Speaker::System },
        agent: agent.cloned(),
        text: headed(event, text),
        settled,
    }
}

/// The event's one reply, at a new revision: a placeholder first, then its edit. In the transcript
/// too.
pub(crate) fn say(
    event: &StoredEvent,
    agent: Option<&AgentId>,
    text: &str,
    settled: bool,
) -> Patch {
    let said = line_of(event, agent, text, settled);
    let id = said.id.clone();
    let draft = Draft {
        id,
        revision: event.version + 1,
        target: event.origin.target.clone(),
        text: said.text.clone(),
        buttons: None,
        event_id: Some(event.id.clone()),
        kind: "reply".to_owned(),
        file: None,
        expires_ms: None,
    };
    let say = if event.origin.target.is_transcript() { Vec::new() } else { vec![draft] };
    Patch { say, said: vec![said], ..Patch::default() }
}

/// The text that only the presser sees. Telegram names the press, the others who pressed.
pub(crate) fn answer_press(
    deps: &Deps,
    event: &StoredEvent,
    callback: Option<String>,
    text: String,
) -> Draft {
    Draft {
        id: format!("press:{}", event.id),
        revision: 1,
        target: Target {
            reply_to: callback,
            mention: event.sender.clone(),
            ..event.origin.target.clone()
        },
        text,
        buttons: None,
        event_id: None,
        kind: "press_ack".to_owned(),
        file: None,
        expires_ms: Some(deps.clock.now_ms() + PRESS_ANSWER_MS),
    }
}

/// The messages that a command is about.
pub(crate) fn open_where(command: &StoredEvent) -> ListOpen {
    ListOpen {
        conversation: command.conversation.0.clone(),
        with_threads: command.origin.target.spans_threads(),
    }
}

/// The words of the message itself: typed, or spoken and transcribed.
pub(crate) fn words_of(event: &StoredEvent) -> &str {
    if event.data.files.iter().any(|file| file.transcribed) {
        message_of(event)
    } else {
        &event.text
    }
}

/// The message to work on, by which its agent is chosen: the event's own text, or the earlier
/// message that it reassigns.
pub(crate) fn message_of(event: &StoredEvent) -> &str {
    event.data.message.as_deref().unwrap_or(&event.text)
}

/// The message as the agent gets it: with the one that its sender replies to.
pub(crate) fn message_in_context(event: &StoredEvent) -> String {
    // A message that it reassigns has a context of its own.
    let is_own =
        event.data.message.is_none() || event.data.files.iter().any(|file| file.transcribed);
    match &event.origin.context {
        Some(context) if is_own => format!("{}\n\n{context}", message_of(event)),
        _ => message_of(event).to_owned(),
    }
}

pub(crate) fn port<T>(result: PortResult<T>) -> Result<T, Stop> {
    result.map_err(|error| Stop::Again(error.to_string()))
}
