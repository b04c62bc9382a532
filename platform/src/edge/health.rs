//! `GET /health` in one shape for every service: what it depends on, and whether each part answers.

use axum::Json;
use axum::response::{IntoResponse, Response};
use contracts::ServiceName;
use contracts::monitoring::{Dependency, Health};
use http::StatusCode;

/// The state of one dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Answers,
    /// Not asked, or it has not said anything yet.
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
