//! From a decision to the answer of `POST /api/route`; also what `quintet route` prints without a server.

use crate::config::Config;
use crate::model::Model;
use crate::pool::{self, Pool};
use crate::route::{Decision, World, decide};
use contracts::graph::Graph;
use contracts::routing::{RouteAnswer, RouteRequest};
use contracts::{DecisionId, Tokens};
use platform::time::rfc3339;

/// What only the caller knows of a decision.
#[derive(Clone, Debug)]
pub struct Stamp {
    pub decision_id: DecisionId,
    pub now_ms: i64,
    /// Milliseconds spent routing.
    pub latency_ms: f64,
}

/// Puts the answer together.
/// `expected`: the tokens that its work is expected to need.
pub fn answer(decision: &Decision, graph: &Graph, config: &Config, expected: Tokens, stamp: Stamp) -> RouteAnswer {
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
        estimated_tokens: config.is_program(&decision.agent).then_some(expected),
        decision_id: stamp.decision_id,
        graph_version: graph.version.clone(),
        cached: false,
        timestamp: rfc3339(stamp.now_ms),
        closed: false,
        takes_back: decision.takes_back,
    }
}

/// A decision without a server: an empty pool, nothing recorded. `milliseconds` is any running clock.
pub fn route_offline(
    graph: &Graph,
    model: Option<&Model>,
    request: &RouteRequest,
    config: &Config,
    stamp: Stamp,
    milliseconds: &dyn Fn() -> f64,
) -> RouteAnswer {
    let start = milliseconds();
    let decision = decide(request, World { graph, model, pool: &Pool::default(), now_ms: stamp.now_ms });
    let stamp = Stamp { latency_ms: milliseconds() - start, ..stamp };
    let expected = pool::expected(&Pool::default(), &decision.agent, decision.complexity, &request.message);
    answer(&decision, graph, config, expected, stamp)
}
