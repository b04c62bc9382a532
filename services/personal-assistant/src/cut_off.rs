//! Runs that were cut off: a gateway that claimed and never settled. Their lease ends; then the
//! cost they reported last is posted, else their hold. A crash never makes a run free. If the
//! gateway reports after all, `settle` corrects the amount.

use crate::posting::{self, Posting};
use crate::store::{Answers, NEWEST_CLAIM};
use crate::{Deps, ask, top_up};
use contracts::{AgentId, Micros};
use platform::edge::ApiResult;
use platform::ports::{ClockExt, SqlExt, Statement};
use serde::Deserialize;

/// Maximum per tick; the next tick continues.
const AT_ONCE_MAX: u32 = 50;

/// The last known cost of a run.
#[derive(Debug, Deserialize)]
pub struct Last {
    pub task: String,
    agent: String,
    seq: i64,
    /// Reported so far.
    pub cost_u: Option<i64>,
    /// How far it may spend.
    pub limit_u: i64,
}

impl Last {
    /// As it was reported; else all that the run might spend. So it is for an agent that is a
    /// model: the call on its way, which no report has yet, may have been done and billed.
    pub fn cost(&self, deps: &Deps) -> Micros {
        let reported = self.cost_u.unwrap_or(self.limit_u);
        let is_model = !deps.config.agents.agent(&AgentId::new(&self.agent)).models.is_empty();
        Micros(if is_model { reported.max(self.limit_u) } else { reported })
    }
}

fn last() -> String {
    format!(
        "SELECT a.task, a.agent, c.seq, c.cost_u, (SELECT MAX(COALESCE(h.limit_u, h.amt_u)) FROM hold h WHERE h.task = a.task) AS limit_u
         FROM approvals a JOIN claim c ON c.task = a.task AND {NEWEST_CLAIM}"
    )
}

/// Reads the last known cost of a task's newest run; no row if it never began.
pub fn last_known(task: &str) -> Statement {
    Statement::new(format!("{} WHERE a.task = ?1", last())).bind(task)
}

/// Posts the runs whose lease ended without a report: all, or those of one task.
pub async fn post_due(deps: &Deps, task: Option<&str>) -> ApiResult<()> {
    let now_ms = deps.clock.now_ms();
    let ended = "a.state = 'claimed' AND a.lease_until IS NOT NULL AND a.lease_until <= ?1";
    // A condition that may be absent would be looked for in all that was ever done.
    let due = match task {
        None => Statement::new(format!("{} WHERE {ended} ORDER BY a.lease_until LIMIT ?2", last()))
            .bind(now_ms)
            .bind(AT_ONCE_MAX),
        Some(task) => Statement::new(format!("{} WHERE a.task = ?2 AND {ended}", last()))
            .bind(now_ms)
            .bind(task),
    };
    let due: Vec<Last> = deps.sql.all(due).await?;
    for last in due {
        let posting = Posting {
            task: &last.task,
            seq: last.seq,
            amount: last.cost(deps),
            outcome: "lost",
            reported: last.cost_u.map(Micros),
            unpriced: last.cost_u.is_none() && last.limit_u > 0,
            overrun: last.cost(deps).minus(Micros(last.limit_u)),
            usage: None,
            at_ms: now_ms,
            nonce: &deps.clock.random_hex(16),
        };
        tracing::warn!(task = %last.task, posted = %posting.amount, "a run was cut off; its last known cost is posted");
        let mut batch = posting::post_cut_off(&posting);
        batch.extend(top_up::withdraw(&last.task, now_ms));
        Answers::of(&*deps.sql, batch).await?;
        ask::flush_soon(deps);
    }
    Ok(())
}
