//! A run that is a program: its output is read as it comes, and its result ends it.
//!
//! A program that has reported its result gets [`GRACE_MS`] to end by itself. Then its tree is
//! ended, and the result counts whatever the exit code says.

use crate::changed;
use crate::output::{Format, Output};
use crate::runner::{
    Ended, Finish, PROGRESS_BYTES_MAX, Run, RunEvent, Stopped, TEXT_BYTES_MAX, Tools,
};
use crate::text::{clean, clip, clip_front};
use async_trait::async_trait;
use contracts::approval::Outcome;
use contracts::task::BackendSession;
use contracts::{Micros, TokenPrices, Tokens};
use futures_util::future::{Either, select};
use platform::ports::{Changes, Clock, PortErrorKind, ProgramEvent, ProgramSpec, Running};
use std::sync::Arc;

/// Time that a program gets to end after its result.
const GRACE_MS: i64 = 5_000;
/// A program's report counts up to this amount, or up to a hundred times its hold where that is
/// more: a wrong report cannot use up the budget of a year.
const REPORTED_MAX: Micros = Micros(100_000_000);
/// Maximum bytes of last words shown to the sender.
const WORDS_BYTES_MAX: usize = 600;

/// How a program's output is read.
#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) agent: String,
    pub(crate) format: Format,
    /// The approved cost.
    pub(crate) cost_limit: Micros,
    /// Prices of the tokens that it reports without a cost.
    pub(crate) prices: Option<TokenPrices>,
    /// Tokens that the session had used before, where the program reports its total.
    pub(crate) before: Tokens,
    /// The runner, where its sessions are kept.
    pub(crate) sessions_of: Option<&'static str>,
    pub(crate) limit_s: u64,
    /// Maximum bytes of the answer.
    pub(crate) bytes_max: usize,
}

/// Starts the program. Where it cannot be started, the run has ended as unavailable.
pub(crate) async fn start(tools: &Tools, spec: ProgramSpec, reading: Reading) -> Box<dyn Run> {
    let (program, task) = (spec.program.clone(), spec.task.clone());
    match tools.programs.start(spec).await {
        Ok(running) => Box::new(ProgramRun::new(running, tools.clock.clone(), reading)),
        Err(error) => {
            tracing::warn!(error = %error, task, "a program could not be started");
            let why = if error.kind == PortErrorKind::Invalid {
                "was not found or cannot be run"
            } else {
                "could not be started just now"
            };
            let agent = &reading.agent;
            let text = format!("{agent} is not available: its program {program} {why}.");
            Box::new(Ended(Finish::unavailable(text)))
        }
    }
}

/// A running program.
pub(crate) struct ProgramRun {
    reading: Reading,
    clock: Arc<dyn Clock>,
    running: Box<dyn Running>,
    output: Output,
    /// When the program is ended, after its result.
    grace_until_ms: Option<i64>,
    end: Option<Finish>,
    /// The cost that was reported last.
    ticked: Option<Micros>,
    /// Its changes in a repository.
    changed: Option<Changes>,
}

enum Turn {
    Event(ProgramEvent),
    /// It has had its grace, or has printed too much.
    Over,
}

impl ProgramRun {
    pub(crate) fn new(running: Box<dyn Running>, clock: Arc<dyn Clock>, reading: Reading) -> Self {
        let output = Output::new(reading.format, reading.bytes_max);
        Self {
            reading,
            clock,
            running,
            output,
            grace_until_ms: None,
            end: None,
            ticked: None,
            changed: None,
        }
    }
    /// The cost so far, within its bound.
    fn cost(&self) -> Option<Micros> {
        let cost = self.output.told().cost(self.reading.prices, self.reading.before)?;
        let max = REPORTED_MAX.max(Micros(self.reading.cost_limit.0.saturating_mul(100)));
        if cost > max {
            let agent = &self.reading.agent;
            tracing::warn!(agent, reported = %cost, counted = %max, "a program reported an implausible cost");
        }
        Some(cost.min(max))
    }
    fn session(&self) -> Option<BackendSession> {
        let told = self.output.told();
        Some(BackendSession {
            runner: self.reading.sessions_of?.to_owned(),
            id: told.session()?.to_owned(),
            spent: told.spent(),
        })
    }
    async fn turn(&mut self) -> Turn {
        if self.output.overflowed() {
            return Turn::Over;
        }
        let Some(until_ms) = self.grace_until_ms else {
            return Turn::Event(self.running.next().await);
        };
        match select(self.running.next(), self.clock.sleep_until(until_ms)).await {
            Either::Left((event, _)) => Turn::Event(event),
            Either::Right(_) => Turn::Over,
        }
    }
    fn take(&mut self, line: String) -> Option<String> {
        let progress = self.output.take(line);
        if self.output.has_ended() && self.grace_until_ms.is_none() {
            self.grace_until_ms = Some(self.clock.now_ms() + GRACE_MS);
        }
        let first = progress?.lines().find(|line| !line.trim().is_empty())?.trim().to_owned();
        Some(clip(&clean(&first), PROGRESS_BYTES_MAX))
    }
    fn conclude(&mut self, event: Option<ProgramEvent>) -> Finish {
        self.output.close();
        let (outcome, text) = self.end_of(event);
        let notes = self.output.told().notes();
        let text = std::iter::once(text).chain(notes).collect::<Vec<_>>().join("\n\n");
        let finish = Finish {
            outcome,
            text: with_changes(text, self.changed.as_ref()),
            actual_cost: self.cost(),
            usage: self.output.told().usage().cloned(),
            session: self.session(),
        };
        self.end.insert(finish).clone()
    }
    /// `None`: we ended it.
    fn end_of(&self, event: Option<ProgramEvent>) -> (Outcome, String) {
        let agent = &self.reading.agent;
        if self.output.has_ended() {
            let (outcome, text) = self.output.answer(agent);
            return match event {
                Some(ProgramEvent::Exited { code, stderr })
                    if outcome == Outcome::Success && code != Some(0) =>
                {
                    (outcome, format!("{text}\n\n({} after this.)", self.exit(code, &stderr)))
                }
                _ => (outcome, text),
            };
        }
        match event {
            Some(ProgramEvent::Exited { code: Some(0), .. }) => self.output.answer(agent),
            Some(ProgramEvent::Exited { code, stderr }) => {
                (Outcome::Failed, self.with_words(self.failure(code, &stderr)))
            }
            Some(ProgramEvent::TimedOut) => {
                let text =
                    format!("{agent} was stopped at its time limit of {} s.", self.reading.limit_s);
                (Outcome::Timeout, self.with_words(text))
            }
            Some(ProgramEvent::TooMuchOutput | ProgramEvent::Line(_)) | None => {
                let text = format!("{agent} was stopped: it printed more than its output limit.");
                (Outcome::Failed, self.with_words(text))
            }
        }
    }
    /// With the agent's last words, or else the last plain lines.
    fn with_words(&self, text: String) -> String {
        let told = self.output.told();
        if told.has_begun() {
            return told.with_last_words(text);
        }
        let plain = self.output.plain();
        let words = clip_front(&plain, WORDS_BYTES_MAX);
        if words.is_empty() || text.contains(words.as_str()) {
            return text;
        }
        format!("{text}\n\nIts last words: {words}")
    }
    fn exit(&self, code: Option<i32>, stderr: &str) -> String {
        let agent = &self.reading.agent;
        let how = code.map_or_else(
            || format!("{agent} was ended by a signal"),
            |code| format!("{agent} ended with exit code {code}"),
        );
        let tail = clip_front(clean(stderr).trim(), WORDS_BYTES_MAX);
        if tail.is_empty() { how } else { format!("{how}, with the error “{tail}”") }
    }
    /// The agent's own message about its failure, else the end of its standard error, else its last
    /// plain lines.
    fn failure(&self, code: Option<i32>, stderr: &str) -> String {
        let agent = &self.reading.agent;
        let how = code.map_or_else(
            || format!("{agent} was ended by a signal"),
            |code| format!("{agent} failed with exit code {code}"),
        );
        let tail = clip_front(clean(stderr).trim(), WORDS_BYTES_MAX);
        let plain = clip_front(&self.output.plain(), WORDS_BYTES_MAX);
        let said = self.output.told().failure().unwrap_or_default().to_owned();
        let why = [said, tail, plain].into_iter().find(|text| !text.is_empty());
        why.map_or_else(|| format!("{how}."), |why| format!("{how}: {why}"))
    }
}

/// The text within its length, with our own last lines below it.
fn with_changes(text: String, changes: Option<&Changes>) -> String {
    let own = changes.and_then(changed::lines).unwrap_or_default();
    let text = clip(&clean(&text), TEXT_BYTES_MAX.saturating_sub(own.len()));
    format!("{text}{own}").trim_start_matches('\n').to_owned()
}

#[async_trait]
impl Run for ProgramRun {
    async fn next(&mut self) -> RunEvent {
        if let Some(end) = &self.end {
            return RunEvent::Finished(end.clone());
        }
        loop {
            let cost = self.cost();
            if cost > self.ticked {
                self.ticked = cost;
                return RunEvent::Cost(cost.unwrap_or_default());
            }
            match self.turn().await {
                Turn::Event(ProgramEvent::Line(line)) => {
                    if let Some(progress) = self.take(line) {
                        return RunEvent::Progress(progress);
                    }
                }
                Turn::Event(end) => {
                    self.changed = self.running.changes().await.or(self.changed.take());
                    return RunEvent::Finished(self.conclude(Some(end)));
                }
                Turn::Over => {
                    // A second call after a dropped one stops it again, which changes nothing.
                    self.end_tree().await;
                    self.changed = self.running.changes().await.or(self.changed.take());
                    return RunEvent::Finished(self.conclude(None));
                }
            }
        }
    }
    async fn stop(&mut self) -> Stopped {
        self.end_tree().await;
        let changed = self.running.changes().await;
        self.output.close();
        let told = self.output.told();
        let said = told.said().map_or_else(|| self.output.plain(), str::to_owned);
        Stopped {
            cost: self.cost(),
            usage: told.usage().cloned(),
            text: Some(with_changes(said, changed.as_ref())).filter(|text| !text.is_empty()),
            session: self.session(),
        }
    }
    async fn rest(&mut self, rests: bool) {
        if let Err(error) = self.running.rest(rests).await {
            let agent = &self.reading.agent;
            tracing::warn!(%error, agent, rests, "a program could not be frozen or thawed");
        }
    }
}

impl ProgramRun {
    async fn end_tree(&mut self) {
        if let Err(error) = self.running.stop().await {
            let agent = &self.reading.agent;
            tracing::error!(error = %error, agent, "a program could not be stopped");
        }
    }
}
