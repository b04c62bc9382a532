//! `GET/PUT /api/context`: the owner's preferences, and the simple ones of the rules.

use crate::actor::actor;
use crate::owner::Revision;
use crate::rulebook::{self, known_agents};
use crate::wrong::{Wrong, check_amount, refuse};
use crate::{Deps, audit, limits, owner, rule_check, store, window};
use axum::extract::State;
use axum::{Extension, Json};
use contracts::chat::{OwnerContext, OwnerContextUpdate};
use contracts::policy::PolicyUpdate;
use platform::edge::{ApiResult, JsonBody, Principal};
use platform::ports::Statement;
use serde_json::json;

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
    let OwnerContextUpdate { budget_limit, time_zone, .. } = update.clone();
    let rules = rules_of(update);
    let mut wrong = Vec::new();
    check_amount("budgetLimit", budget_limit, &mut wrong);
    rule_check::check_simple(&rules, &mut wrong);
    if time_zone.as_deref().is_some_and(|name| window::zone(name).is_none()) {
        wrong.push(Wrong {
            field: "timeZone",
            message: "is not an IANA time zone such as Europe/Berlin or UTC.".to_owned(),
        });
    }
    refuse(&wrong)?;
    let (known, by) = (known_agents(&deps, &rules).await, actor(who, None));
    let beside = |at: &Revision| {
        let mut beside: Vec<Statement> = Vec::new();
        if let Some(zone) = &time_zone {
            beside.push(owner::time_zone(&deps, zone, at, &by));
            let detail = json!({ "timeZone": zone });
            let told = (by.as_str(), "timeZone.changed", "timeZone");
            let is_written = format!("{} IS ?7", store::REVISION);
            beside.push(audit::entry_where(&deps, told, &detail, &is_written).bind(at.text()));
        }
        if let Some(limit) = budget_limit {
            beside.extend(limits::set_rule(&deps, "daily", limit, &by, at.text()));
        }
        beside
    };
    rulebook::change(&deps, &rules, &known, &by, beside).await?;
    read(State(deps)).await
}

/// The part of the change that is about rules.
fn rules_of(update: OwnerContextUpdate) -> PolicyUpdate {
    PolicyUpdate {
        cost_threshold: update.cost_threshold,
        risk_tolerance: update.risk_tolerance,
        allowed_agencies: update.allowed_agencies,
        blocked_operations: update.blocked_operations,
        requires_human_approval: update.requires_human_approval,
        ..PolicyUpdate::default()
    }
}
