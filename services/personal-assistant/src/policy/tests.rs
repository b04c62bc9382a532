//! The rules, one by one.

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
        is_allowed: false,
        endpoint: None,
        public: false,
        now_ms: 0,
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
    let prices = contracts::TokenPrices { input: Micros(3_000_000), output: Micros(15_000_000) };
    let priced = Ask { price: Price::Tokens(prices), ..ask(0.2) };
    assert_eq!((amount(&priced), verdict(&priced, &rules())), (Micros(250_000), Verdict::Approve));
    assert_eq!(rule(&priced, &rules()).monitoring, MonitoringLevel::Basic);
    assert_eq!(
        amount(&Ask { estimated: Micros(1), ..priced }),
        Micros(39_000),
        "not below the least work"
    );
    // $0.90: the assumed cost of complex work.
    assert_eq!(amount(&Ask { estimated: Micros::ZERO, ..priced }), Micros(900_000), "nothing said");
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
    assert!(matches!(more(&ask, &rules, 2_500_001), MoreMoney::Ask { more: Micros(500_000), .. }));
    let MoreMoney::Ask { more: dollars, why } = more(&ask, &rules, 10_000_000) else { panic!() };
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
    assert!(matches!(more(&high, &rules, 2_800_000), MoreMoney::Ask { more: Micros(200_000), .. }));
}

#[test]
fn policy_asks_for_no_more_than_a_rule_forbids() {
    let rule = serde_json::from_str(r#"{"effect": "forbid", "above": 3}"#).unwrap();
    let rules = Rules { conditions: vec![Condition::of(&rule).unwrap()], ..rules() };
    let asked = more(&ask(0.5), &rules, 2_800_000);
    assert!(matches!(asked, MoreMoney::Ask { more: Micros(200_000), .. }), "{asked:?}");
    assert!(matches!(more(&ask(0.5), &rules, 3_000_000), MoreMoney::Stop(_)));
    assert!(matches!(more(&ask(0.5), &rules, 3_000_001), MoreMoney::Stop(_)));
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
