//! The desk between a run of a model and its reader: events are laid down by one and taken by the
//! other, and a call waits here until its money is held.

use crate::runner::{Job, RunEvent, Stopped, TEXT_BYTES_MAX};
use crate::text::{clip, clip_front};
use contracts::{Micros, TokenUsage};
use event_listener::Event;
use model_client::Held;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of new text after which a line of progress is due, and its length.
const PROGRESS_EVERY: usize = 120;
const PROGRESS_BYTES: usize = 240;

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

/// The state that a run and its reader share.
#[derive(Default)]
pub(crate) struct Desk {
    inner: Mutex<Inner>,
    /// Notified when an event is laid down.
    pub(crate) laid: Event,
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
    /// The state of a run that ends here.
    pub(crate) fn stopped(&self) -> Stopped {
        let inner = self.lock();
        let text = Some(inner.text.trim().to_owned()).filter(|text| !text.is_empty());
        Stopped {
            cost: Some(inner.spent),
            usage: Some(inner.usage.record()),
            text: text.map(|text| clip(&text, TEXT_BYTES_MAX)),
            ..Stopped::default()
        }
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
    /// The next event that is laid down.
    pub(crate) fn next(&self) -> Option<RunEvent> {
        self.lock().events.pop_front()
    }
    /// The reader asks for the next event.
    pub(crate) fn ask(&self) {
        self.lock().asked += 1;
        self.asked.notify(usize::MAX);
    }
}
