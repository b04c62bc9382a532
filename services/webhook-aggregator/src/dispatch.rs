//! Conducts a content message: one `match stage`, one step, what it comes to. Every step is idempotent on
//! (event, run, stage): the others answer the same question the same way.

mod answer;
mod approve;
pub(crate) mod choice;
pub(crate) mod place;
mod route;
mod run;

pub(crate) use answer::outcome_step;
pub(crate) use run::{run_of, tell_of_loss};

use crate::Deps;
use crate::retry::RETRY;
use contracts::event::{Speaker, Stage};
use contracts::{AgentId, ChannelKind};
use inbox::{Draft, NewSaid, Patch, Step, StoredEvent};
use platform::ports::{CallError, PortResult};

/// What a step may end in beside its result.
enum Stop {
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

/// The next step of a claimed event.
pub(crate) async fn advance(deps: &Deps, event: &StoredEvent) -> Step {
    let taken = match event.state {
        Stage::Received => route::received(deps, event).await,
        Stage::Routed => approve::routed(deps, event).await,
        Stage::Parked if choice::is_open(event) => choice::waiting(deps, event),
        Stage::Parked => approve::parked(deps, event).await,
        Stage::Approved => run::approved(deps, event).await,
        Stage::Running => run::running(deps, event).await,
        Stage::Answered => answer::answered(deps, event).await,
        _ => Err(Stop::Never("in the queue after its end".to_owned())),
    };
    match taken {
        Ok(step) => step,
        Err(Stop::Again(error)) => again(deps, event, error),
        Err(Stop::Never(reason)) => dead(event, &reason),
    }
}

/// Later, while the budget of tries lasts; then a dead letter with the reason.
fn again(deps: &Deps, event: &StoredEvent, error: String) -> Step {
    tracing::warn!("event.id" = %event.id, stage = event.state.as_str(), attempts = event.attempts, error, "a step failed");
    match RETRY.wait_ms(event.attempts, deps.clock.as_ref()) {
        Some(delay) => Step::Retry { error, due_ms: deps.clock.now_ms() + delay.max(200) },
        None => dead(event, &format!("given up: {error}")),
    }
}

/// A dead letter: the person is told, the owner finds it under dead letters and may replay it.
fn dead(event: &StoredEvent, reason: &str) -> Step {
    tracing::error!("event.id" = %event.id, stage = event.state.as_str(), reason, "dead letter");
    let text = "I could not work on this. It is kept, and its owner can have it done again.";
    let patch = Patch { reason: Some(reason.to_owned()), ..say(event, None, text, true) };
    to(Stage::Dead, None, patch, 0)
}

/// The due time of a step that nothing waits for. Not the present: the inbox may have another clock.
const AT_ONCE: i64 = 0;

fn to(stage: Stage, note: Option<String>, patch: Patch, due_ms: i64) -> Step {
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
fn message_of(event: &StoredEvent) -> &str {
    event.data.message.as_deref().unwrap_or(&event.text)
}

fn port<T>(result: PortResult<T>) -> Result<T, Stop> {
    result.map_err(|error| Stop::Again(error.to_string()))
}
