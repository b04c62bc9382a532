//! The ways to run an agent.
//!
//! To add one: `runners/<name>.rs` with a [`Runner`], a module and a line in [`REGISTRY`] below, its keys in
//! `config.rs`, and (if it was in [`LATER`]) its name taken out there. `tests/runners.rs` walks the registry and holds
//! each runner to what [`Run`] promises.

mod command;
mod knowledge;

use crate::Deps;
use crate::config::AgentConfig;
use async_trait::async_trait;
use contracts::approval::Outcome;
use contracts::task::TaskContext;
use contracts::{AgentId, Micros, TaskId};
use serde_json::Value;

/// The argument of a command that the message takes the place of.
pub const MESSAGE: &str = "{message}";
/// The runner of an agent without a setting.
pub const DEFAULT: &str = "knowledge";
/// Runners that a later version has.
pub const LATER: &[&str] = &["anthropic", "openai", "claude-code", "acp"];
/// The longest answer handed back, in bytes: JSON may need six for one, and the other side reads 1 MiB.
pub const TEXT_BYTES_MAX: usize = 100 << 10;
/// The longest line of progress, in bytes.
pub const PROGRESS_BYTES_MAX: usize = 300;

/// Every runner of this version.
pub const REGISTRY: &[Entry] = &[
    Entry { name: "knowledge", make: |deps, _| Box::new(knowledge::Knowledge::new(deps)) },
    Entry { name: "command", make: |deps, agent| Box::new(command::Command::new(deps, agent)) },
];

/// A line of the registry.
pub struct Entry {
    /// What `runner = "…"` says.
    pub name: &'static str,
    pub make: fn(&Deps, &AgentConfig) -> Box<dyn Runner>,
}

/// One piece of work for an agent.
#[derive(Clone, Debug)]
pub struct Job {
    pub task: TaskId,
    pub agent: AgentId,
    /// What the person wrote: data, never a command line.
    pub message: String,
    pub context: TaskContext,
    /// What was approved.
    pub cost_limit: Micros,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    pub outcome: Outcome,
    /// The answer, or a clear sentence for the person.
    pub text: String,
    /// None when the runner does not know.
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
    /// The agent could not be started; nothing was spent, another agent may do the work.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self::free(Outcome::Unavailable, text)
    }
}

/// Something a run did.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEvent {
    /// A line about what it is doing.
    Progress(String),
    Finished(Finish),
}

/// A run under way.
#[async_trait]
pub trait Run: Send {
    /// The next event; after the end the same end again. Cancel-safe.
    async fn next(&mut self) -> RunEvent;
    /// Ends it and everything it started; returns when all of it is gone. What it cost until then, where known.
    async fn stop(&mut self) -> Option<Micros>;
}

/// A way to run an agent.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Starts the work. What cannot be started is a run that has ended at once as `unavailable`.
    async fn start(&self, job: &Job) -> Box<dyn Run>;
}

/// How this agent is run here.
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
