//! The rules: pure, in one fixed order, so that no rule can be bypassed by another.
//!
//! Any forbidding rule → rejected; otherwise any rule that requires the owner → the owner;
//! otherwise a cost of 0 → approved; otherwise any rule that allows the amount → approved;
//! otherwise the cost threshold and the risk tolerance. The statement that writes the outcome
//! checks halts and the budget.

mod ask;
mod condition;

pub use ask::{Ask, QUESTION, TOOL_CALL};
pub use condition::Condition;

use ask::lists;
use contracts::approval::MonitoringLevel;
use contracts::chat::RiskTolerance;
use contracts::graph::Complexity;
use contracts::policy::RuleEffect;
use contracts::{Micros, Tokens};
use platform::agents::Price;
use std::borrow::Cow;

/// Default cost threshold from which the owner is asked: $10.
pub const COST_THRESHOLD_DEFAULT: Micros = Micros(10_000_000);

/// Type of the approval that asks for more money.
pub const MORE_MONEY: &str = "more-money";
/// Name of an asker behind which no run stands.
pub const UNNAMED: &str = "agent";
/// A step of more money for a run that began with none: $0.50.
const STEP_DEFAULT: Micros = Micros(500_000);

/// Names of rules, as listed in `policies`.
pub mod id {
    pub const HALT: &str = "halt";
    pub const BUDGET: &str = "budget";
    pub const ALLOWED_AGENCIES: &str = "allowedAgencies";
    pub const BLOCKED_OPERATIONS: &str = "blockedOperations";
    pub const REQUIRES_HUMAN_APPROVAL: &str = "requiresHumanApproval";
    pub const TOOL_CALL: &str = "toolCall";
    pub const TOOL_RULE: &str = "toolRule";
    pub const QUESTION: &str = "question";
    pub const UNKNOWN_PRICE: &str = "unknownPrice";
    pub const COST_THRESHOLD: &str = "costThreshold";
    pub const FREE_OF_CHARGE: &str = "freeOfCharge";
    pub const CONSERVATIVE: &str = "riskTolerance:conservative";
    pub const BALANCED: &str = "riskTolerance:balanced";
    pub const AGGRESSIVE: &str = "riskTolerance:aggressive";
    pub const MODEL_REVIEW: &str = "modelReview";
}

/// The owner's rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    pub cost_threshold: Micros,
    pub risk_tolerance: RiskTolerance,
    /// Empty means every agent.
    pub allowed_agencies: Vec<String>,
    pub blocked_operations: Vec<String>,
    pub requires_human_approval: Vec<String>,
    /// Rules with conditions.
    pub conditions: Vec<Condition>,
}

impl Rules {
    /// The rules of this effect.
    fn having(&self, effect: RuleEffect) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().filter(move |rule| rule.effect == effect)
    }
}

/// The result of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Approve,
    AskOwner,
    /// Rejected, with the code for programs.
    Reject(&'static str),
}

/// The verdict, with everything recorded beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    pub verdict: Verdict,
    /// The rules that determined it.
    pub policies: Vec<Cow<'static, str>>,
    /// A sentence for people.
    pub reason: String,
    /// The amount held and allowed.
    pub amount: Micros,
    /// The amount stands for an unknown price.
    is_flat: bool,
    pub monitoring: MonitoringLevel,
    /// A model may approve it before the owner is asked.
    pub may_be_reviewed: bool,
}

impl Ruling {
    /// Lowers an amount that stands for an unknown price to what the budget leaves: a smaller hold
    /// does, because the run is watched.
    pub fn fit(&mut self, remaining: Micros) {
        if self.is_flat && remaining > Micros::ZERO {
            self.amount = self.amount.min(remaining);
        }
    }
}

/// The amount to hold. Fixed price: the larger of price and estimate. Token prices: the estimate
/// plus a quarter, at least the cost of simple work. Unknown price: the estimate or the flat
/// amount, never zero, so that an exhausted budget refuses it. Never above the agent's maximum.
pub fn amount(ask: &Ask<'_>) -> Micros {
    let amount = wanted(ask);
    ask.max_cost.map_or(amount, |most| amount.min(most))
}

fn wanted(ask: &Ask<'_>) -> Micros {
    match ask.price {
        Price::Known(price) => ask.estimated.max(price),
        // An estimate is a mean, so a quarter is added. Only the router may estimate simple work;
        // any other caller, and a missing estimate, counts as complex work.
        Price::Tokens(prices) => {
            let least = if ask.estimate_is_ours && ask.estimated > Micros::ZERO {
                Complexity::Simple
            } else {
                Complexity::Complex
            };
            let with_reserve = Micros(ask.estimated.0.saturating_add(ask.estimated.0 / 4));
            with_reserve.max(prices.cost(Tokens::assumed(least)))
        }
        Price::Unknown if ask.estimated > Micros::ZERO => ask.estimated,
        Price::Unknown => ask.flat.max(Micros(1)),
    }
}

/// Applies the rules.
pub fn rule(ask: &Ask<'_>, rules: &Rules) -> Ruling {
    let amount = amount(ask);
    let monitoring = monitoring(ask, amount, rules);
    let is_flat = is_unpriced(ask);
    let make = |verdict, policies, reason| Ruling {
        verdict,
        policies,
        reason,
        amount,
        is_flat,
        monitoring,
        may_be_reviewed: false,
    };
    if let Some((policy, code, reason)) = forbidden(ask, amount, rules) {
        return make(Verdict::Reject(code), vec![policy], reason);
    }
    let allowing = rules.having(RuleEffect::Allow).find(|rule| rule.fits_amount(ask, amount));
    let mut asks = owner_wanted(ask, amount, rules);
    if allowing.is_none() && amount > rules.cost_threshold {
        let threshold = rules.cost_threshold;
        let reason = format!("It costs up to {amount}, above your cost threshold ({threshold}).");
        asks.push((id::COST_THRESHOLD.into(), reason));
    }
    if !asks.is_empty() {
        let (policies, reasons): (Vec<_>, Vec<_>) = asks.into_iter().unzip();
        return make(Verdict::AskOwner, policies, reasons.join(" "));
    }
    if amount == Micros::ZERO {
        let free = vec![id::FREE_OF_CHARGE.into()];
        return make(Verdict::Approve, free, "It costs nothing.".to_owned());
    }
    if let Some(rule) = allowing {
        return make(Verdict::Approve, vec![rule.id.clone().into()], rule.reason());
    }
    by_tolerance(amount, rules, make)
}

/// The word of the risk tolerance on an amount within the cost threshold.
fn by_tolerance(
    amount: Micros,
    rules: &Rules,
    make: impl Fn(Verdict, Vec<Cow<'static, str>>, String) -> Ruling,
) -> Ruling {
    let quarter = Micros(rules.cost_threshold.0 / 4);
    match rules.risk_tolerance {
        RiskTolerance::Conservative => make(
            Verdict::AskOwner,
            vec![id::CONSERVATIVE.into()],
            format!("It costs up to {amount}, and your risk tolerance is conservative."),
        ),
        RiskTolerance::Balanced if amount <= quarter => make(
            Verdict::Approve,
            vec![id::BALANCED.into()],
            format!("Up to {amount} is within a quarter of your cost threshold ({quarter})."),
        ),
        RiskTolerance::Balanced => {
            let reason = format!(
                "It costs up to {amount}, more than a quarter of your cost threshold ({quarter})."
            );
            let asks = make(Verdict::AskOwner, vec![id::BALANCED.into()], reason);
            Ruling { may_be_reviewed: true, ..asks }
        }
        RiskTolerance::Aggressive => make(
            Verdict::Approve,
            vec![id::AGGRESSIVE.into()],
            format!("Up to {amount} is within your cost threshold ({}).", rules.cost_threshold),
        ),
    }
}

/// The word of the rules on a run that has cost more than it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoreMoney {
    /// It goes on, up to this cost.
    Grant(Micros),
    /// The owner is asked for so much more.
    Ask { more: Micros, why: String },
    /// It ends, for this reason.
    Stop(String),
}

/// Judges a run that has cost `cost`, under the rules that would have judged this amount before the
/// run. `first` is the amount that it began with: it is raised in steps of that size.
pub fn more_money(ask: &Ask<'_>, rules: &Rules, cost: Micros, first: Micros) -> MoreMoney {
    if let Some((_, _, reason)) = forbidden(ask, cost, rules) {
        return MoreMoney::Stop(reason);
    }
    let above =
        |most| MoreMoney::Stop(format!("No run of {} may cost more than {most}.", ask.agent));
    if let Some(most) = ask.max_cost.filter(|most| cost > *most) {
        return above(most);
    }
    let step = if first > Micros::ZERO { first } else { STEP_DEFAULT };
    // A rule that forbids more is the end, too: the owner is asked only about what he may grant.
    let forbids = rules.having(RuleEffect::Forbid).filter(|rule| rule.fits(ask));
    let most = ask.max_cost.unwrap_or(Micros(i64::MAX));
    let most = forbids.filter_map(|rule| rule.above).fold(most, Micros::min);
    let unasked = unasked(ask, rules).min(most);
    if cost <= unasked {
        return MoreMoney::Grant(cost.plus(step).min(unasked));
    }
    let asks = owner_wanted(ask, cost, rules);
    let why = match asks.first() {
        Some((_, reason)) => reason.clone(),
        None => format!("Your rules approve up to {unasked} without asking."),
    };
    let more = step.max(round(Micros(cost.0 / 4))).min(most.minus(cost));
    if more == Micros::ZERO {
        return above(most);
    }
    MoreMoney::Ask { more, why }
}

/// The highest cost of this work that the rules approve without asking the owner.
fn unasked(ask: &Ask<'_>, rules: &Rules) -> Micros {
    if !owner_wanted(ask, Micros::ZERO, rules).is_empty() {
        return Micros::ZERO;
    }
    let tolerated = match rules.risk_tolerance {
        RiskTolerance::Conservative => Micros::ZERO,
        RiskTolerance::Balanced => Micros(rules.cost_threshold.0 / 4),
        RiskTolerance::Aggressive => rules.cost_threshold,
    };
    let allowed = rules.having(RuleEffect::Allow).filter(|rule| rule.fits(ask));
    let most = allowed.filter_map(|rule| rule.up_to).fold(tolerated, Micros::max);
    // From there on a rule asks, or refuses.
    let restricting = [RuleEffect::Ask, RuleEffect::Forbid].map(|effect| rules.having(effect));
    let restricting = restricting.into_iter().flatten().filter(|rule| rule.fits(ask));
    restricting.filter_map(|rule| rule.above).fold(most, Micros::min)
}

/// The next lower amount of 1, 2 or 5 with zeros behind it, which a person reads at a glance.
fn round(amount: Micros) -> Micros {
    let mut unit = 1;
    while unit <= amount.0 / 10 {
        unit *= 10;
    }
    let digit = match amount.0 / unit {
        0 => 0,
        1 => 1,
        2..=4 => 2,
        _ => 5,
    };
    Micros(digit * unit)
}

fn forbidden(
    ask: &Ask<'_>,
    amount: Micros,
    rules: &Rules,
) -> Option<(Cow<'static, str>, &'static str, String)> {
    // Tool calls and questions come from runs that were approved.
    if !ask.is_for_the_owner()
        && !rules.allowed_agencies.is_empty()
        && !lists(&rules.allowed_agencies, ask.agent)
    {
        return Some((
            id::ALLOWED_AGENCIES.into(),
            "agency_not_allowed",
            format!("The agent {} is not among your allowed agencies.", ask.agent),
        ));
    }
    let operation = ask.operation.unwrap_or(ask.kind);
    if lists(&rules.blocked_operations, operation) {
        return Some((
            id::BLOCKED_OPERATIONS.into(),
            "blocked_operation",
            format!("You blocked the operation {operation}."),
        ));
    }
    // The amount of an unknown price is no amount to be refused for.
    let amount = if is_unpriced(ask) { Micros::ZERO } else { amount };
    let rule = rules.having(RuleEffect::Forbid).find(|rule| rule.fits_amount(ask, amount))?;
    Some((rule.id.clone().into(), "forbidden_by_rule", rule.reason()))
}

/// Whether the amount only stands for an unknown price.
fn is_unpriced(ask: &Ask<'_>) -> bool {
    ask.price == Price::Unknown && ask.estimated == Micros::ZERO
}

/// The reasons for which only the owner decides, whatever another rule allows; the cost threshold
/// is not among them.
fn owner_wanted(ask: &Ask<'_>, amount: Micros, rules: &Rules) -> Vec<(Cow<'static, str>, String)> {
    let mut found = Vec::new();
    match ask.kind {
        TOOL_CALL if ask.is_allowed => {}
        TOOL_CALL => {
            found.push((id::TOOL_CALL.into(), "An agent asks before it uses a tool.".to_owned()));
        }
        QUESTION => found.push((id::QUESTION.into(), "An agent asks you.".to_owned())),
        _ => {}
    }
    let names = [ask.operation, Some(ask.kind), Some(ask.agent)];
    if let Some(name) =
        names.into_iter().flatten().find(|name| lists(&rules.requires_human_approval, name))
    {
        found.push((
            id::REQUIRES_HUMAN_APPROVAL.into(),
            format!("You want to be asked about {name}."),
        ));
    }
    if ask.price == Price::Unknown {
        let fix = format!(
            "The cost of a run of {} is unknown; set estimated_cost, or input_price and output_price, in [agents.{}].",
            ask.agent, ask.agent
        );
        found.push((id::UNKNOWN_PRICE.into(), fix));
    }
    let asking = rules.having(RuleEffect::Ask).filter(|rule| rule.fits_amount(ask, amount));
    found.extend(asking.map(|rule| (rule.id.clone().into(), rule.reason())));
    found
}

fn monitoring(ask: &Ask<'_>, amount: Micros, rules: &Rules) -> MonitoringLevel {
    match ask.price {
        Price::Known(_) if amount == Micros::ZERO => MonitoringLevel::None,
        Price::Known(_) | Price::Tokens(_) if amount.0 <= rules.cost_threshold.0 / 4 => {
            MonitoringLevel::Basic
        }
        _ => MonitoringLevel::Intensive,
    }
}

#[cfg(test)]
mod tests;
