//! The configured endpoints, and whether their messages arrive.

use serde::{Deserialize, Serialize};

/// The endpoint of the web console and of the owner's own programs, which no list contains.
pub const CONSOLE: &str = "console";

/// The state of an endpoint's way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum LinkState {
    /// The platform posts its messages to us.
    Listening,
    /// The first connection is being made.
    Connecting,
    /// Messages arrive.
    Connected,
    /// The connection is lost; a further attempt follows by itself.
    Reconnecting,
    /// The owner has to change something.
    Refused,
}

impl LinkState {
    /// The wire text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listening => "listening",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Refused => "refused",
        }
    }
}

/// `GET /api/endpoints`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EndpointList {
    pub endpoints: Vec<EndpointView>,
}

/// One bot, app or workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EndpointView {
    pub channel: String,
    pub name: String,
    /// `webhook`, `polling`, `socket` or `gateway`.
    pub mode: String,
    /// Made at first start for `quintet send`.
    pub local: bool,
    pub state: LinkState,
    /// Why no messages arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The beginning of the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}
