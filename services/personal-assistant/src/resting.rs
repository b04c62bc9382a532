//! The money of a run that waits for the owner's answer: it is given back while the question is
//! open, perhaps for hours, and held again when the answer is there.
//!
//! Only the amount that counts in the budget changes; the limit of the run stays, unless the budget
//! has meanwhile gone to other work. A run that has reported no cost keeps its hold, because nobody
//! knows what it has spent. So does one that goes on spending: between two looks, which are longer
//! apart than two renewals, its cost must not have changed.

use crate::{ledger, stake};
use contracts::Micros;
use platform::ports::Statement;
use platform::sql;

/// SQL: the cost that the newest run of the task `?1` has reported; null before the first.
const SPENT: &str = "(SELECT c.cost_u FROM claim c WHERE c.task = ?1 ORDER BY c.seq DESC LIMIT 1)";

/// Reads what the run has reported; the column is `n`.
pub fn spent(task: &str) -> Statement {
    sql!(format!("SELECT {SPENT} AS n"), task)
}

/// Gives back the part of a hold that is not spent, if the run has spent just this.
pub fn release(task: &str, spent: i64, now_ms: i64) -> Statement {
    sql!(
        format!(
            "UPDATE hold SET limit_u = COALESCE(limit_u, amt_u), amt_u = MIN(amt_u, ?3)
             WHERE task = ?1 AND exp > ?2 AND {SPENT} = ?3"
        ),
        task,
        now_ms,
        spent
    )
}

/// Holds the money of the run again, as far as the budget covers it: holds that give way to
/// everybody give way to it, too. Where the rest is less than before, that is the limit of the run.
/// A no-op for a run that has its money.
pub fn hold_again(task: &str, now_ms: i64) -> [Statement; 2] {
    [stake::give_way_to_run(task, now_ms), again(task, now_ms, "true")]
}

/// The same for a run that goes on while the question is open: it has spent more than this.
pub fn hold_again_if_spending(task: &str, now_ms: i64, cost: Micros) -> Statement {
    again(task, now_ms, "amt_u < ?3").bind(cost)
}

fn again(task: &str, now_ms: i64, guard: &str) -> Statement {
    let covered =
        format!("MIN(limit_u, MAX(amt_u, COALESCE({}, 0)))", ledger::room("?1", "?2", "?1"));
    Statement::new(format!(
        "UPDATE hold SET limit_u = {covered}, amt_u = {covered}
         WHERE task = ?1 AND exp > ?2 AND amt_u < limit_u AND {guard}"
    ))
    .bind(task)
    .bind(now_ms)
}
