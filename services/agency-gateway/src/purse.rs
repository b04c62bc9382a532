//! The money of one run: what it has cost, how far it may spend, and whether it has to wait for the
//! server's word before it goes on.

use contracts::Micros;
use contracts::task::{RenewAnswer, StopCause};
use event_listener::{Event, EventListener};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why the server ended a run, with its words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub why: StopCause,
    pub detail: Option<String>,
}

#[derive(Default)]
pub(crate) struct Purse {
    inner: Mutex<Inner>,
    /// Notified when a renewal is due because of a cost.
    due: Event,
    /// Notified after every renewal.
    changed: Event,
}

#[derive(Default)]
struct Inner {
    spent: Option<Micros>,
    /// How far its next step may bring the cost.
    need: Option<Micros>,
    limit: Micros,
    /// The highest cost, or need, that a renewal has brought to the server.
    told: Micros,
    paused: bool,
    cause: Option<Cause>,
}

impl Inner {
    fn is_short(&self) -> bool {
        self.spent.max(self.need).is_some_and(|cost| cost > self.limit && cost > self.told)
    }
}

impl Purse {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Sets how far the run may spend.
    pub(crate) fn allow(&self, limit: Micros) {
        self.lock().limit = limit;
    }
    /// Notes the cost so far, which never falls. One above the limit makes a renewal due at once.
    pub(crate) fn spend(&self, cost: Micros) {
        let mut inner = self.lock();
        inner.spent = inner.spent.max(Some(cost));
        if inner.is_short() {
            self.due.notify(usize::MAX);
        }
    }
    /// Notes how far the next step may bring the cost. Above the limit a renewal is due at once.
    pub(crate) fn need(&self, cost: Micros) {
        let mut inner = self.lock();
        inner.need = Some(cost);
        if inner.is_short() {
            self.due.notify(usize::MAX);
        }
    }
    /// How far the next step may bring the cost, where that is more than it has cost.
    pub(crate) fn needed(&self) -> Option<Micros> {
        let inner = self.lock();
        inner.need.filter(|need| Some(*need) > inner.spent)
    }
    /// The cost so far, if the run has reported any.
    pub(crate) fn spent(&self) -> Option<Micros> {
        self.lock().spent
    }
    /// Takes the answer to a renewal that brought this cost.
    pub(crate) fn hear(&self, brought: Option<Micros>, answer: &RenewAnswer) {
        let mut inner = self.lock();
        inner.limit = answer.cost_limit;
        inner.told = inner.told.max(brought.unwrap_or_default());
        inner.paused = answer.pause && !answer.cancel;
        if let (true, None) = (answer.cancel, &inner.cause) {
            let why = answer.reason.unwrap_or(StopCause::Halted);
            inner.cause = Some(Cause { why, detail: answer.detail.clone() });
        }
        self.changed.notify(usize::MAX);
    }
    /// Why the server ended the run, if it did.
    pub(crate) fn cause(&self) -> Option<Cause> {
        self.lock().cause.clone()
    }
    /// Whether the owner is being asked.
    pub(crate) fn is_paused(&self) -> bool {
        self.lock().paused
    }
    /// Whether the run has to wait: a cost above the limit is on its way to the server, or the
    /// owner is being asked.
    pub(crate) fn must_wait(&self) -> bool {
        let inner = self.lock();
        inner.paused || inner.is_short()
    }
    /// Waits for a renewal. Listening begins with the call.
    pub(crate) fn changed(&self) -> EventListener {
        self.changed.listen()
    }
    /// Waits until a cost makes a renewal due.
    pub(crate) async fn is_due(&self) {
        loop {
            let due = self.due.listen();
            if self.lock().is_short() {
                return;
            }
            due.await;
        }
    }
}
