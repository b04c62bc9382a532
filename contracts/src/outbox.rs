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
    /// A Slack command that is still open for a reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandReply>,
}

impl Target {
    /// Whether it stands for a whole channel with all its threads: Slack does not name the thread
    /// that a command is typed in.
    pub fn spans_threads(&self) -> bool {
        self.command.is_some() && self.thread.is_none()
    }
    /// Whether nothing can be sent there: the transcript is the message.
    pub fn is_transcript(&self) -> bool {
        crate::ChannelKind::parse(&self.channel).is_some_and(|kind| !kind.has_chats())
    }
}

/// A Slack command's reply address, open for half an hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CommandReply {
    /// Path below Slack's own host for replies.
    pub path: String,
    /// Milliseconds since the epoch.
    pub until_ms: i64,
    /// The bot may not write to the channel itself.
    #[serde(default)]
    pub is_only_way: bool,
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
    /// The message that was promised is deleted.
    #[serde(default)]
    pub is_original_gone: bool,
}

/// Two buttons and more, each with its press data (at most 64 bytes). One without data is not
/// shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Buttons {
    pub approve: String,
    pub reject: String,
    /// Their labels, if not Approve and Reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<[String; 2]>,
    /// Further buttons, after the two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<Button>,
}

/// A further button.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Button {
    pub label: String,
    /// Its press data, at most 64 bytes.
    pub data: String,
}

/// The meaning of a button, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Approves,
    Rejects,
    Neutral,
}

/// A button as a channel shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShownButton<'a> {
    pub label: &'a str,
    pub data: &'a str,
    pub look: Look,
}

impl Buttons {
    /// One button.
    pub fn one(label: &str, data: String) -> Self {
        let labels = Some([String::new(), label.to_owned()]);
        Self { approve: String::new(), reject: data, labels, more: Vec::new() }
    }
    /// The first two, as far as they are shown.
    pub fn two(&self) -> Vec<ShownButton<'_>> {
        let (labels, looks) = match &self.labels {
            // Neither of two agents is the dangerous one.
            Some([first, second]) => ([first.as_str(), second], [Look::Neutral; 2]),
            None => (["Approve", "Reject"], [Look::Approves, Look::Rejects]),
        };
        let [first, second] = labels;
        let [good, bad] = looks;
        let two = [(first, &self.approve, good), (second, &self.reject, bad)];
        let shown = two.into_iter().filter(|(_, data, _)| !data.is_empty());
        shown.map(|(label, data, look)| ShownButton { label, data, look }).collect()
    }
    /// The further ones.
    pub fn rest(&self) -> impl Iterator<Item = ShownButton<'_>> {
        let look = Look::Neutral;
        self.more.iter().map(move |Button { label, data }| ShownButton { label, data, look })
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
