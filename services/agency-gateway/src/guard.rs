//! Guards one run: renews its lease, notices halts, and says when the run must stop.
//!
//! A leased run renews at webhook-aggregator, which answers whether to cancel. A run requested over
//! HTTP has no lease and renews its claim at personal-assistant. Both renew at once when the cost
//! exceeds the limit or something was halted. Either stops itself after a lease's duration without
//! an answer (fencing: another gateway may have the task by then).

use crate::board::{StopReason, Ticket};
use crate::purse::Purse;
use crate::{Deps, report};
use contracts::calls::personal_assistant::RenewClaim;
use contracts::calls::webhook_aggregator::RenewTask;
use contracts::task::{RENEW_EVERY_MS, RenewAnswer, RenewClaimRequest, RenewRequest, StopCause};
use contracts::{Micros, TaskId};
use event_listener::Event;
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use platform::backoff::Exponential;
use platform::ports::{CallError, begin_wait};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

/// Between attempts to renew a lease.
const BACKOFF: Exponential = Exponential { first_ms: 500, max_ms: 3_000 };
/// Least time between two renewals when the run has something to show.
const NOTE_EVERY_MS: i64 = 3_000;
/// Between renewals while the owner is asked for more money.
const RENEW_PAUSED_MS: i64 = 2_000;
/// The key that the control plane fires when something was halted.
const HALTS: &str = "halts";

/// How a run is tied to the control plane.
#[derive(Clone, Debug)]
pub(crate) enum Tie {
    Lease {
        epoch: u32,
    },
    /// Requested over HTTP.
    Direct {
        claim_token: String,
    },
}

/// The guard of one run.
pub(crate) struct Guard<'a> {
    deps: &'a Deps,
    task: &'a TaskId,
    tie: Tie,
    /// The newest progress line not yet sent.
    note: Mutex<Option<String>>,
    noted: Event,
    /// Its money.
    pub(crate) purse: Purse,
    times: Mutex<Times>,
}

#[derive(Clone, Copy)]
struct Times {
    /// When the last renewal was sent.
    sent_ms: i64,
    renew_ms: i64,
    /// End of the lease.
    until_ms: i64,
    failures: u32,
}

impl<'a> Guard<'a> {
    /// A guard for a run whose lease started at `since_ms` and lasts `lease_ms`.
    pub(crate) fn new(
        deps: &'a Deps,
        task: &'a TaskId,
        tie: Tie,
        since_ms: i64,
        lease_ms: i64,
    ) -> Self {
        let times = Times {
            sent_ms: since_ms,
            renew_ms: since_ms + RENEW_EVERY_MS,
            until_ms: since_ms + lease_ms,
            failures: 0,
        };
        Self {
            deps,
            task,
            tie,
            note: Mutex::default(),
            noted: Event::new(),
            purse: Purse::default(),
            times: Mutex::new(times),
        }
    }
    /// Stores a progress line for the next renewal.
    pub(crate) fn note(&self, line: &str) {
        // A run without a lease has no message to show it in.
        if matches!(self.tie, Tie::Direct { .. }) {
            return;
        }
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = Some(line.to_owned());
        self.noted.notify(usize::MAX);
    }
    /// Waits until a line is there and the last renewal was long enough ago to show it.
    async fn has_news(&self) {
        loop {
            let noted = self.noted.listen();
            if self.note.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                self.deps.clock.sleep_until(self.times().sent_ms + NOTE_EVERY_MS).await;
                return;
            }
            noted.await;
        }
    }
    fn times(&self) -> Times {
        *self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn set(&self, times: Times) {
        *self.times.lock().unwrap_or_else(PoisonError::into_inner) = times;
    }
    /// Returns when the run must stop, with the reason.
    pub(crate) async fn watch(&self, ticket: &Ticket) -> StopReason {
        match select(pin!(ticket.stopped()), pin!(self.keep())).await {
            Either::Left((why, _)) | Either::Right((why, _)) => why,
        }
    }
    /// Renews the lease while the result of an ended run is reported; the run cannot be stopped any
    /// more.
    pub(crate) async fn keep_while<T>(&self, reporting: impl Future<Output = T>) -> T {
        let keeping = async {
            loop {
                if matches!(self.keep().await, StopReason::Stale | StopReason::LeaseLost) {
                    std::future::pending::<()>().await;
                }
            }
        };
        match select(pin!(reporting), pin!(keeping)).await {
            Either::Left((answer, _)) => answer,
            Either::Right((never, _)) => never,
        }
    }
    /// Renews in time until told to stop, or until renewals fail for too long.
    async fn keep(&self) -> StopReason {
        let (signal, clock) = (&*self.deps.signal, &self.deps.clock);
        let mut wait = begin_wait(signal, HALTS, self.times().renew_ms).await;
        loop {
            select(wait, select(pin!(self.purse.is_due()), pin!(self.has_news()))).await;
            // Started before the renewal, so that a halt during it is not missed but renews once
            // more.
            wait = begin_wait(signal, HALTS, clock.now_ms() + RENEW_EVERY_MS).await;
            if let Some(why) = self.renew().await {
                return why;
            }
            if self.times().failures > 0 || self.purse.is_paused() {
                let sooner = clock.sleep_until(self.times().renew_ms);
                wait = select(wait, sooner).map(|_| ()).boxed();
            }
        }
    }
    /// Renews at once: why it must not start, which is also so where the server does not answer.
    pub(crate) async fn ask_first(&self) -> Option<StopReason> {
        let why = self.renew().await;
        why.or_else(|| (self.times().failures > 0).then_some(StopReason::LeaseLost))
    }
    /// Renews once, within the lease.
    async fn renew(&self) -> Option<StopReason> {
        let sent_ms = self.deps.clock.now_ms();
        let mut times = self.times();
        let (spent, need) = (self.purse.spent(), self.purse.needed());
        let answer =
            match select(pin!(self.ask(spent, need)), self.deps.clock.sleep_until(times.until_ms))
                .await
            {
                Either::Left((answer, _)) => answer,
                Either::Right(((), _)) => return Some(StopReason::LeaseLost),
            };
        let now = self.deps.clock.now_ms();
        match answer {
            Ok(answer) => {
                // The lease counts from the request, not from the response, because the server's
                // clock started earlier.
                self.purse.hear(spent.max(need), &answer);
                let next_ms = if self.purse.is_paused() { RENEW_PAUSED_MS } else { RENEW_EVERY_MS };
                self.set(Times {
                    sent_ms,
                    renew_ms: sent_ms + next_ms,
                    until_ms: sent_ms + answer.lease_ms,
                    failures: 0,
                });
                answer.cancel.then_some(match answer.reason {
                    Some(StopCause::Budget) => StopReason::Budget,
                    Some(StopCause::Stopped) => StopReason::Stopped,
                    Some(StopCause::Declined) => StopReason::Declined,
                    Some(StopCause::CutOff) => StopReason::CutOff,
                    Some(StopCause::Shutdown) => StopReason::Shutdown,
                    Some(StopCause::Halted) | None => StopReason::Halted,
                })
            }
            Err(error) if self.is_stale(&error) => Some(StopReason::Stale),
            Err(error) => {
                tracing::warn!(error = %error, task = %self.task, "a lease could not be renewed");
                times.failures += 1;
                times.sent_ms = sent_ms;
                times.renew_ms = now + BACKOFF.wait_ms(times.failures, &*self.deps.clock);
                self.set(times);
                (now >= times.until_ms).then_some(StopReason::LeaseLost)
            }
        }
    }
    /// Whether a refusal is permanent: the task belongs to another lease.
    fn is_stale(&self, error: &CallError) -> bool {
        matches!(self.tie, Tie::Lease { .. })
            && matches!(error.status(), Some(404 | 409))
            && !report::may_pass(error)
    }
    async fn ask(
        &self,
        spent: Option<Micros>,
        need: Option<Micros>,
    ) -> Result<RenewAnswer, CallError> {
        let (cost_micros, need_micros) = (spent.map(|cost| cost.0), need.map(|cost| cost.0));
        let progress = self.note.lock().unwrap_or_else(PoisonError::into_inner).take();
        match &self.tie {
            Tie::Lease { epoch } => {
                let request = RenewRequest { epoch: *epoch, progress, cost_micros, need_micros };
                self.deps.calls.ask::<RenewTask>(self.task, &request).await
            }
            Tie::Direct { claim_token } => {
                let claim_token = claim_token.clone();
                let request = RenewClaimRequest { claim_token, cost_micros, need_micros };
                self.deps.calls.ask::<RenewClaim>(self.task, &request).await
            }
        }
    }
}
