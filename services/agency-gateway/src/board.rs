//! The runs of this gateway: all since its start (the last 500 ended ones), their listeners, and
//! stop requests. In memory only: the control plane is authoritative for tasks and money.

use crate::runner::Finish;
use contracts::task::TaskView;
use contracts::{AgentId, ApprovalId, TaskId};
use event_listener::Event;
use platform::time::rfc3339;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum ended runs kept for reading.
const KEPT: usize = 500;
/// Maximum events kept per run; older ones are dropped.
const EVENTS_KEPT: usize = 200;

/// The reason for stopping a run from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The owner halted it.
    Halted,
    /// Its cost does not fit the budget or its limit any more.
    Budget,
    /// A person stopped it.
    Stopped,
    /// It asked for more money, and an approver declined.
    Declined,
    /// Its lease ended at the control plane, which has posted its cost.
    CutOff,
    /// A newer lease of this task exists.
    Stale,
    /// Its lease expired without a renewal.
    LeaseLost,
    /// The gateway is shutting down.
    Shutdown,
}

/// One line of `GET /api/tasks/{id}/events`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskEvent {
    /// Counts from 1 within the run.
    pub seq: u64,
    /// RFC 3339 UTC.
    pub at: String,
    /// `started`, `progress`, `stopping` or `finished`.
    pub kind: &'static str,
    /// The progress line; for `finished` the state.
    pub text: String,
}

/// The runs of this gateway. Clones share the board.
#[derive(Clone, Default)]
pub struct Board(Arc<Shared>);

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    /// Notified after every change.
    changed: Event,
}

#[derive(Default)]
struct Inner {
    runs: VecDeque<Record>,
    next: u64,
    closed: bool,
    /// The server counts every run alike.
    alike: bool,
    control: Control,
}

/// The last response of the control plane, for health.
#[derive(Clone, Debug, Default)]
pub(crate) struct Control {
    pub heard_ms: Option<i64>,
    pub problem: Option<String>,
}

struct Record {
    number: u64,
    epoch: Option<u32>,
    approval: ApprovalId,
    view: TaskView,
    events: VecDeque<TaskEvent>,
    seq: u64,
    stop: Option<StopReason>,
    done: bool,
}

/// Free places for runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Of agents that start a program.
    pub programs: u32,
    /// Of all others.
    pub light: u32,
}

/// The data of a new run.
pub(crate) struct Entry {
    pub task: TaskId,
    pub agent: AgentId,
    /// The lease's epoch; none for a run requested over HTTP.
    pub epoch: Option<u32>,
    pub approval: ApprovalId,
}

/// Whether a run may start.
pub(crate) enum Begin {
    Go(Ticket),
    /// This lease, or this task, is already known and must not run twice.
    Known(TaskView, ApprovalId),
    /// The gateway is shutting down.
    Closed,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let answer = change(&mut self.lock());
        self.0.changed.notify(usize::MAX);
        answer
    }
    /// Waits until `ready` returns something; checks again after every change.
    async fn when<T>(&self, mut ready: impl FnMut(&Inner) -> Option<T>) -> T {
        loop {
            // Listening begins before the look, so that a change between the two is not missed.
            let changed = self.0.changed.listen();
            if let Some(answer) = ready(&self.lock()) {
                return answer;
            }
            changed.await;
        }
    }
    /// Adds a run, unless its lease (or, over HTTP, its task) is known.
    pub(crate) fn begin(&self, entry: Entry, now_ms: i64) -> Begin {
        self.change(|inner| {
            if inner.closed {
                return Begin::Closed;
            }
            let same = |r: &&Record| {
                r.view.task_id == entry.task && (entry.epoch.is_none() || r.epoch == entry.epoch)
            };
            if let Some(record) = inner.runs.iter().rev().find(same) {
                return Begin::Known(record.view.clone(), record.approval.clone());
            }
            inner.next += 1;
            let view = TaskView {
                task_id: entry.task,
                agent: entry.agent,
                state: "running".to_owned(),
                text: String::new(),
                started_at: rfc3339(now_ms),
                finished_at: None,
                actual_cost: None,
            };
            let mut record = Record {
                number: inner.next,
                epoch: entry.epoch,
                approval: entry.approval,
                view,
                events: VecDeque::new(),
                seq: 0,
                stop: None,
                done: false,
            };
            record.tell("started", String::new(), now_ms);
            inner.runs.push_back(record);
            inner.forget_old();
            Begin::Go(Ticket { board: self.clone(), number: inner.next })
        })
    }
    /// Runs that have not ended.
    pub fn running(&self) -> usize {
        self.lock().running(|_| true)
    }
    /// Those of agents of this kind.
    pub(crate) fn running_of(&self, is_of: impl Fn(&AgentId) -> bool) -> usize {
        self.lock().running(is_of)
    }
    /// Whether runs count by kind.
    pub(crate) fn counts_kinds(&self) -> bool {
        !self.lock().alike
    }
    pub(crate) fn count_alike(&self, alike: bool) {
        self.lock().alike = alike;
    }
    /// Waits until there is room for a run of some kind.
    pub(crate) async fn room(&self, of: impl Fn(&Self) -> Option<Room>) -> Room {
        loop {
            let changed = self.0.changed.listen();
            if let Some(room) = of(self) {
                return room;
            }
            changed.await;
        }
    }
    /// Stops the task's run, or all, because the owner halted them.
    pub fn halt(&self, task: Option<&TaskId>, now_ms: i64) -> usize {
        self.stop(task, StopReason::Halted, now_ms)
    }
    /// Requests the task's run (or all) to stop; returns how many had not ended. The first reason
    /// stays.
    pub(crate) fn stop(&self, task: Option<&TaskId>, why: StopReason, now_ms: i64) -> usize {
        self.change(|inner| {
            let mut count = 0;
            for record in inner
                .runs
                .iter_mut()
                .filter(|r| !r.done && task.is_none_or(|task| &r.view.task_id == task))
            {
                count += 1;
                if record.stop.is_none() {
                    record.stop = Some(why);
                    record.tell("stopping", String::new(), now_ms);
                }
            }
            count
        })
    }
    /// The newest run of a task.
    pub fn view(&self, task: &TaskId) -> Option<TaskView> {
        self.lock().newest(task).map(|record| record.view.clone())
    }
    /// Waits for events of the task's newest run after number `after`; the flag says whether it has
    /// ended. None for an unknown task.
    pub(crate) async fn events_after(
        &self,
        task: &TaskId,
        after: u64,
    ) -> Option<(Vec<TaskEvent>, bool)> {
        self.when(|inner| {
            let Some(record) = inner.newest(task) else { return Some(None) };
            let events: Vec<_> =
                record.events.iter().filter(|event| event.seq > after).cloned().collect();
            (record.done || !events.is_empty()).then_some(Some((events, record.done)))
        })
        .await
    }
    /// Prevents new runs.
    pub(crate) fn close(&self) {
        self.change(|inner| inner.closed = true);
    }
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }
    pub(crate) async fn closed(&self) {
        self.when(|inner| inner.closed.then_some(())).await;
    }
    /// Waits until no run is active.
    pub(crate) async fn quiet(&self) {
        self.when(|inner| (inner.running(|_| true) == 0).then_some(())).await;
    }
    /// Records a response of the control plane, or its failure.
    pub(crate) fn heard(&self, now_ms: i64, problem: Option<String>) {
        let mut inner = self.lock();
        if problem.is_none() {
            inner.control.heard_ms = Some(now_ms);
        }
        inner.control.problem = problem;
    }
    pub(crate) fn control(&self) -> Control {
        self.lock().control.clone()
    }
}

impl Inner {
    fn running(&self, is_of: impl Fn(&AgentId) -> bool) -> usize {
        self.runs.iter().filter(|record| !record.done && is_of(&record.view.agent)).count()
    }
    fn newest(&self, task: &TaskId) -> Option<&Record> {
        self.runs.iter().rev().find(|record| &record.view.task_id == task)
    }
    fn forget_old(&mut self) {
        while self.runs.len() > KEPT {
            let Some(oldest) = self.runs.iter().position(|record| record.done) else { return };
            self.runs.remove(oldest);
        }
    }
}

impl Record {
    fn tell(&mut self, kind: &'static str, text: String, now_ms: i64) {
        self.seq += 1;
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(TaskEvent { seq: self.seq, at: rfc3339(now_ms), kind, text });
    }
}

/// A run's entry on the board. If it is dropped before the run finished, the run counts as
/// cancelled.
pub(crate) struct Ticket {
    board: Board,
    number: u64,
}

impl Ticket {
    fn update(&self, update: impl FnOnce(&mut Record)) {
        self.board.change(|inner| {
            inner.runs.iter_mut().find(|r| r.number == self.number && !r.done).map(update)
        });
    }
    /// Waits for a stop request.
    pub(crate) async fn stopped(&self) -> StopReason {
        self.board.when(|inner| inner.runs.iter().find(|r| r.number == self.number)?.stop).await
    }
    /// The reason of a stop request, if there is one.
    pub(crate) fn stop_reason(&self) -> Option<StopReason> {
        self.board.lock().runs.iter().find(|r| r.number == self.number)?.stop
    }
    /// Adds a progress line.
    pub(crate) fn progress(&self, text: &str, now_ms: i64) {
        self.update(|record| {
            text.clone_into(&mut record.view.text);
            record.tell("progress", text.to_owned(), now_ms);
        });
    }
    /// Records the end of the run.
    pub(crate) fn finish(&self, finish: &Finish, now_ms: i64) {
        self.update(|record| {
            finish.outcome.as_str().clone_into(&mut record.view.state);
            record.view.text.clone_from(&finish.text);
            record.view.actual_cost = finish.actual_cost;
            record.view.finished_at = Some(rfc3339(now_ms));
            record.tell("finished", finish.outcome.as_str().to_owned(), now_ms);
            record.done = true;
        });
    }
    /// Removes a run that never started.
    pub(crate) fn withdraw(self) {
        self.board.change(|inner| inner.runs.retain(|record| record.number != self.number));
    }
    pub(crate) fn view(&self) -> Option<TaskView> {
        self.board.lock().runs.iter().find(|r| r.number == self.number).map(|r| r.view.clone())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.update(|record| {
            "cancelled".clone_into(&mut record.view.state);
            record.done = true;
        });
    }
}
