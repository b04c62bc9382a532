//! Rules that are tried before they are saved.

use crate::kit::*;
use serde_json::{Value, json};

async fn dry_run(bed: &Bed, body: Value) -> Value {
    let (status, change) = bed.send(OPERATOR, "PUT", "/api/policy?dryRun=true", body).await;
    assert_eq!(status, 200, "{change}");
    assert_eq!(change["saved"], false);
    change
}

async fn replay(bed: &Bed, body: Value) -> Value {
    let (status, trial) = bed.post(OPERATOR, "/api/policy/replay", body).await;
    assert_eq!(status, 200, "{trial}");
    trial
}

#[tokio::test]
async fn dry_run_decides_the_last_days_again_and_stores_nothing() {
    let bed = Bed::new();
    bed.ask("old", 3.0).await;
    bed.clock.advance(31 * 86_400_000);
    let before = bed.get(OPERATOR, "/api/policy").await;
    for (task, dollars) in [("t1", 0.0), ("t2", 2.0), ("t3", 3.0), ("t4", 11.0)] {
        bed.ask(task, dollars).await;
    }
    let change = dry_run(&bed, json!({"rules": [{"effect": "allow", "agents": ["codegen"], "upTo": 5}, {"effect": "forbid", "above": 10}]})).await;
    let trial = &change["trial"];
    assert_eq!(
        (&trial["days"], &trial["requests"], &trial["changed"]),
        (&json!(30), &json!(4), &json!(2))
    );
    assert_eq!(trial["before"], json!({"approve": 2, "ask": 2, "reject": 0}));
    assert_eq!(trial["after"], json!({"approve": 3, "ask": 0, "reject": 1}));
    let words: Vec<_> = trial["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["amount"].as_f64().unwrap(),
                one["before"].as_str().unwrap(),
                one["after"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(words, [(11.0, "ask", "reject"), (3.0, "ask", "approve")]);
    assert_eq!(change["policy"]["rules"][0]["madeBy"], "dry run");
    assert_eq!(bed.get(OPERATOR, "/api/policy").await, before, "nothing is stored");
    let log = bed.get(OPERATOR, "/api/audit").await;
    assert!(!log.to_string().contains("policy.changed"));
}

#[tokio::test]
async fn replay_compares_the_rules_in_force_with_what_was_decided() {
    let bed = Bed::new();
    bed.ask("t1", 3.0).await;
    let second = bed.ask("t2", 1.0).await;
    assert_eq!(replay(&bed, json!({})).await["changed"], 0);
    bed.decide(&second["approvalId"], "approve").await;
    bed.post(OPERATOR, "/api/halt", json!({"all": true})).await;
    bed.ask("t3", 1.0).await;
    bed.post(OPERATOR, "/api/resume", json!({"all": true})).await;
    bed.send(OPERATOR, "PUT", "/api/policy", json!({"riskTolerance": "conservative"})).await;
    let trial = replay(&bed, json!({"days": 7})).await;
    assert_eq!(
        (&trial["requests"], &trial["changed"]),
        (&json!(2), &json!(1)),
        "a halt is no word of the rules"
    );
    assert_eq!(trial["differences"][0]["policies"], json!(["riskTolerance:conservative"]));
    let tried = replay(&bed, json!({"policy": {"riskTolerance": "aggressive"}})).await;
    assert_eq!(tried["after"]["approve"], 3);
    for days in [0, 91] {
        assert_eq!(bed.post(OPERATOR, "/api/policy/replay", json!({"days": days})).await.0, 422);
    }
    assert_eq!(bed.post(VIEWER, "/api/policy/replay", json!({})).await.0, 403);
}

/// The rules of 2,000 requests and 200 rules, in one process: figures for docs/rules.md.
#[tokio::test]
#[ignore = "a measurement: run it with --ignored --nocapture"]
#[expect(clippy::disallowed_methods, reason = "it measures by the machine's clock")]
async fn measure_rules() {
    let bed = Bed::new();
    let rules: Vec<Value> = (0..200).map(|n| json!({"effect": "allow", "agents": [format!("agent-{n}")], "operations": ["run"], "endpoints": ["telegram.main"], "upTo": 5})).collect();
    assert_eq!(bed.send(OPERATOR, "PUT", "/api/policy", json!({ "rules": rules })).await.0, 200);
    for n in 0..2_000 {
        bed.ask(&format!("t{n}"), 0.000_01).await;
    }
    let begun = std::time::Instant::now();
    let trial = replay(&bed, json!({"policy": {"riskTolerance": "conservative"}})).await;
    let each = begun.elapsed() / (2 * trial["requests"].as_u64().unwrap() as u32);
    println!(
        "{} requests decided twice by 200 rules, {each:?} a decision with reading",
        trial["requests"]
    );
}
