//! Deletes the events of senders who are not known some time after their end, so that strangers
//! fill no disk. Their keys are kept longer, so that no delivery of a deleted event is a new one.

use super::schema::unknown_ended;
use super::{Context, NewEvent, args, line_id, reply_id};
use contracts::EventId;
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// How long an event of a sender who is not known is kept after its end.
const EVENT_MS: i64 = 8 * DAY_MS;
/// How long its keys are kept after it was accepted. The platforms repeat a delivery for 7 days at
/// most.
const KEY_MS: i64 = 30 * DAY_MS;
/// Maximum events, and keys, that one look deletes.
const LOOK_MAX: u32 = 100;

/// Deletes these events with everything that belongs to them, if they are still to be deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Forget {
    pub events: Vec<EventId>,
    /// Not yet: their files could not be deleted. They are looked at again after an hour.
    pub later: Vec<EventId>,
    /// Only events that ended before this.
    pub ended_before_ms: i64,
}

/// An event that is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outdated {
    pub event: EventId,
    /// An agent may have had it, so that there may be files.
    #[serde(deserialize_with = "super::stored::flag")]
    pub ran: bool,
}

/// Events that ended before this are to be deleted. It moves on once an hour: a look for each of
/// them would cost more than it frees.
pub fn outdated_before(now_ms: i64) -> i64 {
    now_ms - now_ms.rem_euclid(HOUR_MS) - EVENT_MS
}

const OUTDATED: &str = concat!(
    "SELECT id AS event, (runs > 1 OR EXISTS (SELECT 1 FROM task WHERE task.id = event.id)) AS ran FROM event
     WHERE shard = ?1 AND updated_ms < ?2 AND ",
    unknown_ended!(),
    " ORDER BY updated_ms LIMIT ?3"
);
const OLDEST: &str = concat!(
    "SELECT (SELECT MIN(updated_ms) FROM event WHERE shard = ?1 AND ",
    unknown_ended!(),
    ") AS ended_ms, (SELECT MIN(until_ms) FROM forgotten WHERE shard = ?1) AS until_ms"
);

/// The oldest events that are to be deleted.
pub(super) fn outdated(context: &Context<'_>) -> PortResult<Vec<Outdated>> {
    context.all(OUTDATED, args![context.shard.as_str(), outdated_before(context.now_ms), LOOK_MAX])
}

/// When the next event or key is to be deleted.
pub(super) fn next_due(context: &Context<'_>) -> PortResult<Option<i64>> {
    #[derive(Deserialize)]
    struct Oldest {
        ended_ms: Option<i64>,
        until_ms: Option<i64>,
    }
    let oldest: Option<Oldest> = context.one(OLDEST, args![context.shard.as_str()])?;
    let Some(Oldest { ended_ms, until_ms }) = oldest else { return Ok(None) };
    // The first full hour at which it is outdated.
    let event = ended_ms.map(|ended| (ended.div_euclid(HOUR_MS) + 1) * HOUR_MS + EVENT_MS);
    Ok([event, until_ms].into_iter().flatten().min())
}

/// Deletes keys whose time is over.
pub(super) fn drop_keys(context: &Context<'_>) -> PortResult<()> {
    context.exec(
        "DELETE FROM forgotten WHERE shard = ?1 AND key IN
            (SELECT key FROM forgotten WHERE shard = ?1 AND until_ms <= ?2 ORDER BY until_ms LIMIT ?3)",
        args![context.shard.as_str(), context.now_ms, LOOK_MAX],
    )?;
    Ok(())
}

/// Whether the event of this delivery was deleted.
pub(super) fn is_forgotten(context: &Context<'_>, event: &NewEvent) -> PortResult<bool> {
    let semantic = event.semantic_key.as_deref().map(semantic_key);
    let found = context.number(
        "SELECT COUNT(*) FROM forgotten WHERE shard = ?1 AND key IN (?2, ?3)",
        args![context.shard.as_str(), delivery_key(&event.dedupe_key), semantic],
    )?;
    Ok(found > 0)
}

/// The two kinds of keys share a table and must not meet.
fn delivery_key(key: &str) -> String {
    format!("d:{key}")
}

fn semantic_key(key: &str) -> String {
    format!("s:{key}")
}

#[derive(Deserialize)]
struct Row {
    channel: String,
    endpoint: String,
    dedupe_key: String,
    semantic_key: Option<String>,
    conversation: String,
    sender: Option<String>,
    received_ms: i64,
}

impl Forget {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<()> {
        for event in &self.events {
            forget(context, event, self.ended_before_ms)?;
        }
        let put_off =
            concat!("UPDATE event SET updated_ms = ?2 WHERE id = ?1 AND ", unknown_ended!());
        for event in &self.later {
            context.exec(put_off, args![event.as_str(), outdated_before(context.now_ms)])?;
        }
        Ok(())
    }
}

fn forget(context: &Context<'_>, event: &EventId, before_ms: i64) -> PortResult<()> {
    let id = event.as_str();
    // It may have been done again since it was listed.
    let sql = concat!(
        "DELETE FROM event WHERE id = ?1 AND updated_ms < ?2 AND ",
        unknown_ended!(),
        " RETURNING channel, endpoint, dedupe_key, semantic_key, conversation, sender, received_ms"
    );
    let Some(row) = context.one::<Row>(sql, args![id, before_ms])? else { return Ok(()) };
    keep_keys(context, &row)?;
    for table in ["stage", "run_log"] {
        context.exec(&format!("DELETE FROM {table} WHERE event_id = ?1"), args![id])?;
    }
    // Later runs and replays have the same ids with an ending.
    let (first, last) = (format!("{id}~"), format!("{id}~~"));
    for table in ["place", "progress", "stop"] {
        let sql =
            format!("DELETE FROM {table} WHERE task_id = ?1 OR (task_id > ?2 AND task_id < ?3)");
        context.exec(&sql, args![id, &first, &last])?;
    }
    let task = "DELETE FROM task WHERE id = ?1 OR (id > ?2 AND id < ?3)";
    context.exec(task, args![id, &first, &last])?;
    let reply = reply_id(event, 0);
    let line = line_id(&row.channel, &row.endpoint, &row.dedupe_key);
    context.exec(
        "DELETE FROM said WHERE id IN (?1, ?2) OR (id > ?1 || '~' AND id < ?1 || '~~')",
        args![&reply, &line],
    )?;
    let limit = format!("limit:{}:{}", row.conversation, row.dedupe_key);
    let press = format!("press:{id}");
    let messages = "SELECT id FROM outbox WHERE event_id = ?1 UNION ALL VALUES (?2), (?3)";
    for table in ["outbox_file", "outbox"] {
        let sql = format!("DELETE FROM {table} WHERE id IN ({messages})");
        context.exec(&sql, args![id, &limit, &press])?;
    }
    forget_sender(context, &row)?;
    forget_conversation(context, &row.conversation)
}

fn keep_keys(context: &Context<'_>, row: &Row) -> PortResult<()> {
    // To a full hour, so that the timer does not wake for each of them.
    let until_ms = (row.received_ms + KEY_MS).div_euclid(HOUR_MS) * HOUR_MS + HOUR_MS;
    let semantic = row.semantic_key.as_deref().map(semantic_key);
    let keys = [Some(delivery_key(&row.dedupe_key)), semantic];
    for key in keys.into_iter().flatten().filter(|_| until_ms > context.now_ms) {
        context.exec(
            "INSERT INTO forgotten (shard, key, until_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            args![context.shard.as_str(), key, until_ms],
        )?;
    }
    Ok(())
}

/// A limit whose time is over counts like none.
fn forget_sender(context: &Context<'_>, row: &Row) -> PortResult<()> {
    let Some(sender) = &row.sender else { return Ok(()) };
    for kind in [super::limits::SENDER, super::limits::STRANGER] {
        let key = super::limits::sender_key(kind, &row.channel, &row.endpoint, sender);
        context
            .exec("DELETE FROM rate WHERE key = ?1 AND tat_ms <= ?2", args![key, context.now_ms])?;
    }
    Ok(())
}

/// Sessions and the beginning of a conversation go with its last event.
fn forget_conversation(context: &Context<'_>, conversation: &str) -> PortResult<()> {
    for table in ["session", "session_cost", "fresh"] {
        let sql = format!(
            "DELETE FROM {table} WHERE conversation = ?1
                AND NOT EXISTS (SELECT 1 FROM event WHERE event.conversation = ?1)"
        );
        context.exec(&sql, args![conversation])?;
    }
    Ok(())
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]

    use super::*;
    use crate::SCHEMA;
    use crate::tests::{Bed, task};
    use crate::{Patch, Replay, StoredEvent};
    use contracts::event::Stage;
    use platform::ports::{Clock, SqlValue, SyncSql};
    use platform::sqlite::ConnectionSql;

    #[test]
    fn looks_for_what_is_to_be_deleted_walk_their_index() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        SCHEMA.iter().for_each(|statement| connection.execute_batch(statement).unwrap());
        for (sql, parameters) in [(OUTDATED, 3), (OLDEST, 1)] {
            let nulls = vec![SqlValue::Null; parameters];
            let plan =
                ConnectionSql(&connection).exec(&format!("EXPLAIN QUERY PLAN {sql}"), &nulls);
            let plan = serde_json::to_string(&plan.unwrap()).unwrap();
            assert!(plan.contains("event USING INDEX event_unknown_ended"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN event"), "{plan}");
        }
    }

    /// An event of the public that an agent had and that has ended.
    async fn ended(bed: &Bed) -> StoredEvent {
        bed.accept_public("1", "a").await;
        let event = bed.claim().await.remove(0);
        let patch = Patch { task: Some(task(&event)), ..Patch::default() };
        bed.to(&event, Stage::Running, patch).await;
        let (event, ..) = bed.get(&event.id).await;
        bed.to(&event, Stage::Done, Patch::default()).await;
        event
    }

    #[tokio::test]
    async fn event_that_is_done_again_is_not_deleted() {
        let bed = Bed::new();
        let event = ended(&bed).await;
        bed.clock.advance(9 * DAY_MS);
        let listed = bed.work(0, 0).await.outdated;
        assert_eq!(listed, [Outdated { event: event.id.clone(), ran: true }]);
        bed.send(Replay { event: event.id.clone(), actor: "owner".to_owned() }).await;
        let forget = |later: Vec<EventId>| Forget {
            events: vec![event.id.clone()],
            later,
            ended_before_ms: outdated_before(bed.clock.now_ms()),
        };
        bed.send(forget(vec![event.id.clone()])).await;
        assert_eq!(bed.get(&event.id).await.0.state, Stage::Received);
        let claimed = bed.claim().await.remove(0);
        assert!(bed.to(&claimed, Stage::Done, Patch::default()).await);
        bed.send(forget(Vec::new())).await;
        assert_eq!(bed.inbox.rows("event"), 1, "its eight days begin with its new end");
    }

    #[tokio::test]
    async fn event_whose_first_run_had_no_task_may_have_files_too() {
        let bed = Bed::new();
        bed.accept_public("1", "a").await;
        let event = bed.claim().await.remove(0);
        bed.to(&event, Stage::Received, Patch { new_run: true, ..Patch::default() }).await;
        let (event, ..) = bed.get(&event.id).await;
        let patch = Patch { task: Some(task(&event)), ..Patch::default() };
        bed.to(&event, Stage::Running, patch).await;
        let (event, ..) = bed.get(&event.id).await;
        bed.to(&event, Stage::Done, Patch::default()).await;
        bed.clock.advance(9 * DAY_MS);
        let listed = bed.work(0, 0).await.outdated;
        assert_eq!(listed, [Outdated { event: event.id, ran: true }]);
    }

    #[tokio::test]
    async fn event_that_is_open_or_of_a_known_sender_is_not_deleted() {
        let bed = Bed::new();
        let (known, _) = bed.accept("1", "a").await;
        let claimed = bed.claim().await.remove(0);
        bed.to(&claimed, Stage::Done, Patch::default()).await;
        let open = bed.accept_public("2", "b").await;
        bed.clock.advance(90 * DAY_MS);
        assert_eq!(bed.work(0, 0).await.outdated, []);
        let events = vec![known, open];
        bed.send(Forget { events, later: Vec::new(), ended_before_ms: i64::MAX }).await;
        assert_eq!((bed.inbox.rows("event"), bed.inbox.rows("forgotten")), (2, 0));
    }
}
