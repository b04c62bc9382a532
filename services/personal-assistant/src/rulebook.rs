//! `GET/PUT /api/policy`: the rules that decide about requests, and the change of them.
//!
//! Each changed setting is a JSON row of `personal_context`; the others have the configuration's
//! values, or defaults. An unreadable row stops every approval, because unknown rules must not
//! allow anything. A change is written whole, and only if the rules are still those it was made
//! from.

use crate::actor::actor;
use crate::owner::{self, Owner, Revision, setting};
use crate::policy::Rules;
use crate::rule_check::{self, Known};
use crate::store::{self, Answers};
use crate::trial::trial;
use crate::{Deps, audit, digests};
use axum::extract::State;
use axum::{Extension, Json};
use contracts::calls::skill_graph_loader::ListAgents;
use contracts::graph::VersionQuery;
use contracts::policy::{
    DAYS_DEFAULT, Policy, PolicyChange, PolicyQuery, PolicyRule, PolicyUpdate,
};
use contracts::{ErrorCode, Problem};
use platform::edge::{ApiResult, JsonBody, Principal, Query};
use platform::ports::{ClockExt, Statement};
use platform::sql;
use platform::time::rfc3339;
use serde_json::{Map, Value, json};

/// How often a change is made again after another one.
const TRIES: usize = 4;

/// `GET /api/policy`.
pub async fn read(State(deps): State<Deps>) -> ApiResult<Json<Policy>> {
    Ok(Json(policy_of(&deps, &owner::read(&deps).await?)?))
}

/// `PUT /api/policy`: all of it, or nothing if there is a problem.
pub async fn update(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    Query(query): Query<PolicyQuery>,
    JsonBody(update): JsonBody<PolicyUpdate>,
) -> ApiResult<Json<PolicyChange>> {
    let known = known_agents(&deps, &update).await;
    if query.dry_run || update.dry_run {
        let owner = owner::read(&deps).await?;
        let after = changed(&deps, &owner, &update, &known, "dry run")?;
        let policy = policy_of(&deps, &after)?;
        let warnings = rule_check::warnings(&deps, &after, &policy, &known);
        let trial = trial(&deps, Some(&owner.rules), &after.rules, DAYS_DEFAULT).await?;
        return Ok(Json(PolicyChange { saved: false, policy, warnings, trial: Some(trial) }));
    }
    let after = change(&deps, &update, &known, &actor(who, None), |_| Vec::new()).await?;
    let policy = policy_of(&deps, &after)?;
    let warnings = rule_check::warnings(&deps, &after, &policy, &known);
    Ok(Json(PolicyChange { saved: true, policy, warnings, trial: None }))
}

/// The rules as they would be after a change to try.
pub async fn tried(deps: &Deps, owner: &Owner, update: &PolicyUpdate) -> ApiResult<Rules> {
    let known = known_agents(deps, update).await;
    Ok(changed(deps, owner, update, &known, "dry run")?.rules)
}

/// Writes a change; the rules after it. `beside` makes what is written with it, given the revision
/// that the rules then have.
pub async fn change(
    deps: &Deps,
    update: &PolicyUpdate,
    known: &Known,
    by: &str,
    beside: impl Fn(&Revision) -> Vec<Statement>,
) -> ApiResult<Owner> {
    for _ in 0..TRIES {
        let before = owner::read(deps).await?;
        let mut after = changed(deps, &before, update, known, by)?;
        let revision = Revision::new(deps.clock.random_hex(8));
        let mut batch = settings(deps, update, &after, &before.revision, by);
        let detail = difference(&policy_of(deps, &before)?, &policy_of(deps, &after)?)?;
        if !detail.is_empty() {
            let told = (by, "policy.changed", "policy");
            let unchanged = format!("{} IS ?7", store::REVISION);
            let entry = audit::entry_where(deps, told, &Value::Object(detail), &unchanged);
            batch.push(entry.bind(before.revision.text()));
        }
        // The rows before it compare with the revision before, those behind it with this one.
        let mark = json!(revision.name());
        let mut step = setting(deps, owner::REVISION_NAME, &mark, &before.revision, by);
        step.sql.to_mut().push_str(" RETURNING name");
        let place = batch.len();
        batch.push(step);
        batch.extend(beside(&revision));
        let mut answers = Answers::of(&*deps.sql, batch).await?;
        (0..place).for_each(|_| answers.skip());
        if answers.any() {
            after.revision = revision;
            return Ok(after);
        }
    }
    let detail = "The rules were changed at the same time; nothing was stored.";
    Err(Problem::new(ErrorCode::Conflict, detail).with_fix("Read them, and try again.").into())
}

/// The agents of the graph, as far as a change names any.
pub async fn known_agents(deps: &Deps, update: &PolicyUpdate) -> Known {
    let of_rules = update.rules.iter().flatten().any(|rule| !rule.agents.is_empty());
    if !of_rules && update.allowed_agencies.as_ref().is_none_or(Vec::is_empty) {
        return Known::default();
    }
    match deps.calls.ask::<ListAgents>(&(), &VersionQuery::default()).await {
        Ok(list) => Known::new(list.agents.into_iter().map(|agent| agent.id.0).collect()),
        Err(error) => {
            tracing::warn!(%error, "the graph's agents are not known; any name is taken");
            Known::default()
        }
    }
}

/// The owner's rules after a change.
fn changed(
    deps: &Deps,
    owner: &Owner,
    update: &PolicyUpdate,
    known: &Known,
    by: &str,
) -> ApiResult<Owner> {
    rule_check::validate(update, &owner.conditions, known, deps.clock.now_ms())?;
    if let Some(hash) = &update.hash
        && *hash != policy_of(deps, owner)?.hash
    {
        let detail = "The rules have changed since; nothing was stored.";
        return Err(Problem::new(ErrorCode::Conflict, detail)
            .with_fix("Read them with GET /api/policy, and send the change with their `hash`.")
            .into());
    }
    let mut after = owner.clone();
    if update.reset {
        after.give_up_changes(deps);
    }
    let rules = &mut after.rules;
    let mut changed = Vec::new();
    let mut set = |name: &'static str, is_set: bool| {
        if is_set {
            changed.push(name.to_owned());
        }
    };
    set("costThreshold", replace(&mut rules.cost_threshold, update.cost_threshold.as_ref()));
    set("riskTolerance", replace(&mut rules.risk_tolerance, update.risk_tolerance.as_ref()));
    set("allowedAgencies", replace(&mut rules.allowed_agencies, update.allowed_agencies.as_ref()));
    let blocked = update.blocked_operations.as_ref();
    set("blockedOperations", replace(&mut rules.blocked_operations, blocked));
    let asked = update.requires_human_approval.as_ref();
    set("requiresHumanApproval", replace(&mut rules.requires_human_approval, asked));
    changed.retain(|name| !after.changed.contains(name));
    after.changed.extend(changed);
    if let Some(given) = &update.rules {
        after.conditions =
            given.iter().map(|rule| signed(deps, rule, &owner.conditions, by)).collect();
    }
    after.compile()?;
    Ok(after)
}

fn replace<T: Clone>(old: &mut T, new: Option<&T>) -> bool {
    if let Some(new) = new {
        old.clone_from(new);
    }
    new.is_some()
}

/// A rule with its id, and who made it: unchanged for one that is there already.
fn signed(deps: &Deps, rule: &PolicyRule, before: &[PolicyRule], by: &str) -> PolicyRule {
    let old = before.iter().find(|old| old.id == rule.id && !rule.id.is_empty());
    let bare = |rule: &PolicyRule| PolicyRule { made_by: None, made_at: None, ..rule.clone() };
    if let Some(old) = old.filter(|old| bare(old) == bare(rule)) {
        return old.clone();
    }
    let id = match old {
        Some(old) => old.id.clone(),
        None => format!("pol_{}", deps.clock.ulid()),
    };
    let made_at = Some(rfc3339(deps.clock.now_ms()));
    PolicyRule { id, made_by: Some(by.to_owned()), made_at, ..rule.clone() }
}

/// The rows of a change, each written only while the rules are those it was made from.
fn settings(
    deps: &Deps,
    update: &PolicyUpdate,
    after: &Owner,
    seen: &Revision,
    by: &str,
) -> Vec<Statement> {
    let mut batch = Vec::new();
    if update.reset {
        let names = json!(owner::SETTINGS.map(|(stored, _)| stored)).to_string();
        let text = format!(
            "DELETE FROM personal_context WHERE name IN (SELECT value FROM json_each(?1)) AND {} IS ?2",
            store::REVISION
        );
        batch.push(sql!(text, names, seen.text()));
    }
    let rules = &after.rules;
    let rows = [
        ("costThresholdMicros", update.cost_threshold.map(|amount| json!(amount.0))),
        ("riskTolerance", update.risk_tolerance.map(|tolerance| json!(tolerance))),
        (
            "allowedAgencies",
            update.allowed_agencies.is_some().then(|| json!(rules.allowed_agencies)),
        ),
        (
            "blockedOperations",
            update.blocked_operations.is_some().then(|| json!(rules.blocked_operations)),
        ),
        (
            "requiresHumanApproval",
            update.requires_human_approval.is_some().then(|| json!(rules.requires_human_approval)),
        ),
        (owner::CONDITIONS, update.rules.is_some().then(|| json!(after.conditions))),
    ];
    let rows = rows.into_iter().filter_map(|(name, value)| Some((name, value?)));
    batch.extend(rows.map(|(name, value)| setting(deps, name, &value, seen, by)));
    batch
}

/// The rules on the wire.
pub fn policy_of(deps: &Deps, owner: &Owner) -> ApiResult<Policy> {
    let rules = &owner.rules;
    let hash = digests::canonical_digest(&json!({
        "costThreshold": rules.cost_threshold.0,
        "riskTolerance": rules.risk_tolerance,
        "allowedAgencies": rules.allowed_agencies,
        "blockedOperations": rules.blocked_operations,
        "requiresHumanApproval": rules.requires_human_approval,
        "rules": owner.conditions,
    }))?;
    let from_file = deps.config.approvals.set();
    let from_file = from_file.filter(|name| !owner.changed.iter().any(|changed| changed == name));
    Ok(Policy {
        cost_threshold: rules.cost_threshold,
        risk_tolerance: rules.risk_tolerance,
        allowed_agencies: rules.allowed_agencies.clone(),
        blocked_operations: rules.blocked_operations.clone(),
        requires_human_approval: rules.requires_human_approval.clone(),
        rules: owner.conditions.clone(),
        from_file: from_file.map(str::to_owned).collect(),
        changed: owner.changed.clone(),
        hash,
    })
}

/// The settings that differ, each before and after.
fn difference(before: &Policy, after: &Policy) -> ApiResult<Map<String, Value>> {
    let members = |policy: &Policy| match serde_json::to_value(policy) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(store::unreadable("rules")),
    };
    let (before, after) = (members(before)?, members(after)?);
    // The others follow from the settings and from where they were changed.
    let is_setting = |name: &str| !["hash", "changed", "fromFile"].contains(&name);
    let differ = after
        .into_iter()
        .filter(|(name, value)| is_setting(name) && before.get(name) != Some(value));
    Ok(differ
        .map(|(name, value)| {
            let old = before.get(&name).cloned().unwrap_or_default();
            (name, json!({ "before": old, "after": value }))
        })
        .collect())
}
