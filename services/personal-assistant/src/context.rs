//! `GET/PUT /api/context`: the owner's preferences and rules.
//!
//! Each changed rule is a JSON row; the others have defaults. An unreadable row stops every
//! approval, because unknown rules must not allow anything.

use crate::budget::{self, Limits};
use crate::decide::actor;
use crate::policy::{COST_THRESHOLD_DEFAULT, Rules};
use crate::{Deps, store, window};
use axum::extract::State;
use axum::{Extension, Json};
use contracts::chat::{OwnerContext, OwnerContextUpdate, RiskTolerance};
use contracts::{ErrorCode, Micros, Problem, ServiceName};
use platform::edge::{ApiError, ApiResult, JsonBody, Principal};
use platform::ports::{SqlExt, Statement, calls};
use platform::sql;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Maximum of a limit or threshold: a million dollars.
pub const AMOUNT_MAX: Micros = Micros(1_000_000_000_000);
const LIST_ITEMS_MAX: usize = 200;
const ITEM_CHARS_MAX: usize = 200;

/// All owner settings that affect a decision.
#[derive(Clone, Debug)]
pub struct Owner {
    pub rules: Rules,
    pub time_zone: String,
    /// The daily limit, from any source.
    pub daily: Micros,
}

#[derive(Deserialize)]
struct Setting {
    name: String,
    value: String,
}

/// Reads the owner's rules.
pub async fn owner(deps: &Deps) -> ApiResult<Owner> {
    let rows: Vec<Setting> = deps.sql.all(sql!("SELECT name, value FROM personal_context")).await?;
    let kept: HashMap<String, String> = rows.into_iter().map(|row| (row.name, row.value)).collect();
    let rules = Rules {
        cost_threshold: Micros(
            kept_as(&kept, "costThresholdMicros")?.unwrap_or(COST_THRESHOLD_DEFAULT.0),
        ),
        risk_tolerance: kept_as::<RiskTolerance>(&kept, "riskTolerance")?.unwrap_or_default(),
        allowed_agencies: kept_as(&kept, "allowedAgencies")?.unwrap_or_default(),
        blocked_operations: kept_as(&kept, "blockedOperations")?.unwrap_or_default(),
        requires_human_approval: kept_as(&kept, "requiresHumanApproval")?.unwrap_or_default(),
    };
    let time_zone = kept_as(&kept, "timeZone")?.unwrap_or_else(|| deps.config.time_zone.clone());
    Ok(Owner { rules, time_zone, daily: Limits::read(deps).await?.daily().0 })
}

fn kept_as<T: DeserializeOwned>(
    kept: &HashMap<String, String>,
    name: &str,
) -> ApiResult<Option<T>> {
    kept.get(name)
        .map(|text| platform::json::from_str(text))
        .transpose()
        .map_err(|_| store::unreadable("rule of the owner"))
}

/// `GET /api/context`.
pub async fn read(State(deps): State<Deps>) -> ApiResult<Json<OwnerContext>> {
    let owner = owner(&deps).await?;
    Ok(Json(OwnerContext {
        budget_limit: owner.daily,
        cost_threshold: owner.rules.cost_threshold,
        risk_tolerance: owner.rules.risk_tolerance,
        allowed_agencies: owner.rules.allowed_agencies,
        blocked_operations: owner.rules.blocked_operations,
        requires_human_approval: owner.rules.requires_human_approval,
        time_zone: owner.time_zone,
    }))
}

/// `PUT /api/context`: all of it, or nothing if there is a problem.
pub async fn update(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    JsonBody(update): JsonBody<OwnerContextUpdate>,
) -> ApiResult<Json<OwnerContext>> {
    validate(&update)?;
    known_agencies(&deps, update.allowed_agencies.as_deref().unwrap_or_default()).await?;
    let by = actor(who, None);
    let settings = [
        ("costThresholdMicros", update.cost_threshold.map(|amount| json!(amount.0))),
        ("riskTolerance", update.risk_tolerance.map(|tolerance| json!(tolerance))),
        ("allowedAgencies", update.allowed_agencies.as_ref().map(|list| json!(list))),
        ("blockedOperations", update.blocked_operations.as_ref().map(|list| json!(list))),
        ("requiresHumanApproval", update.requires_human_approval.as_ref().map(|list| json!(list))),
        ("timeZone", update.time_zone.as_ref().map(|zone| json!(zone))),
    ];
    let mut batch: Vec<Statement> = settings
        .into_iter()
        .filter_map(|(name, value)| Some(keep(&deps, name, &value?, &by)))
        .collect();
    if let Some(limit) = update.budget_limit {
        batch.push(budget::set_rule("daily", limit, deps.clock.now_ms(), &by));
    }
    if !batch.is_empty() {
        deps.sql.batch(batch).await?;
    }
    read(State(deps)).await
}

fn keep(deps: &Deps, name: &str, value: &Value, by: &str) -> Statement {
    sql!(
        "INSERT INTO personal_context (name, value, set_at, set_by) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, set_at = excluded.set_at, set_by = excluded.set_by",
        name,
        value.to_string(),
        deps.clock.now_ms(),
        by
    )
}

/// One problem of a request.
#[derive(Debug, Serialize)]
pub struct Wrong {
    pub field: &'static str,
    pub message: String,
}

/// 422 with all problems, if there are any.
pub fn refuse(wrong: &[Wrong]) -> ApiResult<()> {
    let Some(first) = wrong.first() else { return Ok(()) };
    let all: Vec<_> = wrong.iter().map(|one| format!("{}: {}", one.field, one.message)).collect();
    let problem = Problem::new(ErrorCode::InvalidField, all.join(" "))
        .with("field", first.field)
        .with("problems", json!(wrong));
    Err(ApiError::from(
        problem.with_fix("Correct every field listed in `problems`; nothing was changed."),
    ))
}

/// Adds the problem of an amount.
pub fn check_amount(field: &'static str, amount: Option<Micros>, wrong: &mut Vec<Wrong>) {
    if amount.is_some_and(|amount| amount > AMOUNT_MAX) {
        wrong.push(Wrong { field, message: format!("is not an amount from $0 to {AMOUNT_MAX}.") });
    }
}

/// An agent missing in the graph could never work, so it is a typo. While the graph is unavailable,
/// any name is accepted.
async fn known_agencies(deps: &Deps, names: &[String]) -> ApiResult<()> {
    if names.is_empty() {
        return Ok(());
    }
    let answer: Value = calls::get(&*deps.calls, ServiceName::SkillGraphLoader, "/api/agents")
        .await
        .unwrap_or_default();
    let agents = answer.get("agents").and_then(Value::as_array).into_iter().flatten();
    let known: Vec<&str> = agents.filter_map(|agent| agent.get("id")?.as_str()).collect();
    let unknown: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !known.iter().any(|id| id.eq_ignore_ascii_case(name)))
        .collect();
    if known.is_empty() || unknown.is_empty() {
        return Ok(());
    }
    let detail =
        format!("There is no agent {}; the agents are: {}.", unknown.join(", "), known.join(", "));
    Err(Problem::field(
        "allowedAgencies",
        detail,
        "Name agents of the graph, or send an empty list to allow all.",
    )
    .into())
}

fn validate(update: &OwnerContextUpdate) -> ApiResult<()> {
    let mut wrong = Vec::new();
    check_amount("budgetLimit", update.budget_limit, &mut wrong);
    check_amount("costThreshold", update.cost_threshold, &mut wrong);
    let lists = [
        ("allowedAgencies", &update.allowed_agencies),
        ("blockedOperations", &update.blocked_operations),
        ("requiresHumanApproval", &update.requires_human_approval),
    ];
    for (field, list) in lists {
        let is_odd =
            |item: &String| item.trim().is_empty() || item.chars().count() > ITEM_CHARS_MAX;
        if list.as_ref().is_some_and(|list| list.len() > LIST_ITEMS_MAX || list.iter().any(is_odd))
        {
            wrong.push(Wrong { field, message: format!("is not a list of at most {LIST_ITEMS_MAX} names of 1 to {ITEM_CHARS_MAX} characters.") });
        }
    }
    if update.time_zone.as_deref().is_some_and(|name| window::zone(name).is_none()) {
        wrong.push(Wrong {
            field: "timeZone",
            message: "is not an IANA time zone such as Europe/Berlin or UTC.".to_owned(),
        });
    }
    refuse(&wrong)
}
