//! The budget: limits, posted costs, holds.

use crate::{AgentId, Micros};
use serde::{Deserialize, Serialize};

/// `GET /api/budget`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BudgetAnswer {
    pub time_zone: String,
    pub scopes: Vec<BudgetScope>,
    /// The agents whose work is charged to the owner's day, the dearest first. Their amounts add up
    /// to the day's row of `scopes`.
    #[serde(default)]
    pub agents: Vec<AgentCost>,
}

/// The cost of an agent's work of one day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentCost {
    pub agent: AgentId,
    pub spent: Micros,
    pub held: Micros,
    /// Runs that reported no cost and have no price: what was held for them is counted.
    pub unpriced: u64,
}

/// One limit and its use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BudgetScope {
    /// `all`, `agent:<id>` or `endpoint:<channel>.<name>`.
    pub scope: String,
    /// `day`, `week` or `month`.
    pub window: String,
    /// The window's local label: `2026-11-23`, `2026-W48` or `2026-11`.
    pub label: String,
    pub limit: Micros,
    /// `default`, `file` or `api`.
    pub source: String,
    pub spent: Micros,
    pub held: Micros,
    pub remaining: Micros,
    pub resets_at: String,
}

/// `PUT /api/budget`: a member sets that limit; `reset: true` restores the file's value.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BudgetUpdate {
    #[serde(default)]
    pub daily: Option<Micros>,
    #[serde(default)]
    pub monthly: Option<Micros>,
    #[serde(default)]
    pub reset: bool,
}

/// `POST /internal/budget`: a person in a chat asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BudgetTextRequest {
    /// `telegram:main:700100200`; the aggregator has checked that it is an approver.
    pub actor: String,
}

/// Response of `POST /internal/budget`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BudgetText {
    /// For the owner every limit; for an approver the spending of his endpoint.
    pub message: String,
}
