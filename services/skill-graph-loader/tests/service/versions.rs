//! The version that a diff compares with and a rollback returns to.

use crate::bed::{Bed, agent};
use crate::races::row_of;
use contracts::GraphVersion;
use platform::ports::{Sql, Statement};
use serde_json::{Value, json};
use skill_graph_loader::store;

async fn rolled_back(bed: &Bed) -> String {
    let answer = bed.post("operator", "/api/rollback", &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()["version"].as_str().unwrap().to_owned()
}

async fn row(bed: &Bed, version: &str) -> Value {
    let rows = bed.get("viewer", "/api/versions").await.json();
    rows["versions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["version"] == version)
        .unwrap()
        .clone()
}

#[tokio::test]
async fn rollback_returns_to_the_version_served_before_and_never_to_a_rolled_back_one() {
    let bed = Bed::new();
    let first = bed.published(&[agent("a")]).await;
    bed.published(&[agent("a"), agent("b")]).await;
    assert_eq!(rolled_back(&bed).await, first);
    let third = bed.published(&[agent("a"), agent("c")]).await;
    let diff = bed.get("viewer", "/api/diff").await.json();
    assert_eq!(
        (&diff["from"], &diff["to"], &diff["agentsAdded"]),
        (&json!(first), &json!(third), &json!(["c"]))
    );
    assert_eq!(rolled_back(&bed).await, first);
    assert_eq!(
        bed.post("operator", "/api/rollback", &json!({})).await.status,
        409,
        "nothing was served before the first"
    );
}

#[tokio::test]
async fn republished_version_follows_the_current_one() {
    let bed = Bed::new();
    bed.published(&[agent("a")]).await;
    let second = bed.published(&[agent("a"), agent("b")]).await;
    let third = bed.published(&[agent("a"), agent("b"), agent("c")]).await;
    let again = json!({ "files": [agent("a"), agent("b")], "allowRemoval": true });
    assert_eq!(
        bed.post("operator", "/api/publish", &again).await.json()["version"],
        second.as_str()
    );
    assert_eq!(
        row(&bed, &second).await["message"],
        "from a test",
        "a publish without a message keeps the existing one"
    );
    assert_eq!(bed.get("viewer", "/api/diff").await.json()["from"], third.as_str());
    assert_eq!(rolled_back(&bed).await, third);
    let renamed =
        json!({ "files": [agent("a"), agent("b")], "allowRemoval": true, "message": "without c" });
    assert_eq!(bed.post("operator", "/api/publish", &renamed).await.status, 200);
    assert_eq!(row(&bed, &second).await["message"], "without c");
}

#[tokio::test]
async fn rollback_of_an_unrecorded_version_uses_the_publish_order() {
    let bed = Bed::new();
    let first = bed.published(&[agent("a")]).await;
    let second = bed.published(&[agent("a"), agent("b")]).await;
    bed.published(&[agent("a"), agent("b"), agent("c")]).await;
    bed.sql.query(Statement::new("UPDATE skill_graph SET parent = NULL")).await.unwrap();
    assert_eq!(rolled_back(&bed).await, second);
    assert_eq!(rolled_back(&bed).await, first);
    assert_eq!(bed.post("operator", "/api/rollback", &json!({})).await.status, 409);
}

#[tokio::test]
async fn version_is_found_by_its_first_characters() {
    let bed = Bed::new();
    let first = bed.published(&[agent("a")]).await;
    let second = bed.published(&[agent("a"), agent("b")]).await;
    let short = |version: &str| version[..4].to_owned();
    assert_ne!(short(&first), short(&second));
    let diff = bed
        .get(
            "viewer",
            &format!("/api/diff?from={}&to={}", short(&second), short(&first).to_uppercase()),
        )
        .await
        .json();
    assert_eq!((&diff["from"], &diff["to"]), (&json!(second), &json!(first)), "{diff}");
    let answer =
        bed.post("operator", "/api/rollback", &json!({ "version": short(&first) })).await.json();
    assert_eq!((&answer["version"], &answer["changed"]), (&json!(first), &json!(true)), "{answer}");
}

#[tokio::test]
async fn version_prefix_that_is_unknown_or_ambiguous_is_refused_with_the_reason() {
    let bed = Bed::new();
    let version = bed.published(&[agent("a")]).await;
    let mut seen = GraphVersion::from(version.as_str());
    for end in ["1", "2"] {
        let row = row_of(&format!("ffff{}", end.repeat(60)));
        store::publish(&*bed.sql, &row, Some(&seen)).await.unwrap();
        seen = row.version;
    }
    assert_ne!(version[..4], *"ffff");
    // SQL wildcards match nothing.
    for (text, status, reason) in [
        ("ffff", 422, "Several versions begin with"),
        ("0000", 404, "No version begins with"),
        ("____", 404, "No version"),
        (&version[..3], 404, "at least 4"),
    ] {
        let rollback = bed.post("operator", "/api/rollback", &json!({ "version": text })).await;
        let diff = bed.get("viewer", &format!("/api/diff?from={text}")).await;
        for answer in [rollback, diff, bed.get("viewer", &format!("/api/diff?to={text}")).await] {
            let problem = answer.json();
            assert_eq!(answer.status, status, "{text}: {problem}");
            assert!(
                problem["detail"].as_str().unwrap().contains(reason)
                    && problem["detail"].as_str().unwrap().contains(text),
                "{problem}"
            );
            assert!(
                problem["fix"].as_str().unwrap().contains("quintet graph versions"),
                "{problem}"
            );
        }
    }
    assert_eq!(
        bed.get("viewer", "/api/versions").await.json()["versions"][0]["current"],
        true,
        "nothing was rolled back"
    );
}
