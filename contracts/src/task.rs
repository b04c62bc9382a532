//! Tasks: how a gateway takes work and brings it back.

use crate::approval::Outcome;
use crate::{AgentId, ApprovalId, EventId, GatewayId, Micros, TaskId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long a lease lasts without renewal.
pub const LEASE_MS: i64 = 30_000;
/// How often a gateway renews.
pub const RENEW_EVERY_MS: i64 = 10_000;

/// `POST /api/tasks/lease`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaseRequest {
    pub gateway_id: GatewayId,
    /// Agents it can run; `*` stands for every agent (they run by the default runner).
    pub agents: Vec<String>,
    /// How many more tasks it can take now.
    pub capacity: u32,
    /// Seconds to wait for work (0–25).
    #[serde(default)]
    pub wait: Option<u32>,
}

/// One leased task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeasedTask {
    pub task_id: TaskId,
    /// Rises with every lease of this task; older epochs are refused.
    pub epoch: u32,
    pub lease_ms: i64,
    pub agent: AgentId,
    pub message: String,
    pub context: TaskContext,
    pub approval_id: ApprovalId,
    pub digest: String,
    pub cost_limit: Micros,
}

/// What an agent may know of where the message came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskContext {
    pub channel: Option<String>,
    pub conversation: Option<String>,
    pub event_id: Option<EventId>,
    pub skill_files: Vec<String>,
    /// Why this agent was chosen.
    pub reason: Option<String>,
    /// The last turns of the conversation, oldest first.
    pub history: Vec<Turn>,
    #[serde(flatten)]
    pub extra: serde_json::Map<String, Value>,
}

/// One earlier turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    pub speaker: crate::event::Speaker,
    pub text: String,
}

/// `POST /api/tasks/{taskId}/renew`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenewRequest {
    pub epoch: u32,
    /// A line for the chat's placeholder.
    #[serde(default)]
    pub progress: Option<String>,
    #[serde(default)]
    pub cost_micros: Option<i64>,
}

/// Answer of renew: halts arrive here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenewAnswer {
    pub cancel: bool,
    pub lease_ms: i64,
}

/// `POST /api/tasks/{taskId}/result`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResultRequest {
    pub epoch: u32,
    pub outcome: Outcome,
    pub text: String,
    #[serde(default)]
    pub actual_cost: Option<Micros>,
    #[serde(default)]
    pub usage: Option<Value>,
}

/// Answer of result; the same result twice is answered the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResultAnswer {
    pub task_id: TaskId,
    pub accepted: bool,
}

/// A gateway that asked for work: a row of `GET /api/gateways`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayRow {
    pub gateway_id: GatewayId,
    pub agents: Vec<String>,
    pub last_seen: String,
    /// Milliseconds since then.
    pub age_ms: i64,
    pub running: u32,
    /// It was taken out of service: it gets no more tasks.
    #[serde(default)]
    pub drained: bool,
}

/// A gateway that neither asked for work nor renewed a lease for so long has gone; it asks each 25 s at the least.
pub const SILENT_MS: i64 = 60_000;

/// How a gateway stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayState {
    InService,
    Silent,
    /// It gets no more tasks, and still has some.
    Draining,
    OutOfService,
}

impl GatewayState {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InService => "in service",
            Self::Silent => "silent",
            Self::Draining => "draining",
            Self::OutOfService => "out of service",
        }
    }
}

impl GatewayRow {
    /// How it stands.
    pub fn state(&self) -> GatewayState {
        match (self.drained, self.running) {
            (true, 0) => GatewayState::OutOfService,
            (true, _) => GatewayState::Draining,
            (false, _) if self.age_ms > SILENT_MS => GatewayState::Silent,
            (false, _) => GatewayState::InService,
        }
    }
}

/// `POST /api/gateways/{id}/drain`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainRequest {
    /// True takes it out of service, false puts it back.
    pub drained: bool,
}

/// `GET /api/gateways`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayList {
    pub gateways: Vec<GatewayRow>,
}

/// `POST /api/run-task` of the gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunTaskRequest {
    pub task_id: TaskId,
    pub agent: AgentId,
    pub message: String,
    pub approval_id: ApprovalId,
    /// Compared with the approval's where it is given.
    #[serde(default)]
    pub digest: Option<String>,
    #[serde(default)]
    pub context: TaskContext,
}

/// `GET /api/tasks/{id}` of the gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    pub task_id: TaskId,
    pub agent: AgentId,
    /// `running`, `success`, `failed`, `cancelled`, `timeout` or `unavailable`.
    pub state: String,
    pub text: String,
    pub started_at: String,
    pub finished_at: Option<String>,
    pub actual_cost: Option<Micros>,
}
