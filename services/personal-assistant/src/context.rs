//! `GET/PUT /api/context`: the owner's preferences and rules.
//!
//! Each changed rule is a JSON row; the others have defaults. An unreadable row stops every
//! approval, because unknown rules must not allow anything.

use crate::actor::actor;
use crate::wrong::{Wrong, check_amount, refuse};
use crate::{Deps, limits, owner, window};
use axum::extract::State;
use axum::{Extension, Json};
use contracts::Problem;
use contracts::calls::skill_graph_loader::ListAgents;
use contracts::chat::{OwnerContext, OwnerContextUpdate};
use contracts::graph::VersionQuery;
use platform::edge::{ApiResult, JsonBody, Principal};
use platform::ports::Statement;
use platform::sql;
use serde_json::{Value, json};

const LIST_ITEMS_MAX: usize = 200;
const ITEM_CHARS_MAX: usize = 200;

/// `GET /api/context`.
pub async fn read(State(deps): State<Deps>) -> ApiResult<Json<OwnerContext>> {
    let owner = owner::read(&deps).await?;
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
        batch.push(limits::set_rule("daily", limit, deps.clock.now_ms(), &by));
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

/// An agent that the graph does not know could never work: it is a slip of the pen. While the graph
/// cannot be asked, any name is taken.
async fn known_agencies(deps: &Deps, names: &[String]) -> ApiResult<()> {
    if names.is_empty() {
        return Ok(());
    }
    let agents = match deps.calls.ask::<ListAgents>(&(), &VersionQuery::default()).await {
        Ok(list) => list.agents,
        Err(error) => {
            tracing::warn!(%error, "the graph's agents are not known; any name is taken");
            return Ok(());
        }
    };
    let known: Vec<&str> = agents.iter().map(|agent| agent.id.as_str()).collect();
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
