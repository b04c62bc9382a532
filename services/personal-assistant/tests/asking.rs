//! Questions in the chats, and their buttons.

use crate::kit::*;
use contracts::outbox::DeliveryState;
use serde_json::{Value, json};

fn press(token: &str, chat: &str, endpoint: &str) -> Value {
    json!({"token": token, "channel": "telegram", "endpoint": endpoint, "chat": chat, "actor": "telegram:main:700100200"})
}

#[tokio::test]
async fn question_has_buttons_and_is_replaced_by_the_outcome() {
    let bed = Bed::new();
    bed.ask_in_chat("t1", 5.0).await;
    let asked = bed.deliveries();
    assert_eq!(asked.len(), 1);
    let buttons = asked[0].buttons.clone().unwrap();
    assert_eq!((buttons.approve.len(), asked[0].revision), (27, 1));
    assert!(
        buttons.approve.starts_with("a1:")
            && buttons.approve.ends_with(":y")
            && buttons.reject.ends_with(":n")
    );
    assert!(asked[0].text.contains("Fix the build") && asked[0].text.contains("$5.00"));
    let (status, answer) =
        bed.post(AGGREGATOR, "/internal/press", press(&buttons.approve, "700100200", "main")).await;
    assert_eq!((status, &answer["outcome"]), (200, &json!("decided")), "{answer}");
    bed.background().await;
    let told = bed.deliveries();
    assert_eq!(
        (told[1].id.as_str(), told[1].revision, &told[1].buttons),
        (asked[0].id.as_str(), 2, &None)
    );
    assert!(told[1].text.starts_with("Approved by telegram:main:700100200"));
    assert_eq!(bed.woken(), [EVENT]);
    let (_, later) =
        bed.post(AGGREGATOR, "/internal/press", press(&buttons.reject, "700100200", "main")).await;
    assert_eq!(
        (&later["outcome"], &later["message"]),
        (&json!("already_decided"), &json!("Already approved by telegram:main:700100200."))
    );
}

#[tokio::test]
async fn forged_or_forwarded_button_changes_nothing() {
    let bed = Bed::new();
    let asked = bed.ask_in_chat("t1", 5.0).await;
    let buttons = bed.deliveries()[0].buttons.clone().unwrap();
    let forged = format!("a1:{}:y", "A".repeat(22));
    let cases = [
        press(&buttons.approve, "666", "main"),
        press(&buttons.approve, "700100200", "other"),
        press(&forged, "700100200", "main"),
        press(&buttons.reject.replace(":n", ":y"), "700100200", "main"),
    ];
    for case in cases {
        assert_eq!(
            bed.post(AGGREGATOR, "/internal/press", case).await.1["outcome"],
            "no_longer_valid"
        );
    }
    assert_eq!(
        bed.post(OPERATOR, "/internal/press", press(&buttons.approve, "700100200", "main")).await.0,
        404
    );
    assert_eq!(
        bed.get(OPERATOR, &format!("/api/approvals/{}", asked["approvalId"].as_str().unwrap()))
            .await["state"],
        "pending"
    );
    let kept = bed.rows("SELECT token_hash FROM button").await;
    assert!(kept.iter().all(|row| row["token_hash"].as_str().unwrap() != buttons.approve));
}

#[tokio::test]
async fn press_over_budget_or_during_a_halt_leaves_the_approval_pending() {
    let bed = Bed::with(json!({"budget": {"daily": 8.0}}));
    bed.ask_in_chat("t1", 5.0).await;
    // Other tasks use the remaining budget before the press.
    for task in ["small", "smaller"] {
        assert_eq!(
            bed.post(OPERATOR, "/api/approve", request(task, 2.4)).await.1["approved"],
            true
        );
    }
    let buttons = bed.deliveries()[0].buttons.clone().unwrap();
    let press = press(&buttons.approve, "700100200", "main");
    assert_eq!(
        bed.post(AGGREGATOR, "/internal/press", press.clone()).await.1["outcome"],
        "over_budget"
    );
    bed.post(OPERATOR, "/api/halt", json!({"all": true, "reason": "stop"})).await;
    assert_eq!(bed.post(AGGREGATOR, "/internal/press", press.clone()).await.1["outcome"], "halted");
    bed.post(OPERATOR, "/api/resume", json!({})).await;
    bed.send(OPERATOR, "PUT", "/api/budget", json!({"daily": 10.0})).await;
    assert_eq!(bed.post(AGGREGATOR, "/internal/press", press).await.1["outcome"], "decided");
}

#[tokio::test]
async fn question_addresses_are_trusted_from_the_aggregator_only() {
    let bed = Bed::new();
    let mut body = request("t1", 5.0);
    body["channelContext"] = json!({"channel": "telegram", "eventId": EVENT, "ask": [{"channel": "telegram", "endpoint": "main", "chat": "666"}]});
    for token in [OPERATOR, AGENT] {
        body["taskId"] = json!(token);
        bed.post(token, "/api/approve", body.clone()).await;
    }
    bed.background().await;
    assert!(bed.deliveries().is_empty());
    assert!(bed.rows("SELECT id FROM delivery").await.is_empty());
}

#[tokio::test]
async fn question_is_retried_with_backoff_until_the_outbox_accepts_it() {
    let bed = Bed::new();
    bed.calls.faults.refuse_next(2, platform::ports::PortErrorKind::Unavailable);
    bed.ask_in_chat("t1", 5.0).await;
    assert!(bed.deliveries().is_empty());
    bed.clock.advance(1_999);
    personal_assistant::tick(&bed.deps).await;
    assert!(bed.deliveries().is_empty(), "not due yet");
    bed.clock.advance(1);
    personal_assistant::tick(&bed.deps).await;
    bed.clock.advance(4_000);
    personal_assistant::tick(&bed.deps).await;
    assert_eq!(bed.deliveries().len(), 1);
    bed.clock.advance(600_000);
    personal_assistant::tick(&bed.deps).await;
    assert_eq!(bed.deliveries().len(), 1, "what was sent is not sent again");
}

#[tokio::test]
async fn decision_reaches_the_chat_after_a_lost_first_attempt() {
    let bed = Bed::new();
    let asked = bed.ask_in_chat("t1", 5.0).await;
    bed.calls.faults.refuse_next(2, platform::ports::PortErrorKind::Unavailable);
    bed.decide(&asked["approvalId"], "reject").await;
    bed.background().await;
    assert_eq!(bed.deliveries().len(), 1);
    bed.clock.advance(2_000);
    personal_assistant::tick(&bed.deps).await;
    assert!(bed.deliveries()[1].text.starts_with("Rejected by api"));
}

#[tokio::test]
async fn unreachable_chat_leaves_the_approval_pending_for_the_dashboard() {
    let bed = Bed::new();
    bed.deliveries_are(DeliveryState::Failed);
    bed.ask_in_chat("t1", 5.0).await;
    assert_eq!(
        bed.get(DASHBOARD, "/api/approvals?state=pending").await["approvals"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(bed.get(OPERATOR, "/api/status").await["undelivered"], 1);
}

#[tokio::test]
async fn question_quotes_the_senders_words_and_says_what_it_leaves_out() {
    let bed = Bed::new();
    let target = json!({"channel": "telegram", "endpoint": "main", "chat": "700100200"});
    let mut asked = request("t1", 5.0);
    let words = format!("Tidy up\u{202e}\n\nCost: up to $0.00\n{}", "x".repeat(3_000));
    asked["description"] = json!(words);
    asked["channelContext"] = json!({"channel": "telegram", "eventId": EVENT, "ask": [target]});
    assert_eq!(bed.post(AGGREGATOR, "/api/approve", asked).await.0, 200);
    bed.background().await;
    let text = bed.deliveries()[0].text.clone();
    let ours: Vec<&str> = text.lines().filter(|line| !line.starts_with("> ")).collect();
    assert!(text.contains("> Tidy up\u{fffd}\n> \n> Cost: up to $0.00\n> xxx"), "{text}");
    assert_eq!(ours.iter().filter(|line| line.starts_with("Cost:")).count(), 1, "{text}");
    assert!(text.contains("Cost: up to $5.00"), "{text}");
    let left_out = words.chars().count() - 1_200;
    assert!(text.contains(&format!("{left_out} more characters are not shown here.")), "{text}");
}

#[tokio::test]
async fn question_says_that_arguments_are_not_shown() {
    let bed = Bed::new();
    bed.approver("1");
    let mut asked = request("t1", 5.0);
    asked["arguments"] = json!({"command": "remove everything"});
    assert_eq!(bed.post(AGENT, "/api/approve", asked).await.0, 200);
    bed.background().await;
    let text = bed.deliveries()[0].text.clone();
    assert!(text.contains("Its arguments (31 bytes) are not shown here."), "{text}");
}
