//! Tasks: how a gateway leases, renews and reports work.

use crate::agent_run::AgentRun;
use crate::approval::Outcome;
use crate::files::{AnswerFile, Attachment};
use crate::run_log::RunLog;
use crate::{AgentId, ApprovalId, EventId, GatewayId, Micros, TaskId, Tokens};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The end of an answer of a halted run where the gateway does not know who halted it. The
/// aggregator puts the name in its place.
pub const HALTED_BY_SOMEONE: &str = "It was halted.";

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
    /// Free capacity in tasks; with `lightCapacity` for agents of `runs` alone, and may be 0.
    pub capacity: u32,
    /// Free capacity for agents that start no program here, which are none of `runs`. Without it
    /// `capacity` counts every agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub light_capacity: Option<u32>,
    /// Agents among them that it could not run as it is, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unready: Vec<UnreadyAgent>,
    /// Maximum seconds to wait for work (0–25).
    #[serde(default)]
    pub wait: Option<u32>,
    /// The programs of its configuration, by the ids of their agents.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub runs: BTreeMap<String, AgentRun>,
}

/// An agent that a gateway offers and is not ready to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UnreadyAgent {
    pub agent: AgentId,
    /// The missing thing, to be read after “not ready: ”.
    pub why: String,
    pub fix: String,
    /// It may run all the same, such as with a sign-in that is not seen from outside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_start: bool,
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
    /// The cost of the whole session so far, where the program reports that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Micros>,
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
    /// Files of the message. A program finds them in the folder `in` of its work folder.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// This installation as the sender may know it, for an answer to small talk: agents, chats,
    /// budget, and the next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// An order about the work of an earlier run, in place of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<WorkOrder>,
    #[serde(flatten)]
    pub extra: serde_json::Map<String, Value>,
}

/// Something to be done with a worktree on the gateway that has it. It needs no approval: it runs
/// no agent and costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkOrder {
    /// Its id for `quintet work`.
    pub worktree: String,
    pub action: WorkAction,
}

/// An action on a worktree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum WorkAction {
    /// All of its changes as text.
    Diff,
    /// Its changes are committed to its branch, and it is removed.
    Keep,
    /// It is removed with its branch.
    Discard,
}

impl WorkAction {
    /// All actions, in the order of their buttons.
    pub const ALL: [Self; 3] = [Self::Diff, Self::Keep, Self::Discard];
    /// The label of its button.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Diff => "Show diff",
            Self::Keep => "Keep",
            Self::Discard => "Discard",
        }
    }
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
    /// How far its next step may bring the cost. It is not begun before that is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub need_micros: Option<i64>,
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
    /// A person stopped this run.
    Stopped,
    /// It asked for more money, and an approver declined.
    Declined,
    /// Its lease ended without a renewal, so its last known cost is posted.
    #[serde(rename = "cut_off")]
    CutOff,
    /// Its gateway was shut down.
    Shutdown,
}

impl StopCause {
    /// Whether the run ended without a halt or a fault: it is answered with what it did.
    pub const fn is_early_end(self) -> bool {
        matches!(self, Self::Budget | Self::Stopped | Self::Declined)
    }
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
    /// How far its next step may bring the cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub need_micros: Option<i64>,
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
    /// How far its next step may bring the cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub need_micros: Option<i64>,
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
    /// `actualCost` is only what was set aside: nothing was reported, and no price is known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cost_unknown: bool,
    #[serde(default)]
    pub usage: Option<Value>,
    /// Why a cancelled run was stopped; a halt when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<StopCause>,
    /// The backend's session, for the next run of this conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<BackendSession>,
    /// Files for the chat, each stored by `PUT /api/tasks/{taskId}/files` before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<AnswerFile>,
    /// The worktree with changes of the run, by its id for `quintet work`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<String>,
    /// The end of its program's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<RunLog>,
    /// It failed at the limit of the account that its program works with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_limit: Option<UsageLimit>,
}

/// The limit of an account, or of a service that is overloaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsageLimit {
    /// When it ends, RFC 3339 UTC, where the program has said so.
    #[serde(default)]
    pub until: Option<String>,
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
    /// Agents that it offers and is not ready to run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unready: Vec<UnreadyAgent>,
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
