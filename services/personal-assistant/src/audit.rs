//! The audit log: `GET /api/audit` and `GET /api/audit/verify`.
//!
//! An entry is written in the batch of the change that it tells of, so that none is without the
//! other. The tick seals entries: each gets its place and a hash over itself and the hash before
//! it. A changed, missing or added entry breaks the chain. A program that writes the database could
//! compute the whole chain anew; against that, the owner keeps the newest hash elsewhere.

use crate::store::{self, Answers};
use crate::unwritten::Order;
use crate::{Deps, digests};
use axum::Json;
use axum::extract::State;
use contracts::Problem;
use contracts::audit::{AuditEntry, AuditList, AuditQuery, AuditVerdict, ENTRIES_MAX};
use platform::edge::{ApiError, ApiResult, Query};
use platform::ports::{ClockExt, SqlExt, Statement};
use platform::sql;
use platform::time::rfc3339;
use serde::Deserialize;
use serde_json::{Value, json};

/// Entries sealed in one batch.
const SEALED_AT_ONCE: usize = 100;
/// Entries read at once for a check.
const PAGE: u32 = 500;
const LISTED_DEFAULT: u32 = 50;

/// An entry about a change that takes effect with its batch.
pub fn entry(deps: &Deps, actor: &str, action: &str, subject: &str, detail: &Value) -> Statement {
    sql!(
        "INSERT INTO audit (id, at, actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        id(deps),
        deps.clock.now_ms(),
        actor,
        action,
        subject,
        detail.to_string()
    )
}

/// An entry that is written only where `condition` holds; its parameters begin at `?7`.
pub fn entry_where(
    deps: &Deps,
    (actor, action, subject): (&str, &str, &str),
    detail: &Value,
    condition: &str,
) -> Statement {
    let text = format!(
        "INSERT INTO audit (id, at, actor, action, subject, detail) SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE {condition}"
    );
    Statement::new(text)
        .bind(id(deps))
        .bind(deps.clock.now_ms())
        .bind(actor)
        .bind(action)
        .bind(subject)
        .bind(detail.to_string())
}

/// An entry about the approval with this id as this attempt has left it. Free work that the rules
/// approve is left out: it is in the list of approvals.
pub fn of_approval(deps: &Deps, approval: &str, attempt: &str) -> Statement {
    sql!(
        "INSERT INTO audit (id, at, actor, action, subject, detail)
         SELECT ?1, ?2, COALESCE(a.decided_by, a.requested_by), 'approval.' || CASE a.state WHEN 'pending' THEN 'asked' WHEN 'consumed' THEN 'approved' ELSE a.state END, a.id,
             json_object('task', a.task, 'agent', a.agent, 'operation', COALESCE(a.operation, a.kind), 'amountMicros', a.amount_u,
                 'digest', a.digest, 'policies', json(a.policies), 'code', a.code, 'reason', a.reason,
                 'rule', (SELECT json_object('id', r.id, 'task', r.task, 'mostMicros', r.most_u) FROM tool_rule r WHERE r.approval = a.id))
         FROM approvals a WHERE a.id = ?3 AND a.attempt = ?4 AND (a.amount_u > 0 OR a.state <> 'approved')",
        id(deps),
        deps.clock.now_ms(),
        approval,
        attempt
    )
}

/// An entry about the halt with this id, if it was written.
pub fn of_halt(deps: &Deps, halt: &str, target: &str, order: &Order) -> Statement {
    let detail = json!({ "reason": order.reason, "endpoint": order.endpoint });
    let is_written = "EXISTS (SELECT 1 FROM halt t WHERE t.id = ?7)";
    entry_where(deps, (&order.by, "halt", target), &detail, is_written).bind(halt)
}

/// An entry about the end of halts at this time, if there were any.
pub fn of_resume(deps: &Deps, target: &str, by: &str, at_ms: i64) -> Statement {
    let ended = "EXISTS (SELECT 1 FROM halt t WHERE t.target = ?5 AND t.resumed_at = ?7 AND t.resumed_by = ?3)";
    entry_where(deps, (by, "resume", target), &json!({}), ended).bind(at_ms)
}

fn id(deps: &Deps) -> String {
    format!("aud_{}", deps.clock.ulid())
}

#[derive(Deserialize)]
struct Stored {
    id: String,
    at: i64,
    actor: String,
    action: String,
    subject: String,
    detail: String,
    seq: Option<i64>,
    hash: Option<String>,
}

impl Stored {
    /// The hash of the entry at this place, behind this hash.
    fn hash_at(&self, seq: i64, before: &str) -> ApiResult<String> {
        let Self { id, at, actor, action, subject, detail, .. } = self;
        digests::canonical_digest(&json!([seq, before, id, at, actor, action, subject, detail]))
    }
    fn wire(self) -> ApiResult<AuditEntry> {
        let detail = serde_json::from_str(&self.detail).map_err(|_| store::unreadable("audit"))?;
        Ok(AuditEntry {
            id: self.id,
            seq: self.seq,
            at: rfc3339(self.at),
            actor: self.actor,
            action: self.action,
            subject: self.subject,
            detail,
            hash: self.hash,
        })
    }
}

#[derive(Clone, Deserialize)]
struct Seal {
    seq: i64,
    hash: String,
}

fn no_end() -> ApiError {
    store::unreadable("end of the audit log")
}

const COLUMNS: &str = "SELECT id, at, actor, action, subject, detail, seq, hash FROM audit";

fn seal_now() -> Statement {
    sql!("SELECT seq, hash FROM audit_seal WHERE one = 1")
}

/// Seals what is not sealed yet. Called by the tick.
pub(crate) async fn seal(deps: &Deps) -> ApiResult<()> {
    while seal_some(deps).await? == SEALED_AT_ONCE {}
    Ok(())
}

/// Seals some entries; how many there were to seal.
async fn seal_some(deps: &Deps) -> ApiResult<usize> {
    let unsealed = Statement::new(format!("{COLUMNS} WHERE seq IS NULL ORDER BY id LIMIT ?1"))
        .bind(SEALED_AT_ONCE as u32);
    let mut answers = Answers::of(&*deps.sql, vec![unsealed, seal_now()]).await?;
    let entries: Vec<Stored> = answers.all()?;
    if entries.is_empty() {
        return Ok(0);
    }
    let before: Seal = answers.one()?.ok_or_else(no_end)?;
    let mut end = before.clone();
    let mut batch = Vec::new();
    // Two that seal at once read the same end: the second writes nothing.
    let guard = "(SELECT seq FROM audit_seal WHERE one = 1) = ?1";
    for entry in &entries {
        end = Seal { seq: end.seq + 1, hash: entry.hash_at(end.seq + 1, &end.hash)? };
        let text = format!(
            "UPDATE audit SET seq = ?2, hash = ?3 WHERE id = ?4 AND seq IS NULL AND {guard}"
        );
        batch.push(sql!(text, before.seq, end.seq, &end.hash, &entry.id));
    }
    batch.push(sql!(
        "UPDATE audit_seal SET seq = ?2, hash = ?3 WHERE one = 1 AND seq = ?1",
        before.seq,
        end.seq,
        &end.hash
    ));
    deps.sql.batch(batch).await?;
    Ok(entries.len())
}

/// `GET /api/audit`.
pub async fn list(
    State(deps): State<Deps>,
    Query(query): Query<AuditQuery>,
) -> ApiResult<Json<AuditList>> {
    let limit = query.limit.unwrap_or(LISTED_DEFAULT);
    if limit == 0 || limit > ENTRIES_MAX {
        return Err(Problem::field(
            "limit",
            format!("`limit` is not a number from 1 to {ENTRIES_MAX}."),
            "Ask for fewer entries; `before` leads to the older ones.",
        )
        .into());
    }
    let read = Statement::new(format!(
        "{COLUMNS} WHERE (?1 IS NULL OR id < ?1) ORDER BY id DESC LIMIT ?2"
    ))
    .bind(query.before)
    .bind(limit);
    let rows: Vec<Stored> = deps.sql.all(read).await?;
    let entries = rows.into_iter().map(Stored::wire).collect::<ApiResult<_>>()?;
    Ok(Json(AuditList { entries }))
}

/// `GET /api/audit/verify`.
pub async fn verify(State(deps): State<Deps>) -> ApiResult<Json<AuditVerdict>> {
    #[derive(Deserialize)]
    struct Count {
        n: i64,
    }
    let (end, unsealed, broken_at) = loop {
        seal(&deps).await?;
        let count = sql!("SELECT COUNT(*) AS n FROM audit WHERE seq IS NULL");
        let mut answers = Answers::of(&*deps.sql, vec![seal_now(), count]).await?;
        let end: Seal = answers.one()?.ok_or_else(no_end)?;
        let unsealed = answers.one::<Count>()?.map_or(0, |count| count.n);
        let broken_at = first_broken(&deps, &end).await?;
        // Entries that were sealed meanwhile look like added ones: look again.
        let now: Option<Seal> = deps.sql.one(seal_now()).await?;
        if broken_at.is_none() || now.is_none_or(|now| now.seq == end.seq) {
            break (end, unsealed, broken_at);
        }
    };
    let message = match broken_at {
        None if end.seq == 0 => "The log is empty.".to_owned(),
        None if end.seq == 1 => "The only entry is as it was written.".to_owned(),
        None => format!("All {} entries are as they were written.", end.seq),
        Some(place) => format!(
            "Entry {place} is missing or is not what was written. Compare the log with a backup from before it was changed."
        ),
    };
    Ok(Json(AuditVerdict {
        intact: broken_at.is_none(),
        sealed: end.seq,
        unsealed,
        head: (end.seq > 0).then_some(end.hash),
        broken_at,
        message,
    }))
}

/// The first place where the chain is not what was sealed.
async fn first_broken(deps: &Deps, end: &Seal) -> ApiResult<Option<i64>> {
    let mut last = Seal { seq: 0, hash: String::new() };
    // The chain begins at 1: an entry before that was added.
    let mut from = i64::MIN;
    loop {
        let read = Statement::new(format!("{COLUMNS} WHERE seq >= ?1 ORDER BY seq LIMIT ?2"))
            .bind(from)
            .bind(PAGE);
        let page: Vec<Stored> = deps.sql.all(read).await?;
        let is_last = page.len() < PAGE as usize;
        for entry in page {
            let place = last.seq + 1;
            let hash = entry.hash_at(place, &last.hash)?;
            let is_sealed = entry.seq == Some(place) && entry.hash.as_ref() == Some(&hash);
            if place > end.seq || !is_sealed {
                return Ok(Some(place));
            }
            last = Seal { seq: place, hash };
            from = place + 1;
        }
        if is_last {
            let is_whole = last.seq == end.seq && last.hash == end.hash;
            return Ok((!is_whole).then_some(last.seq.min(end.seq) + 1));
        }
    }
}
