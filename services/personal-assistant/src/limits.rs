//! The limits of the budget: what the owner put, else the file's, else the default.

use crate::config::DAILY_DEFAULT;
use crate::ledger::Scope;
use crate::store::{self, Answers};
use crate::{Deps, audit};
use contracts::Micros;
use platform::edge::ApiResult;
use platform::ports::{PortResult, Statement};
use platform::sql;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct RuleRow {
    rule: String,
    limit_u: i64,
}

/// The limits that are in force, each with its source: `default`, `file` or `api`.
pub struct Limits {
    rules: Vec<RuleRow>,
    daily: Option<Micros>,
    monthly: Option<Micros>,
}

impl Limits {
    /// Reads what was put; the rest comes from the file.
    pub async fn read(deps: &Deps) -> ApiResult<Self> {
        let mut answers = Answers::of(&*deps.sql, vec![Self::statement()]).await?;
        Ok(Self::found(deps, &mut answers)?)
    }
    /// Reads what was put.
    pub fn statement() -> Statement {
        sql!("SELECT rule, limit_u FROM budget_rule")
    }
    /// The rows of [`Self::statement`].
    pub fn found(deps: &Deps, answers: &mut Answers) -> PortResult<Self> {
        let rules = answers.all()?;
        Ok(Self { rules, daily: deps.config.daily, monthly: deps.config.monthly })
    }
    fn put(&self, rule: &str) -> Option<(Micros, &'static str)> {
        self.rules.iter().find(|row| row.rule == rule).map(|row| (Micros(row.limit_u), "api"))
    }
    /// The day's limit.
    pub fn daily(&self) -> (Micros, &'static str) {
        self.put("daily")
            .or(self.daily.map(|limit| (limit, "file")))
            .unwrap_or((DAILY_DEFAULT, "default"))
    }
    /// The month's limit, if there is one.
    pub fn monthly(&self) -> Option<(Micros, &'static str)> {
        self.put("monthly").or(self.monthly.map(|limit| (limit, "file")))
    }
    /// The limit of a scope; nothing when the scope has none.
    pub fn of(&self, scope: &Scope) -> Option<(Micros, &'static str)> {
        match scope.rule {
            Some("daily") => Some(self.daily()),
            Some(_) => self.monthly(),
            None => Some((Micros(scope.limit), "file")),
        }
    }
}

/// Puts a limit in the place of the file's, and says so in the audit log: only while the owner's
/// rules are of this revision, where one is given.
pub fn set_rule(
    deps: &Deps,
    rule: &str,
    limit: Micros,
    by: &str,
    revision: Option<String>,
) -> [Statement; 2] {
    let is = |place: &str| format!("({place} IS NULL OR {} IS {place})", store::REVISION);
    let text = format!(
        "INSERT INTO budget_rule (rule, limit_u, set_at, set_by) SELECT ?1, ?2, ?3, ?4 WHERE {}
         ON CONFLICT (rule) DO UPDATE SET limit_u = excluded.limit_u, set_at = excluded.set_at, set_by = excluded.set_by",
        is("?5")
    );
    let put = sql!(text, rule, limit, deps.clock.now_ms(), by, revision.clone());
    let told = (by, "budget.changed", rule);
    let detail = json!({ "limit": limit });
    [put, audit::entry_where(deps, told, &detail, &is("?7")).bind(revision)]
}
