//! The four scopes that a token can have.

use serde::{Deserialize, Serialize};

/// Permission level of a token of this installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All that a person may.
    Operator,
    /// Read, without memory and conversations.
    Viewer,
    /// Ask for approval and read its own requests; never decide.
    Agent,
    /// Lease, claim, report, settle.
    Gateway,
}

impl Scope {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Operator, Self::Viewer, Self::Agent, Self::Gateway];
    /// The name in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Viewer => "viewer",
            Self::Agent => "agent",
            Self::Gateway => "gateway",
        }
    }
}
