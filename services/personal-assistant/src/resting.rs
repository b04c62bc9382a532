//! The money of a run that waits for the owner's answer: it is given back while the question is
//! open, perhaps for hours, and held again when the answer is there.
//!
//! Only the amount that counts in the budget changes; the limit of the run stays, unless the budget
//! has meanwhile gone to other work. A run that has reported no cost keeps its hold, because nobody
//! knows what it has spent.

use crate::ledger;
use platform::ports::Statement;

/// Gives back the part of a hold that is not spent.
pub fn release(task: &str, now_ms: i64) -> Statement {
    let spent = "(SELECT c.cost_u FROM claim c WHERE c.task = ?1 ORDER BY c.seq DESC LIMIT 1)";
    Statement::new(format!(
        "UPDATE hold SET limit_u = COALESCE(limit_u, amt_u), amt_u = MIN(amt_u, {spent})
         WHERE task = ?1 AND exp > ?2 AND {spent} IS NOT NULL"
    ))
    .bind(task)
    .bind(now_ms)
}

/// Holds the money of the run again, as far as the budget covers it. Where that is less than
/// before, it is the limit of the run from now on. A no-op for a run that has its money.
pub fn hold_again(task: &str, now_ms: i64) -> Statement {
    again(task, now_ms, "true")
}

/// The same for a run that goes on while the question is open: it has spent more than this.
pub fn hold_again_if_spending(task: &str, now_ms: i64, cost: contracts::Micros) -> Statement {
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
