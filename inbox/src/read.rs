//! Reading: one event whole, lists, figures.

use super::claim::EVENT_COLUMNS;
use super::{Context, Entry, Reply, ShardStats, StoredEvent, args, outbox};
use contracts::EventId;
use contracts::event::Stage;
use platform::ports::{PortResult, SqlValue};
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) fn get(context: &Context<'_>, event: &EventId) -> PortResult<Reply> {
    let id = event.as_str();
    let row: Option<StoredEvent> =
        context.one(&format!("SELECT {EVENT_COLUMNS} FROM event WHERE id = ?1"), args![id])?;
    let Some(row) = row else { return Ok(Reply::Event(None)) };
    let entries: Vec<Entry> = context.all(
        "SELECT at_ms, stage, note, error, retry_ms FROM stage WHERE event_id = ?1 ORDER BY rowid",
        args![id],
    )?;
    Ok(Reply::Event(Some(Box::new((row, entries, outbox::of_event(context, id)?)))))
}

pub(super) fn list(
    context: &Context<'_>,
    state: Option<Stage>,
    channel: Option<String>,
    conversation: Option<String>,
    before: Option<String>,
    limit: u32,
) -> PortResult<Reply> {
    // A page continues below an id, so pages are sorted by id: ids of one millisecond are random and
    // do not follow `seq`. The turns of one conversation are read in order of arrival.
    let (order, below) = if conversation.is_some() {
        ("seq", "seq < (SELECT seq FROM event WHERE id = ?1 || '.' || ?5)")
    } else {
        ("id", "id < ?1 || '.' || ?5")
    };
    let rows = context.all(
        &format!(
            "SELECT {EVENT_COLUMNS} FROM event
             WHERE shard = ?1 AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR channel = ?3)
                AND (?4 IS NULL OR conversation = ?4) AND (?5 IS NULL OR {below})
             ORDER BY {order} DESC LIMIT ?6"
        ),
        &[
            SqlValue::from(context.shard.as_str()),
            state.map(Stage::as_str).into(),
            channel.into(),
            conversation.into(),
            before.into(),
            limit.into(),
        ],
    )?;
    Ok(Reply::Events(rows))
}

/// Nobody replies to what was said longer ago than this many messages and means it as a turn of the talk.
const ANSWERED_BY_MAX: u32 = 200;

/// Questions to approvers lie in other chats, where the same id may be another message.
pub(super) fn answered_by(
    context: &Context<'_>,
    conversation: &str,
    message: &str,
) -> PortResult<Reply> {
    let rows = context.all(
        &format!(
            "SELECT {EVENT_COLUMNS} FROM (SELECT * FROM event WHERE conversation = ?1 ORDER BY seq DESC LIMIT ?3) AS e
             WHERE EXISTS (SELECT 1 FROM outbox o, json_each(o.parts) part WHERE o.event_id = e.id AND o.kind = 'reply' AND part.value ->> 'id' = ?2)
             ORDER BY seq DESC LIMIT 1"
        ),
        args![conversation, message, ANSWERED_BY_MAX],
    )?;
    Ok(Reply::Events(rows))
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

pub(super) fn stats(
    context: &Context<'_>,
    since_ms: i64,
    latency_since_ms: i64,
) -> PortResult<Reply> {
    let shard = context.shard.as_str();
    let counts: Vec<Count> =
        context.all("SELECT state, COUNT(*) AS n FROM event WHERE shard = ?1 AND received_ms >= ?2 GROUP BY state", args![shard, since_ms])?;
    let open = context.number("SELECT COUNT(*) FROM queue WHERE shard = ?1", args![shard])?;
    let oldest = context.number(
        "SELECT COALESCE(MIN(e.received_ms), 0) FROM queue q JOIN event e ON e.id = q.event_id WHERE q.shard = ?1 AND q.state <> 'parked'",
        args![shard],
    )?;
    let dead = context
        .number("SELECT COUNT(*) FROM event WHERE shard = ?1 AND state = 'dead'", args![shard])?;
    let latencies: Vec<Latency> = context.all(
        "SELECT answered_ms - received_ms AS ms FROM event
         WHERE shard = ?1 AND received_ms >= ?2 AND answered_ms IS NOT NULL AND replays = 0 AND control = 0 ORDER BY received_ms DESC LIMIT ?3",
        args![shard, latency_since_ms, LATENCIES_MAX],
    )?;
    let mut by_state = BTreeMap::new();
    // One by one: collecting would bring another sort into the bundle.
    by_state.extend(counts.iter().map(|count| (count.state.clone(), count.n)));
    Ok(Reply::Stats(ShardStats {
        requests: counts.iter().map(|count| count.n).sum(),
        by_state,
        open: open.unsigned_abs(),
        oldest_open_ms: (oldest > 0).then(|| context.now_ms - oldest),
        dead: dead.unsigned_abs(),
        latencies_ms: latencies.into_iter().map(|latency| latency.ms).collect(),
    }))
}
