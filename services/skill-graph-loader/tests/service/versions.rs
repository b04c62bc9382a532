//! What a version is compared with and taken back to.

use crate::bed::{Bed, agent};
use platform::ports::{Sql, Statement};
use serde_json::{Value, json};

async fn rolled_back(bed: &Bed) -> String {
    let answer = bed.post("operator", "/api/rollback", &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()["version"].as_str().unwrap().to_owned()
}

async fn row(bed: &Bed, version: &str) -> Value {
    let rows = bed.get("viewer", "/api/versions").await.json();
    rows["versions"].as_array().unwrap().iter().find(|row| row["version"] == version).unwrap().clone()
}

#[tokio::test]
async fn a_rollback_serves_what_was_served_before_and_not_what_was_taken_back() {
    let bed = Bed::new();
    let first = bed.published(&[agent("a")]).await;
    bed.published(&[agent("a"), agent("b")]).await;
    assert_eq!(rolled_back(&bed).await, first);
    let third = bed.published(&[agent("a"), agent("c")]).await;
    let diff = bed.get("viewer", "/api/diff").await.json();
    assert_eq!((&diff["from"], &diff["to"], &diff["agentsAdded"]), (&json!(first), &json!(third), &json!(["c"])));
    assert_eq!(rolled_back(&bed).await, first);
    assert_eq!(bed.post("operator", "/api/rollback", &json!({})).await.status, 409, "nothing was served before the first");
}

#[tokio::test]
async fn a_content_published_again_follows_what_is_served_now() {
    let bed = Bed::new();
    bed.published(&[agent("a")]).await;
    let second = bed.published(&[agent("a"), agent("b")]).await;
    let third = bed.published(&[agent("a"), agent("b"), agent("c")]).await;
    let again = json!({ "files": [agent("a"), agent("b")], "allowRemoval": true });
    assert_eq!(bed.post("operator", "/api/publish", &again).await.json()["version"], second.as_str());
    assert_eq!(row(&bed, &second).await["message"], "from a test", "a publish that brings no message keeps the one that is there");
    assert_eq!(bed.get("viewer", "/api/diff").await.json()["from"], third.as_str());
    assert_eq!(rolled_back(&bed).await, third);
    let renamed = json!({ "files": [agent("a"), agent("b")], "allowRemoval": true, "message": "without c" });
    assert_eq!(bed.post("operator", "/api/publish", &renamed).await.status, 200);
    assert_eq!(row(&bed, &second).await["message"], "without c");
}

#[tokio::test]
async fn of_versions_older_than_that_the_one_published_before_is_served() {
    let bed = Bed::new();
    let first = bed.published(&[agent("a")]).await;
    let second = bed.published(&[agent("a"), agent("b")]).await;
    bed.published(&[agent("a"), agent("b"), agent("c")]).await;
    bed.sql.query(Statement::new("UPDATE skill_graph SET parent = NULL")).await.unwrap();
    assert_eq!(rolled_back(&bed).await, second);
    assert_eq!(rolled_back(&bed).await, first);
    assert_eq!(bed.post("operator", "/api/rollback", &json!({})).await.status, 409);
}
