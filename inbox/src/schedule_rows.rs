//! The rows of schedules, and which of them want attention.

use super::remembered::column_or_default;
use super::{Context, args};
use contracts::schedule::{MadeBy, OnMissed, Timing};
use contracts::{AgentId, EventId};
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// Maximum schedules of one look: each takes a call to another service.
const DUE_MAX: u32 = 8;

/// A schedule as its maker wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleSpec {
    pub name: String,
    pub timing: Timing,
    pub conversation: String,
    pub message: String,
    pub on_missed: OnMissed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// The approver in whose name it runs: the one of its chat when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<String>,
}

impl ScheduleSpec {
    /// Whether both were written alike; the approver at the time may be another.
    pub fn is_alike(&self, other: &Self) -> bool {
        let bare = |spec: &Self| Self { approver: None, ..spec.clone() };
        bare(self) == bare(other)
    }
}

/// A schedule as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSchedule {
    pub name: String,
    pub made_by: MadeBy,
    /// One that cannot be read is empty, and never due.
    #[serde(deserialize_with = "column_or_default")]
    pub spec: ScheduleSpec,
    pub made_ms: i64,
    /// The next due time; none before it is computed, and after the last.
    pub due_ms: Option<i64>,
    /// The same for people.
    pub due_local: Option<String>,
    /// When it wants attention; none after its end.
    pub look_ms: Option<i64>,
    /// The due time that was handled last.
    pub last_ms: Option<i64>,
    pub last_event: Option<EventId>,
    pub note: Option<String>,
    /// The missed time of its open question.
    pub asked_ms: Option<i64>,
}

const COLUMNS: &str = "s.name, s.made_by, s.spec, s.made_ms, s.due_ms, s.due_local, s.look_ms, s.last_ms, s.last_event, s.note,
    (SELECT q.at_ms FROM schedule_question q WHERE q.shard = s.shard AND q.name = s.name) AS asked_ms";

/// All of this inbox.
pub(super) fn all(context: &Context<'_>) -> PortResult<Vec<StoredSchedule>> {
    context.all(
        &format!("SELECT {COLUMNS} FROM schedule s WHERE s.shard = ?1 ORDER BY s.look_ms IS NULL, s.look_ms, s.name"),
        args![context.shard.as_str()],
    )
}

/// A last time so far ahead of the clock was computed while the clock was wrong.
pub const AHEAD_MS: i64 = 5 * 60_000;

/// Those that want attention, a few at a time; also those that were planned by a clock which was
/// ahead.
pub(super) fn due(context: &Context<'_>) -> PortResult<Vec<StoredSchedule>> {
    context.all(
        &format!("SELECT {COLUMNS} FROM schedule s WHERE s.shard = ?1 AND (s.look_ms <= ?2 OR s.look_ms IS NOT NULL AND s.last_ms > ?2 + {AHEAD_MS}) ORDER BY s.look_ms, s.name LIMIT {DUE_MAX}"),
        args![context.shard.as_str(), context.now_ms],
    )
}

/// The one of this name.
pub(super) fn one(context: &Context<'_>, name: &str) -> PortResult<Option<StoredSchedule>> {
    context.one(
        &format!("SELECT {COLUMNS} FROM schedule s WHERE s.shard = ?1 AND s.name = ?2"),
        args![context.shard.as_str(), name],
    )
}

/// When the next schedule of this inbox wants attention.
pub(super) fn next_look(context: &Context<'_>) -> PortResult<Option<i64>> {
    let rows = context.exec(
        "SELECT MIN(look_ms) AS at FROM schedule WHERE shard = ?1 AND look_ms IS NOT NULL",
        args![context.shard.as_str()],
    )?;
    Ok(rows.first().and_then(|row| row.get("at").and_then(serde_json::Value::as_i64)))
}
