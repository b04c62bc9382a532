//! The owner's chat with the assistant, and the owner's rules.

use crate::Micros;
use serde::{Deserialize, Serialize};

/// `POST /api/chat`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatRequest {
    pub message: String,
    pub session_key: String,
}

/// Tokens used by a model; zero without a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
}

/// Response of `POST /api/chat`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatAnswer {
    pub message: String,
    pub session_key: String,
    pub usage: Usage,
    /// The cost of the answer; left out for nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cost: Micros,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(cost: &Micros) -> bool {
    *cost == Micros::ZERO
}

/// The query of `GET /api/chat`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChatQuery {
    pub session_key: String,
}

/// One message of the owner's chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatLine {
    pub id: String,
    /// False: the assistant's.
    pub by_owner: bool,
    pub text: String,
    /// RFC 3339.
    pub at: String,
}

/// Response of `GET /api/chat`: the newest 100 messages of a conversation, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatHistory {
    pub messages: Vec<ChatLine>,
}

/// How readily spending is approved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RiskTolerance {
    Conservative,
    #[default]
    Balanced,
    Aggressive,
}

/// `GET /api/context`: the owner's preferences and rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OwnerContext {
    /// Dollars per day; the same setting as `budget.daily`.
    pub budget_limit: Micros,
    pub cost_threshold: Micros,
    pub risk_tolerance: RiskTolerance,
    /// Agents that may work; empty means all.
    pub allowed_agencies: Vec<String>,
    pub blocked_operations: Vec<String>,
    pub requires_human_approval: Vec<String>,
    pub time_zone: String,
}

/// `PUT /api/context`: present members replace the stored ones.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnerContextUpdate {
    #[serde(default)]
    pub budget_limit: Option<Micros>,
    #[serde(default)]
    pub cost_threshold: Option<Micros>,
    #[serde(default)]
    pub risk_tolerance: Option<RiskTolerance>,
    #[serde(default)]
    pub allowed_agencies: Option<Vec<String>>,
    #[serde(default)]
    pub blocked_operations: Option<Vec<String>>,
    #[serde(default)]
    pub requires_human_approval: Option<Vec<String>>,
    #[serde(default)]
    pub time_zone: Option<String>,
}
