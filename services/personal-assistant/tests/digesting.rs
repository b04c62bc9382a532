//! The daily digest: once a day, to each approver about what he may read.

use crate::kit::*;
use contracts::ServiceName;
use contracts::outbox::Target;
use personal_assistant::tick;
use platform::time::parse_rfc3339;
use serde_json::json;

fn target(channel: &str, endpoint: &str, chat: &str) -> Target {
    let (channel, endpoint, chat) = (channel.to_owned(), endpoint.to_owned(), chat.to_owned());
    Target { channel, endpoint, chat, direct: true, ..Target::default() }
}

fn bed() -> Bed {
    let zone = json!({"time_zone": "Europe/Berlin"});
    let bed = Bed::with(json!({"digest": {"at": "08:00"}, "budget": zone}));
    let of_slack = target("slack", "T0AAAA111", "U0HUMAN01");
    bed.approvers_are(vec![target("telegram", "main", "700100200"), of_slack]);
    bed
}

fn at(bed: &Bed, text: &str) {
    bed.clock.set(parse_rfc3339(text).unwrap());
}

/// A settled run of the Telegram endpoint.
async fn run(bed: &Bed, task: &str, dollars: f64, outcome: &str) {
    let mut body = request(task, dollars);
    body["channelContext"] = json!({"channel": "telegram", "eventId": EVENT});
    let (_, approval) = bed.post(AGGREGATOR, "/api/approve", body).await;
    let (_, claim) = bed.claim(&approval).await;
    bed.settle(task, &claim["claimToken"], Some(dollars), outcome).await;
}

fn texts(bed: &Bed) -> Vec<(String, String)> {
    bed.deliveries().into_iter().map(|sent| (sent.target.channel, sent.text)).collect()
}

#[tokio::test]
async fn digest_of_yesterday_is_sent_once_to_each_approver_about_his_endpoint() {
    let bed = bed();
    at(&bed, "2026-11-28T22:30:00Z");
    run(&bed, "too-early", 0.01, "success").await;
    at(&bed, "2026-11-29T10:00:00Z");
    run(&bed, "t1", 0.25, "success").await;
    run(&bed, "t2", 0.1, "failed").await;
    at(&bed, "2026-11-30T06:59:59Z");
    run(&bed, "today", 0.01, "success").await;
    tick(&bed.deps).await;
    assert_eq!(texts(&bed), []);
    at(&bed, "2026-11-30T07:01:00Z");
    tick(&bed.deps).await;
    let sent = texts(&bed);
    let all = "**2026-11-29**: 2 runs, 1 without success, $0.35\n- `codegen`: 2 runs, 1 without success, $0.35";
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!(sent[0], ("telegram".to_owned(), all.to_owned()));
    assert_eq!(sent[1], ("slack".to_owned(), "**2026-11-29**: nothing ran.".to_owned()));
    for minute in 2..10 {
        at(&bed, &format!("2026-11-30T07:0{minute}:30Z"));
        tick(&bed.deps).await;
    }
    assert_eq!(texts(&bed).len(), 2);
    at(&bed, "2026-12-01T07:00:30Z");
    tick(&bed.deps).await;
    assert_eq!(texts(&bed).len(), 4);
}

#[tokio::test]
async fn digest_waits_for_the_chats_and_is_left_out_when_it_is_late() {
    let bed = bed();
    at(&bed, "2026-11-30T07:00:00Z");
    bed.neighbours.down(ServiceName::WebhookAggregator);
    tick(&bed.deps).await;
    bed.neighbours.up(ServiceName::WebhookAggregator);
    tick(&bed.deps).await;
    assert_eq!(texts(&bed), [], "not at once");
    bed.clock.advance(15_000);
    tick(&bed.deps).await;
    assert_eq!(texts(&bed).len(), 2);
    let late = self::bed();
    at(&late, "2026-11-30T13:00:01Z");
    tick(&late.deps).await;
    assert_eq!(texts(&late), []);
    let never = Bed::new();
    at(&never, "2026-11-30T08:00:00Z");
    tick(&never.deps).await;
    assert_eq!(texts(&never), []);
}

#[tokio::test]
async fn digest_names_what_waits_and_the_halt() {
    let bed = bed();
    at(&bed, "2026-11-30T06:55:00Z");
    bed.send(OPERATOR, "PUT", "/api/context", json!({"requiresHumanApproval": ["codegen"]})).await;
    bed.ask_in_chat("waits", 0.1).await;
    // The work of a program, which is asked about in the same chats.
    bed.ask("of-a-program", 0.1).await;
    assert_eq!(bed.post(OPERATOR, "/api/halt", json!({"all": true})).await.0, 202);
    let before = texts(&bed).len();
    at(&bed, "2026-11-30T07:00:00Z");
    tick(&bed.deps).await;
    let sent = texts(&bed).split_off(before);
    let text = "**2026-11-29**: nothing ran.\nWaiting for you now: 2. /approvals lists them.\nEverything is halted.";
    assert!(sent.contains(&("telegram".to_owned(), text.to_owned())), "{sent:?}");
    let text = "**2026-11-29**: nothing ran.\nWaiting for you now: 1. /approvals lists them.\nEverything is halted.";
    assert!(sent.contains(&("slack".to_owned(), text.to_owned())), "{sent:?}");
}

#[tokio::test]
async fn digest_shows_no_marks_of_a_name_and_no_request_passes_for_our_own() {
    let bed = bed();
    at(&bed, "2026-11-29T10:00:00Z");
    let mut body = request("t1", 0.1);
    body["agentType"] = json!("x` [Sign in](https://e.example) `");
    body["channelContext"] = json!({"channel": "telegram", "eventId": EVENT});
    let (_, approval) = bed.post(AGGREGATOR, "/api/approve", body).await;
    let (_, claim) = bed.claim(&approval).await;
    bed.settle("t1", &claim["claimToken"], Some(0.1), "success").await;
    at(&bed, "2026-11-30T07:00:00Z");
    tick(&bed.deps).await;
    let text = &texts(&bed)[0].1;
    assert!(text.contains("\n- `x' [Sign in](https://e.example) '`: 1 run"), "{text}");
    for kind in ["transcription", "tie-break"] {
        let mut own = request(&format!("{kind}:telegram.main.X"), 0.1);
        assert_eq!(bed.post(AGENT, "/api/approve", own.clone()).await.0, 422, "the task's name");
        own["taskId"] = json!("free");
        own["type"] = json!(kind);
        assert_eq!(bed.post(AGENT, "/api/approve", own).await.0, 422, "the type");
    }
}
