//! Messages that other services ask the aggregator to deliver.

use crate::EventId;
use serde::{Deserialize, Serialize};

/// An address in a channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Target {
    pub channel: String,
    pub endpoint: String,
    /// Telegram chat id, Slack channel id, Discord channel id, or web conversation id. With
    /// `direct` it is the user's id, for a direct message.
    pub chat: String,
    /// Telegram topic, Slack `thread_ts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The message to reply to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Whether `chat` is a user instead of a channel.
    #[serde(default)]
    pub direct: bool,
    /// The user to mention if the answer cannot be attached to their message any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mention: Option<String>,
    /// A Discord interaction that is still open for a reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction: Option<Interaction>,
}

/// A Discord interaction's reply address, open for 15 minutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Interaction {
    pub application_id: String,
    pub token: String,
    /// Milliseconds since the epoch.
    pub until_ms: i64,
}

/// Two buttons, each with its press data (at most 64 bytes).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Buttons {
    pub approve: String,
    pub reject: String,
    /// Their labels, if not Approve and Reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<[String; 2]>,
}

impl Buttons {
    /// The labels of both buttons.
    pub fn texts(&self) -> [&str; 2] {
        self.labels.as_ref().map_or(["Approve", "Reject"], |[first, second]| [first, second])
    }
}

/// One message to keep at its newest revision in one chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Idempotency: each id and revision is sent once; a higher revision edits the sent message.
    pub id: String,
    pub revision: u32,
    pub target: Target,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buttons: Option<Buttons>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
}

/// `GET /internal/approvers`: the direct address of each approver of each endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Approvers {
    pub targets: Vec<Target>,
}

/// `POST /internal/outbox`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OutboxRequest {
    pub deliveries: Vec<Delivery>,
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    Queued,
    Sending,
    Sent,
    /// Sent without a response; the message may be in the chat.
    Unknown,
    Failed,
    Expired,
}

impl DeliveryState {
    /// The wire text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
    /// Parses the wire text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Queued, Self::Sending, Self::Sent, Self::Unknown, Self::Failed, Self::Expired]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// Response of `POST /internal/outbox`, in the order of the request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OutboxAnswer {
    pub states: Vec<DeliveryStatus>,
}

/// One delivery's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeliveryStatus {
    pub id: String,
    pub state: DeliveryState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
