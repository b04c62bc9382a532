//! Requests of a program that can ask, but never start the work: the token of scope `agent`.
//!
//! Its approved requests hold budget until a gateway claims them or their time runs out. Without a
//! bound a loop of small requests would hold the whole budget, and one of large requests would
//! flood the owner with questions. So such a hold gives way to everybody else's request: the
//! approval stays, and its claim finds out whether the budget still covers it.

use crate::Deps;
use contracts::{ErrorCode, Micros, Problem, Scope};
use platform::edge::{ApiResult, Principal};
use platform::ports::{SqlExt, Statement};
use platform::sql;
use serde::Deserialize;

/// Requests of one token that wait for the owner at the same time.
const PENDING_MAX: i64 = 20;
#[derive(Deserialize)]
struct Waiting {
    pending: i64,
    /// 1 if the task is known: a repeated request asks nobody again.
    is_known: i64,
}

/// Whether this requester can only ask.
pub fn only_asks(who: Principal) -> bool {
    who == Principal::Scope(Scope::Agent)
}

/// Refuses a new question to the owner from a requester that has too many waiting.
///
/// # Errors
/// `rate_limited`; nothing is recorded.
pub async fn may_ask(deps: &Deps, who: Principal, task: &str, now_ms: i64) -> ApiResult<()> {
    if !only_asks(who) {
        return Ok(());
    }
    let read = sql!(
        "SELECT COUNT(*) AS pending, EXISTS (SELECT 1 FROM approvals known WHERE known.task = ?3) AS is_known
         FROM approvals WHERE state = 'pending' AND expires_at > ?2 AND requested_by = ?1",
        who.as_str(),
        now_ms,
        task
    );
    let waiting: Option<Waiting> = deps.sql.one(read).await?;
    if waiting.is_some_and(|waiting| waiting.is_known == 0 && waiting.pending >= PENDING_MAX) {
        let detail = format!("{PENDING_MAX} requests of this token already wait for the owner.");
        return Err(Problem::new(ErrorCode::RateLimited, detail)
            .with_fix("Wait until some of them are decided.")
            .into());
    }
    Ok(())
}

/// SQL for the statement that writes a request: whether its requester (`columns` is the JSON with
/// `by`) has too many waiting at that moment, so that requests sent together do not pass together.
pub fn too_many(columns: &str, now: &str) -> String {
    let agent = Scope::Agent.as_str();
    format!(
        "{columns} ->> 'by' = '{agent}' AND {PENDING_MAX} <= (SELECT COUNT(*) FROM approvals p
             WHERE p.state = 'pending' AND p.requested_by = '{agent}' AND p.expires_at > {now})"
    )
}

/// Ends such holds where a waiting run needs its released money again and the budget lacks room.
pub fn give_way_to_run(task: &str, now_ms: i64) -> Statement {
    sql!(
        "UPDATE hold SET exp = 1
         WHERE exp > ?2 AND task <> ?1
           AND task IN (SELECT a.task FROM approvals a WHERE a.state = 'approved' AND a.requested_by = ?3 AND a.decided_by = 'policy')
           AND EXISTS (SELECT 1 FROM hold k JOIN budget b ON b.scope = k.scope
             WHERE k.task = ?1 AND k.exp > ?2 AND k.amt_u < k.limit_u
               AND b.spent_u + k.limit_u - k.amt_u + (SELECT COALESCE(SUM(h.amt_u), 0) FROM hold h WHERE h.scope = k.scope AND h.exp > ?2) > b.limit_u)",
        task,
        now_ms,
        Scope::Agent.as_str()
    )
}

/// Ends the unclaimed holds that such programs got by rule, where this amount does not fit beside
/// them. `1` is an expiry in the past; `0` would mean that the run is settled.
pub fn give_way(task: &str, amount: Micros, keys: &str, now_ms: i64) -> Statement {
    sql!(
        "UPDATE hold SET exp = 1
         WHERE exp > ?4 AND task <> ?1
           AND task IN (SELECT a.task FROM approvals a WHERE a.state = 'approved' AND a.requested_by = ?5 AND a.decided_by = 'policy')
           AND EXISTS (SELECT 1 FROM json_each(?3) k JOIN budget b ON b.scope = k.value
             WHERE b.spent_u + ?2 + (SELECT COALESCE(SUM(h.amt_u), 0) FROM hold h WHERE h.scope = k.value AND h.exp > ?4) > b.limit_u)",
        task,
        amount,
        keys,
        now_ms,
        Scope::Agent.as_str()
    )
}
