//! How often a tool call goes to the database. On Workers each round trip is a request to D1, and
//! the agent waits for all of them.

use crate::kit::*;
use crate::mcp::{asked_by, bash, call_of_run};
use async_trait::async_trait;
use platform::memory::MemorySql;
use platform::ports::{PortResult, Row, Sql, Statement};
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

/// A run with a rule for `bash()`, and the database that counts.
async fn allowed_run() -> (Bed, Arc<Counted>, Value) {
    let sql = Arc::new(MemorySql::with_migrations(MIGRATIONS));
    let counted = Arc::new(Counted { sql: sql.clone(), trips: AtomicUsize::new(0) });
    let bed = Bed::over(json!({}), counted.clone(), sql);
    let approval = bed.ask_in_chat(EVENT, 0.5).await;
    let token = bed.claim(&approval).await.1["claimToken"].clone();
    let (waits, asked) = asked_by(&bed, &token, "request_approval", bash()).await;
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
    let (bed, counted, token) = allowed_run().await;
    let (trips, answer) = trips(&bed, &counted, &token, &bash()).await;
    assert_eq!(answer["approved"], true, "{answer}");
    assert_eq!(trips, 3, "who asks, what is known of the call, and the writing of all of it");
}
