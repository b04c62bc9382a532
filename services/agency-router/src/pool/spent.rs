//! The tokens used by an agent's runs, by complexity: the estimate for the next run.

use contracts::Tokens;
use serde::{Deserialize, Serialize};

/// Runs before an agent's own figures count.
const RUNS_MIN: u32 = 3;
/// The weight of a new run in the smoothed figures.
const SMOOTHING: f64 = 0.2;

/// Smoothed tokens of the runs of one complexity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Spent {
    runs: u32,
    input: f64,
    output: f64,
}

impl Spent {
    pub(super) fn add(&mut self, tokens: Tokens) {
        self.runs = self.runs.saturating_add(1);
        // The first runs weigh equally.
        let weight = SMOOTHING.max(1.0 / f64::from(self.runs));
        self.input += weight * (tokens.input as f64 - self.input);
        self.output += weight * (tokens.output as f64 - self.output);
    }

    /// The mean of the runs, once there are enough.
    pub(super) fn known(&self) -> Option<Tokens> {
        (self.runs >= RUNS_MIN).then_some(Tokens {
            input: self.input.round() as u64,
            output: self.output.round() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Pool, expected};
    use contracts::graph::Complexity;
    use contracts::routing::{OutcomeReport, PoolOutcome};
    use contracts::{AgentId, Tokens};

    #[test]
    fn spent_tokens_estimate_the_next_run_after_three_runs() {
        let (mut pool, agent) = (Pool::default(), AgentId::from("codegen"));
        let assumed = Tokens { input: 40_002, output: 5_000 };
        let mut run = |outcome, input| {
            let tokens = Some(Tokens { input, output: 100 });
            let report = OutcomeReport {
                agent: agent.clone(),
                gateway: None,
                outcome,
                latency_ms: None,
                complexity: Some(Complexity::Moderate),
                tokens,
                rest_until: None,
            };
            pool.apply(&report, 0, 0.5);
            expected(&pool, &agent, Complexity::Moderate, "fix it")
        };
        assert_eq!(
            (run(PoolOutcome::Succeeded, 1_000), run(PoolOutcome::Succeeded, 2_000)),
            (assumed, assumed)
        );
        assert_eq!(run(PoolOutcome::Failed, 9_000_000), assumed, "a failed run says nothing");
        assert_eq!(run(PoolOutcome::Succeeded, 3_000), Tokens { input: 2_000, output: 100 });
        assert_eq!(
            expected(&pool, &agent, Complexity::Simple, "fix it"),
            Tokens { input: 8_002, output: 1_000 }
        );
    }
}
