//! The forms of the rules page, as changes of the rules.

use crate::Form;
use crate::refusal::Friendly;
use contracts::chat::RiskTolerance;
use contracts::policy::{Policy, PolicyRule, PolicyUpdate, RuleEffect};
use contracts::{ErrorCode, Micros};

/// The lists of the simple rules: field and words, in the order of the page.
pub const LISTS: [(&str, &str); 3] = [
    ("always", "Always ask me about these operations, types or agents, separated by commas"),
    ("blocked", "Refuse these operations"),
    ("agents", "Only these agents may work; empty: all"),
];

/// The tolerances: value, words.
pub const TOLERANCES: [(&str, &str, RiskTolerance); 3] = [
    ("conservative", "ask me about everything that costs money", RiskTolerance::Conservative),
    ("balanced", "approve up to a quarter of it, ask me about the rest", RiskTolerance::Balanced),
    ("aggressive", "approve it all", RiskTolerance::Aggressive),
];

fn odd(detail: &str) -> Friendly {
    Friendly::new(ErrorCode::InvalidField, detail).fix("Go back and correct it.")
}

/// The names of a field, separated by commas.
fn names(form: &Form, field: &str) -> Vec<String> {
    let parts = form.field(field).split(',').map(str::trim);
    parts.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn dollars(form: &Form, field: &str) -> Result<Option<Micros>, Friendly> {
    let Some(text) = form.filled(field) else { return Ok(None) };
    let amount = text.parse().ok().and_then(Micros::from_dollars);
    amount.map(Some).ok_or_else(|| odd("The amount is not a number of dollars."))
}

/// The change that a form of this kind asks for, made from these rules.
///
/// # Errors
/// A field that cannot be read.
pub fn update(kind: &str, form: &Form, policy: Policy) -> Result<PolicyUpdate, Friendly> {
    if kind == "reset" {
        return Ok(PolicyUpdate { reset: true, ..PolicyUpdate::default() });
    }
    if kind == "simple" {
        return simple(form);
    }
    let mut rules = policy.rules;
    match kind.strip_prefix("remove:") {
        Some(id) => rules.retain(|rule| rule.id != id),
        None => rules.push(new_rule(form)?),
    }
    Ok(PolicyUpdate { rules: Some(rules), ..PolicyUpdate::default() })
}

fn simple(form: &Form) -> Result<PolicyUpdate, Friendly> {
    let tolerance = TOLERANCES.into_iter().find(|(value, ..)| *value == form.field("tolerance"));
    let tolerance = tolerance.ok_or_else(|| odd("There is no such tolerance."))?;
    Ok(PolicyUpdate {
        cost_threshold: dollars(form, "threshold")?,
        risk_tolerance: Some(tolerance.2),
        requires_human_approval: Some(names(form, "always")),
        blocked_operations: Some(names(form, "blocked")),
        allowed_agencies: Some(names(form, "agents")),
        ..PolicyUpdate::default()
    })
}

fn new_rule(form: &Form) -> Result<PolicyRule, Friendly> {
    let effect = RuleEffect::parse(form.field("effect"));
    let effect = effect.ok_or_else(|| odd("There is no such effect."))?;
    let amount = dollars(form, "dollars")?;
    let is_allow = effect == RuleEffect::Allow;
    Ok(PolicyRule {
        id: String::new(),
        effect,
        agents: names(form, "agents"),
        operations: names(form, "operations"),
        endpoints: names(form, "endpoints"),
        up_to: amount.filter(|_| is_allow),
        above: amount.filter(|_| !is_allow),
        // `datetime-local` has no seconds and no zone.
        until: form.filled("until").map(|until| format!("{until}:00Z")),
        note: form.filled("note"),
        made_by: None,
        made_at: None,
    })
}
