//! Builds the response of `POST /api/route` from a decision.

use crate::config::Config;
use crate::route::Decision;
use contracts::graph::Graph;
use contracts::routing::RouteAnswer;
use contracts::{DecisionId, Tokens};
use platform::time::rfc3339;

/// Data that only the caller has.
#[derive(Clone, Debug)]
pub struct Stamp {
    pub decision_id: DecisionId,
    pub now_ms: i64,
    /// Milliseconds spent routing.
    pub latency_ms: f64,
}

/// Builds the response. `expected` are the estimated tokens of the work.
pub fn answer(
    decision: &Decision,
    graph: &Graph,
    config: &Config,
    expected: Tokens,
    stamp: Stamp,
) -> RouteAnswer {
    RouteAnswer {
        agent: decision.agent.clone(),
        confidence: decision.confidence.clamp(0.0, 1.0),
        skill_files_used: decision.skill_files.clone(),
        routing_latency: stamp.latency_ms,
        complexity: decision.complexity,
        reason: decision.steps.join(" "),
        matched_keywords: decision.matched_keywords.clone(),
        alternatives: decision.alternatives.clone(),
        fallback: decision.fallback,
        out_of_scope: decision.out_of_scope,
        needs_choice: decision.needs_choice,
        estimated_cost: config.estimated_cost(&decision.agent, expected),
        decision_id: stamp.decision_id,
        graph_version: graph.version.clone(),
        cached: false,
        timestamp: rfc3339(stamp.now_ms),
        closed: false,
        takes_back: decision.takes_back,
        follows_up: decision.follows_up,
        unknown_agent: decision.unknown_agent.clone(),
    }
}
