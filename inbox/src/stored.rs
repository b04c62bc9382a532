//! The rows of the tables as values.

use super::remembered::{EventData, EventOrigin, KeptFile, column_or_default, origin};
use contracts::agent_run::AgentRun;
use contracts::event::{Speaker, Stage};
use contracts::outbox::{Buttons, DeliveryState, Target};
use contracts::task::{TaskContext, UnreadyAgent};
use contracts::{
    AgentId, ApprovalId, ConversationId, DecisionId, EventId, GatewayId, Micros, Shard, TaskId,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A message on its way in, verified and read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewEvent {
    pub channel: String,
    pub endpoint: String,
    /// The platform's own id of this delivery.
    pub dedupe_key: String,
    /// A second key for platforms that deliver one message as two events; only content has one.
    pub semantic_key: Option<String>,
    pub conversation: ConversationId,
    /// A control input waits in no content lane; this names what it is about.
    pub control: bool,
    pub sender: Option<String>,
    pub text: String,
    pub origin: EventOrigin,
    /// The body, kept only where it could not be read.
    pub raw: Option<String>,
    /// `Received`, `Ignored` or `Quarantined`.
    pub state: Stage,
    pub reason: Option<String>,
    /// Limits that count this message; exceeding one makes it `Ignored(rate_limited)`.
    pub limits: Vec<super::Limit>,
    /// Said once when a limit is first exceeded.
    pub limit_notice: Option<Draft>,
    /// Said near us and not to us: it counts only in a conversation that we answered in before.
    #[serde(default)]
    pub overheard: bool,
    /// Lines for the transcript: what the person said.
    pub said: Vec<NewSaid>,
    /// Above its limits it leaves no row at all, whatever its state.
    #[serde(default)]
    pub unrecorded_over_limit: bool,
    /// The text is one that stops: it is a control input while something of its conversation is
    /// open, else a message.
    #[serde(default)]
    pub is_stop_word: bool,
    /// Said when an earlier message of its conversation runs; its answer replaces it.
    #[serde(default)]
    pub waits_notice: Option<String>,
    /// The platform says that a chat has another id now: the old one and the new one.
    #[serde(default)]
    pub moved: Option<(String, String)>,
    /// The platform's id of the earlier message that this is the new text of.
    #[serde(default)]
    pub edits: Option<String>,
}

/// The id of the one reply to an event in this replay of it: placeholder, progress and answer.
pub fn reply_id(event: &EventId, replays: u32) -> String {
    match replays {
        0 => format!("re:{event}"),
        replays => format!("re:{event}~r{replays}"),
    }
}

/// The id of the line that a message is in the transcript.
pub fn line_id(channel: &str, endpoint: &str, dedupe_key: &str) -> String {
    format!("in:{channel}:{endpoint}:{dedupe_key}")
}

/// A line for the transcript.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewSaid {
    /// Stable: the same id again replaces the line and gives it a new `seq`.
    pub id: String,
    pub conversation: ConversationId,
    pub speaker: Speaker,
    pub agent: Option<AgentId>,
    pub text: String,
    pub settled: bool,
}

/// Something to be said, at a revision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Draft {
    pub id: String,
    pub revision: u32,
    pub target: Target,
    pub text: String,
    pub buttons: Option<Buttons>,
    pub event_id: Option<EventId>,
    /// `reply`, `ask`, `press_ack` or `file`: what the sender makes of it.
    pub kind: String,
    /// The file to upload; the text then names it.
    #[serde(default)]
    pub file: Option<KeptFile>,
    /// After this it is no use sending any more.
    pub expires_ms: Option<i64>,
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    pub seq: i64,
    pub id: EventId,
    pub shard: Shard,
    pub channel: String,
    pub endpoint: String,
    pub dedupe_key: String,
    pub conversation: ConversationId,
    #[serde(deserialize_with = "flag")]
    pub control: bool,
    pub sender: Option<String>,
    pub text: String,
    /// The column `payload`.
    #[serde(rename = "payload", deserialize_with = "origin")]
    pub origin: EventOrigin,
    pub state: Stage,
    pub reason: Option<String>,
    pub attempts: u32,
    /// How often work on it was begun: names the task of each run.
    pub runs: u32,
    pub replays: u32,
    /// Rises with every change.
    pub version: u32,
    pub received_ms: i64,
    pub updated_ms: i64,
    pub agent: Option<AgentId>,
    pub decision_id: Option<DecisionId>,
    pub task_id: Option<TaskId>,
    pub approval_id: Option<ApprovalId>,
    pub digest: Option<String>,
    pub cost_limit: Option<i64>,
    pub cost_micros: Option<i64>,
    #[serde(deserialize_with = "column_or_default")]
    pub data: EventData,
}

impl StoredEvent {
    /// The task of the current run: the event's id, with `~n` from the second run on.
    pub fn current_task(&self) -> TaskId {
        self.task_of(self.runs)
    }
    /// The task of the run with this number.
    pub fn task_of(&self, run: u32) -> TaskId {
        if run <= 1 {
            TaskId::new(self.id.as_str())
        } else {
            TaskId::new(format!("{}~{run}", self.id))
        }
    }
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// It waits for a gateway.
    Queued,
    /// A gateway has it.
    Leased,
    /// Its result was recorded.
    Done,
    /// Its event went on without it; reports about it are stale. An unknown state counts as lost
    /// too.
    #[serde(other)]
    Lost,
}

/// A task as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    pub id: TaskId,
    pub event_id: EventId,
    pub agent: AgentId,
    pub message: String,
    #[serde(deserialize_with = "column_or_default")]
    pub context: TaskContext,
    pub approval_id: ApprovalId,
    pub digest: String,
    #[serde(deserialize_with = "micros")]
    pub cost_limit: Micros,
    pub state: TaskState,
    pub epoch: u32,
    pub gateway_id: Option<GatewayId>,
    pub lease_until_ms: i64,
    pub created_ms: i64,
    pub leased_ms: Option<i64>,
    pub outcome: Option<String>,
    pub text: Option<String>,
    /// A person stopped this run.
    #[serde(deserialize_with = "flag")]
    pub stopped: bool,
    /// The control input that stopped it.
    #[serde(default)]
    pub stopped_by: Option<EventId>,
}

/// A gateway as an inbox knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeenGateway {
    pub id: GatewayId,
    /// The agents it offered last; `*` stands for every agent.
    #[serde(deserialize_with = "inner_json")]
    pub agents: Vec<String>,
    /// The programs of its configuration, by the ids of their agents.
    #[serde(deserialize_with = "inner_json")]
    pub runs: BTreeMap<String, AgentRun>,
    pub seen_ms: i64,
    /// Tasks that it has.
    pub running: u32,
    /// Tasks that are kept for it.
    pub kept: u32,
    /// It gets no more tasks.
    #[serde(deserialize_with = "flag")]
    pub drained: bool,
    /// Agents among them that it is not ready to run.
    #[serde(deserialize_with = "inner_json")]
    pub unready: Vec<UnreadyAgent>,
}

/// A part of a message that the platform has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The platform's id of it.
    pub id: String,
    /// The channel it is in, where the platform opened one for us (direct messages).
    pub chat: String,
    /// Digest of its content, so that an unchanged part is not edited.
    pub shows: String,
    /// The platform's id of its newest edit, where that is a message of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<String>,
    /// Since when it has shown this, by the platform's clock, in milliseconds since the epoch;
    /// where the channel asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_ms: Option<i64>,
}

impl Part {
    /// A part that has not been edited.
    pub fn new(id: impl Into<String>, chat: String, shows: impl Into<String>) -> Self {
        Self { id: id.into(), chat, shows: shows.into(), edit: None, shown_ms: None }
    }
}

/// Kind of a reply that shows the beginning of its text, and has the rest in the first file after
/// it.
pub const BEGINNING: &str = "beginning";

/// Something to be said, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutboxRow {
    pub id: String,
    pub event_id: Option<EventId>,
    #[serde(deserialize_with = "inner_json")]
    pub target: Target,
    pub text: String,
    #[serde(deserialize_with = "inner_json_option")]
    pub buttons: Option<Buttons>,
    pub kind: String,
    #[serde(default, deserialize_with = "inner_json_option")]
    pub file: Option<KeptFile>,
    pub revision: u32,
    pub sent_revision: i64,
    #[serde(deserialize_with = "inner_json")]
    pub parts: Vec<Part>,
    pub state: DeliveryState,
    pub attempts: u32,
    pub expires_ms: Option<i64>,
    pub error: Option<String>,
    pub created_ms: i64,
    pub updated_ms: i64,
    /// Its marks were refused, so that this try shows its words alone.
    #[serde(default, skip)]
    pub plain: bool,
}

/// Result of an attempt to send.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SentReport {
    pub id: String,
    /// The revision that was tried.
    pub revision: u32,
    /// When the row that was tried had last changed, so that a newer text of this revision shows;
    /// none from a sender of an earlier version.
    #[serde(default)]
    pub changed_ms: Option<i64>,
    /// The chat it went to: another one than before if the platform moved it.
    #[serde(default)]
    pub chat: String,
    pub parts: Vec<Part>,
    pub state: DeliveryState,
    /// When to try again, for `Queued`.
    pub due_ms: i64,
    /// The platform wants quiet until then: nothing else goes to the same place either.
    pub quiet_until_ms: Option<i64>,
    pub error: Option<String>,
}

/// A stage or a failed try in an event's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub at_ms: i64,
    pub stage: Stage,
    pub note: Option<String>,
    pub error: Option<String>,
    pub retry_ms: Option<i64>,
}

/// Statistics of one inbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShardStats {
    pub requests: u64,
    pub by_state: BTreeMap<String, u64>,
    pub open: u64,
    pub oldest_open_ms: Option<i64>,
    pub dead: u64,
    /// Received → answered of the newest answers in the window, milliseconds.
    pub latencies_ms: Vec<i64>,
}

pub(super) fn flag<'de, D: Deserializer<'de>>(d: D) -> Result<bool, D::Error> {
    match Value::deserialize(d)? {
        Value::Bool(flag) => Ok(flag),
        other => Ok(other.as_i64().unwrap_or(0) != 0),
    }
}

fn micros<'de, D: Deserializer<'de>>(d: D) -> Result<Micros, D::Error> {
    // In a column it is an integer of micro-dollars; on the way between shells it is the wire's
    // decimal.
    let value = Value::deserialize(d)?;
    Ok(value.as_i64().filter(|_| !value.is_f64()).map_or_else(
        || Micros::from_dollars(value.as_f64().unwrap_or(0.0)).unwrap_or_default(),
        Micros,
    ))
}

/// A column holds JSON as text; between shells the same field travels as JSON itself.
fn inner_json<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    d: D,
) -> Result<T, D::Error> {
    let value = match Value::deserialize(d)? {
        Value::String(text) => {
            serde_json::from_str::<Value>(&text).map_err(serde::de::Error::custom)?
        }
        other => other,
    };
    serde_json::from_value(value).map_err(serde::de::Error::custom)
}

fn inner_json_option<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    d: D,
) -> Result<Option<T>, D::Error> {
    let value = match Value::deserialize(d)? {
        Value::Null => return Ok(None),
        Value::String(text) => {
            serde_json::from_str::<Value>(&text).map_err(serde::de::Error::custom)?
        }
        other => other,
    };
    serde_json::from_value(value).map(Some).map_err(serde::de::Error::custom)
}
