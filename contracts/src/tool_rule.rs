//! Tool calls that the owner allowed beforehand.

use crate::{AgentId, ApprovalId, Micros, TaskId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A tool call that the owner allowed beforehand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ToolRule {
    pub id: String,
    pub agent: AgentId,
    /// The task whose runs it holds for; always without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    pub tool: String,
    /// The arguments that a call must have, all of them and no others. The `description` of a
    /// `Bash` command may differ, and is not among them.
    pub arguments: Value,
    /// The highest cost of one call.
    pub cost_limit: Micros,
    /// `telegram.main`: it holds for runs of this endpoint only, whose approver made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The question whose answer made it.
    pub approval_id: ApprovalId,
    pub made_by: String,
    pub made_at: String,
    /// When it ends by itself, RFC 3339 UTC; one for a task ends with that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// `GET /api/tool-rules`, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ToolRuleList {
    pub rules: Vec<ToolRule>,
}
