//! Reading: one event whole, lists, figures.

use super::claim::EVENT_COLUMNS;
use super::{BEGINNING, Context, Entry, OutboxRow, ShardStats, StoredEvent, args, outbox};
use contracts::EventId;
use contracts::event::Stage;
use platform::ports::{PortResult, SqlValue};
use serde::{Deserialize, Serialize};

/// One event whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GetEvent {
    pub event: EventId,
}

/// An event, its history oldest first, its replies oldest first, and the cursor of all of it.
pub type EventParts = (StoredEvent, Vec<Entry>, Vec<OutboxRow>, String);

/// The cursor of an event, which names its state: it differs after every change of the event, its
/// history, its progress or its replies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadCursor {
    pub event: EventId,
}

/// Events, newest first, before a ULID.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListEvents {
    pub state: Option<Stage>,
    pub channel: Option<String>,
    pub conversation: Option<String>,
    pub before: Option<String>,
    pub limit: u32,
}

/// The event that we answered with this message of the platform's, when it is among the newest of
/// its conversation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindAnswered {
    pub conversation: String,
    pub message: String,
}

/// The statistics of an inbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadStats {
    pub since_ms: i64,
    pub latency_since_ms: i64,
}

impl GetEvent {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Option<EventParts>> {
        let id = self.event.as_str();
        let Some(row) = event(context, &self.event)? else { return Ok(None) };
        let entries: Vec<Entry> = context.all(
        "SELECT at_ms, stage, note, error, retry_ms FROM stage WHERE event_id = ?1 ORDER BY rowid",
        args![id],
    )?;
        let replies = outbox::of_event(context, id)?;
        let cursor = ReadCursor { event: self.event.clone() }.carry_out(context)?;
        Ok(Some((row, entries, replies, cursor.unwrap_or_default())))
    }
}

impl ReadCursor {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Option<String>> {
        #[derive(Deserialize)]
        struct Row {
            cursor: String,
        }
        let row: Option<Row> = context.one(
            "SELECT e.version || '.' || e.attempts
                || '.' || (SELECT COUNT(*) FROM stage s WHERE s.event_id = e.id)
                || '.' || (SELECT COALESCE(MAX(p.seq), 0) FROM progress p WHERE p.task_id = e.task_id)
                || '.' || (SELECT COALESCE(SUM(o.revision), 0) || '.' || COALESCE(SUM(o.state = 'sent'), 0) || '.' || COALESCE(MAX(o.updated_ms), 0)
                    FROM outbox o WHERE o.event_id = e.id) AS cursor
             FROM event e WHERE e.id = ?1",
            args![self.event.as_str()],
        )?;
        Ok(row.map(|row| row.cursor))
    }
}

pub(super) fn event(context: &Context<'_>, id: &EventId) -> PortResult<Option<StoredEvent>> {
    let sql = format!("SELECT {EVENT_COLUMNS} FROM event WHERE id = ?1");
    context.one(&sql, args![id.as_str()])
}

/// The statement of [`ListEvents`]. A page continues below an id, so pages are sorted by id: ids of
/// one millisecond are random and do not follow `seq`. The turns of one conversation are read in
/// order of arrival.
///
/// Each walks its own index backwards and stops at the limit. An id begins with its shard, and `/`
/// follows `.`; the plus keeps the indices of the shard, which would have to be sorted, out of the
/// plan.
fn list_sql(of_conversation: bool) -> String {
    let (order, range) = if of_conversation {
        (
            "seq",
            "conversation = ?4 AND (?5 IS NULL OR seq < (SELECT seq FROM event WHERE id = ?1 || '.' || ?5))",
        )
    } else {
        ("id", "?4 IS NULL AND id > ?1 || '.' AND id < ?1 || COALESCE('.' || ?5, '/')")
    };
    format!(
        "SELECT {EVENT_COLUMNS} FROM event
         WHERE +shard = ?1 AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR channel = ?3) AND {range}
         ORDER BY {order} DESC LIMIT ?6"
    )
}

impl ListEvents {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Vec<StoredEvent>> {
        context.all(
            &list_sql(self.conversation.is_some()),
            &[
                SqlValue::from(context.shard.as_str()),
                self.state.map(Stage::as_str).into(),
                self.channel.into(),
                self.conversation.into(),
                self.before.into(),
                self.limit.into(),
            ],
        )
    }
}

/// Nobody replies to what was said longer ago than this many messages and means it as a turn of the
/// talk.
const ANSWERED_BY_MAX: u32 = 200;

impl FindAnswered {
    /// Questions to approvers lie in other chats, where the same id may be another message.
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Option<StoredEvent>> {
        context.one(
        &format!(
            "SELECT {EVENT_COLUMNS} FROM (SELECT * FROM event WHERE conversation = ?1 ORDER BY seq DESC LIMIT ?3) AS e
             WHERE EXISTS (SELECT 1 FROM outbox o, json_each(o.parts) part WHERE o.event_id = e.id AND o.kind IN ('reply', ?4) AND part.value ->> 'id' = ?2)
             ORDER BY seq DESC LIMIT 1"
        ),
        args![self.conversation, self.message, ANSWERED_BY_MAX, BEGINNING],
    )
    }
}

#[derive(Deserialize)]
struct Count {
    state: String,
    n: u64,
}

#[derive(Deserialize)]
struct Latency {
    ms: i64,
}

/// How many answers the percentiles are taken from, at most.
const LATENCIES_MAX: u32 = 2000;

impl ReadStats {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<ShardStats> {
        let shard = context.shard.as_str();
        let counts: Vec<Count> =
        context.all("SELECT state, COUNT(*) AS n FROM event WHERE shard = ?1 AND received_ms >= ?2 GROUP BY state", args![shard, self.since_ms])?;
        let open = context.number("SELECT COUNT(*) FROM queue WHERE shard = ?1", args![shard])?;
        let oldest = context.number(
        "SELECT COALESCE(MIN(e.received_ms), 0) FROM queue q JOIN event e ON e.id = q.event_id WHERE q.shard = ?1 AND q.state <> 'parked'",
        args![shard],
    )?;
        let dead = context.number(
            "SELECT COUNT(*) FROM event WHERE shard = ?1 AND state = 'dead'",
            args![shard],
        )?;
        let latencies: Vec<Latency> = context.all(
        "SELECT answered_ms - received_ms AS ms FROM event
         WHERE shard = ?1 AND received_ms >= ?2 AND answered_ms IS NOT NULL AND replays = 0 AND control = 0 ORDER BY received_ms DESC LIMIT ?3",
        args![shard, self.latency_since_ms, LATENCIES_MAX],
    )?;
        Ok(ShardStats {
            requests: counts.iter().map(|count| count.n).sum(),
            by_state: counts.into_iter().map(|count| (count.state, count.n)).collect(),
            open: open.unsigned_abs(),
            oldest_open_ms: (oldest > 0).then(|| context.now_ms - oldest),
            dead: dead.unsigned_abs(),
            latencies_ms: latencies.into_iter().map(|latency| latency.ms).collect(),
        })
    }
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]

    use super::*;
    use crate::SCHEMA;
    use platform::ports::SyncSql;
    use platform::sqlite::ConnectionSql;

    #[test]
    fn event_lists_walk_an_index_and_sort_nothing() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        SCHEMA.iter().for_each(|statement| connection.execute_batch(statement).unwrap());
        for (of_conversation, index) in
            [(false, "sqlite_autoindex_event_1"), (true, "event_conversation")]
        {
            let explain = format!("EXPLAIN QUERY PLAN {}", list_sql(of_conversation));
            let nulls = vec![SqlValue::Null; 6];
            let plan = ConnectionSql(&connection).exec(&explain, &nulls).unwrap();
            let plan = serde_json::to_string(&plan).unwrap();
            assert!(plan.contains(&format!("SEARCH event USING INDEX {index}")), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
