//! Events: messages that came in, and where each stands.

use crate::{AgentId, ConversationId, DecisionId, EventId, TaskId};
use serde::{Deserialize, Serialize};

/// Where an event stands. `Received → Routed → Approved | Parked → Running → Answered → Done`, or one of the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    Received,
    Routed,
    /// Waits for the owner's decision; its conversation goes on meanwhile.
    Parked,
    Approved,
    /// Leased, or waiting to be leased, by a gateway.
    Running,
    /// The answer is known and on its way to the chat.
    Answered,
    Done,
    /// Rejected by policy, budget, halt or the owner.
    Refused,
    /// Nobody decided, or every way to answer closed, in time.
    Expired,
    /// Given up after the retries, with the reason; can be replayed.
    Dead,
    /// Recorded and left alone on purpose, with the reason.
    Ignored,
    /// Authentic but unreadable; kept as it came.
    Quarantined,
}

impl Stage {
    /// All, in order.
    pub const ALL: [Self; 12] = [
        Self::Received,
        Self::Routed,
        Self::Parked,
        Self::Approved,
        Self::Running,
        Self::Answered,
        Self::Done,
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
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Dead => "dead",
            Self::Ignored => "ignored",
            Self::Quarantined => "quarantined",
        }
    }
    /// The stage of this wire text, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str().eq_ignore_ascii_case(text))
    }
    /// Nothing more will happen to it unless it is replayed.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Done
                | Self::Refused
                | Self::Expired
                | Self::Dead
                | Self::Ignored
                | Self::Quarantined
        )
    }
    /// While an event is here, later content of its conversation waits.
    pub const fn holds_lane(self) -> bool {
        matches!(self, Self::Received | Self::Routed | Self::Approved | Self::Running)
    }
}

/// A row of `GET /api/events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Why it ended where it is, for Ignored, Refused, Dead, Expired, Quarantined.
    pub reason: Option<String>,
    /// Failed tries of the current stage.
    pub attempts: u32,
    pub received_at: String,
    pub updated_at: String,
    pub agent: Option<AgentId>,
    pub decision_id: Option<DecisionId>,
    pub task_id: Option<TaskId>,
    pub approval_id: Option<crate::ApprovalId>,
    pub cost_micros: Option<i64>,
}

/// `GET /api/events`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventList {
    pub events: Vec<EventRow>,
    pub cursor: Option<String>,
}

/// One step of an event's way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageEntry {
    pub stage: Stage,
    pub at: String,
    /// Milliseconds since the event was received.
    pub after_ms: i64,
    pub note: Option<String>,
}

/// A failed try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptEntry {
    pub stage: Stage,
    pub at: String,
    pub error: String,
    pub retry_at: Option<String>,
}

/// `GET /api/events/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventDetail {
    #[serde(flatten)]
    pub row: EventRow,
    pub stages: Vec<StageEntry>,
    pub attempts_log: Vec<AttemptEntry>,
    pub replies: Vec<Reply>,
    pub replays: u32,
}

/// Something sent, or to be sent, to a chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    pub id: String,
    /// `queued`, `sending`, `sent`, `unknown`, `failed` or `expired`.
    pub state: String,
    pub text: String,
    pub attempts: u32,
    pub error: Option<String>,
    /// Ids the platform gave its parts.
    pub message_ids: Vec<String>,
    pub updated_at: String,
}

/// `POST /api/messages`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MessageRequest {
    pub text: String,
    #[serde(default)]
    pub conversation: Option<String>,
}

/// 202 of `POST /api/messages`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageAccepted {
    pub event_id: EventId,
    pub conversation: String,
}

/// Who said something in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    User,
    Agent,
    System,
}

/// A line of `GET /api/conversations/{id}/messages`. An edited answer appears again with the same id and a later `seq`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// Rises with every change; hand the last one in as `after`.
    pub seq: i64,
    pub id: String,
    pub speaker: Speaker,
    /// The agent that speaks.
    pub agent: Option<AgentId>,
    pub text: String,
    pub event_id: Option<EventId>,
    /// False while it is a placeholder for an answer to come.
    pub settled: bool,
    pub at: String,
}

/// `GET /api/conversations/{id}/messages`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaidList {
    pub messages: Vec<Said>,
    /// The highest `seq` there is.
    pub last: i64,
}

/// `POST /api/replay`: which events to do again. `dryRun` is on unless switched off.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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

/// Answer of a replay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayAnswer {
    pub dry_run: bool,
    pub matched: Vec<EventId>,
    pub replayed: Vec<EventId>,
}
