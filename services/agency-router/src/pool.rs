//! The agents' health. Each agent has one instance per gateway that runs it; the pool says which
//! can work and which is best.
//!
//! Pure: time and random numbers are arguments. `pool/breaker.rs` is the circuit breaker,
//! `pool/instance.rs` the data of an instance, `pool/choose.rs` the choice between two,
//! `pool/spent.rs` the tokens that runs used.

mod breaker;
mod choose;
mod instance;
#[cfg(test)]
mod simulation;
mod spent;

pub use breaker::FAILURES_MAX;
pub use instance::Instance;

use contracts::graph::{Agent, Complexity, Graph};
use contracts::routing::{
    Breaker, Candidate, OutcomeReport, PoolInstance, PoolMember, PoolOutcome,
};
use contracts::{AgentId, GatewayId, Tokens};
use instance::Ended;
use serde::{Deserialize, Serialize};
use spent::Spent;
use std::collections::BTreeMap;

/// Age of the last report after which an instance no longer counts for its agent's availability.
/// Its machine may be gone, and the longest breaker pause is over.
const RECENT_MS: i64 = 600_000;
/// Age after which an instance is deleted.
const KEPT_MS: i64 = 86_400_000;

/// All agents with reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    members: BTreeMap<AgentId, Member>,
}

/// An agent: its instances by gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Member {
    instances: BTreeMap<GatewayId, Instance>,
    /// Tokens used by its runs, by complexity.
    #[serde(default)]
    spent: BTreeMap<Complexity, Spent>,
}

impl Member {
    /// The mean run time of its instances in milliseconds; 0 before the first report.
    fn mean_ms(&self) -> f64 {
        let known = || self.instances.values().filter_map(|instance| instance.latency_ms);
        let count = known().count();
        if count == 0 { 0.0 } else { known().sum::<f64>() / count as f64 }
    }

    /// Those that were heard of lately, or rest at the limit of their account.
    fn recent(&self, now_ms: i64) -> impl Iterator<Item = &Instance> {
        self.instances.values().filter(move |instance| {
            now_ms - instance.heard_at_ms <= RECENT_MS || instance.breaker.rests(now_ms)
        })
    }

    /// Whether one instance can take work. Without recent reports the agent counts as available.
    fn available(&self, now_ms: i64) -> bool {
        let mut recent = self.recent(now_ms).peekable();
        if recent.peek().is_none() || recent.any(|instance| instance.breaker.lets_through(now_ms)) {
            return true;
        }
        // The limit of one account says nothing about a machine that was idle since.
        let is_of_a_limit = |instance: &Instance| {
            now_ms - instance.heard_at_ms > RECENT_MS || instance.breaker.rests_for_long(now_ms)
        };
        self.recent(now_ms).any(is_of_a_limit)
            && self.instances.values().any(|instance| instance.breaker.lets_through(now_ms))
    }

    fn row(&self, agent: &Agent, now_ms: i64) -> PoolMember {
        let instances: Vec<PoolInstance> = self
            .instances
            .iter()
            .map(|(gateway, instance)| instance.row(gateway, now_ms))
            .collect();
        let of = |wanted: Breaker| {
            self.recent(now_ms).any(|instance| instance.breaker.state(now_ms) == wanted)
        };
        let breaker = match (of(Breaker::Closed), of(Breaker::HalfOpen), of(Breaker::Open)) {
            (true, ..) | (false, false, false) => Breaker::Closed,
            (_, true, _) => Breaker::HalfOpen,
            (..) => Breaker::Open,
        };
        let available = self.available(now_ms);
        let breaker = if available && breaker == Breaker::Open { Breaker::Closed } else { breaker };
        // The earliest time that a breaker lets a run through.
        let retry_at_ms = self
            .recent(now_ms)
            .filter_map(|instance| instance.breaker.retry_at_ms)
            .min()
            .filter(|_| breaker != Breaker::Closed);
        PoolMember {
            agent: agent.id.clone(),
            title: agent.title.clone(),
            available,
            breaker,
            in_flight: instances.iter().map(|instance| instance.in_flight).sum(),
            latency_ms: Some(self.mean_ms())
                .filter(|_| instances.iter().any(|instance| instance.latency_ms.is_some())),
            failures: instances.iter().map(|instance| instance.failures).min().unwrap_or(0),
            retry_at: retry_at_ms.map(platform::time::rfc3339),
            instances,
        }
    }
}

impl Pool {
    /// Records the outcome of a run. `dice` is uniform in [0, 1).
    pub fn apply(&mut self, report: &OutcomeReport, now_ms: i64, dice: f64) {
        let member = self.members.entry(report.agent.clone()).or_default();
        let mean_ms = member.mean_ms();
        let gateway = report.gateway.clone().unwrap_or_else(|| GatewayId::from(""));
        let ended =
            Ended { outcome: report.outcome, latency_ms: report.latency_ms, now_ms, dice, mean_ms };
        let instance = member.instances.entry(gateway).or_default();
        instance.apply(ended);
        let rest_until = report.rest_until.as_deref().and_then(platform::time::parse_rfc3339);
        if let Some(until_ms) = rest_until.filter(|_| report.outcome == PoolOutcome::Failed) {
            instance.breaker.rest(until_ms, now_ms);
        }
        if let (PoolOutcome::Succeeded, Some(complexity), Some(tokens)) =
            (report.outcome, report.complexity, report.tokens)
        {
            member.spent.entry(complexity).or_default().add(tokens);
        }
        member.instances.retain(|_, instance| {
            now_ms - instance.heard_at_ms <= KEPT_MS || instance.breaker.rests(now_ms)
        });
    }

    /// Whether an agent can take work; an unknown one can.
    pub fn available(&self, agent: &AgentId, now_ms: i64) -> bool {
        self.members.get(agent).is_none_or(|member| member.available(now_ms))
    }

    /// The instance for the next run of an agent; none without candidates. `dice` are uniform in
    /// [0, 1).
    pub fn choose(
        &self,
        agent: &AgentId,
        candidates: &[Candidate],
        now_ms: i64,
        dice: (f64, f64),
    ) -> Option<GatewayId> {
        let unheard = Member::default();
        let member = self.members.get(agent).unwrap_or(&unheard);
        choose::choose(&member.instances, member.mean_ms(), candidates, now_ms, dice)
    }

    /// One row per agent of the graph.
    pub fn rows(&self, graph: &Graph, now_ms: i64) -> Vec<PoolMember> {
        let unheard = Member::default();
        graph
            .agents
            .iter()
            .map(|agent| self.members.get(&agent.id).unwrap_or(&unheard).row(agent, now_ms))
            .collect()
    }
}

/// The estimated tokens for a message: from the agent's runs of this complexity, or the assumption.
pub fn expected(pool: &Pool, agent: &AgentId, complexity: Complexity, message: &str) -> Tokens {
    let own = pool
        .members
        .get(agent)
        .and_then(|member| member.spent.get(&complexity))
        .and_then(Spent::known);
    own.unwrap_or_else(|| {
        Tokens::assumed(complexity).plus(Tokens { input: Tokens::of_text(message), output: 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "a";

    fn outcome(gateway: &str, outcome: PoolOutcome) -> OutcomeReport {
        OutcomeReport {
            agent: AgentId::from(A),
            gateway: Some(GatewayId::from(gateway)),
            outcome,
            latency_ms: None,
            complexity: None,
            tokens: None,
            rest_until: None,
        }
    }

    fn report(pool: &mut Pool, gateway: &str, ended: PoolOutcome, latency_ms: f64, now_ms: i64) {
        let latency_ms = Some(latency_ms);
        pool.apply(&OutcomeReport { latency_ms, ..outcome(gateway, ended) }, now_ms, 0.5);
    }

    /// A run failed at a limit that ends at this day.
    fn limited(pool: &mut Pool, gateway: &str, day: u32, now_ms: i64) {
        let rest_until = Some(format!("1970-01-{day:02}T00:00:00Z"));
        let failed = outcome(gateway, PoolOutcome::Failed);
        pool.apply(&OutcomeReport { rest_until, ..failed }, now_ms, 0.5);
    }

    #[test]
    fn agent_at_the_limit_of_its_account_rests_until_it_ends_however_long_that_is() {
        let (mut pool, agent) = (Pool::default(), AgentId::from(A));
        let days = |days: i64| days * 86_400_000;
        limited(&mut pool, "home", 4, 0);
        assert!(!pool.available(&agent, 1));
        // Each report deletes the instances without news for a day, and must keep one that rests.
        limited(&mut pool, "office", 6, days(2));
        assert!(!pool.available(&agent, days(2) + RECENT_MS + 1));
        assert!(pool.available(&agent, days(3)), "the limit of home has ended");
    }

    #[test]
    fn limit_of_one_account_leaves_the_work_to_a_machine_that_was_idle() {
        let mut pool = Pool::default();
        report(&mut pool, "office", PoolOutcome::Succeeded, 1.0, 0);
        limited(&mut pool, "home", 2, RECENT_MS);
        let later = 2 * RECENT_MS;
        assert!(pool.available(&AgentId::from(A), later));
        assert_eq!(chosen(&pool, &[("home", 0), ("office", 0)], later), ["office", "office"]);
    }

    fn break_down(pool: &mut Pool, gateway: &str, now_ms: i64) {
        (0..FAILURES_MAX).for_each(|_| report(pool, gateway, PoolOutcome::Failed, 1.0, now_ms));
    }

    fn candidates(gateways: &[(&str, u32)]) -> Vec<Candidate> {
        gateways
            .iter()
            .map(|(gateway, in_hand)| Candidate {
                gateway: GatewayId::from(*gateway),
                in_hand: *in_hand,
            })
            .collect()
    }

    fn chosen(pool: &Pool, gateways: &[(&str, u32)], now_ms: i64) -> Vec<String> {
        let dice = [(0.0, 0.0), (0.99, 0.0)];
        dice.iter()
            .filter_map(|dice| pool.choose(&AgentId::from(A), &candidates(gateways), now_ms, *dice))
            .map(|id| id.0)
            .collect()
    }

    #[test]
    fn pool_marks_an_agent_down_when_all_its_instances_are() {
        let (mut pool, agent) = (Pool::default(), AgentId::from(A));
        assert!(pool.available(&agent, 0));
        break_down(&mut pool, "home", 0);
        assert!(!pool.available(&agent, 0));
        report(&mut pool, "office", PoolOutcome::Succeeded, 100.0, 0);
        assert!(pool.available(&agent, 0));
        break_down(&mut pool, "office", 1);
        assert!(!pool.available(&agent, 2));
    }

    #[test]
    fn pool_ignores_instances_of_a_gateway_that_is_gone() {
        let mut pool = Pool::default();
        report(&mut pool, "gone", PoolOutcome::Succeeded, 100.0, 0);
        break_down(&mut pool, "home", RECENT_MS + 1);
        assert!(!pool.available(&AgentId::from(A), RECENT_MS + 2));
    }

    #[test]
    fn pool_chooses_the_less_loaded_and_the_faster_of_two() {
        let mut pool = Pool::default();
        assert_eq!(chosen(&pool, &[("home", 0), ("office", 0)], 0), ["home", "office"]);
        assert_eq!(chosen(&pool, &[("home", 1), ("office", 0)], 0), ["office", "office"]);
        report(&mut pool, "home", PoolOutcome::Succeeded, 1_000.0, 0);
        report(&mut pool, "office", PoolOutcome::Succeeded, 3_000.0, 0);
        assert_eq!(chosen(&pool, &[("home", 0), ("office", 0)], 0), ["home", "home"]);
        assert_eq!(chosen(&pool, &[("home", 3), ("office", 0)], 0), ["office", "office"]);
    }

    #[test]
    fn pool_does_not_prefer_a_fast_failing_instance_and_retries_it_later() {
        let mut pool = Pool::default();
        report(&mut pool, "home", PoolOutcome::Succeeded, 2_000.0, 0);
        report(&mut pool, "office", PoolOutcome::Failed, 1.0, 0);
        assert_eq!(chosen(&pool, &[("home", 0), ("office", 0)], 0), ["home", "home"]);
        let later = 3_600_000;
        report(&mut pool, "home", PoolOutcome::Succeeded, 2_000.0, later);
        assert_eq!(chosen(&pool, &[("home", 1), ("office", 0)], later), ["office", "office"]);
    }

    #[test]
    fn pool_skips_an_open_breaker_unless_it_is_the_only_candidate() {
        let mut pool = Pool::default();
        break_down(&mut pool, "home", 0);
        assert_eq!(chosen(&pool, &[("home", 0), ("office", 9)], 1), ["office", "office"]);
        assert_eq!(chosen(&pool, &[("home", 0)], 1), ["home", "home"]);
        assert_eq!(chosen(&pool, &[], 1), Vec::<String>::new());
    }

    #[test]
    fn pool_forgets_runs_that_were_never_reported() {
        let mut pool = Pool::default();
        report(&mut pool, "home", PoolOutcome::Started, 0.0, 0);
        let in_flight = |pool: &Pool, now_ms: i64| {
            pool.members[&AgentId::from(A)].instances[&GatewayId::from("home")].in_flight(now_ms)
        };
        assert_eq!((in_flight(&pool, 1), in_flight(&pool, instance::FORGOTTEN_MS + 1)), (1, 0));
    }

    #[test]
    fn pool_ignores_a_cancelled_run() {
        let mut pool = Pool::default();
        report(&mut pool, "home", PoolOutcome::Started, 0.0, 0);
        report(&mut pool, "home", PoolOutcome::Cancelled, 50.0, 0);
        let instance = &pool.members[&AgentId::from(A)].instances[&GatewayId::from("home")];
        assert_eq!(
            (instance.in_flight(0), instance.latency_ms, instance.breaker.failures),
            (0, None, 0)
        );
    }

    #[test]
    fn pool_deletes_instances_without_reports_for_a_day() {
        let mut pool = Pool::default();
        report(&mut pool, "old", PoolOutcome::Succeeded, 1.0, 0);
        report(&mut pool, "new", PoolOutcome::Succeeded, 1.0, KEPT_MS + 1);
        assert_eq!(pool.members[&AgentId::from(A)].instances.len(), 1);
    }
}
