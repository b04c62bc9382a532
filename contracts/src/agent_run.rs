//! The program that a run of an agent starts, as an approval shows it.

use serde::{Deserialize, Serialize};

/// The key of a chat message's `arguments` that lists what a run may start: an [`AgentRun`] for
/// each way that the gateways have configured.
pub const RUNS: &str = "runs";

/// The program that a run of an agent starts, with its settings. The owner sees it before deciding,
/// and the decision holds for exactly this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentRun {
    pub runner: String,
    /// Program and arguments as configured; the runner adds its own.
    pub program: Vec<String>,
    /// The folder that it works in; none: a work folder of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Each conversation has a git worktree of the workspace.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub worktree: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<i64>,
    /// `strict` or `off`.
    pub sandbox: String,
    /// `none`, `internet` or `all`.
    pub network: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readable: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writable: Vec<String>,
    /// Names of the variables that are handed on; never their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Names of the keys that it uses through a relay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// `ask`, `deny` or `trust`; none for a runner that has no say in tool calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_approvals: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub data_visible: bool,
    pub timeout_s: u64,
    pub memory_bytes_max: u64,
    pub work_bytes_max: u64,
}
