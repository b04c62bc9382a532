//! Simulates eight instances of one agent, one five times slower and one that fails half the time:
//! how many runs fail and how long people wait, with the pool's choice and with others. Time is
//! simulated and the random numbers are seeded, so the figures never change.

use super::{Candidate, Pool};
use contracts::routing::{OutcomeReport, PoolOutcome};
use contracts::{AgentId, GatewayId};
use text_model::arithmetic::Random;

const INSTANCES: usize = 8;
const SLOW: usize = 1;
const FAILING: usize = 0;
const RUNS: usize = 20_000;
/// Mean time of a usual run.
const RUN_MS: f64 = 10_000.0;
/// Load of the eight instances if all were healthy.
const BUSY: f64 = 0.5;
/// Delay until reports are visible.
const SEEN_AFTER_MS: f64 = 1_000.0;

fn exponential(dice: &mut Random, mean: f64) -> f64 {
    -mean * (1.0 - dice.uniform()).ln()
}

#[derive(Clone, Copy, PartialEq)]
enum By {
    /// The current pool.
    Pool,
    RoundRobin,
    /// The least loaded instance, with failures not charged.
    LeastLoaded,
}

#[derive(Debug)]
struct SimulationResult {
    /// Share of runs that failed.
    errors: f64,
    p99_ms: f64,
}

struct Run {
    ends_ms: f64,
    instance: usize,
    took_ms: f64,
    failed: bool,
}

fn gateway(index: usize) -> GatewayId {
    GatewayId::new(format!("gateway-{index}"))
}

fn report(
    pool: &mut Pool,
    index: usize,
    outcome: PoolOutcome,
    latency_ms: f64,
    now_ms: f64,
    dice: &mut Random,
) {
    let report = OutcomeReport {
        agent: AgentId::from("codegen"),
        gateway: Some(gateway(index)),
        outcome,
        latency_ms: Some(latency_ms),
        complexity: None,
        tokens: None,
        rest_until: None,
    };
    pool.apply(&report, now_ms as i64, dice.uniform());
}

/// Each instance runs one task at a time; a failing run ends after a tenth of the time.
fn simulate(by: By, seed: u64) -> SimulationResult {
    let (mut dice, mut pool) = (Random::new(seed), Pool::default());
    let mut free_at = [0.0_f64; INSTANCES];
    let mut open: Vec<Run> = Vec::new();
    let (mut now, mut failures, mut times) = (0.0, 0, Vec::new());
    for run in 0..RUNS {
        now += exponential(&mut dice, RUN_MS / (INSTANCES as f64 * BUSY));
        let (seen, still): (Vec<Run>, Vec<Run>) =
            open.into_iter().partition(|run| run.ends_ms + SEEN_AFTER_MS <= now);
        open = still;
        for run in seen {
            let outcome = if run.failed { PoolOutcome::Failed } else { PoolOutcome::Succeeded };
            report(&mut pool, run.instance, outcome, run.took_ms, now, &mut dice);
        }
        let in_hand: Vec<u32> = (0..INSTANCES)
            .map(|i| {
                open.iter().filter(|run| run.instance == i && run.ends_ms > now).count() as u32
            })
            .collect();
        let instance = match by {
            By::RoundRobin => run % INSTANCES,
            By::LeastLoaded => {
                let first = (dice.uniform() * INSTANCES as f64) as usize;
                (0..INSTANCES).map(|i| (first + i) % INSTANCES).min_by_key(|i| in_hand[*i]).unwrap()
            }
            By::Pool => {
                let candidates: Vec<Candidate> = (0..INSTANCES)
                    .map(|i| Candidate { gateway: gateway(i), in_hand: in_hand[i] })
                    .collect();
                let chosen = pool
                    .choose(
                        &AgentId::from("codegen"),
                        &candidates,
                        now as i64,
                        (dice.uniform(), dice.uniform()),
                    )
                    .unwrap();
                (0..INSTANCES).find(|i| gateway(*i) == chosen).unwrap()
            }
        };
        report(&mut pool, instance, PoolOutcome::Started, 0.0, now, &mut dice);
        let failed = instance == FAILING && dice.uniform() < 0.5;
        let usual = exponential(&mut dice, if instance == SLOW { RUN_MS * 5.0 } else { RUN_MS });
        let took_ms = if failed { usual / 10.0 } else { usual };
        let ends_ms = free_at[instance].max(now) + took_ms;
        free_at[instance] = ends_ms;
        failures += usize::from(failed);
        times.push(ends_ms - now);
        open.push(Run { ends_ms, instance, took_ms, failed });
    }
    times.sort_by(f64::total_cmp);
    SimulationResult { errors: failures as f64 / RUNS as f64, p99_ms: times[RUNS * 99 / 100] }
}

#[test]
fn pool_simulation_limits_the_cost_of_a_failing_and_a_slow_instance() {
    let mut errors = Vec::new();
    for seed in 1..=3 {
        let [pool, round_robin, least_loaded] =
            [By::Pool, By::RoundRobin, By::LeastLoaded].map(|by| simulate(by, seed));
        println!(
            "seed {seed}\n  pool         {pool:?}\n  round robin  {round_robin:?}\n  least loaded {least_loaded:?}"
        );
        assert!((0.055..0.07).contains(&round_robin.errors), "{round_robin:?}");
        // An instance that fails fast is always least loaded.
        assert!(least_loaded.errors > round_robin.errors, "{least_loaded:?}");
        // With round robin the slow one's queue grows without bound.
        assert!(pool.p99_ms < round_robin.p99_ms / 3.0, "{pool:?} {round_robin:?}");
        errors.push(pool.errors);
    }
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    assert!(mean <= 0.006, "{mean}");
}
