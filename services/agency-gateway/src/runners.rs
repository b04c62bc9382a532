//! The ways to run an agent.
//!
//! To add one: `runners/<name>.rs` with a [`Runner`], a module and a line in [`REGISTRY`] below,
//! its keys in `config.rs`, and (if it was in [`LATER`]) its name taken out there.
//! `tests/runners.rs` walks the registry and holds each runner to what [`Run`] promises.

mod command;
mod knowledge;

use crate::Deps;
use crate::config::AgentConfig;
use async_trait::async_trait;
use contracts::approval::Outcome;
use contracts::task::TaskContext;
use contracts::{AgentId, Micros, TaskId};
use serde_json::Value;

/// The command argument that the message replaces.
pub const MESSAGE: &str = "{message}";
/// The runner of an agent without a setting.
pub const DEFAULT: &str = "knowledge";
/// Runners of later versions.
pub const LATER: &[&str] = &["anthropic", "openai", "claude-code", "acp"];
/// Maximum bytes of a reported answer: JSON may need six bytes for one, and the server reads 1 MiB.
pub const TEXT_BYTES_MAX: usize = 100 << 10;
/// Maximum bytes of a progress line.
pub const PROGRESS_BYTES_MAX: usize = 300;

/// Every runner of this version.
pub const REGISTRY: &[Entry] = &[
    Entry { name: "knowledge", make: |deps, _| Box::new(knowledge::Knowledge::new(deps)) },
    Entry { name: "command", make: |deps, agent| Box::new(command::Command::new(deps, agent)) },
];

/// A line of the registry.
pub struct Entry {
    /// The value of `runner = "…"`.
    pub name: &'static str,
    pub make: fn(&Deps, &AgentConfig) -> Box<dyn Runner>,
}

/// One piece of work for an agent.
#[derive(Clone, Debug)]
pub struct Job {
    pub task: TaskId,
    pub agent: AgentId,
    /// The sender's text: data, never a command line.
    pub message: String,
    pub context: TaskContext,
    /// The approved cost.
    pub cost_limit: Micros,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    pub outcome: Outcome,
    /// The answer, or a clear sentence for the sender.
    pub text: String,
    /// None if the runner does not know.
    pub actual_cost: Option<Micros>,
    pub usage: Option<Value>,
}

impl Finish {
    /// An end without a known cost.
    pub fn new(outcome: Outcome, text: impl Into<String>) -> Self {
        Self { outcome, text: text.into(), actual_cost: None, usage: None }
    }
    /// An end that certainly cost nothing.
    pub fn free(outcome: Outcome, text: impl Into<String>) -> Self {
        Self { actual_cost: Some(Micros::ZERO), ..Self::new(outcome, text) }
    }
    /// The agent could not start; nothing was spent, and another agent may do the work.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self::free(Outcome::Unavailable, text)
    }
}

/// An event of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEvent {
    /// A progress line.
    Progress(String),
    Finished(Finish),
}

/// An active run.
#[async_trait]
pub trait Run: Send {
    /// The next event; after the end it returns the same end again. Cancel-safe.
    async fn next(&mut self) -> RunEvent;
    /// Stops it with everything it started, and returns when all of it has ended. Returns the cost
    /// so far, if known.
    async fn stop(&mut self) -> Option<Micros>;
}

/// A way to run an agent.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Starts the work. If that fails, the run has already ended as `unavailable`.
    async fn start(&self, job: &Job) -> Box<dyn Run>;
}

/// The runner of this agent.
pub fn of(deps: &Deps, agent: &AgentId) -> Box<dyn Runner> {
    let config = deps.config.agent(agent);
    match REGISTRY.iter().find(|entry| entry.name == config.runner) {
        Some(entry) => (entry.make)(deps, config),
        None => Box::new(knowledge::Knowledge::new(deps)),
    }
}

/// A run that has ended.
pub(crate) struct Ended(pub Finish);

#[async_trait]
impl Run for Ended {
    async fn next(&mut self) -> RunEvent {
        RunEvent::Finished(self.0.clone())
    }
    async fn stop(&mut self) -> Option<Micros> {
        self.0.actual_cost
    }
}
