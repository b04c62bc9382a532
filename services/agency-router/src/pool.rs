//! The agents' health: what they have in hand, how long they take, and a circuit breaker for each.
//!
//! Pure: the clock and the dice come in as arguments. Closed until [`FAILURES_MAX`] failures in a row, then open for a
//! jittered time that doubles each time, then half-open: one run is let through, and its outcome closes or opens it.

use contracts::AgentId;
use contracts::graph::Graph;
use contracts::routing::{Breaker, OutcomeReport, PoolMember, PoolOutcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Failures in a row that open a breaker.
pub const FAILURES_MAX: u32 = 3;
/// The first pause of an open breaker, before jitter.
const PAUSE_MS: i64 = 5_000;
/// The longest pause, before jitter.
const PAUSE_MS_MAX: i64 = 300_000;
/// A probe that has not been reported by then counts as lost, and another is let through.
const PROBE_LOST_MS: i64 = 900_000;
/// Counts of runs whose end was never reported are forgotten after this time without any report.
const FORGOTTEN_MS: i64 = 3_600_000;
/// The weight of a new run time in the smoothed one.
const SMOOTHING: f64 = 0.2;

/// What is known of one agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    pub in_flight: u32,
    pub latency_ms: Option<f64>,
    /// Failures in a row.
    pub failures: u32,
    /// When an open breaker lets a probe through; none while closed.
    pub retry_at_ms: Option<i64>,
    /// When the probe of a half-open breaker began.
    pub probe_at_ms: Option<i64>,
    /// How often it opened since it last closed: doubles the pause.
    pub opened: u32,
    pub heard_at_ms: i64,
}

/// All agents that anything was heard of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    pub members: BTreeMap<AgentId, Member>,
}

impl Member {
    /// The state of its breaker.
    pub fn breaker(&self, now_ms: i64) -> Breaker {
        match (self.retry_at_ms, self.probe_at_ms) {
            (None, _) => Breaker::Closed,
            (Some(_), Some(_)) => Breaker::HalfOpen,
            (Some(retry_at), None) if now_ms >= retry_at => Breaker::HalfOpen,
            (Some(_), None) => Breaker::Open,
        }
    }

    /// Whether it may be given work.
    pub fn available(&self, now_ms: i64) -> bool {
        match (self.retry_at_ms, self.probe_at_ms) {
            (None, _) => true,
            (Some(_), Some(probe_at)) => now_ms - probe_at >= PROBE_LOST_MS,
            (Some(retry_at), None) => now_ms >= retry_at,
        }
    }

    fn started(&mut self, now_ms: i64) {
        self.in_flight = self.in_flight.saturating_add(1);
        if self.retry_at_ms.is_some_and(|retry_at| now_ms >= retry_at) {
            self.probe_at_ms = Some(now_ms);
        }
    }

    fn succeeded(&mut self, latency_ms: Option<f64>) {
        if let Some(latency) = latency_ms.filter(|latency| latency.is_finite() && *latency >= 0.0) {
            self.latency_ms = Some(self.latency_ms.map_or(latency, |old| old + SMOOTHING * (latency - old)));
        }
        (self.failures, self.opened, self.retry_at_ms, self.probe_at_ms) = (0, 0, None, None);
    }

    /// `dice` is uniform in [0, 1).
    fn failed(&mut self, now_ms: i64, dice: f64) {
        self.failures = self.failures.saturating_add(1);
        let opens = self.failures >= FAILURES_MAX || self.retry_at_ms.is_some();
        // A run that began before the breaker opened must not lengthen the pause it is in.
        let pausing = self.retry_at_ms.is_some_and(|retry_at| now_ms < retry_at);
        if opens && !pausing {
            let pause = (PAUSE_MS << self.opened.min(10)).min(PAUSE_MS_MAX);
            // ±25 %, so that agents that fell together do not come back together.
            let jittered = pause as f64 * (0.75 + dice.clamp(0.0, 1.0) / 2.0);
            self.retry_at_ms = Some(now_ms + jittered as i64);
            self.opened = self.opened.saturating_add(1);
            self.probe_at_ms = None;
        }
    }
}

impl Pool {
    /// Takes in what became of a run.
    pub fn apply(&mut self, report: &OutcomeReport, now_ms: i64, dice: f64) {
        let member = self.members.entry(report.agent.clone()).or_default();
        if now_ms - member.heard_at_ms > FORGOTTEN_MS {
            member.in_flight = 0;
        }
        member.heard_at_ms = now_ms;
        if report.outcome != PoolOutcome::Started {
            member.in_flight = member.in_flight.saturating_sub(1);
        }
        match report.outcome {
            PoolOutcome::Started => member.started(now_ms),
            PoolOutcome::Succeeded => member.succeeded(report.latency_ms),
            PoolOutcome::Failed => member.failed(now_ms, dice),
            // Says nothing about the agent: a cancelled probe only makes room for the next.
            PoolOutcome::Cancelled => member.probe_at_ms = None,
        }
    }

    /// Whether an agent may be given work; one never heard of may.
    pub fn available(&self, agent: &AgentId, now_ms: i64) -> bool {
        self.members.get(agent).is_none_or(|member| member.available(now_ms))
    }

    /// A row for each agent of the graph.
    pub fn rows(&self, graph: &Graph, now_ms: i64) -> Vec<PoolMember> {
        let unheard = Member::default();
        let row = |agent: &contracts::graph::Agent| {
            let member = self.members.get(&agent.id).unwrap_or(&unheard);
            PoolMember {
                agent: agent.id.clone(),
                title: agent.title.clone(),
                available: member.available(now_ms),
                breaker: member.breaker(now_ms),
                in_flight: if now_ms - member.heard_at_ms > FORGOTTEN_MS { 0 } else { member.in_flight },
                latency_ms: member.latency_ms,
                failures: member.failures,
                retry_at: member.retry_at_ms.map(platform::time::rfc3339),
            }
        };
        graph.agents.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(pool: &mut Pool, outcome: PoolOutcome, now_ms: i64) {
        pool.apply(&OutcomeReport { agent: AgentId::from("a"), outcome, latency_ms: Some(100.0) }, now_ms, 0.5);
    }

    fn broken_at(now_ms: i64) -> Pool {
        let mut pool = Pool::default();
        (0..3).for_each(|_| report(&mut pool, PoolOutcome::Failed, now_ms));
        pool
    }

    fn state(pool: &Pool, now_ms: i64) -> (Breaker, bool) {
        let member = &pool.members[&AgentId::from("a")];
        (member.breaker(now_ms), member.available(now_ms))
    }

    #[test]
    fn three_failures_in_a_row_open_the_breaker_and_two_do_not() {
        let mut pool = Pool::default();
        report(&mut pool, PoolOutcome::Failed, 0);
        report(&mut pool, PoolOutcome::Failed, 0);
        assert_eq!(state(&pool, 0), (Breaker::Closed, true));
        report(&mut pool, PoolOutcome::Succeeded, 0);
        report(&mut pool, PoolOutcome::Failed, 0);
        assert_eq!(state(&pool, 0), (Breaker::Closed, true));
        assert_eq!(state(&broken_at(0), 4_999), (Breaker::Open, false));
    }

    #[test]
    fn after_the_pause_one_probe_is_let_through_and_decides() {
        let mut pool = broken_at(0);
        assert_eq!(state(&pool, 5_000), (Breaker::HalfOpen, true));
        report(&mut pool, PoolOutcome::Started, 5_000);
        assert_eq!(state(&pool, 5_001), (Breaker::HalfOpen, false));
        let mut healed = pool.clone();
        report(&mut healed, PoolOutcome::Succeeded, 6_000);
        assert_eq!(state(&healed, 6_000), (Breaker::Closed, true));
        report(&mut pool, PoolOutcome::Failed, 6_000);
        // Twice the pause.
        assert_eq!(state(&pool, 15_999), (Breaker::Open, false));
        assert_eq!(state(&pool, 16_000), (Breaker::HalfOpen, true));
    }

    #[test]
    fn a_lost_probe_does_not_close_the_door_for_good() {
        let mut pool = broken_at(0);
        report(&mut pool, PoolOutcome::Started, 5_000);
        assert_eq!(state(&pool, 5_000 + PROBE_LOST_MS), (Breaker::HalfOpen, true));
    }

    #[test]
    fn late_failures_do_not_lengthen_the_pause_and_the_pause_has_a_limit() {
        let mut pool = broken_at(0);
        report(&mut pool, PoolOutcome::Failed, 100);
        assert_eq!(state(&pool, 5_000).0, Breaker::HalfOpen);
        let mut now = 5_000;
        for _ in 0..40 {
            report(&mut pool, PoolOutcome::Failed, now);
            let member = &pool.members[&AgentId::from("a")];
            assert!(member.retry_at_ms.unwrap() - now <= PAUSE_MS_MAX * 5 / 4);
            now = member.retry_at_ms.unwrap();
        }
    }

    #[test]
    fn a_cancelled_run_says_nothing_about_the_agent() {
        let mut pool = Pool::default();
        report(&mut pool, PoolOutcome::Started, 0);
        report(&mut pool, PoolOutcome::Cancelled, 0);
        let member = &pool.members[&AgentId::from("a")];
        assert_eq!((member.in_flight, member.failures, member.latency_ms), (0, 0, None));
    }

    #[test]
    fn jitter_spreads_the_return() {
        let at = |dice: f64| {
            let mut member = Member { failures: 2, ..Member::default() };
            member.failed(0, dice);
            member.retry_at_ms.unwrap()
        };
        assert_eq!((at(0.0), at(0.5), at(0.999)), (3_750, 5_000, 6_247));
    }
}
