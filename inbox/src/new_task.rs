//! A task for a gateway, and the gateway that should lease it.

use contracts::task::TaskContext;
use contracts::{AgentId, ApprovalId, GatewayId, TaskId};
use serde::{Deserialize, Serialize};

/// A task for a gateway to lease.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewTask {
    pub id: TaskId,
    pub agent: AgentId,
    pub message: String,
    pub context: TaskContext,
    pub approval_id: ApprovalId,
    pub digest: String,
    pub cost_limit: i64,
    /// Which gateway should take it.
    #[serde(default)]
    pub place: Placement,
}

/// Where a task should run. Until `until_ms` no other gateway gets it; then every one does, so that
/// nothing waits for a machine that went away.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    pub gateway: Option<GatewayId>,
    /// Gateways that could not do it just now.
    pub not: Vec<GatewayId>,
    pub until_ms: i64,
    /// Until then those of `not` are passed over.
    pub not_until_ms: i64,
}
