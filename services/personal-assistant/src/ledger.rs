//! The ledger: create a hold before work starts, post the cost when it ends, and keep no counter of
//! holds.
//!
//! The held amount is the sum of the live holds. Before the run a hold ends by its expiry, so
//! nothing leaks. Once the run has begun, its hold ends only with a posting: that of its
//! settlement, or that of a run which was cut off (`cut_off.rs`); while its owner is asked about a
//! tool call it shrinks to what is spent (`resting.rs`). Every function builds one statement, which
//! callers put into the batch of the related state change. The statement that writes also checks
//! whether the money suffices; no earlier read decides it.

use crate::budget_file::Kind;
use crate::config::{Config, DAILY_DEFAULT};
use crate::window::{self, OutsideCalendar, Window};
use contracts::{Micros, Shard};
use jiff::tz::TimeZone;
use platform::ports::Statement;
use platform::sql;
use platform::time::rfc3339;
use serde::{Deserialize, Serialize};

/// The limit of an unlimited window; no sum of exact amounts exceeds it.
pub const NO_LIMIT: i64 = 1 << 52;

/// The expiry of the hold of a run that has begun: none.
pub const BEGUN: i64 = 1 << 52;

/// A window and its owner: all work, one agent, or one endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct Scope {
    /// `day:2026-11-23|all`: the row of `budget`.
    pub key: String,
    /// The row of `budget_rule` that overrides the file's limit.
    pub rule: Option<&'static str>,
    /// The file's limit, micro-dollars.
    pub limit: i64,
    /// `all`, `agent:<id>` or `endpoint:<channel>.<name>`.
    #[serde(skip)]
    pub whom: String,
    /// `day`, `week` or `month`.
    #[serde(skip)]
    pub kind: &'static str,
    #[serde(skip)]
    pub window: Window,
}

/// The scopes charged by this agent's tasks from this endpoint now. The month is always included,
/// so that a limit set mid-month counts earlier costs.
pub fn scopes(
    config: &Config,
    zone: &TimeZone,
    now_ms: i64,
    agent: Option<&str>,
    endpoint: Option<&Shard>,
) -> Result<Vec<Scope>, OutsideCalendar> {
    let day = window::day(now_ms, zone)?;
    let month = window::month(now_ms, zone)?;
    let scope = |kind, window: &Window, whom: String, rule, limit| Scope {
        key: format!("{kind}:{}|{whom}", window.label),
        rule,
        limit,
        whom,
        kind,
        window: window.clone(),
    };
    let mut scopes = vec![
        scope(
            "day",
            &day,
            "all".to_owned(),
            Some("daily"),
            config.daily.unwrap_or(DAILY_DEFAULT).0,
        ),
        scope(
            "month",
            &month,
            "all".to_owned(),
            Some("monthly"),
            config.monthly.map_or(NO_LIMIT, |limit| limit.0),
        ),
    ];
    if let Some(agent) = agent.and_then(|name| config.agents.get(name))
        && let Some(limit) = agent.daily_budget
    {
        scopes.push(scope("day", &day, format!("agent:{}", agent.id), None, limit.0));
    }
    for more in config.limits.iter().filter(|more| more.whom.covers(agent, endpoint)) {
        let week;
        let window = match more.kind {
            Kind::Day => &day,
            Kind::Week => {
                week = window::week(now_ms, zone)?;
                &week
            }
            Kind::Month => &month,
        };
        let more = scope(more.kind.as_str(), window, more.whom.name(), None, more.limit.0);
        // An agent's day may be limited in its own table, too: the lower limit holds.
        match scopes.iter_mut().find(|known| known.key == more.key) {
            Some(known) => known.limit = known.limit.min(more.limit),
            None => scopes.push(more),
        }
    }
    Ok(scopes)
}

fn json<T: Serialize>(value: &T) -> String {
    // Empty text is not JSON, so the statement fails and nothing is held.
    serde_json::to_string(value).unwrap_or_default()
}

/// The scopes' keys as the JSON list of the statements.
pub fn keys(scopes: &[Scope]) -> String {
    json(&scopes.iter().map(|scope| scope.key.as_str()).collect::<Vec<_>>())
}

/// Creates the windows' rows and updates their limits. First statement of every batch with a hold.
pub fn ensure(scopes: &[Scope]) -> Statement {
    sql!(
        "INSERT INTO budget (scope, limit_u, spent_u)
         SELECT json_extract(j.value, '$.key'),
                COALESCE((SELECT r.limit_u FROM budget_rule r WHERE r.rule = json_extract(j.value, '$.rule')), json_extract(j.value, '$.limit')),
                0
         FROM json_each(?1) j WHERE true
         ON CONFLICT (scope) DO UPDATE SET limit_u = excluded.limit_u",
        json(&scopes)
    )
}

/// A hold to create.
#[derive(Clone, Copy, Debug)]
pub struct Reserve<'a> {
    pub task: &'a str,
    /// Nonce of this attempt, which the state change of the same batch checks.
    pub attempt: &'a str,
    pub amount: Micros,
    /// Expiry of the hold.
    pub until_ms: i64,
    pub now_ms: i64,
    /// JSON list of scope keys.
    pub keys: &'a str,
}

/// Creates the hold in all scopes or in none. None if the task already has a hold, a scope is
/// unknown, or a halt is in force. `guard` is one more condition, with parameters from `?7` on. An
/// amount of 0 always fits.
pub fn reserve(order: Reserve<'_>, guard: &str) -> Statement {
    let text = format!(
        "INSERT INTO hold (task, scope, attempt, amt_u, exp)
         SELECT ?1, j.value, ?2, ?3, ?4 FROM json_each(?6) j
         WHERE NOT EXISTS (SELECT 1 FROM json_each(?6) k LEFT JOIN budget b ON b.scope = k.value
                 WHERE b.scope IS NULL OR (?3 > 0 AND b.spent_u + ?3
                   + (SELECT COALESCE(SUM(h.amt_u), 0) FROM hold h WHERE h.scope = k.value AND h.exp > ?5) > b.limit_u))
           AND NOT EXISTS (SELECT 1 FROM hold own WHERE own.task = ?1)
           AND NOT {halted} AND {guard}",
        halted = crate::halt_scope::of_task()
    );
    Statement::new(text)
        .bind(order.task)
        .bind(order.attempt)
        .bind(order.amount)
        .bind(order.until_ms)
        .bind(order.now_ms)
        .bind(order.keys)
}

/// Turns the hold of a task into that of a begun run, at the approved amount. An expired hold only
/// if the budget still covers it; a settled one (`exp = 0`) never. `guard` is one more condition,
/// with parameters from `?4` on.
pub fn begin(task: &str, amount: Micros, now_ms: i64, guard: &str) -> Statement {
    // The sums exclude the task's own rows, so the result is the same for each row of the
    // statement.
    let text = format!(
        "UPDATE hold SET exp = {BEGUN}, amt_u = ?2, limit_u = ?2
         WHERE task = ?1 AND exp > 0 AND NOT {halted} AND {guard}
           AND (exp > ?3 OR ?2 = 0 OR COALESCE({room} >= ?2, false))",
        halted = crate::halt_scope::of_task(),
        room = room("?1", "?3", "?1"),
    );
    Statement::new(text).bind(task).bind(amount).bind(now_ms)
}

/// SQL: the amount that a task's scopes leave beside everybody else's holds; null if one of them is
/// unknown. The holds of `apart` (a list) do not count.
pub fn room(task: &str, now: &str, apart: &str) -> String {
    format!(
        "(SELECT CASE WHEN COUNT(*) = COUNT(b.scope) THEN MIN(b.limit_u - b.spent_u
             - (SELECT COALESCE(SUM(h.amt_u), 0) FROM hold h WHERE h.scope = k.scope AND h.exp > {now} AND h.task NOT IN ({apart}))) END
          FROM hold k LEFT JOIN budget b ON b.scope = k.scope WHERE k.task = {task})"
    )
}

/// The cost of a run so far counts as held, also above its limit: it is spent. A no-op after the
/// posting.
pub fn count(task: &str, cost: Micros) -> Statement {
    sql!(
        format!(
            "UPDATE hold SET limit_u = COALESCE(limit_u, amt_u), amt_u = MAX(amt_u, ?2), exp = {BEGUN}
             WHERE task = ?1 AND exp > 1
               AND EXISTS (SELECT 1 FROM approvals a WHERE a.task = ?1 AND a.state = 'claimed' AND a.lease_until IS NOT NULL)"
        ),
        task,
        cost
    )
}

/// More money for a run.
#[derive(Clone, Copy, Debug)]
pub struct TopUp<'a> {
    pub task: &'a str,
    /// The cost of the run so far: less is of no use to it.
    pub need: Micros,
    /// The limit to reach, if the budget covers it; else as far as the budget goes.
    pub to: Micros,
    /// A task whose hold passes over to this one; its own task if there is none.
    pub from: &'a str,
    pub now_ms: i64,
}

/// Raises the limit of a begun run, in all scopes or in none. Returns rows with `limit_u` if it
/// did. Not during a halt. `guard` is one more condition, with parameters from `?6` on.
pub fn top_up(order: TopUp<'_>, guard: &str) -> Statement {
    let text = format!(
        "UPDATE hold SET limit_u = MIN(?3, {room}), amt_u = MAX(amt_u, MIN(?3, {room}))
         WHERE task = ?1 AND exp > ?5 AND COALESCE(limit_u, amt_u) < ?2 AND COALESCE({room} >= ?2, false)
           AND NOT {halted} AND {guard} RETURNING limit_u",
        room = room("?1", "?5", "?1, ?4"),
        halted = crate::halt_scope::of_task(),
    );
    Statement::new(text)
        .bind(order.task)
        .bind(order.need)
        .bind(order.to)
        .bind(order.from)
        .bind(order.now_ms)
}

/// Reads how much the budget leaves for a run in all, including its own hold; the column is `n`.
pub fn room_for(task: &str, now_ms: i64) -> Statement {
    Statement::new(format!("SELECT {} AS n", room("?1", "?2", "?1"))).bind(task).bind(now_ms)
}

/// One scope's amounts, micro-dollars.
#[derive(Clone, Debug, Deserialize)]
pub struct Amounts {
    pub scope: String,
    pub limit_u: i64,
    pub spent_u: i64,
    pub held_u: i64,
}

impl Amounts {
    /// The amount still available.
    pub fn remaining(&self) -> Micros {
        Micros((self.limit_u - self.spent_u - self.held_u).max(0))
    }
}

/// Reads the amounts of these scopes.
pub fn figures(keys: &str, now_ms: i64) -> Statement {
    sql!(
        "SELECT b.scope, b.limit_u, b.spent_u,
                (SELECT COALESCE(SUM(h.amt_u), 0) FROM hold h WHERE h.scope = b.scope AND h.exp > ?2) AS held_u
         FROM budget b WHERE b.scope IN (SELECT value FROM json_each(?1))",
        keys,
        now_ms
    )
}

/// The shortfall of an amount, for the response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// The smallest remainder of any scope.
    pub remaining: Micros,
    /// When the last insufficient scope resets; RFC 3339.
    pub resets_at: String,
    /// `day:2026-11-23|all`.
    pub scope: String,
}

/// The insufficient scope. For the response only; it decides nothing.
pub fn shortfall(scopes: &[Scope], figures: &[Amounts], amount: Micros) -> Shortfall {
    let figure = |scope: &Scope| {
        figures.iter().find(|row| row.scope == scope.key).map_or(Micros::ZERO, Amounts::remaining)
    };
    let tight = scopes
        .iter()
        .filter(|scope| figure(scope) < amount)
        .max_by_key(|scope| scope.window.end_ms)
        .or_else(|| scopes.first());
    Shortfall {
        remaining: scopes.iter().map(figure).min().unwrap_or_default(),
        resets_at: tight.map(|scope| rfc3339(scope.window.end_ms)).unwrap_or_default(),
        scope: tight.map(|scope| scope.key.clone()).unwrap_or_default(),
    }
}
