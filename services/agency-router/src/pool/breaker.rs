//! A circuit breaker. It is closed until [`FAILURES_MAX`] failures in a row, then open for a
//! jittered pause that doubles each time, then half-open: one trial run closes or reopens it.
//!
//! Pure: time and random numbers are arguments.

use contracts::routing::Breaker as State;
use serde::{Deserialize, Serialize};

/// Failures in a row that open a breaker.
pub const FAILURES_MAX: u32 = 3;
/// The first pause of an open breaker, before jitter.
const PAUSE_MS: i64 = 5_000;
/// The longest pause, before jitter.
const PAUSE_MS_MAX: i64 = 300_000;
/// The longest rest at the limit of an account: the longest limits are those of a week.
const REST_MS_MAX: i64 = 8 * 86_400_000;
/// Time after which an unreported trial run counts as lost, and another is let through.
const PROBE_LOST_MS: i64 = 900_000;

/// The breaker of one instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Breaker {
    /// Failures in a row.
    pub failures: u32,
    /// When an open breaker lets a trial run through; none while closed.
    pub retry_at_ms: Option<i64>,
    /// When the trial run of a half-open breaker began.
    probe_at_ms: Option<i64>,
    /// Times it opened since it last closed; each doubles the pause.
    opened: u32,
}

impl Breaker {
    /// Its state at this time.
    pub fn state(&self, now_ms: i64) -> State {
        match (self.retry_at_ms, self.probe_at_ms) {
            (None, _) => State::Closed,
            (Some(_), Some(_)) => State::HalfOpen,
            (Some(retry_at), None) if now_ms >= retry_at => State::HalfOpen,
            (Some(_), None) => State::Open,
        }
    }

    /// Whether a run may be let through.
    pub fn lets_through(&self, now_ms: i64) -> bool {
        match (self.retry_at_ms, self.probe_at_ms) {
            (None, _) => true,
            (Some(_), Some(probe_at)) => now_ms - probe_at >= PROBE_LOST_MS,
            (Some(retry_at), None) => now_ms >= retry_at,
        }
    }

    /// It failed at a limit that ends then: it opens at once, and no pause is shorter than that.
    pub fn rest(&mut self, until_ms: i64, now_ms: i64) {
        let until_ms = until_ms.min(now_ms.saturating_add(REST_MS_MAX));
        if until_ms > now_ms {
            self.retry_at_ms = self.retry_at_ms.max(Some(until_ms));
            self.probe_at_ms = None;
            self.opened = self.opened.max(1);
        }
    }

    /// Whether it stays open for longer than failures alone would keep it so.
    pub fn rests_for_long(&self, now_ms: i64) -> bool {
        self.retry_at_ms.is_some_and(|retry_at| retry_at - now_ms > PAUSE_MS_MAX * 5 / 4)
    }

    /// Whether it is open.
    pub fn rests(&self, now_ms: i64) -> bool {
        self.retry_at_ms.is_some_and(|retry_at| retry_at > now_ms)
    }

    /// A run began.
    pub fn started(&mut self, now_ms: i64) {
        if self.retry_at_ms.is_some_and(|retry_at| now_ms >= retry_at) {
            self.probe_at_ms = Some(now_ms);
        }
    }

    /// A run succeeded.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// A run was cancelled, which proves nothing: a cancelled trial run only makes room for the
    /// next.
    pub fn cancelled(&mut self) {
        self.probe_at_ms = None;
    }

    /// A run failed. `dice` is uniform in [0, 1).
    pub fn failed(&mut self, now_ms: i64, dice: f64) {
        self.failures = self.failures.saturating_add(1);
        let opens = self.failures >= FAILURES_MAX || self.retry_at_ms.is_some();
        // A run that began before the breaker opened must not lengthen the pause it is in.
        let pausing = self.retry_at_ms.is_some_and(|retry_at| now_ms < retry_at);
        if opens && !pausing {
            let pause = (PAUSE_MS << self.opened.min(10)).min(PAUSE_MS_MAX);
            // ±25 %, so that instances that failed together do not return together.
            let jittered = pause as f64 * (0.75 + dice.clamp(0.0, 1.0) / 2.0);
            self.retry_at_ms = Some(now_ms + jittered as i64);
            self.opened = self.opened.saturating_add(1);
            self.probe_at_ms = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken_at(now_ms: i64) -> Breaker {
        let mut breaker = Breaker::default();
        (0..FAILURES_MAX).for_each(|_| breaker.failed(now_ms, 0.5));
        breaker
    }

    fn seen(breaker: &Breaker, now_ms: i64) -> (State, bool) {
        (breaker.state(now_ms), breaker.lets_through(now_ms))
    }

    #[test]
    fn breaker_opens_after_three_failures_in_a_row() {
        let mut breaker = Breaker::default();
        breaker.failed(0, 0.5);
        breaker.failed(0, 0.5);
        assert_eq!(seen(&breaker, 0), (State::Closed, true));
        breaker.succeeded();
        breaker.failed(0, 0.5);
        assert_eq!(seen(&breaker, 0), (State::Closed, true));
        assert_eq!(seen(&broken_at(0), 4_999), (State::Open, false));
    }

    #[test]
    fn breaker_lets_one_trial_run_through_after_the_pause() {
        let mut breaker = broken_at(0);
        assert_eq!(seen(&breaker, 5_000), (State::HalfOpen, true));
        breaker.started(5_000);
        assert_eq!(seen(&breaker, 5_001), (State::HalfOpen, false));
        let mut healed = breaker.clone();
        healed.succeeded();
        assert_eq!(seen(&healed, 6_000), (State::Closed, true));
        breaker.failed(6_000, 0.5);
        // Twice the pause.
        assert_eq!(seen(&breaker, 15_999), (State::Open, false));
        assert_eq!(seen(&breaker, 16_000), (State::HalfOpen, true));
    }

    #[test]
    fn breaker_lets_another_trial_run_through_after_a_lost_one() {
        let mut breaker = broken_at(0);
        breaker.started(5_000);
        assert_eq!(seen(&breaker, 5_000 + PROBE_LOST_MS), (State::HalfOpen, true));
    }

    #[test]
    fn breaker_pause_is_limited_and_ignores_late_failures() {
        let mut breaker = broken_at(0);
        breaker.failed(100, 0.5);
        assert_eq!(seen(&breaker, 5_000).0, State::HalfOpen);
        let mut now = 5_000;
        for _ in 0..40 {
            breaker.failed(now, 0.5);
            let retry_at = breaker.retry_at_ms.unwrap();
            assert!(retry_at - now <= PAUSE_MS_MAX * 5 / 4);
            now = retry_at;
        }
    }

    #[test]
    fn breaker_rests_until_the_limit_ends_and_then_lets_one_trial_run_through() {
        let mut breaker = Breaker::default();
        breaker.failed(1_000, 0.5);
        breaker.rest(3_600_000, 1_000);
        assert_eq!(seen(&breaker, 3_599_999), (State::Open, false));
        breaker.failed(2_000, 0.5);
        assert_eq!(breaker.retry_at_ms, Some(3_600_000), "a late failure changes nothing");
        assert_eq!(seen(&breaker, 3_600_000), (State::HalfOpen, true));
        breaker.started(3_600_000);
        breaker.succeeded();
        assert_eq!(breaker, Breaker::default());
        breaker.rest(i64::MAX, 0);
        assert_eq!(breaker.retry_at_ms, Some(REST_MS_MAX));
        let mut late = Breaker::default();
        late.rest(5, 10);
        assert_eq!(late, Breaker::default(), "a limit that has ended is none");
    }

    #[test]
    fn breaker_jitter_spreads_the_pause() {
        let at = |dice: f64| {
            let mut breaker = Breaker { failures: 2, ..Breaker::default() };
            breaker.failed(0, dice);
            breaker.retry_at_ms.unwrap()
        };
        assert_eq!((at(0.0), at(0.5), at(0.999)), (3_750, 5_000, 6_247));
    }
}
