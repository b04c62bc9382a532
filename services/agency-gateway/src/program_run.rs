//! A run that is a program: its output is read as it comes, and its result ends it.
//!
//! A program that has reported its result gets a few seconds to end by itself. Then its tree is
//! ended, and the result counts whatever the exit code says.

use crate::acp::Work;
use crate::changed;
use crate::conversation::AFRESH;
use crate::ending::unfinished;
use crate::output::{Format, Output};
use crate::program_log::Log;
use crate::runner::{Finish, PROGRESS_BYTES_MAX, Run, RunEvent, Stopped, TEXT_BYTES_MAX, Tools};
use crate::talk::Talk;
use crate::text::{clean, clip, clip_front};
use crate::unstarted::unstarted;
use async_trait::async_trait;
use contracts::approval::Outcome;
use contracts::run_log::RunLog;
use contracts::task::{BackendSession, UsageLimit};
use contracts::{Micros, TokenPrices, Tokens};
use futures_util::future::{Either, select};
use platform::ports::{
    Bounds, Changes, Clock, LeftFile, PortResult, ProgramEvent, ProgramLog, ProgramSpec, RunLimit,
    Running, ToolAnswer,
};
use std::pin::pin;
use std::sync::Arc;

/// Time that a program gets to end after its result.
const GRACE_MS: i64 = 5_000;
/// The same for a conversation: most such programs wait for more when their input is closed.
const TALK_GRACE_MS: i64 = 1_000;
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
    /// The conversation, for a program that speaks the Agent Client Protocol.
    pub(crate) acp: Option<Work>,
    pub(crate) limit_s: u64,
    /// Maximum bytes of the answer.
    pub(crate) bytes_max: usize,
    pub(crate) bounds: Bounds,
}

/// Starts the program. Where it cannot be started, the run has ended as unavailable.
pub(crate) async fn start(tools: &Tools, spec: ProgramSpec, reading: Reading) -> Box<dyn Run> {
    let (program, task) = (spec.program.clone(), spec.task.clone());
    let log = Arc::new(Log::default());
    let spec = ProgramSpec { log: Some(log.clone()), ..spec };
    match tools.programs.start(spec).await {
        Ok(running) => Box::new(ProgramRun::new(running, tools.clock.clone(), reading, log)),
        Err(error) => {
            tracing::warn!(error = %error, task, "a program could not be started");
            unstarted(&error, &reading.agent, &program, &log)
        }
    }
}

/// A running program.
pub(crate) struct ProgramRun {
    reading: Reading,
    clock: Arc<dyn Clock>,
    running: Box<dyn Running>,
    output: Output,
    talk: Option<Talk>,
    /// When the program is ended, after its result.
    grace_until_ms: Option<i64>,
    end: Option<Finish>,
    /// The cost that was reported last.
    ticked: Option<Micros>,
    /// Its changes in a repository.
    changed: Option<Changes>,
    log: Arc<Log>,
}

enum Turn {
    Event(ProgramEvent),
    /// The owner has answered a question.
    Answer((u64, PortResult<ToolAnswer>)),
    /// It has had its grace, or has printed too much.
    Over,
}

impl ProgramRun {
    pub(crate) fn new(
        running: Box<dyn Running>,
        clock: Arc<dyn Clock>,
        mut reading: Reading,
        log: Arc<Log>,
    ) -> Self {
        let talk = reading.acp.take().map(|work| Talk::new(work, &*running, &*clock));
        let output = Output::new(reading.format, reading.bytes_max, log.clone());
        Self {
            reading,
            clock,
            running,
            output,
            talk,
            grace_until_ms: None,
            end: None,
            ticked: None,
            changed: None,
            log,
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
    /// The cost at the end: nothing before an agent was handed its work.
    fn last_cost(&self) -> Option<Micros> {
        let is_free = self.talk.as_ref().is_some_and(|talk| talk.acp.is_free());
        self.cost().or_else(|| is_free.then_some(Micros::ZERO))
    }
    fn session(&self) -> Option<BackendSession> {
        let told = self.output.told();
        Some(BackendSession {
            runner: self.reading.sessions_of?.to_owned(),
            id: told.session()?.to_owned(),
            spent: told.spent(),
            cost: self.talk.as_ref().and_then(|talk| talk.acp.session_cost()),
        })
    }
    /// When it is ended unless something more comes.
    fn end_at_ms(&self) -> Option<i64> {
        self.grace_until_ms.or_else(|| self.talk.as_ref()?.start_by_ms())
    }
    async fn turn(&mut self) -> Turn {
        if let Some(talk) = &mut self.talk {
            talk.send(&mut *self.running).await;
            if self.output.has_ended() {
                talk.close(&mut *self.running).await;
            }
        }
        let is_broken = self.talk.as_ref().is_some_and(|talk| talk.acp.broken().is_some());
        if self.output.overflowed() || is_broken {
            return Turn::Over;
        }
        let (until_ms, clock) = (self.end_at_ms(), &self.clock);
        let over = async {
            match until_ms {
                Some(until_ms) => clock.sleep_until(until_ms).await,
                None => std::future::pending().await,
            }
        };
        let talk = &mut self.talk;
        let answer = async {
            match talk {
                Some(talk) => talk.answer().await,
                None => std::future::pending().await,
            }
        };
        match select(self.running.next(), select(pin!(answer), pin!(over))).await {
            Either::Left((event, _)) => Turn::Event(event),
            Either::Right((Either::Left((answer, _)), _)) => Turn::Answer(answer),
            Either::Right((Either::Right(_), _)) => Turn::Over,
        }
    }
    fn take(&mut self, line: String) -> Option<String> {
        let progress = match &mut self.talk {
            // Whatever the program prints before it speaks is noise.
            Some(talk) if talk.acp.is_spoken() || line.trim_start().starts_with('{') => {
                talk.acp.hear(self.output.told_mut(), &line)
            }
            _ => self.output.take(line),
        };
        if self.output.has_ended() && self.grace_until_ms.is_none() {
            let grace_ms = if self.talk.is_some() { TALK_GRACE_MS } else { GRACE_MS };
            self.grace_until_ms = Some(self.clock.now_ms() + grace_ms);
        }
        let first = progress?.lines().find(|line| !line.trim().is_empty())?.trim().to_owned();
        let shown = clip(&clean(&first), PROGRESS_BYTES_MAX);
        self.log.line(&shown, 0);
        Some(shown)
    }
    fn conclude(&mut self, event: Option<ProgramEvent>) -> Finish {
        self.output.close();
        let (mut outcome, mut text) = self.end_of(event);
        let mut notes = self.output.told().notes();
        // The words of other programs are those of their agent.
        let tells = outcome == Outcome::Failed && self.reading.format.tells_limits();
        let limit = tells.then(|| self.output.told().usage_limit(self.clock.now_ms())).flatten();
        let mut cost = self.last_cost();
        if let Some(limit) = &limit {
            notes.extend(self.rests(limit));
            let proves_it = self.reading.format.proves_idleness() && self.changed.is_none();
            if proves_it && self.output.told().has_done_nothing() {
                // It refused the work before it began; a stand-in of the graph may do it.
                let why = self.output.told().failure().unwrap_or("its limit is reached");
                let agent = &self.reading.agent;
                text = format!("{agent} is not available: its service takes no more work: {why}");
                (outcome, cost) = (Outcome::Unavailable, Some(Micros::ZERO));
            }
        }
        let is_afresh = |talk: &Talk| talk.acp.is_afresh() && talk.acp.has_begun();
        let afresh = self.talk.as_ref().filter(|talk| is_afresh(talk)).map(|_| AFRESH.to_owned());
        let texts: Vec<_> = afresh.into_iter().chain([text]).chain(notes).collect();
        let text = texts.join("\n\n");
        let finish = Finish {
            outcome,
            text: with_changes(text, self.changed.as_ref()),
            actual_cost: cost,
            cost_unknown: false,
            usage: self.output.told().usage().cloned(),
            session: self.session(),
            usage_limit: limit,
        };
        self.end.insert(finish).clone()
    }
    /// That it gets no work for a while.
    fn rests(&self, limit: &UsageLimit) -> Option<String> {
        let until = limit.until.as_deref()?;
        let minute = until.get(..16)?.replace('T', " ");
        Some(format!(
            "{} gets no more work before that limit ends, at {minute} UTC.",
            self.reading.agent
        ))
    }
    /// The same for a conversation. An exit code after the answer says nothing, because its input
    /// was closed.
    fn end_of_talk(&self, talk: &Talk, event: Option<ProgramEvent>) -> (Outcome, String) {
        let agent = &self.reading.agent;
        if let Some(broken) = talk.acp.broken() {
            return (broken.outcome, self.with_words(format!("{agent} {}", broken.why)));
        }
        if self.output.has_ended() {
            return self.output.answer(agent);
        }
        match event {
            Some(ProgramEvent::Exited { code, stderr }) => {
                let how = if code == Some(0) {
                    format!("{agent} ended by itself")
                } else {
                    self.failure(code, &stderr)
                };
                (Outcome::Failed, self.with_words(format!("{how}, before its answer.")))
            }
            None if !talk.acp.is_spoken() && !self.output.overflowed() => {
                let text = format!(
                    "{agent} was stopped: its program did not answer by the Agent Client Protocol. \
                     Check the command: it must begin a server of this protocol on standard input."
                );
                (Outcome::Failed, self.with_words(text))
            }
            other => self.stopped(other.as_ref()),
        }
    }
    /// `None`: we ended it.
    fn end_of(&self, event: Option<ProgramEvent>) -> (Outcome, String) {
        let agent = &self.reading.agent;
        if let Some(talk) = &self.talk {
            return self.end_of_talk(talk, event);
        }
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
            other => self.stopped(other.as_ref()),
        }
    }
    /// The end at a limit.
    fn stopped(&self, event: Option<&ProgramEvent>) -> (Outcome, String) {
        let agent = &self.reading.agent;
        match event {
            Some(ProgramEvent::TimedOut) => {
                let spent = self.last_cost().filter(|cost| *cost > Micros::ZERO);
                let after = spent.map(|cost| format!(" after spending {cost}")).unwrap_or_default();
                let limit_s = self.reading.limit_s;
                let text = format!("{agent} was stopped at its time limit of {limit_s} s{after}.");
                let said = if self.output.told().has_begun() {
                    String::new()
                } else {
                    unfinished(&self.output.plain())
                };
                // Plain output is the answer as far as it got.
                let text = if said.is_empty() {
                    self.with_words(text)
                } else {
                    format!("{text}\n\n{said}")
                };
                (Outcome::Timeout, text)
            }
            Some(ProgramEvent::OverLimit(limit)) => {
                (Outcome::Failed, self.with_words(self.over(*limit)))
            }
            _ => {
                let text = format!("{agent} was stopped: it printed more than its output limit.");
                (Outcome::Failed, self.with_words(text))
            }
        }
    }
    fn over(&self, limit: RunLimit) -> String {
        let (agent, bounds) = (&self.reading.agent, self.reading.bounds);
        let (what, bytes, key) = match limit {
            RunLimit::WorkFolder => ("its work folder has", bounds.work_bytes, "work_bytes_max"),
            RunLimit::Memory => ("its processes use", bounds.memory_bytes, "memory_bytes_max"),
        };
        let megabytes = bytes >> 20;
        format!("{agent} was stopped: {what} more than its limit of {megabytes} MB ({key}).")
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
            // The cost of a result is spent: the run ends with it, and asks for no more.
            if cost > self.ticked && !self.output.has_ended() {
                self.ticked = cost;
                return RunEvent::Cost(cost.unwrap_or_default());
            }
            match self.turn().await {
                Turn::Event(ProgramEvent::Line(line)) => {
                    if let Some(progress) = self.take(line) {
                        return RunEvent::Progress(progress);
                    }
                }
                Turn::Answer(answer) => {
                    if let Some(talk) = &mut self.talk {
                        talk.take_answer(self.output.told_mut(), answer);
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
    async fn cancel(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.cancel(&mut *self.running, self.output.told_mut(), &*self.clock).await;
        }
    }
    async fn stop(&mut self) -> Stopped {
        if let Some(talk) = self.talk.as_mut().filter(|talk| talk.acp.is_at_work()) {
            if talk.acp.works_elsewhere() {
                talk.cancel(&mut *self.running, self.output.told_mut(), &*self.clock).await;
            } else {
                talk.acp.cancel();
                talk.send(&mut *self.running).await;
            }
        }
        self.end_tree().await;
        self.changed = self.running.changes().await.or(self.changed.take());
        self.output.close();
        let told = self.output.told();
        let said = told.said().map_or_else(|| self.output.plain(), str::to_owned);
        let said = if self.output.has_ended() { said } else { unfinished(&said) };
        Stopped {
            cost: self.last_cost(),
            usage: told.usage().cloned(),
            text: Some(with_changes(said, self.changed.as_ref())).filter(|text| !text.is_empty()),
            session: self.session(),
        }
    }
    fn worktree(&self) -> Option<String> {
        self.changed.as_ref().filter(|changes| changes.files > 0)?.worktree.clone()
    }
    async fn left(&mut self) -> Vec<LeftFile> {
        self.running.left().await
    }
    async fn unsent(&mut self) -> Vec<String> {
        self.running.unsent().await
    }
    fn log(&self) -> Option<RunLog> {
        let has_answer = self.end.as_ref().is_some_and(|end| end.outcome == Outcome::Success);
        self.log.read(has_answer)
    }
    async fn rest(&mut self, rests: bool) {
        if let Some(talk) = &mut self.talk {
            talk.rests = rests;
        }
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
