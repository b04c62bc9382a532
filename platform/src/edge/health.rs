//! `GET /health` in one shape for every service: what it depends on, and whether each part answers.

use crate::ports::Clock;
use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::ServiceName;
use contracts::monitoring::{Dependency, Health};
use http::{StatusCode, header};
use std::sync::{Arc, Mutex, PoisonError};

/// Milliseconds for which an answer is given again: `/health` is open to everybody, and each check
/// asks the database.
pub const FRESH_MS: i64 = 1_000;
/// Milliseconds that a check may take; longer than the services wait for what they ask.
const CHECK_MS: i64 = 5_000;
/// Maximum bytes of an answer.
const BYTES_MAX: usize = 1 << 20;

/// The state of one dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Answers,
    /// Not asked, or it has not answered yet.
    Unknown,
    /// The problem, as a sentence for people. `/health` is open: no path, address or secret.
    Failed(String),
}

impl Found {
    /// [`Found::Answers`] for a success, else the problem; the error itself goes to the log.
    pub fn of<T, E: std::fmt::Display>(result: Result<T, E>, problem: &str) -> Self {
        match result {
            Ok(_) => Self::Answers,
            Err(error) => {
                tracing::warn!(%error, problem, "the health check failed");
                Self::Failed(problem.to_owned())
            }
        }
    }
}

/// A health check: 200 while the service can do its work, else 503.
pub struct Checkup {
    health: Health,
    works: bool,
}

impl Checkup {
    /// A service of which nothing is known to be wrong.
    pub fn new(service: ServiceName, version: &str) -> Self {
        let health = Health {
            service,
            status: "ok".to_owned(),
            version: version.to_owned(),
            problems: Vec::new(),
            depends_on: std::collections::BTreeMap::default(),
        };
        Self { health, works: true }
    }
    /// Adds a dependency without which the service cannot do its work.
    #[must_use]
    pub fn needs(mut self, name: &str, found: Found) -> Self {
        self.works &= found == Found::Answers;
        self.uses(name, found)
    }
    /// Adds a dependency without which the service works less well.
    #[must_use]
    pub fn uses(mut self, name: &str, found: Found) -> Self {
        let state = match found {
            Found::Answers => Dependency::Ok,
            Found::Unknown => Dependency::Unknown,
            Found::Failed(problem) => {
                self.health.problems.push(problem);
                Dependency::Failed
            }
        };
        self.health.depends_on.insert(name.to_owned(), state);
        self
    }
}

impl IntoResponse for Checkup {
    fn into_response(mut self) -> Response {
        if !self.works || !self.health.problems.is_empty() {
            "degraded".clone_into(&mut self.health.status);
        }
        let status = if self.works { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(self.health)).into_response()
    }
}

/// The last answer of a health check, given again while it is fresh or another check runs.
#[derive(Clone)]
pub(super) struct Recent {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    last: Option<Answered>,
    /// The start of the running check. One that was cut off ends nothing, so it counts for
    /// [`CHECK_MS`] at most.
    begun_ms: Option<i64>,
}

#[derive(Clone)]
struct Answered {
    at_ms: i64,
    status: StatusCode,
    body: Bytes,
}

impl Recent {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Arc::default() }
    }
    /// The answer to give again; none when the caller is to check. The lock is never held while
    /// something waits: on Workers a request may end in the middle of a check.
    fn again(&self, now: i64) -> Option<Answered> {
        let mut memory = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back makes nothing fresh for longer.
        let within = |since: i64, limit: i64| (0..limit).contains(&(now - since));
        let checking = memory.begun_ms.is_some_and(|begun| within(begun, CHECK_MS));
        let again = memory.last.clone().filter(|last| checking || within(last.at_ms, FRESH_MS));
        if again.is_none() {
            memory.begun_ms = Some(now);
        }
        again
    }
    fn keep(&self, answer: Answered) {
        let mut memory = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *memory = Memory { last: Some(answer), begun_ms: None };
    }
}

/// Answers from memory, else checks.
pub(super) async fn recent(
    State(recent): State<Recent>,
    request: Request,
    next: Next,
) -> Result<Response, StatusCode> {
    let now = recent.clock.now_ms();
    let answer = match recent.again(now) {
        Some(answer) => answer,
        None => {
            let (parts, body) = next.run(request).await.into_parts();
            let body = to_bytes(body, BYTES_MAX).await;
            let body = body.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
            let answer = Answered { at_ms: now, status: parts.status, body };
            recent.keep(answer.clone());
            answer
        }
    };
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((answer.status, json, answer.body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::ManualClock;

    #[test]
    fn answer_is_given_again_while_fresh_or_while_another_check_runs() {
        let clock = Arc::new(ManualClock::default());
        let recent = Recent::new(clock.clone());
        assert!(recent.again(0).is_none() && recent.again(0).is_none(), "nothing is known yet");
        let body = Bytes::from_static(b"{}");
        recent.keep(Answered { at_ms: 0, status: StatusCode::OK, body });
        assert!(recent.again(FRESH_MS - 1).is_some());
        assert!(recent.again(FRESH_MS).is_none(), "this one checks");
        assert!(recent.again(FRESH_MS).is_some(), "the others do not wait for it");
        assert!(recent.again(FRESH_MS + CHECK_MS).is_none(), "the check was cut off");
        assert!(recent.again(-1).is_none(), "the clock was set back");
    }
}
