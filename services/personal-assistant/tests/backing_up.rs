//! Backups of the service's tables, and their restore.

use crate::kit::*;
use serde_json::{Value, json};

#[tokio::test]
async fn backup_restores_a_lost_database() {
    let bed = Bed::new();
    let token = bed.claimed("t1", 2.0).await;
    assert_eq!(bed.settle("t1", &token, Some(0.75), "success").await.0, 200);
    bed.post(OPERATOR, "/api/chat", json!({"message": "remember me", "sessionKey": "s1"})).await;
    bed.send(OPERATOR, "PUT", "/api/budget", json!({"daily": 20.0})).await;
    let (status, made) = bed.post(OPERATOR, "/api/backups", Value::Null).await;
    assert_eq!(
        (status, &made["rows"]["posted"], &made["rows"]["chat_message"]),
        (201, &json!(1), &json!(2)),
        "{made}"
    );

    let mut lost = Bed::new();
    lost.deps.objects = bed.deps.objects.clone();
    lost.router = personal_assistant::router(lost.deps.clone());
    let listed = lost.get(OPERATOR, "/api/backups").await;
    assert_eq!(listed["backups"][0]["name"], made["name"]);
    let (status, restored) =
        lost.post(OPERATOR, "/api/restore", json!({"backup": made["name"]})).await;
    assert_eq!((status, &restored["rows"]["approvals"]), (200, &json!(1)), "{restored}");
    assert_eq!(lost.day().await, bed.day().await);
    assert_eq!(
        lost.get(OPERATOR, "/api/approvals").await,
        bed.get(OPERATOR, "/api/approvals").await
    );
    // Settled work stays settled: a restore spends nothing twice.
    assert_eq!(lost.settle("t1", &token, Some(0.75), "success").await.0, 200);
    assert_eq!(lost.day().await["spent"], 0.75);
}

#[tokio::test]
async fn backup_restores_open_approvals_as_expired() {
    let bed = Bed::new();
    // Above the threshold it is pending; below it the rules approve.
    let waiting = bed.ask("waits", 25.0).await;
    let allowed = bed.ask("allowed", 1.0).await;
    assert_eq!(
        (&waiting["state"], &allowed["state"]),
        (&json!("pending"), &json!("approved")),
        "{waiting} {allowed}"
    );
    let (_, made) = bed.post(OPERATOR, "/api/backups", Value::Null).await;
    let mut lost = Bed::new();
    lost.deps.objects = bed.deps.objects.clone();
    lost.router = personal_assistant::router(lost.deps.clone());
    assert_eq!(lost.post(OPERATOR, "/api/restore", json!({"backup": made["name"]})).await.0, 200);
    for one in [&waiting, &allowed] {
        let row = lost
            .get(OPERATOR, &format!("/api/approvals/{}", one["approvalId"].as_str().unwrap()))
            .await;
        assert_eq!((&row["state"], &row["version"]), (&json!("expired"), &json!(2)), "{row}");
    }
    assert_eq!(lost.decide(&waiting["approvalId"], "approve").await.0, 409);
    assert_eq!(lost.claim(&allowed).await.1["code"], "not_approved");
    // The restore does not change existing approvals.
    assert_eq!(bed.post(OPERATOR, "/api/restore", json!({"backup": made["name"]})).await.0, 200);
    assert_eq!(bed.claim(&allowed).await.0, 200);
}

#[tokio::test]
async fn old_backup_never_lowers_posted_costs() {
    let bed = Bed::new();
    let (_, made) = bed.post(OPERATOR, "/api/backups", Value::Null).await;
    let token = bed.claimed("t1", 2.0).await;
    bed.settle("t1", &token, Some(1.5), "success").await;
    let (status, _) = bed.post(OPERATOR, "/api/restore", json!({"backup": made["name"]})).await;
    assert_eq!(status, 200);
    assert_eq!(bed.day().await["spent"], 1.5);
}

#[tokio::test]
async fn backups_are_for_the_operator_only_and_an_unknown_name_changes_nothing() {
    let bed = Bed::new();
    for token in [VIEWER, AGENT, GATEWAY] {
        assert_eq!(bed.post(token, "/api/backups", Value::Null).await.0, 403);
        assert_eq!(bed.post(token, "/api/restore", json!({"backup": "x"})).await.0, 403);
    }
    let (status, problem) =
        bed.post(OPERATOR, "/api/restore", json!({"backup": "../../etc"})).await;
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
    assert_eq!(bed.post(OPERATOR, "/api/restore", json!({})).await.0, 422);
}

#[tokio::test]
async fn backup_is_made_once_a_day() {
    let bed = Bed::new();
    let count =
        async || bed.get(OPERATOR, "/api/backups").await["backups"].as_array().unwrap().len();
    for _ in 0..3 {
        personal_assistant::back_up_daily(&bed.deps).await.unwrap();
    }
    assert_eq!(count().await, 1);
    bed.clock.advance(25 * 3_600_000);
    personal_assistant::back_up_daily(&bed.deps).await.unwrap();
    assert_eq!(count().await, 2);
}

#[tokio::test]
async fn chat_never_shows_a_stale_copy_of_a_session() {
    let bed = Bed::new();
    let say = async |text: &str| {
        let (_, answer) =
            bed.post(OPERATOR, "/api/chat", json!({"message": text, "sessionKey": "s1"})).await;
        answer["message"].as_str().unwrap().to_owned()
    };
    say("the first thing").await;
    assert!(say("What did I ask?").await.contains("the first thing"));
    say("the second thing").await;
    assert!(say("What did I ask?").await.contains("the second thing"));
}
