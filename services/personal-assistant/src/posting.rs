//! Posting the cost of a run: once, and corrected once if the run was cut off.

use contracts::Micros;
use platform::ports::Statement;
use platform::sql;

/// The cost of a run that has ended.
#[derive(Clone, Debug)]
pub struct Posting<'a> {
    pub task: &'a str,
    /// Sequence number of the task's claim.
    pub seq: i64,
    pub amount: Micros,
    pub outcome: &'a str,
    pub reported: Option<Micros>,
    pub unpriced: bool,
    pub overrun: Micros,
    pub usage: Option<String>,
    pub at_ms: i64,
    pub nonce: &'a str,
}

impl Posting<'_> {
    fn bind(&self, text: String) -> Statement {
        Statement::new(text).bind(self.task).bind(self.seq).bind(self.nonce)
    }
}

/// True in the batch that wrote the row. `?1` task, `?2` sequence number, `?3` nonce.
const MINE: &str =
    "EXISTS (SELECT 1 FROM posted p WHERE p.task = ?1 AND p.seq = ?2 AND p.nonce = ?3)";
/// A late settlement of an earlier claim leaves the hold to the current claim.
const LAST: &str = "?2 = (SELECT MAX(c.seq) FROM claim c WHERE c.task = ?1)";

/// Posts it once: the ledger's row, the cost in every scope of the hold, the end of the hold, the
/// end of the approval. The later statements act only for the batch whose nonce is in the row. A
/// cost is recorded even above the hold or after its expiry: refusing would only hide it.
pub fn post(posting: &Posting<'_>) -> Vec<Statement> {
    post_row(posting, row(posting, 0, "true"))
}

/// The same if the claim with this hash of its token has taken the approval over.
pub fn post_for_claim(posting: &Posting<'_>, hash: &str) -> Vec<Statement> {
    let taken = "EXISTS (SELECT 1 FROM claim c JOIN approvals a ON a.task = c.task
        WHERE c.task = ?1 AND c.seq = ?2 AND c.token_hash = ?11 AND a.state = 'claimed')";
    post_row(posting, row(posting, 0, taken).bind(hash))
}

/// With the statement that writes the ledger's row.
fn post_row(posting: &Posting<'_>, row: Statement) -> Vec<Statement> {
    let ended = format!("UPDATE hold SET exp = 0 WHERE task = ?1 AND {MINE} AND {LAST}");
    let consumed = format!(
        "UPDATE approvals SET actual_u = COALESCE(actual_u, 0) + ?4, state = CASE WHEN {LAST} THEN 'consumed' ELSE state END WHERE task = ?1 AND {MINE}"
    );
    vec![
        row,
        spend(posting),
        posting.bind(ended),
        posting.bind(consumed).bind(posting.amount),
        close_rules(posting),
    ]
}

/// Posts the last known cost of a run whose lease ended without a report. The hold ends like an
/// expired one, so that a later claim of the same approval has to fit the budget again.
pub fn post_cut_off(posting: &Posting<'_>) -> Vec<Statement> {
    let lost = format!(
        "EXISTS (SELECT 1 FROM approvals a WHERE a.task = ?1 AND a.state = 'claimed' AND a.lease_until <= {})",
        posting.at_ms
    );
    let ended = format!("UPDATE hold SET exp = 1 WHERE task = ?1 AND exp > 1 AND {MINE}");
    let actual = format!(
        "UPDATE approvals SET actual_u = COALESCE(actual_u, 0) + ?4 WHERE task = ?1 AND {MINE}"
    );
    vec![
        row(posting, 1, &lost),
        spend(posting),
        posting.bind(ended),
        posting.bind(actual).bind(posting.amount),
        close_rules(posting),
        sql!(
            "UPDATE approvals SET lease_until = NULL WHERE task = ?1 AND state = 'claimed' AND lease_until <= ?2",
            posting.task,
            posting.at_ms
        ),
    ]
}

/// Replaces the amount that was posted for a run which was cut off by the one it reports late.
/// Without such a row nothing changes. Comes before [`post`] in its batch.
pub fn correct(posting: &Posting<'_>) -> Vec<Statement> {
    let open = "FROM posted p WHERE p.task = ?1 AND p.seq = ?2 AND p.cut_off = 1";
    let step = |text: String| {
        Statement::new(text).bind(posting.task).bind(posting.seq).bind(posting.amount)
    };
    vec![
        step(format!(
            "UPDATE budget SET spent_u = spent_u + ?3 - (SELECT p.amt_u {open})
             WHERE scope IN (SELECT h.scope FROM hold h WHERE h.task = ?1) AND EXISTS (SELECT 1 {open})"
        )),
        step(format!(
            "UPDATE approvals SET actual_u = COALESCE(actual_u, 0) + ?3 - (SELECT p.amt_u {open}),
                 state = CASE WHEN state = 'claimed' AND lease_until IS NULL AND {LAST} THEN 'consumed' ELSE state END
             WHERE task = ?1 AND EXISTS (SELECT 1 {open})"
        )),
        // The hold of a later claim stays.
        step(format!(
            "UPDATE hold SET exp = 0 WHERE task = ?1 AND exp = 1 AND {LAST} AND EXISTS (SELECT 1 {open}) AND ?3 >= 0"
        )),
        step(
            "UPDATE posted SET cut_off = 0, amt_u = ?3, outcome = ?4, reported_u = ?5, unpriced = ?6, usage = ?7, nonce = ?8,
                 overrun_u = MAX(0, ?3 - (amt_u - overrun_u))
             WHERE task = ?1 AND seq = ?2 AND cut_off = 1"
                .to_owned(),
        )
        .bind(posting.outcome)
        .bind(posting.reported)
        .bind(posting.unpriced)
        .bind(posting.usage.clone())
        .bind(format!("{}+", posting.nonce)),
    ]
}

fn row(posting: &Posting<'_>, cut_off: i64, guard: &str) -> Statement {
    let text = format!(
        "INSERT INTO posted (task, seq, amt_u, outcome, reported_u, unpriced, overrun_u, usage, at, nonce, cut_off)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, {cut_off} WHERE {guard} ON CONFLICT (task, seq) DO NOTHING"
    );
    Statement::new(text)
        .bind(posting.task)
        .bind(posting.seq)
        .bind(posting.amount)
        .bind(posting.outcome)
        .bind(posting.reported)
        .bind(posting.unpriced)
        .bind(posting.overrun)
        .bind(posting.usage.clone())
        .bind(posting.at_ms)
        .bind(posting.nonce)
}

/// “Yes, for this task” ends with the run of the task.
fn close_rules(posting: &Posting<'_>) -> Statement {
    let text = format!(
        "UPDATE tool_rule SET removed_at = ?4, removed_by = 'the end of its task' WHERE task = ?1 AND removed_at IS NULL AND {MINE} AND {LAST}"
    );
    posting.bind(text).bind(posting.at_ms)
}

fn spend(posting: &Posting<'_>) -> Statement {
    let text = format!(
        "UPDATE budget SET spent_u = spent_u + ?4 WHERE scope IN (SELECT h.scope FROM hold h WHERE h.task = ?1) AND {MINE}"
    );
    posting.bind(text).bind(posting.amount)
}
