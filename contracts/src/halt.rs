//! Halting and resuming.

use crate::{AgentId, Shard, TaskId};
use serde::{Deserialize, Serialize};

/// `POST /api/halt`: one task, one agent, one endpoint, or all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HaltRequest {
    #[serde(default)]
    pub task_id: Option<TaskId>,
    #[serde(default)]
    pub all: bool,
    /// All work of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// All work that came in by this endpoint, such as `telegram.main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Shard>,
    /// Refuses a task that does not exist yet. Without it the task of another program may be halted
    /// ahead of its request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_exist: bool,
    #[serde(default)]
    pub reason: Option<String>,
    /// Who halts; trusted from the aggregator and the dashboard only.
    #[serde(default)]
    pub actor: Option<String>,
}

/// `POST /api/resume`: the halt of one task, agent or endpoint, or by default the halt of all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResumeRequest {
    #[serde(default)]
    pub task_id: Option<TaskId>,
    /// Equal to naming nothing.
    #[serde(default)]
    pub all: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Shard>,
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub actor: Option<String>,
}

/// Answer of `POST /api/resume`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResumeAnswer {
    /// Whether a halt was lifted and no other is in force for the same target.
    pub success: bool,
    pub task_id: Option<TaskId>,
    pub message: String,
}

/// `POST /internal/stopped`: the gateway confirmed that nothing of this task runs any more.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoppedRequest {
    pub task_id: TaskId,
}

/// The progress of a halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum HaltLevel {
    /// Durable: nothing starts any more.
    Accepted,
    /// Confirmed by the gateway: the process tree has ended.
    Stopped,
}

/// Response of a halt: 202, or 200 if it was already stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HaltAnswer {
    pub success: bool,
    pub task_id: Option<TaskId>,
    pub message: String,
    pub level: HaltLevel,
    /// In force in the server's memory only, because storage refused it. A restart would forget it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unwritten: bool,
}

/// A row of `GET /api/halts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HaltRow {
    /// `all`, `task:<id>`, `agent:<id>` or `endpoint:<channel>.<name>`.
    pub target: String,
    pub reason: String,
    pub by: String,
    pub at: String,
    pub level: HaltLevel,
    /// Set after a resume.
    pub resumed_at: Option<String>,
}

/// `GET /api/halts`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HaltList {
    /// Whether everything is halted now.
    pub all: bool,
    pub halts: Vec<HaltRow>,
}

/// Which of these tasks must stop (`POST /internal/halts/check`); asked when leases are renewed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HaltCheck {
    pub tasks: Vec<TaskId>,
    /// For `held`: the agent of work that has not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// For `held`: the endpoint that it came in by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Shard>,
}

/// Response of the check.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HaltCheckAnswer {
    pub all: bool,
    pub halted: Vec<TaskId>,
    /// Those of `halted` that a halt of the task itself covers. They stay halted after the
    /// resume of everything, of an agent or of an endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_task: Vec<TaskId>,
    /// The named agent or endpoint is halted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// The named endpoint is halted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub endpoint_held: bool,
    /// Who ordered the oldest of these halts, where a halt is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<HaltedBy>,
}

/// Who ordered a halt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HaltedBy {
    /// A person (`telegram:main:700100200`), or `api` and `dashboard` for the owner's programs.
    pub actor: String,
    /// The person's name, as the platform gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
