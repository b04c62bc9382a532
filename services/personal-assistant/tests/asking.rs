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

/// A press of the button that approves, by a person of this name.
fn by(token: &str, user: &str, name: &str) -> Value {
    let mut press = press(token, "700100200", "main");
    press["actor"] = json!(format!("telegram:main:{user}"));
    press["name"] = json!(name);
    press
}

#[tokio::test]
async fn decider_is_shown_by_name_and_kept_by_id() {
    let bed = Bed::new();
    for (task, user, name, shown) in [
        ("t1", "700100200", "Ines\nMoreno", "Ines Moreno"),
        ("t2", "8", "Ines Moreno", "Ines Moreno (telegram:main:8)"),
        ("t3", "700100200", "Ines", "Ines (telegram:main:700100200)"),
    ] {
        let asked = bed.ask_in_chat(task, 5.0).await;
        let buttons = bed.deliveries().last().unwrap().buttons.clone().unwrap();
        let press = by(&buttons.approve, user, name);
        assert_eq!(bed.post(AGGREGATOR, "/internal/press", press).await.1["outcome"], "decided");
        bed.background().await;
        let frozen = bed.deliveries().last().unwrap().text.clone();
        assert!(frozen.starts_with(&format!("Approved by {shown}: ")), "{frozen}");
        let path = format!("/api/approvals/{}", asked["approvalId"].as_str().unwrap());
        let approval = bed.get(OPERATOR, &path).await;
        assert_eq!(approval["decidedBy"], format!("telegram:main:{user}"));
        assert_eq!(approval["decidedByName"], shown);
        let late = by(&buttons.reject, "9", "Third");
        let told = bed.post(AGGREGATOR, "/internal/press", late).await.1["message"].clone();
        assert!(told.as_str().unwrap().contains("Ines"), "{told}");
    }
    let list = bed.get(OPERATOR, "/api/approvals").await;
    let names: Vec<_> =
        list["approvals"].as_array().unwrap().iter().map(|row| &row["decidedByName"]).collect();
    assert!(names.contains(&&json!("Ines (telegram:main:700100200)")), "{names:?}");
}

#[tokio::test]
async fn name_never_passes_for_one_of_ours() {
    let bed = Bed::new();
    let asked = bed.ask_in_chat("t1", 5.0).await;
    let path = format!("/api/approvals/{}/decide", asked["approvalId"].as_str().unwrap());
    let word = json!({"decision": "reject", "actor": "telegram:main:7", "name": "the owner"});
    let decided = bed.post(AGGREGATOR, &path, word).await.1;
    assert_eq!(decided["decidedByName"], "the owner (telegram:main:7)");
    // A token of a program names nobody.
    let other = bed.ask("t2", 5.0).await;
    let path = format!("/api/approvals/{}/decide", other["approvalId"].as_str().unwrap());
    let word = json!({"decision": "reject", "actor": "telegram:main:7", "name": "Ines"});
    let decided = bed.post(OPERATOR, &path, word).await.1;
    assert_eq!((&decided["decidedBy"], decided.get("decidedByName")), (&json!("api"), None));
}

#[tokio::test]
async fn owner_is_not_asked_about_a_run_that_could_not_start() {
    let bed = Bed::new();
    let body = |task: &str, dollars: f64| {
        let mut body = request(task, dollars);
        let target = json!({"channel": "telegram", "endpoint": "main", "chat": "700100200"});
        body["channelContext"] =
            json!({"channel": "telegram", "ask": [target], "cannotStart": "its program is gone."});
        body
    };
    let (_, answer) = bed.post(AGGREGATOR, "/api/approve", body("t1", 5.0)).await;
    bed.background().await;
    assert_eq!(
        (&answer["state"], &answer["code"]),
        (&json!("rejected"), &json!("agent_unavailable")),
        "{answer}"
    );
    assert!(answer["reason"].as_str().unwrap().contains("its program is gone."), "{answer}");
    assert_eq!((bed.deliveries().len(), &bed.day().await["held"]), (0, &json!(0.0)));
    // The rules alone approve the second one, and the others speak for themselves.
    assert_eq!(bed.post(AGGREGATOR, "/api/approve", body("t2", 0.1)).await.1["approved"], true);
    assert_eq!(bed.post(OPERATOR, "/api/approve", body("t3", 5.0)).await.1["state"], "pending");
}
#[tokio::test]
async fn approver_reads_the_requests_of_his_endpoint_only() {
    let bed = Bed::new();
    bed.ask_in_chat("t1", 5.0).await;
    let of = async |actor: &str| {
        bed.post(AGGREGATOR, "/internal/approvals", json!({ "actor": actor })).await
    };
    let (status, own) = of("telegram:main:700100200").await;
    assert_eq!((status, &own["pending"], &own["halted"]), (200, &json!(1), &json!(false)), "{own}");
    let text = own["message"].as_str().unwrap();
    assert!(text.contains("`Fix the build`") && text.contains("/approve ID"), "{text}");
    for (actor, pending) in [("telegram:other:700100200", 0), ("web:console:owner", 1)] {
        assert_eq!(of(actor).await.1["pending"], pending, "{actor}");
    }
    assert_eq!(of("unknown").await.0, 403);
    assert_eq!(
        bed.post(OPERATOR, "/internal/approvals", json!({ "actor": "telegram:main:7" })).await.0,
        404
    );
}

/// The reported bugs of other programs whose approvals lied.
#[tokio::test]
async fn question_of_a_reported_case_shows_or_counts_every_word_and_cannot_be_forged() {
    for case in
        [include_str!("cases/approval-cut.json"), include_str!("cases/approval-forged.json")]
    {
        let case: Value = serde_json::from_str(case).unwrap();
        let bed = Bed::new();
        let mut body = request("t1", 20.0);
        let target = json!({"channel": "telegram", "endpoint": "main", "chat": "700100200"});
        body["channelContext"] = json!({"channel": "telegram", "eventId": EVENT, "ask": [target]});
        body["description"] = case["inbound"]["text"].clone();
        assert_eq!(bed.post(AGGREGATOR, "/api/approve", body).await.0, 200);
        bed.background().await;
        let text = bed.deliveries().last().unwrap().text.clone();
        let is_whole = text.contains("DELETE EVERYTHING") || text.contains("not shown");
        assert!(is_whole || case["name"] == "approval-forged", "{text}");
        let costs: Vec<_> = text.lines().filter(|line| line.starts_with("Cost: ")).collect();
        assert_eq!(costs, ["Cost: up to $20.00"], "{text}");
    }
}
