//! The problems of a change of the rules, and warnings for its owner before saving it.

use crate::Deps;
use crate::owner::Owner;
use crate::wrong::{AMOUNT_MAX, Wrong, check_amount, is_odd, refuse};
use contracts::chat::RiskTolerance;
use contracts::policy::{
    ITEM_CHARS_MAX, ITEMS_MAX, Policy, PolicyRule, PolicyUpdate, RULES_MAX, RuleEffect,
};
use contracts::{Micros, Problem};
use platform::edge::ApiResult;
use platform::time::parse_rfc3339;

/// The agents of the graph; empty where they are not known.
#[derive(Clone, Debug, Default)]
pub struct Known(Vec<String>);

impl Known {
    /// These agents.
    pub fn new(agents: Vec<String>) -> Self {
        Self(agents)
    }
    /// The names that no agent has; none while the agents are not known.
    fn unknown<'a>(&self, names: &'a [String]) -> Vec<&'a str> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let is_known = |name: &str| self.0.iter().any(|id| id.eq_ignore_ascii_case(name.trim()));
        names.iter().map(String::as_str).filter(|name| !is_known(name)).collect()
    }
}

/// 422 with everything that is wrong with a change.
pub fn validate(
    update: &PolicyUpdate,
    before: &[PolicyRule],
    known: &Known,
    now_ms: i64,
) -> ApiResult<()> {
    let mut wrong = Vec::new();
    check_simple(update, &mut wrong);
    if let Some(rules) = &update.rules {
        check_rules(rules, before, now_ms, &mut wrong);
    }
    refuse(&wrong)?;
    known_agencies(update.allowed_agencies.as_deref().unwrap_or_default(), known)
}

/// Adds the problems of the simple settings.
pub fn check_simple(update: &PolicyUpdate, wrong: &mut Vec<Wrong>) {
    check_amount("costThreshold", update.cost_threshold, wrong);
    check_list("allowedAgencies", update.allowed_agencies.as_deref(), wrong);
    check_list("blockedOperations", update.blocked_operations.as_deref(), wrong);
    check_list("requiresHumanApproval", update.requires_human_approval.as_deref(), wrong);
}

/// An agent that the graph does not know could never work: it is a slip of the pen. While the graph
/// cannot be asked, any name is taken.
fn known_agencies(names: &[String], known: &Known) -> ApiResult<()> {
    let unknown = known.unknown(names);
    if unknown.is_empty() {
        return Ok(());
    }
    let agents = known.0.join(", ");
    let detail = format!("There is no agent {}; the agents are: {agents}.", unknown.join(", "));
    let fix = "Name agents of the graph, or send an empty list to allow all.";
    Err(Problem::field("allowedAgencies", detail, fix).into())
}

/// Adds the problem of a list of names.
fn check_list(field: &'static str, list: Option<&[String]>, wrong: &mut Vec<Wrong>) {
    if list.is_some_and(|list| list.len() > ITEMS_MAX || list.iter().any(|item| is_odd(item))) {
        wrong.push(Wrong {
            field,
            message: format!(
                "is not a list of at most {ITEMS_MAX} names of 1 to {ITEM_CHARS_MAX} characters."
            ),
        });
    }
}

fn check_rules(rules: &[PolicyRule], before: &[PolicyRule], now_ms: i64, wrong: &mut Vec<Wrong>) {
    let mut add = |message: String| wrong.push(Wrong { field: "rules", message });
    if rules.len() > RULES_MAX {
        add(format!("has more than {RULES_MAX} rules."));
    }
    for (place, rule) in rules.iter().enumerate() {
        let name = if rule.id.is_empty() { format!("{}", place + 1) } else { rule.id.clone() };
        let old = before.iter().find(|old| old.id == rule.id);
        if !rule.id.is_empty() && old.is_none() {
            add(format!(
                "rule {name}: there is no rule of this id; leave the id of a new rule out."
            ));
        }
        if !rule.id.is_empty() && rules.iter().filter(|other| other.id == rule.id).count() > 1 {
            add(format!("rule {name}: its id is there twice."));
        }
        let is_old = old.is_some_and(|old| old.until == rule.until);
        for problem in problems(rule, is_old, now_ms) {
            add(format!("rule {name}: {problem}"));
        }
    }
}

/// Everything that is wrong with one rule. The expiry of one that was there may have passed.
fn problems(rule: &PolicyRule, is_old: bool, now_ms: i64) -> Vec<String> {
    let mut found = Vec::new();
    for (name, list) in
        [("agents", &rule.agents), ("operations", &rule.operations), ("endpoints", &rule.endpoints)]
    {
        if list.len() > ITEMS_MAX || list.iter().any(|item| is_odd(item)) {
            found.push(format!("`{name}` is not a list of at most {ITEMS_MAX} names of 1 to {ITEM_CHARS_MAX} characters."));
        }
    }
    let is_allow = rule.effect == RuleEffect::Allow;
    match rule.up_to {
        None if is_allow => {
            found.push("a rule that allows needs `upTo`, its largest amount.".into());
        }
        Some(_) if !is_allow => {
            found.push(format!("`upTo` is for rules that allow; {} has `above`.", rule.effect));
        }
        Some(amount) if amount > AMOUNT_MAX => {
            found.push(format!("`upTo` is not an amount from $0 to {AMOUNT_MAX}."));
        }
        _ => {}
    }
    match rule.above {
        Some(_) if is_allow => found.push("`above` is for rules that ask or forbid.".into()),
        Some(amount) if amount > AMOUNT_MAX => {
            found.push(format!("`above` is not an amount from $0 to {AMOUNT_MAX}."));
        }
        _ => {}
    }
    match rule.until.as_deref().map(parse_rfc3339) {
        Some(None) => found.push("`until` is not a time such as 2027-01-31T18:00:00Z.".into()),
        Some(Some(until)) if until <= now_ms && !is_old => {
            found.push("`until` has passed.".into());
        }
        _ => {}
    }
    if rule.note.as_deref().is_some_and(is_odd) {
        found.push(format!("`note` has more than {ITEM_CHARS_MAX} characters, or is empty."));
    }
    found
}

/// Sentences about the rules that an owner should know before saving them.
pub fn warnings(deps: &Deps, after: &Owner, policy: &Policy, known: &Known) -> Vec<String> {
    let mut found = Vec::new();
    let rules = &after.rules;
    let is_open = rules.risk_tolerance == RiskTolerance::Aggressive
        && rules.cost_threshold >= after.daily
        && rules.requires_human_approval.is_empty();
    if is_open {
        let daily = after.daily;
        found.push(format!(
            "Every request within the day's budget ({daily}) is approved without a question."
        ));
    }
    let now_ms = deps.clock.now_ms();
    for rule in &policy.rules {
        let is_over = |text: &String| parse_rfc3339(text).is_some_and(|until| until <= now_ms);
        if rule.until.as_ref().is_some_and(is_over) {
            found.push(format!("Rule {} has expired and has no effect.", rule.id));
        }
        let fits_all =
            rule.agents.is_empty() && rule.operations.is_empty() && rule.endpoints.is_empty();
        if rule.effect == RuleEffect::Allow && fits_all {
            let most = rule.up_to.unwrap_or(Micros::ZERO);
            found.push(format!("Rule {} approves work of every agent up to {most}.", rule.id));
        }
        if rule.effect == RuleEffect::Forbid && fits_all && rule.above.is_none() {
            found.push(format!("Rule {} refuses all work.", rule.id));
        }
        if rule.effect == RuleEffect::Ask && fits_all && rule.above.is_none() {
            found.push(format!("Rule {} asks you about all work.", rule.id));
        }
        for name in known.unknown(&rule.agents) {
            found.push(format!("Rule {} names {name}, which is no agent of the graph.", rule.id));
        }
    }
    found
}
