//! The contract between the gateway and a runner: a [`Job`] goes in, a [`Run`] reports events until
//! it has finished.

use crate::program::Program;
use async_trait::async_trait;
use contracts::approval::Outcome;
use contracts::task::{BackendSession, TaskContext};
use contracts::{AgentId, Micros, TaskId};
use platform::ports::{Calls, Clock, Programs};
use serde_json::Value;
use std::sync::Arc;

/// Maximum length of an answer, in bytes: JSON may need six for one, and the other side reads 1
/// MiB.
pub const TEXT_BYTES_MAX: usize = 100 << 10;
/// Maximum length of a line of progress, in bytes.
pub const PROGRESS_BYTES_MAX: usize = 300;

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
    /// The backend's session of this conversation, where there is one.
    pub session: Option<BackendSession>,
}

impl Job {
    /// The work that it belongs to: its conversation, else the task alone.
    pub(crate) fn work(&self) -> &str {
        let conversation = self.context.conversation.as_ref();
        conversation.map_or(self.task.as_str(), |conversation| conversation.as_str())
    }
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
    /// The backend's own session, to be resumed by the next run of this conversation.
    pub session: Option<BackendSession>,
}

impl Finish {
    /// An end without a known cost.
    pub fn new(outcome: Outcome, text: impl Into<String>) -> Self {
        Self { outcome, text: text.into(), actual_cost: None, usage: None, session: None }
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
    /// Its cost so far, all together; never less than before.
    Cost(Micros),
    Finished(Finish),
}

/// A run that was stopped before its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stopped {
    /// Its cost until then; `None` when the runner does not know.
    pub cost: Option<Micros>,
    pub usage: Option<Value>,
    /// Its words until then.
    pub text: Option<String>,
    pub session: Option<BackendSession>,
}

/// One run of an agent, started and not yet ended.
#[async_trait]
pub trait Run: Send {
    /// The next event; after the end the same end again. Cancel-safe.
    async fn next(&mut self) -> RunEvent;
    /// Ends it and everything it started; returns when all of it is gone.
    async fn stop(&mut self) -> Stopped;
    /// Has everything of it rest, or go on. A runner that cannot does nothing; its output is not
    /// read meanwhile.
    async fn rest(&mut self, _rests: bool) {}
}

/// The parts of the world that a runner may use.
#[derive(Clone)]
pub struct Tools {
    pub calls: Arc<dyn Calls>,
    pub programs: Arc<dyn Programs>,
    pub clock: Arc<dyn Clock>,
}

/// The runner of one agent, with its keys read from the configuration.
#[async_trait]
pub trait Runner: std::fmt::Debug + Send + Sync {
    /// Starts the work. A start that fails is a run that has ended at once as `unavailable`.
    async fn start(&self, tools: &Tools, job: &Job) -> Box<dyn Run>;
    /// The program that a run starts: `/health` looks for it, `quintet doctor` says what it can
    /// see.
    fn program(&self) -> Option<&Program> {
        None
    }
    /// Where its program's sign-in can be seen, for a program that has one and can print its
    /// version.
    fn sign_in(&self) -> Option<SignIn> {
        None
    }
}

/// Signs that a program is signed in: one of them is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Files in its state folder.
    pub files: &'static [&'static str],
    /// Variables, which the agent's key `env` must name.
    pub variables: &'static [&'static str],
    /// The command that signs in.
    pub how: &'static str,
}

/// A run that has ended.
pub struct Ended(pub Finish);

#[async_trait]
impl Run for Ended {
    async fn next(&mut self) -> RunEvent {
        RunEvent::Finished(self.0.clone())
    }
    async fn stop(&mut self) -> Stopped {
        Stopped { cost: self.0.actual_cost, ..Stopped::default() }
    }
}
