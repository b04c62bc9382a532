//! Conducts a content message: one `match stage`, one step, what it comes to. Every step is
//! idempotent on (event, run, stage): the others answer the same question the same way.

mod answer;
mod approve;
pub(crate) mod choice;
pub(crate) mod place;
mod question;
mod route;
mod run;
mod stand_in;

pub(crate) use answer::outcome_step;
pub(crate) use route::{reject, speaks_for};
pub(crate) use run::{placeholder_with, run_of, tell_of_loss};

use crate::Deps;
use crate::retry::RETRY;
use crate::steps::{Stop, say, to};
use contracts::event::Stage;
use inbox::{Patch, Step, StoredEvent};

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
    let text = "This could not be processed. The message is saved, and the owner can replay it.";
    let patch = Patch { reason: Some(reason.to_owned()), ..say(event, None, text, true) };
    to(Stage::Dead, None, patch, 0)
}
