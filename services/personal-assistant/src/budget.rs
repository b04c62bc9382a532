//! `GET/PUT /api/budget`: limits with their sources, posted costs, holds and remainder.
//!
//! The daily limit is one setting with three names: `budget.daily` here, `budgetLimit` in the
//! context, `[budget] daily` in the file. The file has the initial value; a value set at runtime
//! overrides it until it is reset.

use crate::actor::actor;
use crate::authority::Authority;
use crate::budget_file::Whom;
use crate::ledger::{self, Amounts, Scope};
use crate::limits::{Limits, set_rule};
use crate::owner::Owner;
use crate::store::{self, Answers};
use crate::wrong::{check_amount, refuse};
use crate::{Deps, audit, owner, window};
use axum::extract::State;
use axum::{Extension, Json};
use contracts::budget::{
    AgentCost, BudgetAnswer, BudgetScope, BudgetText, BudgetTextRequest, BudgetUpdate,
};
use contracts::{AgentId, ErrorCode, Micros, Shard};
use platform::edge::{ApiError, ApiResult, JsonBody, Principal};
use platform::ports::{SqlExt, Statement};
use platform::sql;
use platform::time::rfc3339;
use serde::Deserialize;
use serde_json::json;

/// Maximum agents named in a chat.
const AGENTS_SHOWN: usize = 10;

/// `GET /api/budget`.
pub async fn read(State(deps): State<Deps>) -> ApiResult<Json<BudgetAnswer>> {
    Ok(Json(answer(&deps).await?))
}

/// The current budget.
pub async fn answer(deps: &Deps) -> ApiResult<BudgetAnswer> {
    let (owner, scopes) = known(deps).await?;
    let limits = Limits::read(deps).await?;
    let now_ms = deps.clock.now_ms();
    let day = scopes.iter().find(|scope| scope.whom == "all" && scope.kind == "day");
    let day = day.map(|scope| scope.key.as_str()).unwrap_or_default();
    // In one batch, so that the agents add up to the day.
    let batch = vec![ledger::figures(&ledger::keys(&scopes), now_ms), by_agent(day, now_ms)];
    let mut answers = Answers::of(&*deps.sql, batch).await?;
    let scopes = limited(&scopes, &limits, &answers.all()?);
    let agents: Vec<AgentSpending> = answers.all()?;
    let agents = agents.into_iter().map(AgentSpending::told).collect();
    Ok(BudgetAnswer { scopes, time_zone: owner.time_zone, agents })
}

/// The limits alone, which take as long however much ran today.
pub async fn limits(deps: &Deps) -> ApiResult<Vec<BudgetScope>> {
    let (_, scopes) = known(deps).await?;
    let limits = Limits::read(deps).await?;
    let figures = ledger::figures(&ledger::keys(&scopes), deps.clock.now_ms());
    Ok(limited(&scopes, &limits, &deps.sql.all(figures).await?))
}

/// The owner, and every scope of now that has a limit.
async fn known(deps: &Deps) -> ApiResult<(Owner, Vec<Scope>)> {
    let owner = owner::read(deps).await?;
    let now_ms = deps.clock.now_ms();
    let zone = window::zone(&owner.time_zone).ok_or_else(|| store::unreadable("time zone"))?;
    let scopes_of = |agent: Option<&str>, endpoint: Option<&Shard>| {
        ledger::scopes(&deps.config, &zone, now_ms, agent, endpoint)
            .map_err(|_| store::unreadable("calendar"))
    };
    let mut scopes = scopes_of(None, None)?;
    let own = deps.config.agents.iter().map(|agent| (Some(agent.id.as_str()), None));
    let further = deps.config.limits.iter().map(|limit| match &limit.whom {
        Whom::All => (None, None),
        Whom::Agent(agent) => (Some(agent.as_str()), None),
        Whom::Endpoint(shard) => (None, Some(shard)),
    });
    for (agent, endpoint) in own.chain(further) {
        for scope in scopes_of(agent, endpoint)? {
            if !scopes.iter().any(|known| known.key == scope.key) {
                scopes.push(scope);
            }
        }
    }
    Ok((owner, scopes))
}

/// The scopes with their limits and their use.
fn limited(scopes: &[Scope], limits: &Limits, figures: &[Amounts]) -> Vec<BudgetScope> {
    let rows = scopes.iter().filter_map(|scope| {
        let (limit, source) = limits.of(scope)?;
        let (spent, held) = figures
            .iter()
            .find(|row| row.scope == scope.key)
            .map_or((0, 0), |row| (row.spent_u, row.held_u));
        Some(BudgetScope {
            scope: scope.whom.clone(),
            window: scope.kind.to_owned(),
            label: scope.window.label.clone(),
            limit,
            source: source.to_owned(),
            spent: Micros(spent),
            held: Micros(held),
            remaining: Micros((limit.0 - spent - held).max(0)),
            resets_at: rfc3339(scope.window.end_ms),
        })
    });
    rows.collect()
}

#[derive(Deserialize)]
struct AgentSpending {
    agent: AgentId,
    spent_u: i64,
    held_u: i64,
    unpriced: u64,
}

impl AgentSpending {
    fn told(self) -> AgentCost {
        let (spent, held) = (Micros(self.spent_u), Micros(self.held_u));
        AgentCost { agent: self.agent, spent, held, unpriced: self.unpriced }
    }
}

/// Posted costs and holds in one scope by agent. A cost counts in the scopes of its task's hold, as
/// it does in the sum of the scope.
fn by_agent(scope: &str, now_ms: i64) -> Statement {
    sql!(
        "SELECT MIN(agent) AS agent, SUM(spent_u) AS spent_u, SUM(held_u) AS held_u, SUM(unpriced) AS unpriced
         FROM (SELECT a.agent, CASE WHEN h.exp > ?2 THEN h.amt_u ELSE 0 END AS held_u,
                 (SELECT COALESCE(SUM(p.amt_u), 0) FROM posted p WHERE p.task = h.task) AS spent_u,
                 (SELECT COALESCE(SUM(p.unpriced), 0) FROM posted p WHERE p.task = h.task) AS unpriced
               FROM hold h JOIN approvals a ON a.task = h.task WHERE h.scope = ?1)
         GROUP BY lower(agent)
         HAVING SUM(spent_u) + SUM(held_u) + SUM(unpriced) > 0
         ORDER BY SUM(spent_u) + SUM(held_u) DESC, 1",
        scope,
        now_ms
    )
}

/// `PUT /api/budget`: first `reset`, then the given limits. A lower limit refuses new work only.
pub async fn update(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    JsonBody(update): JsonBody<BudgetUpdate>,
) -> ApiResult<Json<BudgetAnswer>> {
    let mut wrong = Vec::new();
    check_amount("daily", update.daily, &mut wrong);
    check_amount("monthly", update.monthly, &mut wrong);
    refuse(&wrong)?;
    let by = actor(who, None);
    let mut batch = Vec::new();
    if update.reset {
        batch.push(sql!("DELETE FROM budget_rule"));
        batch.push(audit::entry(&deps, &by, "budget.reset", "budget", &json!({})));
    }
    for (rule, limit) in [("daily", update.daily), ("monthly", update.monthly)] {
        batch.extend(
            limit.map(|limit| set_rule(&deps, rule, limit, &by, None)).into_iter().flatten(),
        );
    }
    if !batch.is_empty() {
        Answers::of(&*deps.sql, batch).await?;
    }
    Ok(Json(answer(&deps).await?))
}

/// `POST /internal/budget`: the owner reads every limit, an approver the spending of his endpoint.
pub async fn tell(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<BudgetTextRequest>,
) -> ApiResult<Json<BudgetText>> {
    let lines = match Authority::of_person(&request.actor) {
        Authority::Owner => {
            let budget = answer(&deps).await?;
            let agents = budget.agents.iter().take(AGENTS_SHOWN).map(agent_line);
            budget.scopes.iter().map(line).chain(agents).collect()
        }
        Authority::Endpoint(own) => of_endpoint(&deps, &own).await?,
        Authority::Nobody => {
            return Err(ApiError::new(ErrorCode::Forbidden, "The actor names no approver."));
        }
    };
    Ok(Json(BudgetText { message: lines.join("\n") }))
}

fn line(scope: &BudgetScope) -> String {
    format!(
        "{} ({}): {} spent, {} held, {} of {} left",
        scope.scope, scope.label, scope.spent, scope.held, scope.remaining, scope.limit
    )
}

fn agent_line(cost: &AgentCost) -> String {
    let unknown = match cost.unpriced {
        0 => String::new(),
        runs => format!(" ({runs} of unknown cost)"),
    };
    format!("{} today: {} spent, {} held{unknown}", cost.agent, cost.spent, cost.held)
}

#[derive(Deserialize)]
struct Spending {
    spent_u: i64,
    held_u: i64,
}

async fn of_endpoint(deps: &Deps, own: &Shard) -> ApiResult<Vec<String>> {
    let owner = owner::read(deps).await?;
    let now_ms = deps.clock.now_ms();
    let mut lines = Vec::new();
    for scope in owner.scopes(deps, now_ms, "", None)? {
        let found: Option<Spending> = deps.sql.one(spending(own, &scope.key, now_ms)).await?;
        let Spending { spent_u, held_u } = found.unwrap_or(Spending { spent_u: 0, held_u: 0 });
        lines.push(format!(
            "here ({}): {} spent, {} held",
            scope.window.label,
            Micros(spent_u),
            Micros(held_u)
        ));
    }
    Ok(lines)
}

/// Posted costs and holds of this endpoint's tasks in one scope.
fn spending(own: &Shard, scope: &str, now_ms: i64) -> Statement {
    sql!(
        "SELECT COALESCE(SUM((SELECT COALESCE(SUM(p.amt_u), 0) FROM posted p WHERE p.task = h.task)), 0) AS spent_u,
                COALESCE(SUM(CASE WHEN h.exp > ?3 THEN h.amt_u ELSE 0 END), 0) AS held_u
         FROM hold h JOIN approvals a ON a.task = h.task
         WHERE h.scope = ?1 AND substr(a.event_id, 1, length(?2)) = ?2",
        scope,
        format!("{own}."),
        now_ms
    )
}
