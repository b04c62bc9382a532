//! Programs that keep sessions of their own: a run resumes the session of its conversation. Where
//! the program does not have it any more, the run starts afresh with the last turns and says so.

use crate::conversation;
use crate::output::Format;
use crate::program::Program;
use crate::program_run::{self, Reading};
use crate::runner::{Finish, Job, Run, RunEvent, Runner, SignIn, Stopped, Tools, UnknownModel};
use crate::tool_approvals::{self, ToolApprovals};
use async_trait::async_trait;
use contracts::approval::Outcome;
use contracts::run_log::RunLog;
use contracts::{Micros, TokenPrices, Tokens};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use platform::agents::Agent;
use platform::config::Section;
use platform::ports::{LeftFile, ProgramSpec, StateFolder};
use serde_json::Value;
use std::sync::Arc;

/// A program that keeps sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backend {
    /// The runner.
    pub(crate) name: &'static str,
    /// The program, unless `command` names another.
    pub(crate) program: &'static str,
    pub(crate) format: Format,
    /// The variable that names the folder of its settings, sign-in and sessions.
    pub(crate) state: &'static str,
    /// Whether its usage is the total of a session.
    pub(crate) reports_total: bool,
    /// Arguments after the owner's own.
    pub(crate) arguments: fn(&[String], &Settings, &Start<'_>) -> Vec<String>,
    /// Standard input for this text.
    pub(crate) input: fn(&str) -> String,
    pub(crate) sign_in: SignIn,
    /// Whether it can be started as `tool_approvals` says.
    pub(crate) has_approvals: bool,
    /// Options of its own that decide the same as `tool_approvals`.
    pub(crate) approves_by: &'static [&'static str],
    /// Models that it is known to have; empty where that is not known.
    pub(crate) models: &'static [&'static str],
    /// Words of a failure that mean that it does not have the session; in lower case.
    pub(crate) lost: &'static [&'static str],
}

/// A start of the program.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Start<'a> {
    /// The session to resume.
    pub(crate) session: Option<&'a str>,
    /// The cost at which the program ends itself: where it reports its cost at the end only, the
    /// ledger cannot.
    pub(crate) cost_limit: Option<Micros>,
}

/// Keys of the runners.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// `model`, handed to the program.
    pub(crate) model: Option<String>,
    /// `max_turns`.
    pub(crate) max_turns: Option<i64>,
    pub(crate) tool_approvals: Option<ToolApprovals>,
}

impl Backend {
    /// Reads an agent with this backend.
    pub(crate) fn read(
        self,
        agent: &Agent,
        section: &mut Section<'_>,
        mut program: Program,
    ) -> Arc<dyn Runner> {
        if program.command.is_empty() {
            program.command = vec![self.program.to_owned()];
        }
        program.reach.state = Some(StateFolder {
            folder: state_folder(&agent.id, self.name),
            variable: self.state.to_owned(),
        });
        let model = section.text("model");
        if model.as_deref().is_some_and(|model| model.is_empty() || model.starts_with('-')) {
            section.wrong("model", "is no name of a model.", "Write the name, such as \"opus\".");
        }
        if self.has_approvals {
            tool_approvals::settle(
                section,
                &mut program.tool_approvals,
                &program.command,
                self.approves_by,
            );
        } else {
            tool_approvals::refuse(section, &mut program.tool_approvals);
        }
        let settings = Settings {
            model,
            max_turns: section.whole("max_turns", 1, 10_000),
            tool_approvals: program.tool_approvals,
        };
        let prices = Prices { stated: agent.price.of_tokens(), listed: agent.listed };
        Arc::new(Agentic { backend: self, program, settings, prices, keeps: agent.keeps_session })
    }
}

/// `claude-opus-4-6-20260205` or `sonnet[1m]`, of the name before it.
fn is_dated(model: &str, name: &str) -> bool {
    let rest = model.strip_prefix(name).unwrap_or_default();
    let is_date = |date: &str| date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
    rest == "[1m]" || rest.strip_prefix('-').is_some_and(is_date)
}

/// Where a backend keeps the state of an agent.
pub(crate) fn state_folder(agent: &str, backend: &str) -> String {
    let harmless = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    let agent: String = agent.to_lowercase().chars().map(harmless).collect();
    format!("~/.local/state/quintet/{agent}/{backend}")
}

/// Runs one agent by a backend.
#[derive(Debug)]
struct Agentic {
    backend: Backend,
    program: Program,
    settings: Settings,
    prices: Prices,
    keeps: bool,
}

/// Prices of its model's tokens.
#[derive(Clone, Copy, Debug)]
struct Prices {
    /// Of the owner.
    stated: Option<TokenPrices>,
    /// Of the list, where the owner states none.
    listed: Option<TokenPrices>,
}

impl Agentic {
    fn spec(&self, job: &Job, session: Option<&str>) -> ProgramSpec {
        let own = self.program.command.get(1..).unwrap_or_default();
        let is_known = |limit: &Micros| self.prices.stated.is_none() && *limit > Micros::ZERO;
        let cost_limit = Some(job.cost_limit).filter(is_known);
        let text = match session {
            Some(_) => job.message.clone(),
            None => conversation::text(job),
        };
        let args = (self.backend.arguments)(own, &self.settings, &Start { session, cost_limit });
        ProgramSpec {
            stdin: (self.backend.input)(&text),
            output_bytes_max: usize::MAX,
            ..job.spec(&self.program, args, self.keeps)
        }
    }
    fn reading(&self, job: &Job, before: Tokens) -> Reading {
        Reading {
            agent: job.agent.to_string(),
            format: self.backend.format,
            cost_limit: job.cost_limit,
            prices: self.prices.stated.or(self.prices.listed),
            before,
            sessions_of: Some(self.backend.name).filter(|_| self.keeps),
            acp: None,
            limit_s: self.program.timeout_ms / 1000,
            bytes_max: self.program.output_bytes_max,
            bounds: self.program.bounds,
        }
    }
}

#[async_trait]
impl Runner for Agentic {
    fn settings(&self) -> (Option<&str>, Option<i64>) {
        (self.settings.model.as_deref(), self.settings.max_turns)
    }
    async fn start(&self, tools: &Tools, job: &Job) -> Box<dyn Run> {
        let fits = |session: &&contracts::task::BackendSession| {
            self.keeps && session.runner == self.backend.name && !session.id.starts_with('-')
        };
        let Some(session) = job.session.as_ref().filter(fits) else {
            let reading = self.reading(job, Tokens::default());
            return program_run::start(tools, self.spec(job, None), reading).await;
        };
        let before = if self.backend.reports_total { session.spent } else { Tokens::default() };
        let reading = self.reading(job, before);
        let run = program_run::start(tools, self.spec(job, Some(&session.id)), reading).await;
        let afresh = Afresh {
            tools: tools.clone(),
            spec: self.spec(job, None),
            reading: self.reading(job, Tokens::default()),
            lost: self.backend.lost,
        };
        Box::new(Resumed { run, afresh: Some(afresh), starting: None, is_new: false, end: None })
    }
    fn program(&self) -> Option<&Program> {
        Some(&self.program)
    }
    fn sign_in(&self) -> Option<SignIn> {
        Some(self.backend.sign_in)
    }
    fn unknown_model(&self) -> Option<UnknownModel<'_>> {
        let (model, known) = (self.settings.model.as_deref()?, self.backend.models);
        // Names of other providers, which the program translates.
        let is_foreign = model.contains(['.', ':', '/', '@']);
        let is_known = |name: &&str| model.eq_ignore_ascii_case(name) || is_dated(model, name);
        let is_unknown = !known.is_empty() && !is_foreign && !known.iter().any(is_known);
        is_unknown.then_some(UnknownModel { model, known })
    }
}

/// The run in place of one whose session is lost.
struct Afresh {
    tools: Tools,
    spec: ProgramSpec,
    reading: Reading,
    lost: &'static [&'static str],
}

impl Afresh {
    fn is_due(&self, finish: &Finish) -> bool {
        let text = finish.text.to_lowercase();
        // Nothing was done yet: a run that has cost something is never begun twice.
        let is_free = finish.actual_cost.is_none_or(|cost| cost == Micros::ZERO)
            && finish.usage.as_ref().is_none_or(|usage| !has_counts(usage));
        finish.outcome == Outcome::Failed
            && is_free
            && self.lost.iter().any(|words| text.contains(words))
    }
}

/// Whether a report of usage has a count above zero.
fn has_counts(usage: &Value) -> bool {
    match usage {
        Value::Number(number) => number.as_f64().is_some_and(|count| count > 0.0),
        Value::Array(items) => items.iter().any(has_counts),
        Value::Object(fields) => fields.values().any(has_counts),
        _ => false,
    }
}

/// A run that resumes a session.
struct Resumed {
    run: Box<dyn Run>,
    afresh: Option<Afresh>,
    /// Kept here, so that a start is never cut off half way.
    starting: Option<BoxFuture<'static, Box<dyn Run>>>,
    is_new: bool,
    end: Option<Finish>,
}

impl Resumed {
    async fn started(&mut self) {
        if let Some(starting) = &mut self.starting {
            self.run = starting.await;
            self.starting = None;
            self.is_new = true;
        }
    }
}

#[async_trait]
impl Run for Resumed {
    async fn next(&mut self) -> RunEvent {
        if let Some(end) = &self.end {
            return RunEvent::Finished(end.clone());
        }
        loop {
            self.started().await;
            let mut finish = match self.run.next().await {
                RunEvent::Finished(finish) => finish,
                event => return event,
            };
            if let Some(afresh) = self.afresh.take_if(|afresh| afresh.is_due(&finish)) {
                let Afresh { tools, spec, reading, .. } = afresh;
                let start = async move { program_run::start(&tools, spec, reading).await };
                self.starting = Some(start.boxed());
                continue;
            }
            if self.is_new {
                finish.text = format!("{}\n\n{}", conversation::AFRESH, finish.text);
            }
            return RunEvent::Finished(self.end.insert(finish).clone());
        }
    }
    async fn cancel(&mut self) {
        self.started().await;
        self.run.cancel().await;
    }
    async fn stop(&mut self) -> Stopped {
        self.started().await;
        self.run.stop().await
    }
    fn worktree(&self) -> Option<String> {
        self.run.worktree()
    }
    async fn left(&mut self) -> Vec<LeftFile> {
        self.run.left().await
    }
    async fn unsent(&mut self) -> Vec<String> {
        self.run.unsent().await
    }
    fn log(&self) -> Option<RunLog> {
        self.run.log()
    }
    async fn rest(&mut self, rests: bool) {
        self.run.rest(rests).await;
    }
}
