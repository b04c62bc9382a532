//! The statements of a claim. Each checks its conditions where it writes: no halt, the same digest,
//! still valid, no other live claim, and the money held.

use crate::halt_scope;
use crate::ledger;
use crate::store::{NEWEST_CLAIM, ROW};
use contracts::Micros;
use platform::ports::Statement;
use platform::secret::digest_hex;
use serde::Deserialize;

/// A claim, as its token finds it.
#[derive(Debug, Deserialize)]
pub struct Claimed {
    pub task: String,
    pub seq: i64,
    /// Reported while it ran.
    pub cost_u: Option<i64>,
    is_newest: i64,
    is_cut_off: i64,
    has_asked: i64,
}

impl Claimed {
    /// Whether the task has no later claim, which would have the hold.
    pub fn is_newest(&self) -> bool {
        self.is_newest != 0
    }
    /// Whether its run was cut off and posted, so that a settlement corrects the amount.
    pub fn is_cut_off(&self) -> bool {
        self.is_cut_off != 0
    }
    /// Whether its run has asked the owner for anything.
    pub fn has_asked(&self) -> bool {
        self.has_asked != 0
    }
}

/// Reads the claim with this token, a [`Claimed`].
pub fn with_token(token: &str) -> Statement {
    let text = format!(
        "SELECT c.task, c.seq, c.cost_u, {NEWEST_CLAIM} AS is_newest,
             EXISTS (SELECT 1 FROM posted p WHERE p.task = c.task AND p.seq = c.seq AND p.cut_off = 1) AS is_cut_off,
             EXISTS (SELECT 1 FROM approvals q WHERE q.tops_up = c.task OR q.run = c.task) AS has_asked
         FROM claim c WHERE c.token_hash = ?1"
    );
    Statement::new(text).bind(digest_hex(token.as_bytes()))
}

/// Reads the approval of the run with this token.
pub fn approval_with_token(token: &str) -> Statement {
    let of = "WHERE task = (SELECT c.task FROM claim c WHERE c.token_hash = ?1)";
    Statement::new(format!("SELECT {ROW} FROM approvals {of}")).bind(digest_hex(token.as_bytes()))
}

/// A claim to record.
#[derive(Clone, Copy, Debug)]
pub struct Claiming<'a> {
    pub id: &'a str,
    pub task: &'a str,
    pub digest: &'a str,
    pub amount: Micros,
    pub epoch: Option<u32>,
    /// Hash of its token.
    pub hash: &'a str,
    pub now_ms: i64,
    /// End of its lease.
    pub until_ms: i64,
}

/// Begins the hold, writes the claim, and changes the approval's state; the last one returns a row
/// if all of it happened. Each checks the conditions of a claim.
pub fn claiming(order: Claiming<'_>) -> [Statement; 3] {
    let Claiming { id, task, digest, amount, epoch, hash, now_ms, until_ms } = order;
    let bind = |statement: Statement| statement.bind(id).bind(digest);
    let claimable = claimable("?4", "?5", epoch);
    let guard = format!("EXISTS (SELECT 1 FROM approvals a WHERE {claimable})");
    [
        bind(ledger::begin(task, amount, now_ms, &guard)),
        bind(Statement::new(insert_claim(epoch)).bind(task).bind(hash).bind(now_ms)),
        bind(Statement::new(take_over(epoch)).bind(task).bind(hash).bind(now_ms)).bind(until_ms),
    ]
}

/// Condition on a row `a` of `approvals` that may be claimed at `?3` by a lease with this epoch.
fn claimable(id: &str, digest: &str, epoch: Option<u32>) -> String {
    let lease = epoch.map(|epoch| format!(" AND a.epoch_min <= {epoch}")).unwrap_or_default();
    format!(
        "a.id = {id} AND a.digest = {digest} AND a.tops_up IS NULL AND a.valid_until > ?3
         AND (a.state = 'approved' OR (a.state = 'claimed' AND a.lease_until IS NULL)){lease}"
    )
}

/// `?1` task, `?2` hash of the token, `?3` now, `?4` id, `?5` digest.
fn insert_claim(epoch: Option<u32>) -> String {
    format!(
        "INSERT INTO claim (token_hash, task, seq, at)
         SELECT ?2, ?1, (SELECT COALESCE(MAX(c.seq), 0) + 1 FROM claim c WHERE c.task = ?1), ?3 FROM approvals a
         WHERE {} AND a.task = ?1 AND NOT {} AND EXISTS (SELECT 1 FROM hold h WHERE h.task = ?1 AND h.exp > ?3)",
        claimable("?4", "?5", epoch),
        halt_scope::of_task()
    )
}

/// The same parameters, and `?6` the end of the lease. Only the batch that made the claim changes
/// the state.
fn take_over(epoch: Option<u32>) -> String {
    format!(
        "UPDATE approvals AS a SET state = 'claimed', lease_until = ?6
         WHERE {} AND NOT {} AND EXISTS (SELECT 1 FROM claim c WHERE c.task = ?1 AND c.token_hash = ?2) RETURNING id",
        claimable("?4", "?5", epoch),
        halt_scope::of_task()
    )
}
