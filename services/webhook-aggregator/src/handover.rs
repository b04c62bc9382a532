//! Shared by all who hand tasks to gateways: the signal that tasks wait, and reports to the router's
//! pool.

use crate::Deps;
use contracts::AgentId;
use contracts::calls::agency_router::ReportOutcome;
use contracts::routing::{OutcomeReport, PoolOutcome};

/// The signal that tasks wait to be leased.
pub(crate) const WAITING: &str = "tasks";

/// A report of which nothing more is known.
pub(crate) fn bare(agent: AgentId, outcome: PoolOutcome) -> OutcomeReport {
    OutcomeReport {
        agent,
        gateway: None,
        outcome,
        latency_ms: None,
        complexity: None,
        tokens: None,
    }
}

/// Tells the router's pool.
pub(crate) fn report(deps: &Deps, report: &OutcomeReport) {
    deps.tell::<ReportOutcome>(report);
}
