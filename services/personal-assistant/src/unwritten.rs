//! Halts that storage has refused so far. They are in force in this process and are written as soon
//! as storage takes them.

use crate::authority::Authority;
use crate::halt::{KEY, Order, target, write_halt};
use crate::{Deps, halt};
use contracts::halt::{HaltAnswer, HaltLevel, HaltRow};
use contracts::{ErrorCode, TaskId};
use http::StatusCode;
use platform::edge::{ApiError, ApiResult};
use platform::ports::Clock;
use platform::time::rfc3339;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The halts in memory. Clones share them.
#[derive(Clone, Default)]
pub struct Unwritten(Arc<Mutex<Vec<Held>>>);

#[derive(Clone)]
struct Held {
    /// None halts everything.
    task: Option<TaskId>,
    order: Order,
    at_ms: i64,
}

impl Held {
    fn is_of(&self, task: Option<&TaskId>, authority: &Authority) -> bool {
        self.task.as_ref() == task && self.order.authority == *authority
    }
}

impl Unwritten {
    fn lock(&self) -> MutexGuard<'_, Vec<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn hold(&self, task: Option<TaskId>, order: Order, clock: &dyn Clock) {
        let mut held = self.lock();
        if !held.iter().any(|halt| halt.is_of(task.as_ref(), &order.authority)) {
            held.push(Held { task, order, at_ms: clock.now_ms() });
        }
    }
    fn forget(&self, task: Option<&TaskId>, authority: &Authority) {
        self.lock().retain(|halt| !halt.is_of(task, authority));
    }
    fn all(&self) -> Vec<Held> {
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
    /// Ends the halts of this target that the authority may lift. Returns whether there was one,
    /// and whether another stays.
    pub(crate) fn lift(&self, task: Option<&TaskId>, authority: &Authority) -> (bool, bool) {
        let mut held = self.lock();
        let before = held.len();
        let lifts = |halt: &Held| {
            halt.task.as_ref() == task
                && (*authority == Authority::Owner || halt.order.authority == *authority)
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

/// Whether storage failed. A refusal is no failure: it must reach the caller.
fn is_failure(error: &ApiError) -> bool {
    matches!(error.0.code, ErrorCode::Unavailable | ErrorCode::Internal)
}

/// Halts although storage failed: in memory, then with the reserved disk space.
///
/// # Errors
/// Refusals, unchanged.
pub(crate) async fn halt_unwritten(
    deps: &Deps,
    task: Option<&TaskId>,
    order: &Order,
    error: ApiError,
) -> ApiResult<(HaltAnswer, StatusCode)> {
    if !is_failure(&error) {
        return Err(error);
    }
    deps.unwritten.hold(task.cloned(), order.clone(), &*deps.clock);
    deps.signal.notify(KEY);
    if deps.emergency.free_space()
        && let Ok(answer) = write_halt(deps, task, order).await
    {
        deps.unwritten.forget(task, &order.authority);
        return Ok(answer);
    }
    let what = task.map_or_else(|| "Everything".to_owned(), ToString::to_string);
    let message = format!(
        "{what} is halted in the server's memory, but storage did not take it. Free some disk \
         space and leave the server running until then: a restart would forget the halt."
    );
    let answer = HaltAnswer {
        success: true,
        task_id: task.cloned(),
        message,
        level: HaltLevel::Accepted,
        unwritten: true,
    };
    Ok((answer, StatusCode::ACCEPTED))
}

/// Writes what storage refused. Called by the tick.
pub(crate) async fn write_due(deps: &Deps) {
    for held in deps.unwritten.all() {
        match halt::write_halt(deps, held.task.as_ref(), &held.order).await {
            Ok(_) => deps.unwritten.forget(held.task.as_ref(), &held.order.authority),
            Err(error) if is_failure(&error) => return,
            Err(error) => {
                tracing::warn!(problem = ?error.0, "a halt that is in force cannot be written");
            }
        }
    }
    deps.emergency.keep_space();
}
