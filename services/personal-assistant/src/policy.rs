//! The rules: pure, in one fixed order, so that no rule can be bypassed by another.
//!
//! Any forbidding rule → rejected; otherwise any rule that requires the owner → the owner;
//! otherwise a cost of 0 → approved; otherwise the risk tolerance. The statement that writes the
//! outcome checks halts and the budget.

use contracts::approval::MonitoringLevel;
use contracts::chat::RiskTolerance;
use contracts::graph::Complexity;
use contracts::{Micros, Tokens};
use platform::agents::Price;

/// Default cost threshold from which the owner is asked: $10.
pub const COST_THRESHOLD_DEFAULT: Micros = Micros(10_000_000);

/// A step of more money for a run that began with none: $0.50.
const STEP_DEFAULT: Micros = Micros(500_000);

/// Names of rules, as listed in `policies`.
pub mod id {
    pub const HALT: &str = "halt";
    pub const BUDGET: &str = "budget";
    pub const ALLOWED_AGENCIES: &str = "allowedAgencies";
    pub const BLOCKED_OPERATIONS: &str = "blockedOperations";
    pub const REQUIRES_HUMAN_APPROVAL: &str = "requiresHumanApproval";
    pub const UNKNOWN_PRICE: &str = "unknownPrice";
    pub const COST_THRESHOLD: &str = "costThreshold";
    pub const FREE_OF_CHARGE: &str = "freeOfCharge";
    pub const CONSERVATIVE: &str = "riskTolerance:conservative";
    pub const BALANCED: &str = "riskTolerance:balanced";
    pub const AGGRESSIVE: &str = "riskTolerance:aggressive";
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
}

/// The request.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub agent: &'a str,
    pub kind: &'a str,
    pub operation: Option<&'a str>,
    /// The caller's estimate. It can raise the amount, and lower it only if `estimate_is_ours`.
    pub estimated: Micros,
    /// Whether the router made the estimate, rather than the caller who wants the approval.
    pub estimate_is_ours: bool,
    pub price: Price,
    /// Held if neither the caller nor the configuration has a price.
    pub flat: Micros,
    /// The agent's own maximum, which no run exceeds.
    pub max_cost: Option<Micros>,
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
    pub policies: Vec<&'static str>,
    /// A sentence for people.
    pub reason: String,
    /// The amount held and allowed.
    pub amount: Micros,
    /// The amount stands for an unknown price.
    is_flat: bool,
    pub monitoring: MonitoringLevel,
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

/// Compares without case and nothing else, so that free text never matches.
fn same(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

fn lists(list: &[String], name: &str) -> bool {
    list.iter().any(|item| same(item, name))
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
    let is_flat = ask.price == Price::Unknown && ask.estimated == Micros::ZERO;
    let make = |verdict, policies, reason| Ruling {
        verdict,
        policies,
        reason,
        amount,
        is_flat,
        monitoring,
    };
    if let Some((policy, code, reason)) = forbidden(ask, rules) {
        return make(Verdict::Reject(code), vec![policy], reason);
    }
    let asks = owner_wanted(ask, amount, rules);
    if !asks.is_empty() {
        let reasons: Vec<_> = asks.iter().map(|(_, reason)| reason.as_str()).collect();
        return make(
            Verdict::AskOwner,
            asks.iter().map(|(policy, _)| *policy).collect(),
            reasons.join(" "),
        );
    }
    if amount == Micros::ZERO {
        return make(Verdict::Approve, vec![id::FREE_OF_CHARGE], "It costs nothing.".to_owned());
    }
    let quarter = Micros(rules.cost_threshold.0 / 4);
    match rules.risk_tolerance {
        RiskTolerance::Conservative => make(
            Verdict::AskOwner,
            vec![id::CONSERVATIVE],
            format!("It costs up to {amount}, and your risk tolerance is conservative."),
        ),
        RiskTolerance::Balanced if amount <= quarter => make(
            Verdict::Approve,
            vec![id::BALANCED],
            format!("Up to {amount} is within a quarter of your cost threshold ({quarter})."),
        ),
        RiskTolerance::Balanced => make(
            Verdict::AskOwner,
            vec![id::BALANCED],
            format!(
                "It costs up to {amount}, more than a quarter of your cost threshold ({quarter})."
            ),
        ),
        RiskTolerance::Aggressive => make(
            Verdict::Approve,
            vec![id::AGGRESSIVE],
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
    if let Some((_, _, reason)) = forbidden(ask, rules) {
        return MoreMoney::Stop(reason);
    }
    let above =
        |most| MoreMoney::Stop(format!("No run of {} may cost more than {most}.", ask.agent));
    if let Some(most) = ask.max_cost.filter(|most| cost > *most) {
        return above(most);
    }
    let step = if first > Micros::ZERO { first } else { STEP_DEFAULT };
    let most = ask.max_cost.unwrap_or(Micros(i64::MAX));
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
    match rules.risk_tolerance {
        RiskTolerance::Conservative => Micros::ZERO,
        RiskTolerance::Balanced => Micros(rules.cost_threshold.0 / 4),
        RiskTolerance::Aggressive => rules.cost_threshold,
    }
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

fn forbidden(ask: &Ask<'_>, rules: &Rules) -> Option<(&'static str, &'static str, String)> {
    if !rules.allowed_agencies.is_empty() && !lists(&rules.allowed_agencies, ask.agent) {
        return Some((
            id::ALLOWED_AGENCIES,
            "agency_not_allowed",
            format!("The agent {} is not among your allowed agencies.", ask.agent),
        ));
    }
    let operation = ask.operation.unwrap_or(ask.kind);
    if lists(&rules.blocked_operations, operation) {
        return Some((
            id::BLOCKED_OPERATIONS,
            "blocked_operation",
            format!("You blocked the operation {operation}."),
        ));
    }
    None
}

fn owner_wanted(ask: &Ask<'_>, amount: Micros, rules: &Rules) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let names = [ask.operation, Some(ask.kind), Some(ask.agent)];
    if let Some(name) =
        names.into_iter().flatten().find(|name| lists(&rules.requires_human_approval, name))
    {
        found.push((id::REQUIRES_HUMAN_APPROVAL, format!("You want to be asked about {name}.")));
    }
    if ask.price == Price::Unknown {
        let fix = format!(
            "The cost of a run of {} is unknown; set estimated_cost, or input_price and output_price, in [agents.{}].",
            ask.agent, ask.agent
        );
        found.push((id::UNKNOWN_PRICE, fix));
    }
    if amount > rules.cost_threshold {
        found.push((
            id::COST_THRESHOLD,
            format!(
                "It costs up to {amount}, above your cost threshold ({}).",
                rules.cost_threshold
            ),
        ));
    }
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
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules { cost_threshold: COST_THRESHOLD_DEFAULT, ..Rules::default() }
    }
    fn ask(dollars: f64) -> Ask<'static> {
        let estimated = Micros::from_dollars(dollars).unwrap();
        Ask {
            agent: "codegen",
            kind: "codegen",
            operation: Some("run"),
            estimated,
            estimate_is_ours: true,
            price: Price::Known(Micros::ZERO),
            flat: Micros(10_000_000),
            max_cost: None,
        }
    }
    fn verdict(ask: &Ask<'_>, rules: &Rules) -> Verdict {
        rule(ask, rules).verdict
    }

    #[test]
    fn policy_balanced_approves_a_quarter_of_the_threshold_and_asks_above() {
        assert_eq!(verdict(&ask(0.0), &rules()), Verdict::Approve);
        assert_eq!(verdict(&ask(2.5), &rules()), Verdict::Approve);
        assert_eq!(verdict(&ask(2.500_001), &rules()), Verdict::AskOwner);
        assert_eq!(rule(&ask(10.000_001), &rules()).policies, [id::COST_THRESHOLD]);
    }

    #[test]
    fn policy_conservative_asks_about_any_cost_and_aggressive_only_above_the_threshold() {
        let conservative = Rules { risk_tolerance: RiskTolerance::Conservative, ..rules() };
        let aggressive = Rules { risk_tolerance: RiskTolerance::Aggressive, ..rules() };
        assert_eq!(verdict(&ask(0.000_001), &conservative), Verdict::AskOwner);
        assert_eq!(verdict(&ask(0.0), &conservative), Verdict::Approve);
        assert_eq!(verdict(&ask(10.0), &aggressive), Verdict::Approve);
        assert_eq!(verdict(&ask(10.01), &aggressive), Verdict::AskOwner);
    }

    #[test]
    fn policy_token_price_uses_only_the_routers_estimate_plus_a_reserve() {
        let prices =
            contracts::TokenPrices { input: Micros(3_000_000), output: Micros(15_000_000) };
        let priced = Ask { price: Price::Tokens(prices), ..ask(0.2) };
        assert_eq!(
            (amount(&priced), verdict(&priced, &rules())),
            (Micros(250_000), Verdict::Approve)
        );
        assert_eq!(rule(&priced, &rules()).monitoring, MonitoringLevel::Basic);
        assert_eq!(
            amount(&Ask { estimated: Micros(1), ..priced }),
            Micros(39_000),
            "not below the least work"
        );
        // $0.90: the assumed cost of complex work.
        assert_eq!(
            amount(&Ask { estimated: Micros::ZERO, ..priced }),
            Micros(900_000),
            "nothing said"
        );
        let stranger = Ask { estimate_is_ours: false, ..priced };
        assert_eq!(
            (amount(&stranger), amount(&Ask { estimated: Micros(2_000_000), ..stranger })),
            (Micros(900_000), Micros(2_500_000))
        );
    }

    fn more(ask: &Ask<'_>, rules: &Rules, cost: i64) -> MoreMoney {
        more_money(ask, rules, Micros(cost), Micros(500_000))
    }

    #[test]
    fn policy_grants_more_money_in_steps_up_to_what_it_approves_without_asking() {
        let (ask, rules) = (ask(0.5), rules());
        assert_eq!(more(&ask, &rules, 600_000), MoreMoney::Grant(Micros(1_100_000)));
        assert_eq!(more(&ask, &rules, 2_400_000), MoreMoney::Grant(Micros(2_500_000)));
        assert!(matches!(
            more(&ask, &rules, 2_500_001),
            MoreMoney::Ask { more: Micros(500_000), .. }
        ));
        let MoreMoney::Ask { more: dollars, why } = more(&ask, &rules, 10_000_000) else {
            panic!()
        };
        assert_eq!(
            (dollars, why.as_str()),
            (Micros(2_000_000), "Your rules approve up to $2.50 without asking.")
        );
        let free = more_money(&ask, &rules, Micros(1), Micros::ZERO);
        assert_eq!(free, MoreMoney::Grant(Micros(500_001)), "a run that began with no money");
    }

    #[test]
    fn policy_judges_more_money_like_the_amount_before_the_run() {
        let aggressive = Rules { risk_tolerance: RiskTolerance::Aggressive, ..rules() };
        assert_eq!(more(&ask(0.5), &aggressive, 9_900_000), MoreMoney::Grant(Micros(10_000_000)));
        let asked = |ask: &Ask<'_>, rules: &Rules| {
            assert!(matches!(more(ask, rules, 600_000), MoreMoney::Ask { .. }));
        };
        asked(&ask(0.5), &Rules { risk_tolerance: RiskTolerance::Conservative, ..rules() });
        asked(
            &ask(0.5),
            &Rules { requires_human_approval: vec!["run".to_owned()], ..aggressive.clone() },
        );
        asked(&Ask { price: Price::Unknown, ..ask(0.5) }, &aggressive);
        let blocked = Rules { blocked_operations: vec!["run".to_owned()], ..aggressive };
        assert!(matches!(more(&ask(0.5), &blocked, 600_000), MoreMoney::Stop(_)));
    }

    #[test]
    fn policy_never_exceeds_the_agents_own_maximum() {
        let ask = Ask { max_cost: Some(Micros(1_000_000)), ..ask(3.0) };
        assert_eq!(amount(&ask), Micros(1_000_000));
        let rules = rules();
        assert_eq!(more(&ask, &rules, 700_000), MoreMoney::Grant(Micros(1_000_000)));
        assert_eq!(more(&ask, &rules, 1_000_000), MoreMoney::Grant(Micros(1_000_000)));
        assert!(matches!(more(&ask, &rules, 1_000_001), MoreMoney::Stop(_)));
        let high = Ask { max_cost: Some(Micros(3_000_000)), ..ask };
        assert!(matches!(
            more(&high, &rules, 2_800_000),
            MoreMoney::Ask { more: Micros(200_000), .. }
        ));
    }

    #[test]
    fn policy_estimate_raises_the_amount_and_never_lowers_it() {
        let priced = Ask { price: Price::Known(Micros(3_000_000)), ..ask(0.0) };
        assert_eq!(amount(&priced), Micros(3_000_000));
        assert_eq!(amount(&Ask { estimated: Micros(4_000_000), ..priced }), Micros(4_000_000));
    }

    #[test]
    fn policy_sends_an_unknown_price_to_the_owner() {
        let unknown = Ask { price: Price::Unknown, ..ask(0.0) };
        let aggressive = Rules { risk_tolerance: RiskTolerance::Aggressive, ..rules() };
        let ruling = rule(&unknown, &aggressive);
        assert_eq!((ruling.verdict, ruling.amount), (Verdict::AskOwner, Micros(10_000_000)));
        assert_eq!(ruling.policies, [id::UNKNOWN_PRICE]);
        assert_eq!(
            amount(&Ask { flat: Micros::ZERO, ..unknown }),
            Micros(1),
            "and never counts as nothing"
        );
    }

    #[test]
    fn policy_compares_blocked_operations_exactly_without_case() {
        let blocking = |name: &str| Rules { blocked_operations: vec![name.to_owned()], ..rules() };
        assert_eq!(verdict(&ask(0.0), &blocking("RUN")), Verdict::Reject("blocked_operation"));
        assert_eq!(verdict(&ask(0.0), &blocking("ru")), Verdict::Approve);
        assert_eq!(
            verdict(&ask(0.0), &blocking("codegen")),
            Verdict::Approve,
            "the type counts where there is no operation only"
        );
        assert_eq!(
            verdict(&Ask { operation: None, ..ask(0.0) }, &blocking("codegen")),
            Verdict::Reject("blocked_operation")
        );
    }

    #[test]
    fn policy_forbidding_rule_overrides_all_others() {
        let rules = Rules {
            allowed_agencies: vec!["security".to_owned()],
            requires_human_approval: vec!["run".to_owned()],
            risk_tolerance: RiskTolerance::Aggressive,
            ..rules()
        };
        assert_eq!(verdict(&ask(0.0), &rules), Verdict::Reject("agency_not_allowed"));
        assert_eq!(verdict(&Ask { agent: "Security", ..ask(0.0) }, &rules), Verdict::AskOwner);
    }

    #[test]
    fn policy_asks_the_owner_by_operation_type_or_agent() {
        for name in ["Run", "CODEGEN"] {
            let rules = Rules { requires_human_approval: vec![name.to_owned()], ..rules() };
            assert_eq!(verdict(&ask(0.0), &rules), Verdict::AskOwner, "{name}");
        }
        let by_agent = Rules { requires_human_approval: vec!["codegen".to_owned()], ..rules() };
        assert_eq!(
            verdict(&Ask { kind: "x", operation: None, ..ask(0.0) }, &by_agent),
            Verdict::AskOwner
        );
    }
}
