//! The audit log: what is in it, and that a change of it is noticed.

use crate::kit::*;
use async_trait::async_trait;
use personal_assistant::Deps;
use platform::memory::MemorySql;
use platform::ports::{PortResult, Row, Sql, Statement};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

async fn run(bed: &Bed, text: &str) {
    bed.deps.sql.query(Statement::new(text.to_owned())).await.unwrap();
}

/// Actions, the oldest first.
async fn actions(bed: &Bed) -> Vec<String> {
    let log = bed.get(OPERATOR, "/api/audit").await;
    let entries = log["entries"].as_array().unwrap();
    entries.iter().rev().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

async fn verdict(bed: &Bed) -> Value {
    bed.get(VIEWER, "/api/audit/verify").await
}

/// A bed with a few entries.
async fn busy() -> Bed {
    let bed = Bed::new();
    bed.ask("free", 0.0).await;
    bed.ask("cheap", 0.5).await;
    bed.clock.advance(10);
    let asked = bed.ask("dear", 5.0).await;
    bed.clock.advance(10);
    bed.decide(&asked["approvalId"], "approve").await;
    bed.clock.advance(10);
    bed.send(OPERATOR, "PUT", "/api/policy", json!({"costThreshold": 7})).await;
    bed.clock.advance(10);
    bed.send(OPERATOR, "PUT", "/api/budget", json!({"daily": 30})).await;
    bed.clock.advance(10);
    bed.post(OPERATOR, "/api/halt", json!({"all": true, "reason": "lunch"})).await;
    bed.clock.advance(10);
    bed.post(OPERATOR, "/api/halt", json!({"all": true})).await;
    bed.clock.advance(10);
    bed.post(OPERATOR, "/api/resume", json!({"all": true})).await;
    bed
}

#[tokio::test]
async fn log_has_every_decision_change_and_halt_and_nothing_that_is_free() {
    let bed = busy().await;
    assert_eq!(
        actions(&bed).await,
        [
            "approval.approved",
            "approval.asked",
            "approval.approved",
            "policy.changed",
            "budget.changed",
            "halt",
            "resume"
        ]
    );
    let log = bed.get(OPERATOR, "/api/audit").await;
    let decided = &log["entries"][4];
    assert_eq!(
        (&decided["actor"], &decided["detail"]["amountMicros"]),
        (&json!("api"), &json!(5_000_000))
    );
    let changed = &log["entries"][3]["detail"]["costThreshold"];
    assert_eq!(changed, &json!({"before": 10.0, "after": 7.0}));
    let told: Vec<&String> = log["entries"][3]["detail"].as_object().unwrap().keys().collect();
    assert_eq!(told, ["costThreshold"], "the settings alone");
    let (status, _) = bed.send(VIEWER, "GET", "/api/audit", Value::Null).await;
    assert_eq!(status, 403, "the log names people and work");
    let page = bed.get(OPERATOR, "/api/audit?limit=2").await;
    let last = page["entries"][1]["id"].as_str().unwrap();
    let next = bed.get(OPERATOR, &format!("/api/audit?limit=2&before={last}")).await;
    assert_eq!(next["entries"][0]["action"], "budget.changed");
    assert_eq!(bed.send(OPERATOR, "GET", "/api/audit?limit=501", Value::Null).await.0, 422);
}

#[tokio::test]
async fn refused_change_leaves_no_entry() {
    let bed = Bed::new();
    let asked = bed.ask("dear", 5.0).await;
    bed.clock.advance(10);
    bed.decide(&asked["approvalId"], "reject").await;
    assert_eq!(bed.decide(&asked["approvalId"], "approve").await.0, 409);
    bed.send(OPERATOR, "PUT", "/api/policy", json!({"costThreshold": -1})).await;
    bed.send(OPERATOR, "PUT", "/api/policy", json!({"costThreshold": 5, "hash": "other"})).await;
    bed.post(OPERATOR, "/api/resume", json!({"all": true})).await;
    bed.send(OPERATOR, "DELETE", "/api/tool-rules/rul_0", Value::Null).await;
    assert_eq!(actions(&bed).await, ["approval.asked", "approval.rejected"]);
}

#[tokio::test]
async fn chain_is_intact_until_an_entry_is_changed_removed_or_added() {
    let bed = busy().await;
    personal_assistant::tick(&bed.deps).await;
    let sound = verdict(&bed).await;
    assert_eq!(
        (&sound["intact"], &sound["sealed"], &sound["unsealed"]),
        (&json!(true), &json!(7), &json!(0))
    );
    assert_eq!(sound["head"].as_str().unwrap().len(), 64);
    for (change, back, place) in [
        (
            "UPDATE audit SET actor = 'nobody' WHERE seq = 3",
            "UPDATE audit SET actor = 'api' WHERE seq = 3",
            3,
        ),
        (
            "UPDATE audit SET detail = replace(detail, '7.0', '8.0') WHERE seq = 4",
            "UPDATE audit SET detail = replace(detail, '8.0', '7.0') WHERE seq = 4",
            4,
        ),
        (
            "UPDATE audit SET at = at + 1 WHERE seq = 1",
            "UPDATE audit SET at = at - 1 WHERE seq = 1",
            1,
        ),
        (
            "UPDATE audit SET action = 'resume' WHERE seq = 5",
            "UPDATE audit SET action = 'budget.changed' WHERE seq = 5",
            5,
        ),
        (
            "UPDATE audit SET subject = 'monthly' WHERE seq = 5",
            "UPDATE audit SET subject = 'daily' WHERE seq = 5",
            5,
        ),
        (
            "UPDATE audit SET id = id || 'x' WHERE seq = 6",
            "UPDATE audit SET id = substr(id, 1, length(id) - 1) WHERE seq = 6",
            6,
        ),
        ("UPDATE audit SET seq = 99 WHERE seq = 7", "UPDATE audit SET seq = 7 WHERE seq = 99", 7),
        ("UPDATE audit SET seq = 99 WHERE seq = 2", "UPDATE audit SET seq = 2 WHERE seq = 99", 2),
    ] {
        run(&bed, change).await;
        let broken = verdict(&bed).await;
        assert_eq!(
            (&broken["intact"], &broken["brokenAt"]),
            (&json!(false), &json!(place)),
            "{change}"
        );
        run(&bed, back).await;
        assert_eq!(verdict(&bed).await, sound, "{back}");
    }
    run(&bed, "INSERT INTO audit (id, at, actor, action, subject, detail, seq, hash) VALUES ('aud_x', 0, 'x', 'x', 'x', '{}', 8, 'x')").await;
    assert_eq!(verdict(&bed).await["brokenAt"], 8);
    run(&bed, "DELETE FROM audit WHERE seq >= 7").await;
    assert_eq!(verdict(&bed).await["brokenAt"], 7, "the end is missing");
}

#[tokio::test]
async fn restored_log_joins_the_chain_that_is_there() {
    let bed = busy().await;
    personal_assistant::tick(&bed.deps).await;
    let (_, backup) = bed.post(OPERATOR, "/api/backups", Value::Null).await;
    let mut other = Bed::new();
    other.deps.objects = bed.deps.objects.clone();
    other.router = personal_assistant::router(other.deps.clone());
    other.clock.advance(60_000);
    other.ask("here", 0.5).await;
    personal_assistant::tick(&other.deps).await;
    let (status, restored) =
        other.post(OPERATOR, "/api/restore", json!({"backup": backup["name"]})).await;
    assert_eq!(status, 200, "{restored}");
    let whole = verdict(&other).await;
    assert_eq!((&whole["intact"], &whole["sealed"]), (&json!(true), &json!(9)), "{whole}");
    let log = other.get(OPERATOR, "/api/audit").await;
    let newest = &log["entries"][0];
    assert_eq!(
        (&newest["action"], &newest["subject"]),
        (&json!("backup.restored"), &backup["name"]),
        "{newest}"
    );
}

/// Another server seals all entries but the newest, which it did not see, before the first batch
/// that writes the seal of this one.
struct Overtaken {
    sql: Arc<MemorySql>,
    other: Deps,
    is_done: AtomicBool,
}

#[async_trait]
impl Sql for Overtaken {
    async fn query(&self, statement: Statement) -> PortResult<Vec<Row>> {
        self.sql.query(statement).await
    }
    async fn batch(&self, statements: Vec<Statement>) -> PortResult<Vec<Vec<Row>>> {
        let seals = |one: &Statement| one.sql.starts_with("UPDATE audit_seal");
        if statements.iter().any(seals) && !self.is_done.swap(true, Ordering::SeqCst) {
            let newest = "SELECT MAX(id) FROM audit";
            for step in [
                format!("CREATE TABLE unseen AS SELECT * FROM audit WHERE id = ({newest})"),
                format!("DELETE FROM audit WHERE id = ({newest})"),
            ] {
                self.sql.query(Statement::new(step)).await?;
            }
            personal_assistant::tick(&self.other).await;
            self.sql.query(Statement::new("INSERT INTO audit SELECT * FROM unseen")).await?;
        }
        self.sql.batch(statements).await
    }
}

#[tokio::test]
async fn two_that_seal_at_once_make_one_chain() {
    let mut bed = busy().await;
    let (sql, other) = (bed.sql.clone(), bed.deps.clone());
    bed.deps.sql = Arc::new(Overtaken { sql, other, is_done: AtomicBool::new(false) });
    bed.router = personal_assistant::router(bed.deps.clone());
    personal_assistant::tick(&bed.deps).await;
    let whole = verdict(&bed).await;
    assert_eq!((&whole["intact"], &whole["sealed"]), (&json!(true), &json!(7)), "{whole}");
}

#[tokio::test]
async fn log_has_the_time_zone_and_rules_that_were_removed() {
    let bed = Bed::new();
    bed.send(OPERATOR, "PUT", "/api/context", json!({"timeZone": "Asia/Tokyo"})).await;
    bed.clock.advance(10);
    let add = "INSERT INTO tool_rule (id, agent, tool, pattern, arguments, most_u, approval, endpoint, made_by, at) VALUES ('rul_1', 'codegen', 'Bash', 'x', '{}', 0, 'apr_1', '', 'api', 0)";
    run(&bed, add).await;
    let (status, _) = bed.send(OPERATOR, "DELETE", "/api/tool-rules/rul_1", Value::Null).await;
    assert!(status < 300, "{status}");
    assert_eq!(actions(&bed).await, ["timeZone.changed", "toolRule.removed"]);
}

/// An entry at 0 or below would stand before the chain.
#[tokio::test]
async fn no_entry_stands_before_the_first() {
    let bed = busy().await;
    personal_assistant::tick(&bed.deps).await;
    let add = "INSERT INTO audit (id, at, actor, action, subject, detail, seq, hash) VALUES ('aud_x', 0, 'x', 'x', 'x', '{}', 0, 'x')";
    assert!(bed.deps.sql.query(Statement::new(add)).await.is_err());
    run(&bed, "PRAGMA ignore_check_constraints = ON").await;
    run(&bed, add).await;
    assert_eq!(verdict(&bed).await["brokenAt"], 1);
}

#[tokio::test]
async fn log_has_questions_for_more_money_and_decisions_that_did_not_come() {
    let bed = Bed::new();
    bed.claimed("t1", 0.5).await;
    assert_eq!(bed.renew("t1", 5.0).await["pause"], true);
    bed.clock.advance(3_600_001);
    personal_assistant::tick(&bed.deps).await;
    assert_eq!(actions(&bed).await, ["approval.approved", "approval.asked", "approval.expired"]);
    let log = bed.get(OPERATOR, "/api/audit").await;
    let (expired, asked) = (&log["entries"][0], &log["entries"][1]);
    assert_eq!(expired["subject"], asked["subject"]);
    assert_eq!(
        (&expired["actor"], &asked["detail"]["operation"]),
        (&json!("expiry"), &json!("more-money"))
    );
}
