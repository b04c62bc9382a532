//! Events: received messages and their stages.

use crate::{AgentId, ConversationId, DecisionId, EventId, TaskId};
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
    /// Its run was stopped by a halt, or by a person before it cost anything.
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
    pub replays: u32,
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

/// Response of a replay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReplayAnswer {
    pub dry_run: bool,
    pub matched: Vec<EventId>,
    pub replayed: Vec<EventId>,
}
