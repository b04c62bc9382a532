//! Events: received messages and their stages.

use crate::files::Attachment;
use crate::{AgentId, ConversationId, DecisionId, ErrorCode, EventId, Micros, TaskId};
use serde::{Deserialize, Serialize};

/// The stage of an event. `Received → Routed → Approved | Parked → Running → Answered → Done`, or
/// one of the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    Received,
    Routed,
    /// Waits for the owner's decision, while its conversation continues.
    Parked,
    Approved,
    /// Leased by a gateway, or waiting for a lease.
    Running,
    /// The answer is known and being delivered.
    Answered,
    Done,
    /// Its run failed, and the person was told why.
    Failed,
    /// Its run was stopped by a halt, by a person before it cost anything, or by a person and then
    /// lost.
    Halted,
    /// Not started: rejected by policy, budget, halt or the owner, or stopped by its sender.
    Refused,
    /// No decision came in time, or every way to reply has closed.
    Expired,
    /// Failed after all retries, with the reason; can be replayed.
    Dead,
    /// Recorded but intentionally not processed, with the reason.
    Ignored,
    /// Authentic but unreadable; stored as received.
    Quarantined,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 14] = [
        Self::Received,
        Self::Routed,
        Self::Parked,
        Self::Approved,
        Self::Running,
        Self::Answered,
        Self::Done,
        Self::Failed,
        Self::Halted,
        Self::Refused,
        Self::Expired,
        Self::Dead,
        Self::Ignored,
        Self::Quarantined,
    ];
    /// The wire text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Routed => "routed",
            Self::Parked => "parked",
            Self::Approved => "approved",
            Self::Running => "running",
            Self::Answered => "answered",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Halted => "halted",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Dead => "dead",
            Self::Ignored => "ignored",
            Self::Quarantined => "quarantined",
        }
    }
    /// Parses the wire text, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str().eq_ignore_ascii_case(text))
    }
    /// Whether nothing happens by itself any more: it has ended, or waits for a person, be it for a
    /// decision or for the end of a halt.
    pub fn is_at_rest(self, reason: Option<&str>) -> bool {
        self.is_final() || self == Self::Parked || self.is_held(reason)
    }
    /// Whether it is kept until a halt ends: routed during one of everything, parked during one of
    /// its agent or its endpoint. Only a kept message has a reason here.
    pub fn is_held(self, reason: Option<&str>) -> bool {
        matches!(self, Self::Routed | Self::Parked) && reason == Some(ErrorCode::Halted.as_str())
    }
    /// Whether the event has ended; only a replay continues it.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Done
                | Self::Failed
                | Self::Halted
                | Self::Refused
                | Self::Expired
                | Self::Dead
                | Self::Ignored
                | Self::Quarantined
        )
    }
    /// Whether later messages of the conversation wait for an event in this stage.
    pub const fn holds_lane(self) -> bool {
        matches!(self, Self::Received | Self::Routed | Self::Approved | Self::Running)
    }
}

/// A row of `GET /api/events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EventRow {
    pub id: EventId,
    pub endpoint: String,
    pub channel: String,
    pub dedupe_key: String,
    pub conversation: ConversationId,
    pub sender: Option<String>,
    pub text: String,
    pub state: Stage,
    /// The reason for the end, for Ignored, Failed, Halted, Refused, Dead, Expired, Quarantined.
    /// `halted` beside Routed: it is kept until the halt ends.
    pub reason: Option<String>,
    /// Failed attempts of the current stage.
    pub attempts: u32,
    pub received_at: String,
    pub updated_at: String,
    pub agent: Option<AgentId>,
    pub decision_id: Option<DecisionId>,
    pub task_id: Option<TaskId>,
    pub approval_id: Option<crate::ApprovalId>,
    pub cost_micros: Option<i64>,
    /// `costMicros` is, at least in part, only what was set aside: a run reported no cost and its
    /// agent has no price.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cost_unknown: bool,
}

/// The reason of a message whose sender no endpoint names.
pub const UNKNOWN_SENDER: &str = "unknown_sender";
/// Begins the reason of an event whose answer its chat did not take.
pub const REPLY_FAILED: &str = "reply_failed";

impl EventRow {
    /// Whether its sender is unknown.
    pub fn is_of_unknown_sender(&self) -> bool {
        self.reason.as_deref() == Some(UNKNOWN_SENDER)
    }
    /// Whether it has a finished answer that its chat did not take.
    pub fn keeps_an_answer(&self) -> bool {
        self.state == Stage::Dead
            && self.reason.as_deref().is_some_and(|why| why.starts_with(REPLY_FAILED))
    }
    /// The cost for people; none where there is none.
    pub fn cost_text(&self) -> Option<String> {
        let cost = Micros(self.cost_micros?);
        Some(if self.cost_unknown { format!("unknown ({cost} counts)") } else { cost.to_string() })
    }
}

/// The query of `GET /api/events`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsQuery {
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub channel: Option<String>,
    /// 1 to 500, 50 when it is left out.
    #[serde(default)]
    pub limit: Option<u32>,
    /// The `cursor` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
}

/// The query of `GET /api/events/{id}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventQuery {
    /// Seconds to wait for the event to be answered or parked, or to end; at most 25 count.
    #[serde(default)]
    pub wait: u32,
    /// The `cursor` of an earlier answer: waits for any change after it instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// `GET /api/events`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EventList {
    pub events: Vec<EventRow>,
    pub cursor: Option<String>,
}

/// One step of an event's timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StageEntry {
    pub stage: Stage,
    pub at: String,
    /// Milliseconds since the event was received.
    pub after_ms: i64,
    pub note: Option<String>,
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AttemptEntry {
    pub stage: Stage,
    pub at: String,
    pub error: String,
    pub retry_at: Option<String>,
}

/// `GET /api/events/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EventDetail {
    #[serde(flatten)]
    pub row: EventRow,
    pub stages: Vec<StageEntry>,
    pub attempts_log: Vec<AttemptEntry>,
    pub replies: Vec<Reply>,
    /// The newest lines of its run, oldest first; at most 40.
    #[serde(default)]
    pub progress: Vec<ProgressLine>,
    pub replays: u32,
    /// Names this state of the event, for `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Files of the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Files of its answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer_files: Vec<Attachment>,
}

/// A line that a run said while it worked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProgressLine {
    pub at: String,
    pub text: String,
    /// The cost so far.
    #[serde(default)]
    pub cost_micros: Option<i64>,
}

/// A message sent, or to be sent, to a chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    pub id: String,
    /// `queued`, `sending`, `sent`, `unknown`, `failed` or `expired`.
    pub state: String,
    pub text: String,
    pub attempts: u32,
    pub error: Option<String>,
    /// Message ids assigned by the platform.
    pub message_ids: Vec<String>,
    pub updated_at: String,
}

impl Reply {
    /// Begins the id of one that is a file of an answer.
    pub const FILE: &str = "file:";

    /// Whether it is a file that goes with the answer before it.
    pub fn is_file(&self) -> bool {
        self.id.starts_with(Self::FILE)
    }
}

/// `POST /api/messages`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MessageRequest {
    pub text: String,
    #[serde(default)]
    pub conversation: Option<String>,
}

/// 202 of `POST /api/messages`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessageAccepted {
    pub event_id: EventId,
    pub conversation: String,
}

/// The author of a message in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    User,
    Agent,
    System,
}

/// A message of `GET /api/conversations/{id}/messages`. An edited answer appears again with the
/// same id and a later `seq`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TranscriptLine {
    /// Increases with every change; pass the last one as `after`.
    pub seq: i64,
    pub id: String,
    pub speaker: Speaker,
    /// The agent that wrote it.
    pub agent: Option<AgentId>,
    pub text: String,
    pub event_id: Option<EventId>,
    /// False for a placeholder before the answer.
    pub settled: bool,
    pub at: String,
}

/// The query of `GET /api/conversations/{id}/messages`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MessageListQuery {
    /// The `last` of the answer before; 0 for all.
    #[serde(default)]
    pub after: i64,
    /// Seconds to wait for something new; more than 25 is taken as 25.
    #[serde(default)]
    pub wait: u32,
}

/// `GET /api/conversations/{id}/messages`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessageList {
    pub messages: Vec<TranscriptLine>,
    /// The highest existing `seq`.
    pub last: i64,
}

/// Answer of `POST /internal/events/{id}/wake`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Woken {}

/// `POST /api/replay`: the events to replay. `dryRun` is on by default.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayFilter {
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub channel: Option<String>,
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub limit: Option<u32>,
    #[serde(default)]
    pub dry_run: Option<bool>,
}

/// Response of `POST /api/events/{id}/deliver`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeliverAnswer {
    /// The event; it is `answered` until the chat has its answer.
    pub event_id: EventId,
}

/// Response of a replay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReplayAnswer {
    pub dry_run: bool,
    pub matched: Vec<EventId>,
    pub replayed: Vec<EventId>,
}
