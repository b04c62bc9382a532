//! Reports about tasks to the router's pool of agents and to the waiting gateways.

use crate::Deps;
use contracts::AgentId;
use contracts::calls::agency_router::ReportOutcome;
use contracts::routing::{OutcomeReport, PoolOutcome};

/// The signal that tasks wait to be leased.
pub(crate) const WAITING: &str = "tasks";

/// A report with only the agent and the outcome.
pub(crate) fn bare(agent: AgentId, outcome: PoolOutcome) -> OutcomeReport {
    OutcomeReport {
        agent,
        gateway: None,
        outcome,
        latency_ms: None,
        complexity: None,
        tokens: None,
        rest_until: None,
    }
}

/// Tells the router's pool.
pub(crate) fn report(deps: &Deps, report: &OutcomeReport) {
    deps.tell::<ReportOutcome>(report);
}
