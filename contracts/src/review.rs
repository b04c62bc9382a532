//! A model's look at a request for approval.

use crate::{AgentId, Micros};
use serde::{Deserialize, Serialize};

/// A model's word on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ReviewVerdict {
    Approve,
    /// The owner decides.
    Pass,
}

/// A model's word on a request, with its sentence for the owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// The name of its `[models.<name>]`, and its id.
    pub model: String,
    pub verdict: ReviewVerdict,
    /// Its sentence, or the reason that it has given none.
    pub words: String,
    pub cost: Micros,
    /// SHA-256 of all that the model was told; empty if it was not asked.
    pub prompt: String,
}

/// `POST /api/reviews`: a request that is not made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReviewRequest {
    #[serde(rename = "type")]
    pub kind: String,
    pub agent_type: AgentId,
    pub description: String,
    pub estimated_cost: Micros,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}
