//! An agent that is a model: its file in the graph are the instructions, the graph is its
//! knowledge, and every call is paid from the hold before it is sent.
//!
//! A call that may cost more than is left waits until the server has granted it
//! ([`RunEvent::Needs`]), so that such a run never costs more than is held for it.

use crate::model_desk::Desk;
use crate::model_talk::Talk;
use crate::program::Program;
use crate::runner::{Finish, Job, Run, RunEvent, Runner, Stopped, Tools};
use async_trait::async_trait;
use contracts::approval::Outcome;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};
use model_client::{Client, RETRIES};
use platform::agents::Agent;
use platform::config::Section;
use platform::models::Model;
use std::pin::pin;
use std::sync::Arc;

/// Time of a run of an agent without a table: the default of `timeout_s`.
const TIMEOUT_MS: i64 = 600_000;
/// Default of `max_turns`: calls of the model in one run.
const TURNS_MAX: i64 = 20;

/// Reads an agent that is a model.
pub(crate) fn read(
    agent: &Agent,
    section: &mut Section<'_>,
    mut program: Program,
) -> Arc<dyn Runner> {
    crate::tool_approvals::refuse(section, &mut program.tool_approvals);
    let turns_max = section.whole("max_turns", 1, 1_000).unwrap_or(TURNS_MAX);
    let timeout_ms = i64::try_from(program.timeout_ms).unwrap_or(i64::MAX);
    Arc::new(ModelAgent { models: agent.models.clone(), turns_max, timeout_ms })
}

/// The runner of an agent without a table, where a model is for such agents.
pub(crate) fn of(agent: &Agent) -> Option<Arc<dyn Runner>> {
    let models = agent.models.clone();
    let runner = || -> Arc<dyn Runner> {
        Arc::new(ModelAgent { models, turns_max: TURNS_MAX, timeout_ms: TIMEOUT_MS })
    };
    (!agent.models.is_empty()).then(runner)
}

/// Runs one agent by a model.
#[derive(Debug)]
struct ModelAgent {
    /// The first is asked, the others where it cannot be reached. None in a configuration that is
    /// refused.
    models: Vec<Model>,
    turns_max: i64,
    /// Maximum time of a run.
    timeout_ms: i64,
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
        let until_ms = tools.clock.now_ms().saturating_add(self.timeout_ms);
        let (clock, late, seconds) = (tools.clock.clone(), desk.clone(), self.timeout_ms / 1000);
        let work = async move {
            match select(pin!(talk.run()), clock.sleep_until(until_ms)).await {
                Either::Left((finish, _)) => finish,
                Either::Right(_) => out_of_time(&late, seconds),
            }
        };
        Box::new(Asking { work: Some(work.boxed()), desk, end: None })
    }
}

/// The end of a run at its time limit, with its words so far.
fn out_of_time(desk: &Desk, seconds: i64) -> Finish {
    let Stopped { cost, usage, text, .. } = desk.stopped();
    let said = text.map(|text| format!("{text}\n\n")).unwrap_or_default();
    let text = format!("{said}It did not finish within its limit of {seconds} seconds.");
    Finish { actual_cost: cost, usage, ..Finish::new(Outcome::Failed, text) }
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
        let stopped = self.desk.stopped();
        self.end = Some(Finish {
            actual_cost: stopped.cost,
            ..Finish::new(Outcome::Cancelled, stopped.text.clone().unwrap_or_default())
        });
        stopped
    }
}
