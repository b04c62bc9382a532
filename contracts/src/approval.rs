//! Approvals: request, decision, claim, settlement.

use crate::agent_run::AgentRun;
use crate::{AgentId, ApprovalId, EventId, Micros, TaskId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Maximum characters of a request's description.
pub const DESCRIPTION_CHARS_MAX: usize = 8_000;

/// `POST /api/approve`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApproveRequest {
    pub task_id: TaskId,
    /// For chat work: the agent's id.
    #[serde(rename = "type")]
    pub kind: String,
    pub description: String,
    pub estimated_cost: Micros,
    pub agent_type: AgentId,
    #[serde(default)]
    pub channel_context: Option<ChannelContext>,
    /// For chat work: `run`.
    #[serde(default)]
    pub operation: Option<String>,
    #[serde(default)]
    pub arguments: Option<Value>,
    /// Maximum seconds to wait for a decision before answering `pending` (0–30).
    #[serde(default)]
    pub wait: Option<u32>,
}

/// The origin of the request, so that the owner can be asked there. External callers may send any
/// object; unknown members are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ChannelContext {
    pub channel: Option<String>,
    pub endpoint: Option<String>,
    /// The conversation's id and the platform's reply address; trusted from the aggregator only.
    pub conversation: Option<String>,
    pub event_id: Option<EventId>,
    /// `telegram:main:700100200`.
    pub sender: Option<String>,
    /// Whether only `*` lets the sender in; trusted from the aggregator only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub public: bool,
    /// Addresses to ask the owner at, best first; set by the aggregator.
    pub ask: Vec<crate::outbox::Target>,
    /// The reason that no machine could start the agent now: then the owner is not asked, and the
    /// request is refused as [`CANNOT_START`]. Trusted from the aggregator only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cannot_start: Option<String>,
    #[serde(flatten)]
    pub extra: serde_json::Map<String, Value>,
}

/// Code of a request whose agent could not start, and which the owner is not asked about.
pub const CANNOT_START: &str = "agent_unavailable";

/// The state of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    Pending,
    Approved,
    Rejected,
    Expired,
    Cancelled,
    Claimed,
    Consumed,
    Lapsed,
}

impl ApprovalState {
    /// All states, for list filters.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Approved,
        Self::Rejected,
        Self::Expired,
        Self::Cancelled,
        Self::Claimed,
        Self::Consumed,
        Self::Lapsed,
    ];
    /// The wire text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Claimed => "claimed",
            Self::Consumed => "consumed",
            Self::Lapsed => "lapsed",
        }
    }
    /// Parses the wire text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
    /// Whether the work was approved, in any later state.
    pub const fn was_approved(self) -> bool {
        matches!(self, Self::Approved | Self::Claimed | Self::Consumed)
    }
}

/// How closely to watch a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MonitoringLevel {
    None,
    Basic,
    Intensive,
}

/// Response of `POST /api/approve`; always 200, and `state` is approved, rejected or pending.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApproveAnswer {
    pub approved: bool,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Value>,
    pub monitoring_level: MonitoringLevel,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_limit: Option<Micros>,
    pub state: ApprovalState,
    pub approval_id: ApprovalId,
    pub digest: String,
    pub policies: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<Micros>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<String>,
}

/// One full approval: `GET /api/approvals/{id}` and the rows of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    pub id: ApprovalId,
    pub version: u32,
    pub state: ApprovalState,
    pub task_id: TaskId,
    #[serde(rename = "type")]
    pub kind: String,
    pub agent_type: AgentId,
    pub operation: Option<String>,
    pub description: String,
    pub arguments: Option<Value>,
    pub estimated_cost: Option<Micros>,
    pub cost_limit: Micros,
    pub digest: String,
    pub reason: String,
    pub code: Option<String>,
    pub policies: Vec<String>,
    pub monitoring_level: MonitoringLevel,
    pub requested_at: String,
    pub expires_at: String,
    pub decided_at: Option<String>,
    /// `policy`, `api`, `dashboard`, `telegram:main:700100200`, …
    pub decided_by: Option<String>,
    /// The person's name, with the id behind it where it could be another's; absent where the
    /// platform gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by_name: Option<String>,
    pub channel: Option<String>,
    pub event_id: Option<EventId>,
    /// The posted cost of the run.
    pub actual_cost: Option<Micros>,
    /// The answers that it takes.
    #[serde(default)]
    pub choice: Choice,
    /// The word of a model on it, where one has looked; in `GET /api/approvals/{id}` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<crate::review::Review>,
}

/// The answers that an approval takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Choice {
    #[default]
    ApproveOrReject,
    /// Two other words than these, such as the options of a question: the first approves.
    Two { labels: [String; 2] },
    /// A yes may also hold for the task of the run, and always.
    ToolCall,
    /// Any other question, answered in words.
    Words,
}

impl Approval {
    /// Who decided, for people.
    pub fn decider(&self) -> String {
        let by = self.decided_by_name.as_ref().or(self.decided_by.as_ref());
        by.map_or_else(|| "the rules".to_owned(), Clone::clone)
    }
}

/// `POST /internal/approvals`: an approver in a chat asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalsTextRequest {
    /// `telegram:main:700100200`; the aggregator has checked that it is an approver.
    pub actor: String,
}

/// Response of `POST /internal/approvals`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApprovalsText {
    /// The requests that this person may decide, newest first.
    pub message: String,
    /// Their number.
    pub pending: u32,
    /// Whether everything is halted.
    pub halted: bool,
}

/// The query of `GET /api/approvals`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApprovalsQuery {
    #[serde(default)]
    pub state: Option<String>,
    /// 1 to 500, 100 when it is left out.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// The query of `GET /api/approvals/{id}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WaitQuery {
    /// Seconds to wait for a decision (0–30).
    #[serde(default)]
    pub wait: Option<u32>,
}

/// `GET /api/approvals`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApprovalList {
    pub approvals: Vec<Approval>,
}

/// Approve or reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Approve,
    Reject,
}

/// How far a yes to a tool call reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// This one call.
    #[default]
    Once,
    /// The same call for the rest of the run's task.
    Task,
    /// The same call of the same agent, until the owner removes the rule.
    Always,
}

impl Extent {
    /// Whether it is a yes to this one call.
    pub fn is_once(&self) -> bool {
        *self == Self::Once
    }
}

/// `POST /api/approvals/{id}/decide`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DecideRequest {
    pub decision: Decision,
    /// For a tool call of a run: whether the yes also holds for later calls.
    #[serde(default, skip_serializing_if = "Extent::is_once")]
    pub extent: Extent,
    #[serde(default)]
    pub reason: Option<String>,
    /// The answer to a question, in the owner's words; refused for anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The version that was shown; any other version is refused.
    #[serde(default)]
    pub version: Option<u32>,
    /// Who decides; trusted from the aggregator and the dashboard only.
    #[serde(default)]
    pub actor: Option<String>,
    /// The name that the actor's platform shows. Used from the aggregator only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A button press whose endpoint and approver the aggregator has checked: `POST /internal/press`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PressRequest {
    /// The button's data as received: `a1:<22 characters>:y|n|t|a`.
    pub token: String,
    pub channel: String,
    pub endpoint: String,
    /// The chat of the press, in the form of [`crate::outbox::Target::chat`].
    pub chat: String,
    /// `telegram:main:700100200`.
    pub actor: String,
    /// The name that the platform shows for the presser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The response to a press.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PressAnswer {
    /// `decided`, `already_decided`, `no_longer_valid`, `over_budget`, `halted`.
    pub outcome: String,
    /// A short sentence for the chat.
    pub message: String,
    pub approval_id: Option<ApprovalId>,
}

/// `POST /api/approvals/{id}/claim`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimRequest {
    pub digest: String,
    /// Epoch of the lease that claims. A released lease can claim nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// The program that the gateway is about to start. Refused if a person decided on another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<AgentRun>,
}

/// `POST /internal/given-up`: a lease ended without a report of its run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GivenUpRequest {
    pub approval_id: ApprovalId,
    /// Epoch of the lease.
    pub epoch: u32,
}

/// How far the run had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum GivenUp {
    /// Nothing ran: later leases can still claim the approval.
    Open,
    /// Nothing ran, and the approval has expired.
    Lapsed,
    /// Its owner halted or reassigned it, whether or not it ran.
    Ended,
    /// The approval was claimed.
    Begun,
}

/// Response of `POST /internal/given-up`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GivenUpAnswer {
    pub was: GivenUp,
    /// The cost of a begun run, unless its own late report says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Micros>,
}

/// Response of a claim; the token is returned once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimAnswer {
    pub claim_token: String,
    pub cost_limit: Micros,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    #[serde(alias = "succeeded", alias = "completed", alias = "ok")]
    Success,
    /// The agent ran and reported a failure.
    #[serde(alias = "failure", alias = "error")]
    Failed,
    /// Stopped by a halt.
    Cancelled,
    /// Reached its time limit.
    Timeout,
    /// The agent could not start; another may do the work.
    Unavailable,
}

impl Outcome {
    /// The wire text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
        }
    }
}

/// `POST /api/tasks/{taskId}/settle`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettleRequest {
    pub claim_token: String,
    #[serde(default)]
    pub actual_cost: Option<Micros>,
    #[serde(default)]
    pub usage: Option<Value>,
    pub outcome: Outcome,
}

/// Response of a settlement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SettleAnswer {
    pub task_id: TaskId,
    pub posted: Micros,
    /// The run reported no cost, so the held amount was posted.
    pub unpriced: bool,
    /// The agent has no price of a run either, so the posted amount is only what was set aside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// Amount posted above the hold.
    pub overrun: Micros,
}
