//! The ledger: reserve before work begins, settle when it has ended, and no counter of what is reserved.
//!
//! Held is the sum of the live holds, so a hold that nobody settles ends by arithmetic and nothing can leak. Every
//! function here makes one statement; who calls puts it into a batch with the change of state that it belongs to.
//! Whether money fits is decided inside the statement that writes it, never by a read before.

use crate::config::{Config, DAILY_DEFAULT};
use crate::window::{self, OutsideCalendar, Window};
use contracts::Micros;
use jiff::tz::TimeZone;
use platform::ports::Statement;
use platform::sql;
use platform::time::rfc3339;
use serde::{Deserialize, Serialize};

/// Where no limit is set the window has this one: no sum of exact amounts exceeds it.
pub const NO_LIMIT: i64 = 1 << 52;

/// A window and whom it is for.
#[derive(Clone, Debug, Serialize)]
pub struct Scope {
    /// `day:2026-11-23|all`: the row of `budget`.
    pub key: String,
    /// The row of `budget_rule` that wins over the file's limit.
    pub rule: Option<&'static str>,
    /// The file's limit, micro-dollars.
    pub limit: i64,
    /// `all` or `agent:<id>`.
    #[serde(skip)]
    pub whom: String,
    /// `day` or `month`.
    #[serde(skip)]
    pub kind: &'static str,
    #[serde(skip)]
    pub window: Window,
}

/// The scopes that a task of this agent is charged to at this moment. The month is always among them, so that a limit
/// set in its middle counts what was spent before.
pub fn scopes(
    config: &Config,
    zone: &TimeZone,
    now_ms: i64,
    agent: Option<&str>,
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
    Ok(scopes)
}

fn json<T: Serialize>(value: &T) -> String {
    // Empty text is no JSON: the statement then fails, and nothing is reserved.
    serde_json::to_string(value).unwrap_or_default()
}

/// The scopes' keys as the JSON list that the statements take.
pub fn keys(scopes: &[Scope]) -> String {
    json(&scopes.iter().map(|scope| scope.key.as_str()).collect::<Vec<_>>())
}

/// Makes the windows' rows and brings their limits up to date. First statement of every batch that reserves.
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

/// Money for a task, to be set aside.
#[derive(Clone, Copy, Debug)]
pub struct Reserve<'a> {
    pub task: &'a str,
    /// Nonce of this try: the change of state in the same batch looks for it.
    pub attempt: &'a str,
    pub amount: Micros,
    /// Until when it is held.
    pub until_ms: i64,
    pub now_ms: i64,
    /// JSON list of scope keys.
    pub keys: &'a str,
}

/// Sets the amount aside in all scopes or in none; also none when the task has a hold already, a scope is unknown, or a
/// halt is in force. `guard` is one more condition, with parameters from `?7` on. An amount of 0 always fits.
pub fn reserve(order: Reserve<'_>, guard: &str) -> Statement {
    let text = format!(
        "INSERT INTO hold (task, scope, attempt, amt_u, exp)
         SELECT ?1, j.value, ?2, ?3, ?4 FROM json_each(?6) j
         WHERE NOT EXISTS (SELECT 1 FROM json_each(?6) k LEFT JOIN budget b ON b.scope = k.value
                 WHERE b.scope IS NULL OR (?3 > 0 AND b.spent_u + ?3
                   + (SELECT COALESCE(SUM(h.amt_u), 0) FROM hold h WHERE h.scope = k.value AND h.exp > ?5) > b.limit_u))
           AND NOT EXISTS (SELECT 1 FROM hold own WHERE own.task = ?1)
           AND NOT {halted} AND {guard}",
        halted = crate::store::HALTED
    );
    Statement::new(text)
        .bind(order.task)
        .bind(order.attempt)
        .bind(order.amount)
        .bind(order.until_ms)
        .bind(order.now_ms)
        .bind(order.keys)
}

/// Makes the task's hold last until `until_ms`. A hold that has run out is taken up again only if it still fits; a
/// settled one (`exp = 0`) never. `guard` is one more condition, with parameters from `?4` on.
pub fn prolong(task: &str, until_ms: i64, now_ms: i64, guard: &str) -> Statement {
    // The sums leave out the task's own rows, so the answer is the same for each row of one statement.
    let text = format!(
        "UPDATE hold SET exp = MAX(exp, ?2)
         WHERE task = ?1 AND exp > 0 AND NOT {halted} AND {guard}
           AND (exp > ?3 OR NOT EXISTS (SELECT 1 FROM hold k LEFT JOIN budget b ON b.scope = k.scope
                 WHERE k.task = ?1 AND (b.scope IS NULL OR (k.amt_u > 0 AND b.spent_u + k.amt_u
                   + (SELECT COALESCE(SUM(h.amt_u), 0) FROM hold h WHERE h.scope = k.scope AND h.exp > ?3 AND h.task <> ?1) > b.limit_u))))",
        halted = crate::store::HALTED
    );
    Statement::new(text).bind(task).bind(until_ms).bind(now_ms)
}

/// One scope's figures, micro-dollars.
#[derive(Clone, Debug, Deserialize)]
pub struct Figures {
    pub scope: String,
    pub limit_u: i64,
    pub spent_u: i64,
    pub held_u: i64,
}

impl Figures {
    /// What may still be set aside.
    pub fn remaining(&self) -> Micros {
        Micros((self.limit_u - self.spent_u - self.held_u).max(0))
    }
}

/// Reads the figures of these scopes.
pub fn figures(keys: &str, now_ms: i64) -> Statement {
    sql!(
        "SELECT b.scope, b.limit_u, b.spent_u,
                (SELECT COALESCE(SUM(h.amt_u), 0) FROM hold h WHERE h.scope = b.scope AND h.exp > ?2) AS held_u
         FROM budget b WHERE b.scope IN (SELECT value FROM json_each(?1))",
        keys,
        now_ms
    )
}

/// By how much an amount does not fit, for the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// The least that remains in any scope.
    pub remaining: Micros,
    /// When the last of the scopes that are too small begins anew; RFC 3339.
    pub resets_at: String,
    /// `day:2026-11-23|all`.
    pub scope: String,
}

/// Says which of the scopes do not cover the amount. Meant for the answer alone; nothing is decided by it.
pub fn shortfall(scopes: &[Scope], figures: &[Figures], amount: Micros) -> Shortfall {
    let figure = |scope: &Scope| {
        figures.iter().find(|row| row.scope == scope.key).map_or(Micros::ZERO, Figures::remaining)
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

/// What a run cost, once it has ended.
#[derive(Clone, Debug)]
pub struct Posting<'a> {
    pub task: &'a str,
    /// Which claim of the task it was.
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

/// Posts it once: the ledger's row, the spending of every scope the task was held in, the end of the hold, the end of
/// the approval. The later statements act only for the batch whose nonce is in the row. Money that was spent is
/// recorded even when it is more than was held, or later: to refuse would only hide it.
pub fn post(posting: Posting<'_>) -> Vec<Statement> {
    let mine = "EXISTS (SELECT 1 FROM posted p WHERE p.task = ?1 AND p.seq = ?2 AND p.nonce = ?3)";
    // An earlier claim's late settle leaves the hold to the claim that runs now.
    let last = "?2 = (SELECT MAX(c.seq) FROM claim c WHERE c.task = ?1)";
    let step = |text: String| {
        Statement::new(text).bind(posting.task).bind(posting.seq).bind(posting.nonce)
    };
    let spent = format!(
        "UPDATE budget SET spent_u = spent_u + ?4 WHERE scope IN (SELECT h.scope FROM hold h WHERE h.task = ?1) AND {mine}"
    );
    let ended = format!("UPDATE hold SET exp = 0 WHERE task = ?1 AND {mine} AND {last}");
    let consumed = format!(
        "UPDATE approvals SET actual_u = COALESCE(actual_u, 0) + ?4, state = CASE WHEN {last} THEN 'consumed' ELSE state END WHERE task = ?1 AND {mine}"
    );
    vec![
        sql!(
            "INSERT INTO posted (task, seq, amt_u, outcome, reported_u, unpriced, overrun_u, usage, at, nonce)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (task, seq) DO NOTHING",
            posting.task,
            posting.seq,
            posting.amount,
            posting.outcome,
            posting.reported,
            posting.unpriced,
            posting.overrun,
            posting.usage.clone(),
            posting.at_ms,
            posting.nonce
        ),
        step(spent).bind(posting.amount),
        step(ended),
        step(consumed).bind(posting.amount),
    ]
}
