//! Storage that fails between a claim and its report: nothing claimed is stranded or sent twice.

use crate::bed::bed;
use contracts::Shard;
use contracts::calls::agency_router::RouteEvent;
use contracts::outbox::Target;
use inbox::{Draft, Enqueue, InboxExt};
use platform::ports::PortErrorKind;

fn draft(id: &str, chat: &str) -> Draft {
    Draft {
        id: id.into(),
        revision: 1,
        target: Target {
            channel: "telegram".into(),
            endpoint: "main".into(),
            chat: chat.into(),
            ..Target::default()
        },
        text: "hello".into(),
        buttons: None,
        event_id: None,
        kind: "reply".into(),
        file: None,
        expires_ms: None,
    }
}

#[tokio::test]
async fn pump_drives_the_events_it_claimed_when_the_outbox_fails() {
    let bed = bed();
    let shard = Shard::new("telegram.main");
    // The message is accepted and claimed; then neither its step nor the retry can be written down.
    bed.inbox.faults.pass_next(1);
    bed.inbox.faults.refuse_next(2, PortErrorKind::Unavailable);
    bed.telegram(1, "work").await;
    assert!(bed.fakes.bodies::<RouteEvent>().is_empty());
    bed.clock.advance(60_001);
    bed.inbox.ask(&shard, Enqueue(draft("a", "1"))).await.unwrap();
    // Claim both, then the report of the message is refused.
    bed.inbox.faults.pass_next(1);
    bed.inbox.faults.refuse_next(1, PortErrorKind::Unavailable);
    assert!(webhook_aggregator::pump(&bed.deps, &shard).await.is_err());
    assert_eq!(bed.fakes.count::<RouteEvent>(), 1);
}

#[tokio::test]
async fn send_records_every_report_when_one_is_refused() {
    let bed = bed();
    let shard = Shard::new("telegram.main");
    for draft in [draft("a", "1"), draft("b", "2")] {
        bed.inbox.ask(&shard, Enqueue(draft)).await.unwrap();
    }
    // Claim; then both reports are refused together, and the first on its own; the second is
    // recorded.
    bed.inbox.faults.pass_next(1);
    bed.inbox.faults.refuse_next(2, PortErrorKind::Unavailable);
    assert!(webhook_aggregator::pump(&bed.deps, &shard).await.is_err());
    assert_eq!(bed.outbound.sent().len(), 2);
    bed.clock.advance(120_000);
    webhook_aggregator::pump(&bed.deps, &shard).await.unwrap();
    assert_eq!(bed.outbound.sent().len(), 3, "only the unrecorded message is sent again");
}

#[tokio::test]
async fn health_is_503_while_an_inbox_fails() {
    let bed = bed();
    let well = bed.get("/health").await;
    assert_eq!(well["status"], "ok");
    assert_eq!(well["dependsOn"]["inboxes"], "ok");
    bed.clock.advance(1_000);
    bed.inbox.faults.refuse_next(1, PortErrorKind::Unavailable);
    let (status, body) = bed.ask("GET", "/health", "", &[], "").await;
    let ill: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 503);
    assert_eq!(ill["status"], "degraded");
    assert_eq!(ill["problems"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn health_asks_the_inboxes_once_a_second_whoever_asks() {
    let bed = bed();
    assert_eq!(bed.get("/health").await["status"], "ok");
    bed.inbox.faults.refuse_next(1, PortErrorKind::Unavailable);
    bed.clock.advance(999);
    for _ in 0..3 {
        assert_eq!(bed.ask("GET", "/health", "", &[], "").await.0, 200, "from memory");
    }
    bed.clock.advance(1);
    assert_eq!(bed.ask("GET", "/health", "", &[], "").await.0, 503);
}
