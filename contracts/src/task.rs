//! Tasks: how a gateway leases, renews and reports work.

use crate::approval::Outcome;
use crate::{AgentId, ApprovalId, EventId, GatewayId, Micros, TaskId, Tokens};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Duration of a lease without renewal, milliseconds.
pub const LEASE_MS: i64 = 30_000;
/// Interval between renewals, milliseconds.
pub const RENEW_EVERY_MS: i64 = 10_000;

/// `POST /api/tasks/lease`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaseRequest {
    pub gateway_id: GatewayId,
    /// Agents it can run; `*` means every agent (with the default runner).
    pub agents: Vec<String>,
    /// Free capacity in tasks.
    pub capacity: u32,
    /// Maximum seconds to wait for work (0–25).
    #[serde(default)]
    pub wait: Option<u32>,
}

/// One leased task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LeasedTask {
    pub task_id: TaskId,
    /// Increases with every lease of this task; older epochs are refused.
    pub epoch: u32,
    pub lease_ms: i64,
    pub agent: AgentId,
    pub message: String,
    pub context: TaskContext,
    pub approval_id: ApprovalId,
    pub digest: String,
    pub cost_limit: Micros,
    /// The backend's session of this conversation and agent, from the run before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<BackendSession>,
}

/// A conversation that an agent's program keeps by itself, and can take up again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BackendSession {
    /// The runner whose program has it.
    pub runner: String,
    /// The program's own name of it.
    pub id: String,
    /// Tokens that the program has reported for it so far.
    #[serde(default)]
    pub spent: Tokens,
}

/// The message's origin, as far as the agent may know it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    pub speaker: crate::event::Speaker,
    /// The agent that said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    pub text: String,
}

/// `POST /api/tasks/{taskId}/renew`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenewRequest {
    pub epoch: u32,
    /// Progress line for the chat's placeholder.
    #[serde(default)]
    pub progress: Option<String>,
    /// The cost of the run so far, micro-dollars.
    #[serde(default)]
    pub cost_micros: Option<i64>,
}

/// Response of a renewal: whether the run goes on, and how far it may spend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RenewAnswer {
    /// The run must stop.
    pub cancel: bool,
    pub lease_ms: i64,
    /// How far the run may spend.
    #[serde(default)]
    pub cost_limit: Micros,
    /// Why it must stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<StopCause>,
    /// The same for people, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The owner is asked for more money: the run rests until a later renewal says otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pause: bool,
}

/// Why a run was stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum StopCause {
    /// By a halt.
    Halted,
    /// Its cost does not fit the budget or its limit any more.
    Budget,
    /// The owner declined more money, or a person stopped this run.
    Stopped,
}

/// `POST /internal/renewed`: a gateway has renewed its lease of this task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenewedRequest {
    pub task_id: TaskId,
    /// The cost of the run so far, micro-dollars.
    #[serde(default)]
    pub cost_micros: Option<i64>,
}

/// Answer of `POST /internal/renewed`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RenewedAnswer {
    pub task_id: TaskId,
    /// Whether the claim continues: not if halted, settled or cut off.
    pub renewed: bool,
    /// How far the run may spend.
    #[serde(default)]
    pub cost_limit: Micros,
    /// Why the run must stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<StopCause>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The owner is asked for more money.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pause: bool,
}

/// `POST /personal-assistant/api/tasks/{taskId}/renew`: a run without a lease, started by
/// `POST /api/run-task`, renews its claim.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenewClaimRequest {
    pub claim_token: String,
    /// The cost of the run so far, micro-dollars.
    #[serde(default)]
    pub cost_micros: Option<i64>,
}

/// `POST /api/tasks/{taskId}/result`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResultRequest {
    pub epoch: u32,
    pub outcome: Outcome,
    pub text: String,
    #[serde(default)]
    pub actual_cost: Option<Micros>,
    #[serde(default)]
    pub usage: Option<Value>,
    /// Why a cancelled run was stopped; a halt when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<StopCause>,
    /// The backend's session, for the next run of this conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<BackendSession>,
}

/// Response of a result; a repeated result gets the same response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResultAnswer {
    pub task_id: TaskId,
    pub accepted: bool,
}

/// A gateway that has polled for work: a row of `GET /api/gateways`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GatewayRow {
    pub gateway_id: GatewayId,
    pub agents: Vec<String>,
    pub last_seen: String,
    /// Milliseconds since then.
    pub age_ms: i64,
    pub running: u32,
    /// Drained: it gets no new tasks.
    #[serde(default)]
    pub drained: bool,
}

/// Milliseconds without a poll or a renewal after which a gateway counts as gone; it polls at least
/// every 25 s.
pub const SILENT_MS: i64 = 60_000;

/// The state of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayState {
    InService,
    Silent,
    /// Drained, with tasks still running.
    Draining,
    OutOfService,
}

impl GatewayState {
    /// The text for people.
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
    /// The current state.
    pub fn state(&self) -> GatewayState {
        match (self.drained, self.running) {
            (true, 0) => GatewayState::OutOfService,
            (true, _) => GatewayState::Draining,
            (false, _) if self.age_ms > SILENT_MS => GatewayState::Silent,
            (false, _) => GatewayState::InService,
        }
    }
}

/// `GET /api/conversations/{id}/sessions`, the one used last first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionList {
    pub sessions: Vec<SessionView>,
}

/// A session that an agent's program keeps of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    pub agent: AgentId,
    pub runner: String,
    /// The program's own name of it.
    pub id: String,
    /// The gateway that used it last.
    pub gateway_id: Option<GatewayId>,
    pub runs: u32,
    pub started_at: String,
    pub used_at: String,
    /// The agent's next run here resumes it.
    pub current: bool,
}

/// `POST /api/gateways/{id}/drain`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DrainRequest {
    /// True drains, false restores.
    pub drained: bool,
}

/// `GET /api/gateways`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GatewayList {
    pub gateways: Vec<GatewayRow>,
}

/// `POST /api/run-task` of the gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunTaskRequest {
    pub task_id: TaskId,
    pub agent: AgentId,
    pub message: String,
    pub approval_id: ApprovalId,
    /// Checked against the approval's digest, if given.
    #[serde(default)]
    pub digest: Option<String>,
    #[serde(default)]
    pub context: TaskContext,
}

/// `GET /api/tasks/{id}` of the gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
