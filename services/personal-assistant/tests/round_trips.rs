//! How often a tool call goes to the database. On Workers each round trip is a request to D1, and
//! the agent waits for all of them.

use crate::kit::*;
use crate::mcp::{asked_by, bash, call_of_run};
use async_trait::async_trait;
use platform::memory::MemorySql;
use platform::ports::{PortErrorKind, PortResult, Row, Sql, Statement};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// A database that counts: a statement alone and a batch are one round trip each.
struct Counted {
    sql: Arc<MemorySql>,
    trips: AtomicUsize,
}

#[async_trait]
impl Sql for Counted {
    async fn query(&self, statement: Statement) -> PortResult<Vec<Row>> {
        self.trips.fetch_add(1, SeqCst);
        self.sql.query(statement).await
    }
    async fn batch(&self, statements: Vec<Statement>) -> PortResult<Vec<Vec<Row>>> {
        self.trips.fetch_add(1, SeqCst);
        self.sql.batch(statements).await
    }
}

/// A run with a rule for this call, and the database that counts. The budget of the day is $2.
async fn allowed_run(call: Value) -> (Bed, Arc<Counted>, Value) {
    let sql = Arc::new(MemorySql::with_migrations(MIGRATIONS));
    let counted = Arc::new(Counted { sql: sql.clone(), trips: AtomicUsize::new(0) });
    let bed = Bed::over(json!({"budget": {"daily": 2.0}}), counted.clone(), sql);
    let approval = bed.ask_in_chat(EVENT, 0.5).await;
    let token = bed.claim(&approval).await.1["claimToken"].clone();
    let (waits, asked) = asked_by(&bed, &token, "request_approval", call).await;
    let path = format!("/api/approvals/{}/decide", asked["id"].as_str().unwrap());
    let always = json!({"decision": "approve", "extent": "always"});
    assert_eq!(bed.post(OPERATOR, &path, always).await.0, 200);
    assert_eq!(waits.await.unwrap()["structuredContent"]["approved"], true);
    bed.background().await;
    (bed, counted, token)
}

async fn trips(bed: &Bed, counted: &Counted, token: &Value, call: &Value) -> (usize, Value) {
    counted.trips.store(0, SeqCst);
    let answer = call_of_run(bed, token, "request_approval", call).await;
    let trips = counted.trips.load(SeqCst);
    bed.background().await;
    assert_eq!(counted.trips.load(SeqCst), trips, "nothing is read or written afterwards");
    (trips, answer["structuredContent"].clone())
}

#[tokio::test]
async fn tool_call_that_a_rule_allows_takes_three_round_trips() {
    let (bed, counted, token) = allowed_run(bash()).await;
    let (trips, answer) = trips(&bed, &counted, &token, &bash()).await;
    assert_eq!(answer["approved"], true, "{answer}");
    assert_eq!(trips, 3, "who asks, what is known of the call, and the writing of all of it");
}

/// `bash()` at a cost, in dollars.
fn costly(dollars: f64) -> Value {
    let mut call = bash();
    call["estimatedCost"] = json!(dollars);
    call
}

async fn said(bed: &Bed, token: &Value, call: &Value) -> Value {
    call_of_run(bed, token, "request_approval", call).await["structuredContent"].clone()
}

/// The rows of tool calls: state, code, cost, and whether anything was claimed, posted or is held.
async fn tool_calls(bed: &Bed) -> Vec<Value> {
    let rows = bed.rows(
        "SELECT a.state, a.code, a.actual_u AS cost, (SELECT COUNT(*) FROM claim c WHERE c.task = a.task) AS claims,
             (SELECT COUNT(*) FROM posted p WHERE p.task = a.task) AS posted,
             (SELECT COUNT(*) FROM hold h WHERE h.task = a.task AND h.exp > 0) AS holds
         FROM approvals a WHERE a.kind = 'tool-call' ORDER BY a.requested_at, a.task",
    );
    rows.await.into_iter().map(Value::Object).collect()
}

fn spent(cost: i64) -> Value {
    json!({"state": "consumed", "code": null, "cost": cost, "claims": 1, "posted": 1, "holds": 0})
}

fn refused(code: &str) -> Value {
    json!({"state": "rejected", "code": code, "cost": null, "claims": 0, "posted": 0, "holds": 0})
}

#[tokio::test]
async fn allowed_tool_call_is_held_claimed_and_posted_and_ends_with_the_budget() {
    let call = costly(0.5);
    let (bed, _, token) = allowed_run(call.clone()).await;
    bed.clock.advance(1);
    assert_eq!(said(&bed, &token, &call).await["approved"], true);
    assert_eq!(tool_calls(&bed).await, [spent(500_000), spent(500_000)]);
    // The run itself holds the rest.
    assert_eq!(
        (bed.day().await["spent"].as_f64(), bed.day().await["held"].as_f64()),
        (Some(1.0), Some(0.5))
    );
    bed.clock.advance(1);
    assert_eq!(said(&bed, &token, &call).await["approved"], true);
    bed.clock.advance(1);
    let over = said(&bed, &token, &call).await;
    assert_eq!(over["approved"], false, "{over}");
    assert_eq!(tool_calls(&bed).await.last(), Some(&refused("budget_exhausted")));
    assert_eq!(bed.day().await["spent"].as_f64(), Some(1.5));
}

#[tokio::test]
async fn halt_of_the_run_or_of_all_refuses_an_allowed_tool_call_also_from_memory() {
    for (halt, full) in [
        (json!({"taskId": EVENT}), false),
        (json!({"all": true}), false),
        (json!({"taskId": EVENT}), true),
        (json!({"all": true}), true),
    ] {
        let (bed, _, token) = allowed_run(bash()).await;
        bed.clock.advance(1);
        if full {
            bed.sql.faults.pass_next(usize::from(halt["all"] != true));
            bed.sql.faults.refuse_next(1, PortErrorKind::Full);
        }
        let (status, answer) = bed.post(OPERATOR, "/api/halt", halt.clone()).await;
        assert_eq!((status, answer["unwritten"] == true), (202, full), "{halt} {answer}");
        let refusal = said(&bed, &token, &bash()).await;
        assert_eq!(refusal["approved"], false, "{halt} {full}: {refusal}");
        assert!(refusal["reason"].as_str().unwrap().contains("halt"), "{refusal}");
        let last = tool_calls(&bed).await.pop().unwrap();
        assert_eq!((&last["claims"], &last["posted"]), (&json!(0), &json!(0)), "{halt} {full}");
    }
}

#[tokio::test]
async fn allowed_tool_call_whose_answer_was_lost_is_repeated_and_posted_once() {
    let mut call = costly(0.25);
    let (bed, _, token) = allowed_run(call.clone()).await;
    bed.clock.advance(1);
    call["tool_use_id"] = json!("toolu_1");
    // The batch that writes takes effect, and its answer is lost.
    bed.sql.faults.pass_next(2);
    bed.sql.faults.keep_but_fail_next(1);
    assert!(call_of_run(&bed, &token, "request_approval", &call).await["isError"] == true);
    assert_eq!(said(&bed, &token, &call).await["approved"], true);
    assert_eq!(tool_calls(&bed).await, [spent(250_000), spent(250_000)]);
    assert_eq!(bed.day().await["spent"].as_f64(), Some(0.5));
}

#[tokio::test]
async fn calls_at_the_same_time_spend_one_approval_once() {
    let (bed, _, token) = allowed_run(costly(0.25)).await;
    bed.clock.advance(1);
    let call = costly(0.25);
    let calls = (0..4).map(|_| said(&bed, &token, &call));
    let answers = futures_util::future::join_all(calls).await;
    let approved = answers.iter().filter(|answer| answer["approved"] == true).count();
    assert_eq!(approved, 4, "the same question has the same answer: {answers:?}");
    let rows = tool_calls(&bed).await;
    assert!(rows.iter().all(|row| *row == spent(250_000)), "{rows:?}");
    let total = 0.25 * rows.len() as f64;
    assert_eq!(bed.day().await["spent"].as_f64(), Some(total));
}
