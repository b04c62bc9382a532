//! One instance of an agent (the agent on one gateway): its running tasks, its expected run time,
//! and its breaker.

use super::breaker::Breaker;
use contracts::routing::{PoolInstance, PoolOutcome};
use serde::{Deserialize, Serialize};

/// The weight of a new run time in the smoothed ones.
const SMOOTHING: f64 = 0.2;
/// A failure is charged as this many usual runs of the pool, and at least this long; otherwise an
/// instance that fails fast would look fastest.
const FAILURE_FACTOR: f64 = 40.0;
const FAILURE_MS_MIN: f64 = 1_000.0;
/// Time constant with which estimates decay to the pool's mean, so that a slow instance gets
/// another chance.
const FADING_MS: f64 = 300_000.0;
/// Time without any report after which open runs no longer count.
pub(super) const FORGOTTEN_MS: i64 = 3_600_000;

/// The data of an instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    in_flight: u32,
    /// Smoothed time of successful runs, milliseconds.
    pub(super) latency_ms: Option<f64>,
    /// Peak EWMA of run times, with failures charged as slow, milliseconds.
    cost_ms: Option<f64>,
    cost_at_ms: i64,
    pub(super) breaker: Breaker,
    pub(super) heard_at_ms: i64,
}

/// The outcome of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub outcome: PoolOutcome,
    pub latency_ms: Option<f64>,
    pub now_ms: i64,
    /// Uniform in [0, 1).
    pub dice: f64,
    /// The mean run time of all instances of the agent, milliseconds.
    pub mean_ms: f64,
}

impl Instance {
    /// Runs started and not yet reported.
    pub fn in_flight(&self, now_ms: i64) -> u32 {
        if now_ms - self.heard_at_ms > FORGOTTEN_MS { 0 } else { self.in_flight }
    }

    /// Records a report.
    pub(super) fn apply(&mut self, ended: Ended) {
        self.in_flight = self.in_flight(ended.now_ms);
        self.heard_at_ms = ended.now_ms;
        if ended.outcome != PoolOutcome::Started {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
        match ended.outcome {
            PoolOutcome::Started => {
                self.in_flight = self.in_flight.saturating_add(1);
                self.breaker.started(ended.now_ms);
            }
            PoolOutcome::Succeeded => {
                if let Some(latency) =
                    ended.latency_ms.filter(|latency| latency.is_finite() && *latency >= 0.0)
                {
                    self.latency_ms = Some(
                        self.latency_ms.map_or(latency, |old| old + SMOOTHING * (latency - old)),
                    );
                    self.charge(latency, &ended);
                }
                self.breaker.succeeded();
            }
            PoolOutcome::Failed => {
                self.charge((ended.mean_ms * FAILURE_FACTOR).max(FAILURE_MS_MIN), &ended);
                self.breaker.failed(ended.now_ms, ended.dice);
            }
            PoolOutcome::Cancelled => self.breaker.cancelled(),
        }
    }

    /// Updates the peak EWMA: a longer run counts at once, shorter ones gradually.
    fn charge(&mut self, sample_ms: f64, ended: &Ended) {
        let known = self.cost_ms.map(|_| self.cost(ended.mean_ms, ended.now_ms));
        self.cost_ms = Some(match known {
            Some(cost) if sample_ms < cost => cost + SMOOTHING * (sample_ms - cost),
            _ => sample_ms,
        });
        self.cost_at_ms = ended.now_ms;
    }

    /// The expected run time here, milliseconds. It decays to the mean, not to zero: at zero the
    /// slowest instance, which gets the least work, would look best.
    fn cost(&self, mean_ms: f64, now_ms: i64) -> f64 {
        let Some(cost) = self.cost_ms else { return mean_ms };
        let age = now_ms.saturating_sub(self.cost_at_ms).max(0) as f64;
        mean_ms + (cost - mean_ms) * (-age / FADING_MS).exp()
    }

    /// The expected time of a new run: the expected run time × (running tasks + 1). `in_hand` is
    /// the caller's count, which may exceed the reports.
    pub(super) fn load(&self, mean_ms: f64, in_hand: u32, now_ms: i64) -> f64 {
        // At least a millisecond, so that running tasks count before any time is known.
        self.cost(mean_ms, now_ms).max(1.0) * (f64::from(self.in_flight(now_ms).max(in_hand)) + 1.0)
    }

    /// Its row.
    pub(super) fn row(&self, gateway: &contracts::GatewayId, now_ms: i64) -> PoolInstance {
        PoolInstance {
            gateway: gateway.clone(),
            available: self.breaker.lets_through(now_ms),
            breaker: self.breaker.state(now_ms),
            in_flight: self.in_flight(now_ms),
            latency_ms: self.latency_ms,
            failures: self.breaker.failures,
            retry_at: self.breaker.retry_at_ms.map(platform::time::rfc3339),
        }
    }
}
