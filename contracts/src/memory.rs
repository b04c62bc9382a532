//! The memory of the assistant: facts about the owner.

use serde::{Deserialize, Serialize};

/// Who stated a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FactMaker {
    /// The owner wrote it by hand.
    Owner,
    /// Taken from the owner's words by fixed rules.
    Words,
    /// Written down by a model.
    Model,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    pub id: String,
    /// A short name of the thing that it is about; a newer fact of the same subject supersedes it.
    pub subject: String,
    pub text: String,
    /// The id of the message that states it; none for one written by hand.
    pub source: Option<String>,
    pub made_by: FactMaker,
    /// 0–1.
    pub confidence: f64,
    pub pinned: bool,
    /// RFC 3339.
    pub valid_from: String,
    /// None while it is in force.
    pub valid_to: Option<String>,
    pub superseded_by: Option<String>,
}

/// The query of `GET /api/memory`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MemoryQuery {
    /// Words to look for; without them every fact is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Also facts that are no longer in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
}

/// Response of `GET /api/memory`: the best match first, without words the newest; at most 500.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FactList {
    pub facts: Vec<Fact>,
}

/// `POST /api/memory`, by the owner's hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewFact {
    pub subject: String,
    pub text: String,
    #[serde(default)]
    pub pinned: bool,
}

/// `PUT /api/memory/{id}`: another text supersedes the fact; a pin stays with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FactUpdate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
}

/// Response of `GET /api/memory/{id}`: why the assistant thinks so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FactOrigin {
    pub fact: Fact,
    /// The message that states it, if it is still kept.
    pub said: Option<String>,
    /// RFC 3339.
    pub said_at: Option<String>,
    /// The conversation of that message.
    pub session_key: Option<String>,
    /// The facts that it superseded, the newest first.
    pub before: Vec<Fact>,
}
