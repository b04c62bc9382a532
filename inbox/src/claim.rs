//! Which event may take its next step: due, not in a step already, and its lane free.

use super::{
    Context, OutboxRow, Outdated, SentReport, StoredEvent, StoredSchedule, args, forget, outbox,
    schedule_rows,
};
use contracts::{EventId, GatewayId};
use serde::{Deserialize, Serialize};

/// Records sendings, then claims what is due: events for a step each, and messages to send.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClaimWork {
    pub sent: Vec<SentReport>,
    /// Maximum events to claim.
    pub events: u32,
    /// Maximum messages to claim.
    pub deliveries: u32,
    pub lease_ms: i64,
}

/// The claimed events and deliveries, and what is to be deleted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Work {
    pub events: Vec<StoredEvent>,
    pub deliveries: Vec<OutboxRow>,
    /// Events that are to be deleted.
    #[serde(default)]
    pub outdated: Vec<Outdated>,
    /// Schedules that want attention. They are not claimed: only the first firing counts.
    #[serde(default)]
    pub schedules: Vec<StoredSchedule>,
}

impl Work {
    /// Whether nothing is due.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.deliveries.is_empty() && self.schedules.is_empty()
    }
}

/// Makes an event due now. A running step goes on; the event is due again when the step ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wake {
    pub event: EventId,
}

/// After a restart: releases the claims of the previous process and requeues the runs of its own
/// gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recover {
    pub gateway: GatewayId,
}

/// When something is due next, in milliseconds since the epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NextDue;
use platform::ports::PortResult;

/// Lane rules. Received and Routed wait for every earlier event of their conversation that holds
/// the lane. An Approved one may be older than what runs now (it was parked meanwhile): it waits
/// for whatever runs. The rest wait for nobody.
const FREE: &str = "(q.control = 1 OR q.state NOT IN ('received', 'routed', 'approved')
    OR (q.state IN ('received', 'routed') AND NOT EXISTS (
        SELECT 1 FROM queue f WHERE f.lane = q.lane AND f.seq < q.seq AND f.control = 0 AND f.state IN ('received', 'routed', 'approved', 'running')))
    OR (q.state = 'approved' AND NOT EXISTS (
        SELECT 1 FROM queue f WHERE f.lane = q.lane AND f.seq <> q.seq AND f.control = 0
            AND (f.state = 'running' OR (f.state = 'approved' AND f.seq < q.seq)))))";

pub(super) const EVENT_COLUMNS: &str = "seq, id, shard, channel, endpoint, dedupe_key, conversation, control, sender, text, payload, state, reason,
    attempts, runs, replays, version, received_ms, updated_ms, agent, decision_id, task_id, approval_id, digest, cost_limit, cost_micros, data";

/// Events of the shard `?1` that may take a step at the time `?2`.
fn due() -> String {
    format!("FROM queue q WHERE q.shard = ?1 AND q.due_ms <= ?2 AND q.lease_ms <= ?2 AND {FREE}")
}

impl ClaimWork {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Work> {
        // First, since an event may wait for exactly this.
        self.sent.iter().try_for_each(|report| outbox::record(context, report))?;
        let events = claim(context, self.events, self.lease_ms)?;
        let deliveries = outbox::claim(context, self.deliveries, self.lease_ms)?;
        forget::drop_keys(context)?;
        let (outdated, schedules) = (forget::outdated(context)?, schedule_rows::due(context)?);
        Ok(Work { events, deliveries, outdated, schedules })
    }
}

/// Claims due events, oldest due first. One lane gives one content event at a time by the lane
/// rules, so a chatty conversation cannot fill the batch.
fn claim(context: &Context<'_>, limit: u32, lease_ms: i64) -> PortResult<Vec<StoredEvent>> {
    let sql = format!("SELECT q.event_id AS id {} ORDER BY q.due_ms, q.seq LIMIT ?3", due());
    let rows = context.exec(&sql, args![context.shard.as_str(), context.now_ms, limit])?;
    let ids = rows.iter().filter_map(|row| row.get("id").and_then(|id| id.as_str()));
    let mut events = Vec::new();
    for id in ids {
        events.extend(take(context, id, lease_ms)?);
    }
    Ok(events)
}

/// Claims this event for a step if its lane is free, whatever its timer says.
pub(super) fn claim_one(
    context: &Context<'_>,
    event: &EventId,
    lease_ms: i64,
) -> PortResult<Option<StoredEvent>> {
    let sql = format!(
        "SELECT q.event_id AS id FROM queue q WHERE q.event_id = ?1 AND q.lease_ms <= ?2 AND {FREE}"
    );
    let free = !context.exec(&sql, args![event.as_str(), context.now_ms])?.is_empty();
    if free { take(context, event.as_str(), lease_ms) } else { Ok(None) }
}

/// Whether an event or a message of this inbox is due.
pub(super) fn is_more(context: &Context<'_>) -> PortResult<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 {}) OR EXISTS (
            SELECT 1 FROM outbox WHERE shard = ?1 AND state = 'queued' AND due_ms <= ?2)",
        due()
    );
    Ok(context.number(&sql, args![context.shard.as_str(), context.now_ms])? != 0)
}

fn take(context: &Context<'_>, id: &str, lease_ms: i64) -> PortResult<Option<StoredEvent>> {
    // Due at the end of the lease. A wake in the meantime sets an earlier time, which the end
    // of the step can see.
    context.exec(
        "UPDATE queue SET lease_ms = ?2, due_ms = ?2 WHERE event_id = ?1",
        args![id, context.now_ms + lease_ms],
    )?;
    context.one(&format!("SELECT {EVENT_COLUMNS} FROM event WHERE id = ?1"), args![id])
}

impl Wake {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<()> {
        context.exec(
            "UPDATE queue SET due_ms = MIN(due_ms, ?2) WHERE event_id = ?1",
            args![self.event.as_str(), context.now_ms],
        )?;
        Ok(())
    }
}

impl Recover {
    /// The process before has died: its steps and sendings are free at once, and the runs of its
    /// own gateway are lost. Gateways elsewhere go on. A message that was being sent when it
    /// died may have arrived, which the sender resolves by channel.
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<()> {
        context.exec("UPDATE queue SET lease_ms = 0, due_ms = 0 WHERE lease_ms > 0", &[])?;
        context.exec(
            "UPDATE outbox SET state = 'queued', lease_ms = 0 WHERE state = 'sending'",
            &[],
        )?;
        let lost = "state = 'leased' AND gateway_id = ?1";
        context.exec(
        &format!("UPDATE queue SET due_ms = 0 WHERE state = 'running' AND event_id IN (SELECT event_id FROM task WHERE {lost})"),
        args![self.gateway.as_str()],
    )?;
        context.exec(
            &format!("UPDATE task SET lease_until_ms = 0 WHERE {lost}"),
            args![self.gateway.as_str()],
        )?;
        Ok(())
    }
}

impl NextDue {
    /// The earliest time at which an event, a delivery or a schedule wants attention, or something
    /// is to be deleted. Lanes that are not free have a due time in the past; they are moved by the
    /// end of what they wait for, so they are left out.
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Option<i64>> {
        let sql = format!(
            "SELECT MIN(at) AS at FROM (
            SELECT MIN(MAX(q.due_ms, q.lease_ms)) AS at FROM queue q WHERE q.shard = ?1 AND {FREE}
            UNION ALL SELECT MIN(due_ms) FROM outbox WHERE shard = ?1 AND state = 'queued'
            UNION ALL SELECT MIN(lease_ms) FROM outbox WHERE shard = ?1 AND state = 'sending')"
        );
        let rows = context.exec(&sql, args![context.shard.as_str()])?;
        let at = rows.first().and_then(|row| row.get("at").and_then(serde_json::Value::as_i64));
        let others = [forget::next_due(context)?, schedule_rows::next_look(context)?];
        Ok(others.into_iter().chain([at]).flatten().min())
    }
}
