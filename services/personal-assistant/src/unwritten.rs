//! Halts that storage has refused so far. They are in force in this process and are written as soon
//! as storage takes them.

use contracts::TaskId;
use contracts::halt::{HaltLevel, HaltRow};
use platform::time::rfc3339;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who halts, and why.
#[derive(Clone)]
pub(crate) struct Order {
    /// The column `halt.endpoint`: whose halt it is; empty for the owner's.
    pub endpoint: String,
    pub reason: String,
    pub by: String,
}

/// The target: one task, or all.
pub(crate) fn target(task: Option<&TaskId>) -> String {
    task.map_or_else(|| "all".to_owned(), |task| format!("task:{task}"))
}

/// The halts in memory. Clones share them.
#[derive(Clone, Default)]
pub struct Unwritten(Arc<Mutex<Vec<Held>>>);

#[derive(Clone)]
pub(crate) struct Held {
    /// None halts everything.
    pub task: Option<TaskId>,
    pub order: Order,
    at_ms: i64,
}

impl Held {
    fn is_of(&self, task: Option<&TaskId>, endpoint: &str) -> bool {
        self.task.as_ref() == task && self.order.endpoint == endpoint
    }
}

impl Unwritten {
    fn lock(&self) -> MutexGuard<'_, Vec<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn hold(&self, task: Option<TaskId>, order: Order, now_ms: i64) {
        let mut held = self.lock();
        if !held.iter().any(|halt| halt.is_of(task.as_ref(), &order.endpoint)) {
            held.push(Held { task, order, at_ms: now_ms });
        }
    }
    pub(crate) fn forget(&self, task: Option<&TaskId>, endpoint: &str) {
        self.lock().retain(|halt| !halt.is_of(task, endpoint));
    }
    pub(crate) fn all(&self) -> Vec<Held> {
        self.lock().clone()
    }
    /// Whether everything is halted.
    pub(crate) fn halts_all(&self) -> bool {
        self.lock().iter().any(|halt| halt.task.is_none())
    }
    /// Whether this task, or everything, is halted.
    pub(crate) fn covers(&self, task: &TaskId) -> bool {
        self.lock().iter().any(|halt| halt.task.as_ref().is_none_or(|halted| halted == task))
    }
    /// Whether this task is halted by itself.
    pub(crate) fn covers_alone(&self, task: &TaskId) -> bool {
        self.lock().iter().any(|halt| halt.task.as_ref() == Some(task))
    }
    /// Who halted one of these tasks, or everything.
    pub(crate) fn actor(&self, tasks: &[TaskId]) -> Option<String> {
        let held = self.lock();
        let is_meant = |halt: &&Held| halt.task.as_ref().is_none_or(|task| tasks.contains(task));
        held.iter().find(is_meant).map(|halt| halt.order.by.clone())
    }
    /// Whether this task, the run that asks by it, or everything is halted.
    pub(crate) fn covers_any(&self, task: &str, run: Option<&str>) -> bool {
        let mut tasks = [Some(task), run].into_iter().flatten();
        tasks.any(|task| self.covers(&TaskId::new(task)))
    }
    /// Ends the halts of this target: all for the owner, who has no `endpoint`, else those of the
    /// endpoint. Returns whether there was one, and whether another stays.
    pub(crate) fn lift(&self, task: Option<&TaskId>, endpoint: &str) -> (bool, bool) {
        let mut held = self.lock();
        let before = held.len();
        let lifts = |halt: &Held| {
            halt.task.as_ref() == task && (endpoint.is_empty() || halt.order.endpoint == endpoint)
        };
        held.retain(|halt| !lifts(halt));
        let lifted = held.len() < before;
        (lifted, held.iter().any(|halt| halt.task.as_ref() == task))
    }
    /// As rows of the list, the newest first.
    pub(crate) fn rows(&self) -> Vec<HaltRow> {
        let row = |halt: Held| HaltRow {
            target: target(halt.task.as_ref()),
            reason: format!("{} (not written down yet: storage is full)", halt.order.reason),
            by: halt.order.by,
            at: rfc3339(halt.at_ms),
            level: HaltLevel::Accepted,
            resumed_at: None,
        };
        self.all().into_iter().rev().map(row).collect()
    }
}
