//! Messages to deliver. A row is one message in one chat at its newest revision: sent once, then
//! edited.

use super::progress::EDIT_EVERY_MS;
use super::{Context, Draft, OutboxRow, SentReport, aliases, args, json};
use contracts::outbox::{DeliveryState, DeliveryStatus, Target};
use serde::{Deserialize, Serialize};

/// Queues a message, idempotent by id and revision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enqueue(pub Draft);

/// The message with buttons that the platform knows by this id, when it is among the newest ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindButtons {
    pub chat: String,
    pub message: String,
}

/// Records what became of tries to send, all of them or none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordSent(pub Vec<SentReport>);
use platform::ports::PortResult;

const COLUMNS: &str = "id, event_id, target, text, buttons, kind, revision, sent_revision, parts, state, attempts, expires_ms, error, created_ms, updated_ms,
    (SELECT file FROM outbox_file WHERE outbox_file.id = outbox.id) AS file";

/// One message after the other goes to an address: the place and, for direct messages, the person.
fn address(target: &Target) -> String {
    format!("{}:{}:{}", target.channel, target.endpoint, target.chat)
}

/// Until when a place wants quiet, in the table of limits.
fn quiet_key(address: &str) -> String {
    format!("quiet:{address}")
}

/// Puts a draft in; a revision that is not newer than the one kept changes nothing. It keeps the
/// wait that the platform asked for; a pending edit with progress delays it by nothing.
pub(super) fn put(context: &Context<'_>, draft: &Draft) -> PortResult<()> {
    let buttons = draft.buttons.as_ref().map(json).transpose()?;
    let target = aliases::resolved(context, &draft.target)?;
    let address = address(&target);
    let quiet =
        context.number("SELECT tat_ms FROM rate WHERE key = ?1", args![quiet_key(&address)])?;
    context.exec(
        "INSERT INTO outbox (id, seq, shard, event_id, address, target, text, buttons, kind, revision, state, due_ms, expires_ms, created_ms, updated_ms)
         VALUES (?1, (SELECT COALESCE(MAX(seq), 0) + 1 FROM outbox), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'queued', ?12, ?11, ?10, ?10)
         ON CONFLICT (id) DO UPDATE SET text = excluded.text, buttons = excluded.buttons, kind = excluded.kind, target = excluded.target, revision = excluded.revision,
            expires_ms = excluded.expires_ms, due_ms = CASE WHEN outbox.state = 'queued' AND (outbox.attempts > 0 OR outbox.sent_revision < outbox.revision) THEN MAX(outbox.due_ms, excluded.due_ms) ELSE excluded.due_ms END,
            attempts = 0, updated_ms = excluded.updated_ms, state = CASE WHEN outbox.state = 'sending' THEN 'sending' ELSE 'queued' END
         WHERE excluded.revision > outbox.revision",
        args![
            &draft.id,
            context.shard.as_str(),
            draft.event_id.as_ref().map(contracts::EventId::as_str),
            &address,
            json(&target)?,
            &draft.text,
            buttons,
            &draft.kind,
            draft.revision,
            context.now_ms,
            draft.expires_ms,
            context.now_ms.max(quiet),
        ],
    )?;
    if let Some(file) = &draft.file {
        context.exec(
            "INSERT INTO outbox_file (id, file) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING",
            args![&draft.id, json(file)?],
        )?;
    }
    Ok(())
}

impl Enqueue {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<DeliveryStatus> {
        put(context, &self.0)?;
        let row: Option<OutboxRow> = context
            .one(&format!("SELECT {COLUMNS} FROM outbox WHERE id = ?1"), args![&self.0.id])?;
        Ok(match row {
            Some(row) => DeliveryStatus { id: row.id, state: row.state, error: row.error },
            None => DeliveryStatus { id: self.0.id, state: DeliveryState::Failed, error: None },
        })
    }
}

/// Messages with buttons that are looked at.
const BUTTONS_MAX: u32 = 500;

impl FindButtons {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Option<OutboxRow>> {
        context.one(
            &format!(
                "SELECT {COLUMNS} FROM (SELECT * FROM outbox WHERE shard = ?1 AND buttons IS NOT NULL ORDER BY seq DESC LIMIT ?4) AS outbox
                 WHERE EXISTS (SELECT 1 FROM json_each(outbox.parts) part WHERE part.value ->> 'id' = ?2 AND (part.value ->> 'chat' = ?3 OR outbox.target ->> 'direct' = 1)) LIMIT 1"
            ),
            args![context.shard.as_str(), self.message, self.chat, BUTTONS_MAX],
        )
    }
}

/// The sent message with a part that the platform knows by this id, among so many of the newest.
pub(super) fn with_part(
    context: &Context<'_>,
    part: &str,
    newest: u32,
) -> PortResult<Option<OutboxRow>> {
    context.one(
        &format!(
            "SELECT {COLUMNS} FROM (SELECT * FROM outbox WHERE shard = ?1 ORDER BY seq DESC LIMIT ?3) AS outbox
             WHERE state = 'sent' AND EXISTS (SELECT 1 FROM json_each(outbox.parts) part WHERE part.value ->> 'id' = ?2) LIMIT 1"
        ),
        args![context.shard.as_str(), part, newest],
    )
}

/// Claims what is due, oldest first, one at a time an address; new texts of a revision that was
/// sent go last. A sending whose lease ran out is claimed again.
pub(super) fn claim(
    context: &Context<'_>,
    limit: u32,
    lease_ms: i64,
) -> PortResult<Vec<OutboxRow>> {
    context.exec(
        "UPDATE outbox SET state = 'queued', lease_ms = 0 WHERE shard = ?1 AND state = 'sending' AND lease_ms <= ?2",
        args![context.shard.as_str(), context.now_ms],
    )?;
    context.all(
        &format!(
            "UPDATE outbox SET state = 'sending', lease_ms = ?3, attempts = attempts + 1
             WHERE id IN (SELECT o.id FROM outbox o WHERE o.shard = ?1 AND o.state = 'queued' AND o.due_ms <= ?2
                AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.address = o.address AND b.state = 'sending')
                AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.address = o.address AND e.state = 'queued' AND e.due_ms <= ?2
                    AND (e.sent_revision >= e.revision, e.seq) < (o.sent_revision >= o.revision, o.seq))
                ORDER BY o.due_ms, o.seq LIMIT ?4)
             RETURNING {COLUMNS}"
        ),
        args![context.shard.as_str(), context.now_ms, context.now_ms + lease_ms, limit],
    )
}

impl RecordSent {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<()> {
        self.0.iter().try_for_each(|report| record(context, report))
    }
}

/// Notes that a platform moved the chat of a message, for this one and all that come.
fn note_move(context: &Context<'_>, report: &SentReport) -> PortResult<()> {
    #[derive(Deserialize)]
    struct Stored {
        target: String,
    }
    let sql = "SELECT target FROM outbox WHERE id = ?1";
    let Some(stored) = context.one::<Stored>(sql, args![&report.id])? else { return Ok(()) };
    let target: Target = serde_json::from_str(&stored.target).unwrap_or_default();
    if report.chat.is_empty() || target.chat.is_empty() || target.chat == report.chat {
        return Ok(());
    }
    aliases::put(context, &target.chat, &report.chat)?;
    let target = aliases::resolved(context, &target)?;
    context.exec(
        "UPDATE outbox SET target = ?2, address = ?3 WHERE id = ?1",
        args![&report.id, json(&target)?, address(&target)],
    )?;
    Ok(())
}

/// Writes down a try. When a newer revision came meanwhile, the row is due again at once; when only
/// a newer text of this one came, which is progress, at the pace of progress.
pub(super) fn record(context: &Context<'_>, report: &SentReport) -> PortResult<()> {
    note_move(context, report)?;
    let done = report.state == DeliveryState::Sent;
    context.exec(
        "UPDATE outbox SET parts = ?2, error = ?3, updated_ms = ?4, lease_ms = 0,
            sent_revision = CASE WHEN ?5 = 1 THEN ?6 ELSE sent_revision END,
            state = CASE WHEN revision > ?6 OR (?5 = 1 AND updated_ms > ?9) THEN 'queued' ELSE ?7 END,
            due_ms = CASE WHEN revision > ?6 AND ?7 <> 'queued' THEN ?4
                WHEN ?5 = 1 AND updated_ms > ?9 THEN ?4 + ?10 ELSE ?8 END,
            attempts = CASE WHEN ?5 = 1 AND updated_ms > ?9 THEN 0 ELSE attempts END
         WHERE id = ?1",
        args![
            &report.id,
            json(&report.parts)?,
            report.error.clone(),
            context.now_ms,
            done,
            report.revision,
            report.state.as_str(),
            report.due_ms,
            report.changed_ms,
            EDIT_EVERY_MS,
        ],
    )?;
    if let Some(until) = report.quiet_until_ms {
        context.exec(
            "INSERT INTO rate (key, tat_ms) SELECT 'quiet:' || address, ?2 FROM outbox WHERE id = ?1
             ON CONFLICT (key) DO UPDATE SET tat_ms = excluded.tat_ms",
            args![&report.id, until],
        )?;
        context.exec(
            "UPDATE outbox SET due_ms = MAX(due_ms, ?2) WHERE state = 'queued' AND address = (SELECT address FROM outbox WHERE id = ?1)",
            args![&report.id, until],
        )?;
    }
    // Its event waits in Answered for exactly this.
    context.exec(
        "UPDATE queue SET due_ms = MIN(due_ms, ?2) WHERE state = 'answered' AND event_id = (SELECT event_id FROM outbox WHERE id = ?1)",
        args![&report.id, context.now_ms],
    )?;
    Ok(())
}

/// The replies of an event, oldest first.
pub(super) fn of_event(context: &Context<'_>, event: &str) -> PortResult<Vec<OutboxRow>> {
    context.all(
        &format!("SELECT {COLUMNS} FROM outbox WHERE event_id = ?1 ORDER BY seq"),
        args![event],
    )
}
