//! Guards one run: renews its lease, notices halts, and says when the run must stop.
//!
//! A leased run renews at webhook-aggregator, which answers whether to cancel. A run requested over
//! HTTP has no lease and checks the halts of personal-assistant at the same interval. Either stops
//! itself after a lease's duration without an answer (fencing: another gateway may have the task by
//! then).

use crate::board::{StopReason, Ticket};
use crate::{Deps, report};
use contracts::calls::personal_assistant::ListHalts;
use contracts::calls::webhook_aggregator::RenewTask;
use contracts::task::{LEASE_MS, RENEW_EVERY_MS, RenewAnswer, RenewRequest};
use contracts::{Micros, TaskId};
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use platform::backoff::Exponential;
use platform::ports::{CallError, begin_wait};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

/// Between attempts to renew a lease.
const BACKOFF: Exponential = Exponential { first_ms: 500, max_ms: 3_000 };
/// The key that the control plane fires when something was halted.
const HALTS: &str = "halts";

/// How a run is tied to the control plane.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tie {
    Lease {
        epoch: u32,
    },
    /// Requested over HTTP.
    Direct,
}

/// The guard of one run.
pub(crate) struct Guard<'a> {
    deps: &'a Deps,
    task: &'a TaskId,
    tie: Tie,
    /// The newest progress line not yet sent.
    note: Mutex<Option<String>>,
    /// Cost of the run so far.
    spent: Mutex<Option<Micros>>,
    times: Mutex<Times>,
}

#[derive(Clone, Copy)]
struct Times {
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
            renew_ms: since_ms + RENEW_EVERY_MS,
            until_ms: since_ms + lease_ms,
            failures: 0,
        };
        Self {
            deps,
            task,
            tie,
            note: Mutex::default(),
            spent: Mutex::default(),
            times: Mutex::new(times),
        }
    }
    /// Stores a progress line for the next renewal.
    pub(crate) fn note(&self, line: &str) {
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = Some(line.to_owned());
    }
    /// Stores the cost of the run so far, for the next renewal.
    pub(crate) fn spent(&self, cost: Micros) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        *spent = (*spent).max(Some(cost));
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
            wait.await;
            // Started before the renewal, so that a halt during it is not missed but renews once
            // more.
            wait = begin_wait(signal, HALTS, clock.now_ms() + RENEW_EVERY_MS).await;
            if let Some(why) = self.renew().await {
                return why;
            }
            if self.times().failures > 0 {
                let sooner = clock.sleep_until(self.times().renew_ms);
                wait = select(wait, sooner).map(|_| ()).boxed();
            }
        }
    }
    /// Renews once, within the lease.
    async fn renew(&self) -> Option<StopReason> {
        let sent_ms = self.deps.clock.now_ms();
        let mut times = self.times();
        let answer =
            match select(pin!(self.ask()), self.deps.clock.sleep_until(times.until_ms)).await {
                Either::Left((answer, _)) => answer,
                Either::Right(((), _)) => return Some(StopReason::LeaseLost),
            };
        let now = self.deps.clock.now_ms();
        match answer {
            Ok(answer) => {
                // The lease counts from the request, not from the response, because the server's
                // clock started earlier.
                self.set(Times {
                    renew_ms: sent_ms + RENEW_EVERY_MS,
                    until_ms: sent_ms + answer.lease_ms,
                    failures: 0,
                });
                answer.cancel.then_some(StopReason::Halted)
            }
            Err(error) if self.is_stale(&error) => Some(StopReason::Stale),
            Err(error) => {
                tracing::warn!(error = %error, task = %self.task, "a lease could not be renewed");
                times.failures += 1;
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
    async fn ask(&self) -> Result<RenewAnswer, CallError> {
        match self.tie {
            Tie::Lease { epoch } => {
                let progress = self.note.lock().unwrap_or_else(PoisonError::into_inner).take();
                let spent = *self.spent.lock().unwrap_or_else(PoisonError::into_inner);
                let cost_micros = spent.map(|cost| cost.0);
                let request = RenewRequest { epoch, progress, cost_micros };
                self.deps.calls.ask::<RenewTask>(self.task, &request).await
            }
            Tie::Direct => {
                let list = self.deps.calls.ask::<ListHalts>(&(), &()).await?;
                let target = format!("task:{}", self.task);
                let mine =
                    list.halts.iter().any(|row| row.target == target && row.resumed_at.is_none());
                Ok(RenewAnswer { cancel: list.all || mine, lease_ms: LEASE_MS })
            }
        }
    }
}
