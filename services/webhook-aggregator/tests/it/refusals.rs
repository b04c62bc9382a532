//! Bad input gets a clear refusal and changes nothing.

use crate::bed::{OPERATOR, bed};
use contracts::calls::agency_router::RouteEvent;
use contracts::calls::personal_assistant::Halt;
use platform::ports::PortErrorKind;
use serde_json::{Value, json};

const SECRET: [(&str, &str); 1] =
    [("x-telegram-bot-api-secret-token", "tg_S3cret-Token_0123456789")];

#[tokio::test]
async fn an_unknown_endpoint_is_404_and_a_wrong_secret_401() {
    let bed = bed();
    assert_eq!(bed.ask("POST", "/telegram/nobody", "", &SECRET, "{}").await.0, 404);
    let (status, body) = bed
        .ask("POST", "/telegram/main", "", &[("x-telegram-bot-api-secret-token", "x")], "{}")
        .await;
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, problem["code"].as_str()), (401, Some("bad_signature")));
    assert!(!problem["requestId"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_before_it_is_read() {
    let bed = bed();
    let long = vec![b' '; (1 << 20) + 1];
    assert_eq!(bed.ask("POST", "/telegram/main", "", &SECRET, long).await.0, 413);
    assert_eq!(
        bed.ask("POST", "/telegram/main", "", &[("content-length", "9999999"), SECRET[0]], "")
            .await
            .0,
        413
    );
}

#[tokio::test]
async fn a_full_disk_is_503_and_nothing_is_acknowledged() {
    let bed = bed();
    bed.inbox.faults.refuse_next(1, PortErrorKind::Full);
    let secret = [("x-telegram-bot-api-secret-token", "tg_S3cret-Token_0123456789")];
    let (head, _) = bed
        .answer("POST", "/telegram/main", "", &secret, json!({ "update_id": 1 }).to_string())
        .await;
    assert_eq!((head.status.as_u16(), head.headers["retry-after"].to_str().unwrap()), (503, "5"));
    assert_eq!(bed.telegram(1, "work").await, 200);
    assert_eq!(bed.get("/api/events").await["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn halt_of_an_approver_is_passed_on_while_the_disk_is_full() {
    let bed = bed();
    bed.inbox.faults.refuse_next(2, PortErrorKind::Full);
    assert_eq!(bed.telegram(1, "/halt").await, 503);
    assert_eq!(bed.fakes.count::<Halt>(), 1);
    bed.inbox.faults.refuse_next(1, PortErrorKind::Full);
    assert_eq!(bed.telegram_from(2, 666, "/halt").await, 503);
    assert_eq!(bed.fakes.count::<Halt>(), 1);

    bed.inbox.faults.refuse_next(1, PortErrorKind::Full);
    assert_eq!(bed.telegram(3, "/halt").await, 200);
    assert_eq!(bed.event("3").await["state"], "done");
}

#[tokio::test]
async fn a_commit_of_unknown_effect_is_not_acknowledged_and_not_doubled() {
    let bed = bed();
    bed.inbox.faults.keep_but_fail_next(1);
    assert_eq!(bed.telegram(1, "work").await, 503);
    assert_eq!(bed.telegram(1, "work").await, 200);
    assert_eq!(bed.get("/api/events").await["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_stranger_is_acknowledged_and_runs_nothing() {
    let bed = bed();
    assert_eq!(bed.telegram_from(1, 666, "rm -rf").await, 200);
    let event = bed.event("1").await;
    assert_eq!(
        (event["state"].as_str(), event["reason"].as_str()),
        (Some("ignored"), Some("unknown_sender"))
    );
    assert!(bed.fakes.log().is_empty());
    assert!(bed.outbound.sent().is_empty());
}

#[tokio::test]
async fn an_open_endpoint_reaches_public_agents_only() {
    let mut config = crate::bed::config();
    config["endpoints"]["telegram"]["main"]["senders"] = json!(["*"]);
    let bed = crate::bed::bed_with(config);
    bed.telegram_from(1, 666, "hello").await;
    bed.telegram(2, "hello").await;
    let routed = bed.fakes.bodies::<RouteEvent>();
    assert_eq!(
        (routed[0]["publicOnly"].as_bool(), routed[1]["publicOnly"].as_bool()),
        (Some(true), Some(false))
    );
}

#[tokio::test]
async fn a_flood_is_acknowledged_ignored_and_told_once() {
    let mut config = crate::bed::config();
    config["limits"] = json!({ "sender_per_minute": 2 });
    let bed = crate::bed::bed_with(config);
    for id in 1..=5 {
        assert_eq!(bed.telegram(id, "hello").await, 200);
    }
    let ignored = bed.get("/api/events?state=ignored").await;
    assert_eq!(ignored["events"].as_array().unwrap().len(), 3);
    assert_eq!(ignored["events"][0]["reason"], "rate_limited");
    assert_eq!(
        bed.sent("/sendMessage")
            .iter()
            .filter(|body| body.contains("sending messages too fast"))
            .count(),
        1
    );
    assert_eq!(bed.telegram(9, "/halt").await, 200);
    assert_eq!(bed.fakes.count::<Halt>(), 1, "a halt is never limited");
}

#[tokio::test]
async fn a_flood_through_the_console_is_told_there_once() {
    let mut config = crate::bed::config();
    config["limits"] = json!({ "endpoint_per_minute": 2 });
    let bed = crate::bed::bed_with(config);
    for _ in 0..5 {
        let body = json!({ "text": "hello", "conversation": "web:console:a" }).to_string();
        assert_eq!(
            bed.ask(
                "POST",
                "/api/messages",
                OPERATOR,
                &[("content-type", "application/json")],
                body
            )
            .await
            .0,
            202
        );
    }
    let said = bed.get("/api/conversations/web:console:a/messages").await;
    let lines = said["messages"].as_array().unwrap();
    assert_eq!(
        lines
            .iter()
            .filter(|line| line["text"].as_str().unwrap().contains("sending messages too fast"))
            .count(),
        1,
        "{said}"
    );
}

#[tokio::test]
async fn a_missing_field_is_named_with_its_fix() {
    let bed = bed();
    let (status, problem) = bed.post("/api/messages", OPERATOR, &json!({})).await;
    assert_eq!((status, problem["field"].as_str()), (422, Some("text")));
    assert!(problem["fix"].as_str().unwrap().contains("text"));
    assert_eq!(bed.post("/api/messages", OPERATOR, &json!({ "text": " " })).await.0, 422);
    assert_eq!(
        bed.post("/api/messages", OPERATOR, &json!({ "text": "a", "hurry": 1 })).await.0,
        422
    );
    assert_eq!(bed.ask("GET", "/api/events?state=sleeping", OPERATOR, &[], "").await.0, 422);
    assert_eq!(bed.ask("GET", "/api/events?limit=0", OPERATOR, &[], "").await.0, 422);
}

#[tokio::test]
async fn every_route_is_closed_to_who_may_not() {
    let bed = bed();
    for (method, path) in [
        ("GET", "/api/events"),
        ("POST", "/api/messages"),
        ("POST", "/api/tasks/lease"),
        ("POST", "/api/replay"),
    ] {
        assert_eq!(bed.ask(method, path, "", &[], "").await.0, 401, "{path}");
        assert_eq!(bed.ask(method, path, "nobody's", &[], "").await.0, 401, "{path}");
    }
    assert_eq!(bed.ask("POST", "/api/tasks/lease", OPERATOR, &[], "{}").await.0, 403);
    assert_eq!(bed.ask("POST", "/api/messages", crate::bed::GATEWAY, &[], "{}").await.0, 403);
    for token in ["", OPERATOR, "secret-monitoring-dashboard"] {
        assert_eq!(bed.ask("POST", "/internal/outbox", token, &[], "{}").await.0, 404);
    }
    assert_eq!(bed.ask("GET", "/health", "", &[], "").await.0, 200);
}
