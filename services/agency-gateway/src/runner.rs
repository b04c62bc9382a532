//! The contract between the gateway and a runner: a [`Job`] goes in, a [`Run`] reports events until
//! it has finished.

use crate::program::Program;
use crate::tool_approvals::ToolApprovals;
use async_trait::async_trait;
use contracts::approval::Outcome;
use contracts::run_log::RunLog;
use contracts::task::{BackendSession, TaskContext, UsageLimit};
use contracts::{AgentId, Micros, TaskId};
use platform::ports::{Calls, Clock, Exchange, LeftFile, Outbound, ProgramSpec, Programs};
use platform::secret::Secret;
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
    /// The token of its claim, which proves the run to the control plane; none before the claim.
    pub claim: Option<Secret>,
    /// Files that the run is given and may leave.
    pub exchange: Option<Exchange>,
}

impl Job {
    /// The work that it belongs to: its conversation, else the task alone.
    pub(crate) fn work(&self) -> &str {
        let conversation = self.context.conversation.as_ref();
        conversation.map_or(self.task.as_str(), |conversation| conversation.as_str())
    }
    /// A run of this program with these arguments and no input. `keeps`: its folder stays for the
    /// conversation, because programs find a session again only from the folder that it was begun
    /// in.
    pub(crate) fn spec(&self, program: &Program, args: Vec<String>, keeps: bool) -> ProgramSpec {
        let asks = program.tool_approvals == Some(ToolApprovals::Ask);
        ProgramSpec {
            program: program.command.first().cloned().unwrap_or_default(),
            args,
            stdin: String::new(),
            input_stays_open: false,
            data_visible: program.data_visible,
            reach: program.reach.clone(),
            env: program.env.clone(),
            secrets: program.secrets.clone(),
            asks_as: self.claim.clone().filter(|_| asks),
            task: self.task.to_string(),
            kept_folder: self.kept_folder().filter(|_| keeps),
            workspace: program.workspace(self.agent.as_str(), self.work()),
            timeout_ms: program.timeout_ms,
            output_bytes_max: program.output_bytes_max,
            bounds: program.bounds,
            exchange: self.exchange.clone(),
            log: None,
        }
    }
    /// The name of the folder that the agent keeps for its conversation.
    pub(crate) fn kept_folder(&self) -> Option<String> {
        let conversation = self.context.conversation.as_ref()?;
        // NUL is in neither, so no two pairs are the same text.
        Some(format!("{}\0{conversation}", self.agent))
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
    /// `actual_cost` is only what was set aside: nothing was reported, and no price is known.
    pub cost_unknown: bool,
    pub usage: Option<Value>,
    /// The backend's own session, to be resumed by the next run of this conversation.
    pub session: Option<BackendSession>,
    /// It failed at the limit of the account that it works with.
    pub usage_limit: Option<UsageLimit>,
}

impl Finish {
    /// An end without a known cost.
    pub fn new(outcome: Outcome, text: impl Into<String>) -> Self {
        Self {
            outcome,
            text: text.into(),
            actual_cost: None,
            cost_unknown: false,
            usage: None,
            session: None,
            usage_limit: None,
        }
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
    /// Its next step may bring the cost to this. It begins with the next call of [`Run::next`],
    /// which comes when so much is held.
    Needs(Micros),
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
    /// Asks it to end its work by itself, and waits a moment for that. [`Self::stop`] is due then,
    /// and alone where it must not spend more.
    async fn cancel(&mut self) {}
    /// Ends it and everything it started; returns when all of it is gone.
    async fn stop(&mut self) -> Stopped;
    /// The worktree that it has changed, by its id for `quintet work`, once it has ended.
    fn worktree(&self) -> Option<String> {
        None
    }
    /// The files that it left for the chat, once it has ended.
    async fn left(&mut self) -> Vec<LeftFile> {
        Vec::new()
    }
    /// Lines for the person about files that could not be handed over, once it has ended.
    async fn unsent(&mut self) -> Vec<String> {
        Vec::new()
    }
    /// The end of its program's log, once it has ended.
    fn log(&self) -> Option<RunLog> {
        None
    }
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
    /// Requests to the configured models only.
    pub outbound: Arc<dyn Outbound>,
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
    /// The model and the maximum number of turns that it hands to its program.
    fn settings(&self) -> (Option<&str>, Option<i64>) {
        (None, None)
    }
    /// Where its program's sign-in can be seen, for a program that has one and can print its
    /// version.
    fn sign_in(&self) -> Option<SignIn> {
        None
    }
    /// The agent's model, if its program has a known list of them and that one is not in it.
    fn unknown_model(&self) -> Option<UnknownModel<'_>> {
        None
    }
}

/// A model that is not in the list of its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownModel<'a> {
    pub model: &'a str,
    pub known: &'static [&'static str],
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
