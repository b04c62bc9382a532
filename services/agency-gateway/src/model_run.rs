//! An agent that is a model: its file in the graph are the instructions, the graph is its
//! knowledge, and every call is paid from the hold before it is sent.
//!
//! A call that may cost more than is left waits until the server has granted it
//! ([`RunEvent::Needs`]), so that such a run never costs more than is held for it.

use crate::model_talk::Talk;
use crate::program::Program;
use crate::runner::{Finish, Job, Run, RunEvent, Runner, Stopped, Tools};
use crate::text::{clip, clip_front};
use async_trait::async_trait;
use contracts::approval::Outcome;
use contracts::{Micros, TokenUsage};
use event_listener::Event;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};
use model_client::{Client, Held, RETRIES};
use platform::agents::Agent;
use platform::config::Section;
use platform::models::Model;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Default of `max_turns`: calls of the model in one run.
const TURNS_MAX: i64 = 20;
/// Bytes of new text after which a line of progress is due, and its length.
const PROGRESS_EVERY: usize = 120;
const PROGRESS_BYTES: usize = 240;

/// Reads an agent that is a model.
pub(crate) fn read(
    agent: &Agent,
    section: &mut Section<'_>,
    mut program: Program,
) -> Arc<dyn Runner> {
    crate::tool_approvals::refuse(section, &mut program.tool_approvals);
    let turns_max = section.whole("max_turns", 1, 1_000).unwrap_or(TURNS_MAX);
    Arc::new(ModelAgent { models: agent.models.clone(), turns_max })
}

/// The runner of an agent without a table, where a model is for such agents.
pub(crate) fn of(agent: &Agent) -> Option<Arc<dyn Runner>> {
    let models = agent.models.clone();
    let runner = || -> Arc<dyn Runner> { Arc::new(ModelAgent { models, turns_max: TURNS_MAX }) };
    (!agent.models.is_empty()).then(runner)
}

/// Runs one agent by a model.
#[derive(Debug)]
struct ModelAgent {
    /// The first is asked, the others where it cannot be reached. None in a configuration that is
    /// refused.
    models: Vec<Model>,
    turns_max: i64,
}

#[async_trait]
impl Runner for ModelAgent {
    fn settings(&self) -> (Option<&str>, Option<i64>) {
        (self.models.first().map(|model| model.model.as_str()), Some(self.turns_max))
    }
    async fn start(&self, tools: &Tools, job: &Job) -> Box<dyn Run> {
        let desk = Arc::new(Desk::default());
        if self.models.is_empty() {
            let text = format!("{} is not available: it has no model.", job.agent);
            return Box::new(crate::runner::Ended(Finish::unavailable(text)));
        }
        let client = Client {
            outbound: tools.outbound.clone(),
            clock: tools.clock.clone(),
            retries: RETRIES,
        };
        let talk = Talk {
            client,
            calls: tools.calls.clone(),
            models: self.models.clone(),
            job: job.clone(),
            turns_max: self.turns_max,
            desk: desk.clone(),
        };
        Box::new(Asking { work: Some(talk.run().boxed()), desk, end: None })
    }
}

/// The claimed cost limit of a task is held by the ledger.
impl Held for Job {
    fn held(&self) -> Micros {
        self.cost_limit
    }
}

/// An amount that a renewal has granted.
pub(crate) struct Granted(pub(crate) Micros);

impl Held for Granted {
    fn held(&self) -> Micros {
        self.0
    }
}

/// What a run and its reader share.
#[derive(Default)]
pub(crate) struct Desk {
    inner: Mutex<Inner>,
    /// Notified when an event is laid down.
    laid: Event,
    /// Notified when the reader asks for the next one.
    asked: Event,
}

#[derive(Default)]
struct Inner {
    events: VecDeque<RunEvent>,
    /// How often the reader has asked.
    asked: u64,
    /// The cost so far; of a call that has not ended, its ceiling.
    spent: Micros,
    usage: TokenUsage,
    /// Words for the person so far.
    text: String,
    /// Of these, the bytes that progress has shown.
    shown: usize,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Lays an event down for the reader.
    pub(crate) fn lay(&self, event: RunEvent) {
        self.lock().events.push_back(event);
        self.laid.notify(usize::MAX);
    }
    /// Notes the cost so far; `at_risk` also counts the ceiling of a call that begins.
    pub(crate) fn spend(&self, cost: Micros, at_risk: bool) {
        self.lock().spent = cost;
        if !at_risk {
            self.lay(RunEvent::Cost(cost));
        }
    }
    /// Adds to the usage.
    pub(crate) fn used(&self, usage: TokenUsage) {
        let mut inner = self.lock();
        inner.usage = inner.usage.plus(usage);
    }
    /// The usage so far.
    pub(crate) fn usage(&self) -> TokenUsage {
        self.lock().usage
    }
    /// Words of the model, as they come.
    pub(crate) fn hear(&self, text: &str) {
        let mut inner = self.lock();
        inner.text.push_str(text);
        if inner.text.len() - inner.shown < PROGRESS_EVERY {
            return;
        }
        inner.shown = inner.text.len();
        let line = clip_front(inner.text.trim(), PROGRESS_BYTES);
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        // Only the newest line is of use to anybody.
        inner.events.retain(|event| !matches!(event, RunEvent::Progress(_)));
        inner.events.push_back(RunEvent::Progress(line));
        drop(inner);
        self.laid.notify(usize::MAX);
    }
    /// The words so far, and a new beginning.
    pub(crate) fn take_text(&self) -> String {
        let mut inner = self.lock();
        inner.shown = 0;
        std::mem::take(&mut inner.text)
    }
    /// Waits until so much is held: the reader asks for the next event only then.
    pub(crate) async fn granted(&self, cost: Micros) {
        let before = self.lock().asked;
        self.lay(RunEvent::Needs(cost));
        loop {
            let asked = self.asked.listen();
            if self.is_asked_after(before) {
                return;
            }
            asked.await;
        }
    }
    fn is_asked_after(&self, before: u64) -> bool {
        let inner = self.lock();
        inner.events.is_empty() && inner.asked > before
    }
    fn next(&self) -> Option<RunEvent> {
        self.lock().events.pop_front()
    }
    fn ask(&self) {
        self.lock().asked += 1;
        self.asked.notify(usize::MAX);
    }
}

/// A run of a model.
struct Asking {
    /// None after a stop.
    work: Option<BoxFuture<'static, Finish>>,
    desk: Arc<Desk>,
    end: Option<Finish>,
}

#[async_trait]
impl Run for Asking {
    async fn next(&mut self) -> RunEvent {
        self.desk.ask();
        loop {
            if let Some(event) = self.desk.next() {
                return event;
            }
            if let Some(end) = &self.end {
                return RunEvent::Finished(end.clone());
            }
            let laid = self.desk.laid.listen();
            let Some(work) = &mut self.work else {
                let end = Finish::free(Outcome::Cancelled, "");
                return RunEvent::Finished(self.end.insert(end).clone());
            };
            match select(work, pin!(laid)).await {
                Either::Left((finish, _)) => {
                    self.work = None;
                    self.end = Some(finish);
                }
                Either::Right(_) => {}
            }
        }
    }
    async fn stop(&mut self) -> Stopped {
        // The connection is closed with the future; there is nothing else.
        self.work = None;
        if let Some(end) = &self.end {
            return Stopped {
                cost: end.actual_cost,
                usage: end.usage.clone(),
                ..Stopped::default()
            };
        }
        let inner = self.desk.lock();
        let text = Some(inner.text.trim().to_owned()).filter(|text| !text.is_empty());
        let stopped = Stopped {
            cost: Some(inner.spent),
            usage: Some(inner.usage.record()),
            text: text.map(|text| clip(&text, crate::runner::TEXT_BYTES_MAX)),
            session: None,
        };
        drop(inner);
        self.end = Some(Finish {
            actual_cost: stopped.cost,
            ..Finish::new(Outcome::Cancelled, stopped.text.clone().unwrap_or_default())
        });
        stopped
    }
}
