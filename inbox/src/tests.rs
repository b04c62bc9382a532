//! The state machine driven over SQLite in memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use super::*;
use crate::memory::MemoryInbox;
use contracts::event::Stage;
use contracts::outbox::{DeliveryState, Target};
use contracts::{EventId, GatewayId, Shard, TaskId};
use platform::memory::ManualClock;
use platform::ports::{Clock, PortErrorKind};
use std::sync::Arc;

pub(crate) struct Bed {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) inbox: MemoryInbox,
    shard: Shard,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        Self { inbox: MemoryInbox::new(clock.clone()), clock, shard: Shard::new("telegram.main") }
    }
    pub(crate) async fn send<C: InboxCommand>(&self, command: C) -> C::Reply {
        self.inbox.ask(&self.shard, command).await.unwrap()
    }
    pub(crate) async fn accept(&self, key: &str, conversation: &str) -> (EventId, bool) {
        let accepted = self.send(Accept { event: event(key, conversation), claim_ms: None }).await;
        (accepted.event, accepted.duplicate)
    }
    /// Of a sender whom only `*` lets in.
    pub(crate) async fn accept_public(&self, key: &str, conversation: &str) -> EventId {
        let mut event = event(key, conversation);
        event.origin.public_only = true;
        self.send(Accept { event, claim_ms: None }).await.event
    }
    pub(crate) async fn claim(&self) -> Vec<StoredEvent> {
        self.work(32, 0).await.events
    }
    pub(crate) async fn to(&self, event: &StoredEvent, stage: Stage, patch: Patch) -> bool {
        let step = Step::To { stage, note: None, patch: Box::new(patch), due_ms: 0 };
        let (event, version) = (event.id.clone(), event.version);
        self.send(Advance { event, version, step, keep_ms: None }).await.moved
    }
    pub(crate) async fn work(&self, events: u32, deliveries: u32) -> Work {
        self.send(ClaimWork { sent: vec![], events, deliveries, lease_ms: 60_000 }).await
    }
    pub(crate) async fn get(&self, id: &EventId) -> (StoredEvent, Vec<Entry>, Vec<OutboxRow>) {
        let (event, entries, replies, _) = self.send(GetEvent { event: id.clone() }).await.unwrap();
        (event, entries, replies)
    }
}

pub(crate) fn event(key: &str, conversation: &str) -> NewEvent {
    NewEvent {
        channel: "telegram".into(),
        endpoint: "main".into(),
        dedupe_key: key.into(),
        semantic_key: None,
        conversation: conversation.into(),
        control: false,
        sender: Some("1".into()),
        text: "hello".into(),
        origin: EventOrigin::default(),
        raw: None,
        state: Stage::Received,
        reason: None,
        limits: vec![],
        limit_notice: None,
        overheard: false,
        is_stop_word: false,
        waits_notice: None,
        moved: None,
        edits: None,
        unrecorded_over_limit: false,
        said: vec![],
    }
}

fn report(id: &str, revision: u32, state: DeliveryState) -> SentReport {
    SentReport {
        id: id.into(),
        revision,
        changed_ms: None,
        chat: String::new(),
        parts: vec![],
        state,
        due_ms: 0,
        quiet_until_ms: None,
        error: None,
    }
}

pub(crate) fn draft(id: &str, revision: u32) -> Draft {
    Draft {
        id: id.into(),
        revision,
        target: Target {
            channel: "telegram".into(),
            endpoint: "main".into(),
            chat: "7".into(),
            ..Target::default()
        },
        text: format!("text {revision}"),
        buttons: None,
        event_id: None,
        kind: "reply".into(),
        file: None,
        expires_ms: None,
    }
}

/// A run of this event.
pub(crate) fn task(event: &StoredEvent) -> NewTask {
    NewTask {
        id: TaskId::new(event.id.as_str()),
        agent: "codegen".into(),
        message: "m".into(),
        context: contracts::task::TaskContext::default(),
        approval_id: "apr_1".into(),
        digest: "d".into(),
        cost_limit: 0,
        place: Placement::default(),
    }
}

#[tokio::test]
async fn a_duplicate_is_the_same_event() {
    let bed = Bed::new();
    let (first, _) = bed.accept("1", "a").await;
    let (again, duplicate) = bed.accept("1", "a").await;
    assert_eq!((first, true), (again, duplicate));
    assert_eq!(bed.claim().await.len(), 1);
}

#[tokio::test]
async fn content_of_one_conversation_goes_in_order_and_others_do_not_wait() {
    let bed = Bed::new();
    let (first, _) = bed.accept("1", "a").await;
    let (second, _) = bed.accept("2", "a").await;
    let (other, _) = bed.accept("3", "b").await;
    let claimed = bed.claim().await;
    assert_eq!(claimed.iter().map(|e| e.id.clone()).collect::<Vec<_>>(), [first.clone(), other]);
    assert!(bed.to(&claimed[0], Stage::Parked, Patch::default()).await);
    let now = bed.claim().await;
    assert!(now.iter().any(|event| event.id == second), "a parked event releases its lane");
}

#[tokio::test]
async fn a_decided_event_waits_for_what_runs_now() {
    let bed = Bed::new();
    bed.accept("1", "a").await;
    bed.accept("2", "a").await;
    let old = bed.claim().await.remove(0);
    bed.to(&old, Stage::Parked, Patch::default()).await;
    let new = bed.claim().await.into_iter().find(|event| event.seq > old.seq).unwrap();
    bed.to(&new, Stage::Running, Patch::default()).await;
    let old = bed.get(&old.id).await.0;
    bed.to(&old, Stage::Approved, Patch::default()).await;
    let claimed = bed.claim().await;
    assert!(claimed.iter().all(|event| event.id != old.id), "the later message still runs");
    let new = bed.get(&new.id).await.0;
    bed.to(&new, Stage::Answered, Patch::default()).await;
    assert!(bed.claim().await.iter().any(|event| event.id == old.id));
}

#[tokio::test]
async fn a_control_input_waits_for_nobody() {
    let bed = Bed::new();
    bed.accept("1", "a").await;
    bed.claim().await;
    let mut press = event("2", "a");
    press.control = true;
    bed.send(Accept { event: press, claim_ms: None }).await;
    assert_eq!(bed.claim().await.len(), 1);
}

#[tokio::test]
async fn a_step_on_an_old_version_changes_nothing() {
    let bed = Bed::new();
    bed.accept("1", "a").await;
    let claimed = bed.claim().await.remove(0);
    assert!(bed.to(&claimed, Stage::Routed, Patch::default()).await);
    assert!(!bed.to(&claimed, Stage::Dead, Patch::default()).await);
    assert_eq!(bed.get(&claimed.id).await.0.state, Stage::Routed);
}

#[tokio::test]
async fn a_step_that_crashed_is_taken_again_when_its_lease_ends() {
    let bed = Bed::new();
    bed.accept("1", "a").await;
    assert_eq!(bed.claim().await.len(), 1);
    assert_eq!(bed.claim().await.len(), 0);
    bed.clock.advance(60_001);
    assert_eq!(bed.claim().await.len(), 1);
    bed.send(Recover { gateway: GatewayId::new("local") }).await;
    assert_eq!(bed.claim().await.len(), 1, "after a restart at once");
}

#[tokio::test]
async fn a_wake_during_a_step_is_not_lost() {
    for stage in [None, Some(Stage::Parked)] {
        let bed = Bed::new();
        bed.accept("1", "a").await;
        let claimed = bed.claim().await.remove(0);
        bed.send(Wake { event: claimed.id.clone() }).await;
        let due_ms = bed.clock.now_ms() + 60_000;
        let step = stage.map_or(Step::Wait { due_ms }, |stage| Step::To {
            stage,
            note: None,
            patch: Box::default(),
            due_ms,
        });
        bed.send(Advance {
            event: claimed.id.clone(),
            version: claimed.version,
            step,
            keep_ms: None,
        })
        .await;
        assert_eq!(bed.claim().await.len(), 1, "{stage:?}");
    }
    let bed = Bed::new();
    bed.accept("1", "a").await;
    let claimed = bed.claim().await.remove(0);
    let wait = Step::Wait { due_ms: bed.clock.now_ms() + 60_000 };
    bed.send(Advance {
        event: claimed.id.clone(),
        version: claimed.version,
        step: wait,
        keep_ms: None,
    })
    .await;
    assert_eq!(bed.claim().await.len(), 0, "nobody woke it");
}

#[tokio::test]
async fn after_a_restart_only_the_runs_of_its_own_gateway_are_lost() {
    let bed = Bed::new();
    for (key, gateway) in [("1", "local"), ("2", "elsewhere")] {
        bed.accept(key, key).await;
        let claimed = bed.claim().await.remove(0);
        let task = task(&claimed);
        let step = Step::To {
            stage: Stage::Running,
            note: None,
            patch: Box::new(Patch { task: Some(task), ..Patch::default() }),
            due_ms: i64::MAX,
        };
        bed.send(Advance {
            event: claimed.id.clone(),
            version: claimed.version,
            step,
            keep_ms: None,
        })
        .await;
        bed.send(asks(gateway, "*", 1)).await;
    }
    bed.send(Recover { gateway: GatewayId::new("local") }).await;
    let due: Vec<_> = bed.claim().await.into_iter().map(|event| event.dedupe_key).collect();
    assert_eq!(due, ["1"]);
}

/// A gateway asks for tasks of this agent (`*`: of every agent).
pub(crate) fn asks(gateway: &str, agent: &str, capacity: u32) -> LeaseTasks {
    LeaseTasks {
        gateway: GatewayId::new(gateway),
        agents: vec![agent.to_owned()],
        capacity,
        light: None,
        lease_ms: 30_000,
        runs: std::collections::BTreeMap::default(),
        unready: Vec::new(),
    }
}

#[tokio::test]
async fn a_message_is_sent_once_a_revision_and_one_at_a_time_an_address() {
    let bed = Bed::new();
    bed.send(Enqueue(draft("x", 1))).await;
    bed.send(Enqueue(draft("y", 1))).await;
    let first = bed.work(0, 8).await.deliveries;
    assert_eq!(first.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["x"]);
    bed.send(Enqueue(draft("x", 2))).await;
    bed.send(Enqueue(draft("x", 1))).await;
    let sent = |id: &str, revision| RecordSent(vec![report(id, revision, DeliveryState::Sent)]);
    bed.send(sent("x", 1)).await;
    let second = bed.work(0, 8).await.deliveries;
    assert_eq!((second[0].id.as_str(), second[0].text.as_str()), ("x", "text 2"));
    bed.send(sent("x", 2)).await;
    let third = bed.work(0, 8).await.deliveries;
    assert_eq!(third[0].id, "y");
}

#[tokio::test]
async fn a_place_that_wants_quiet_gets_it_for_every_message() {
    let bed = Bed::new();
    bed.send(Enqueue(draft("x", 1))).await;
    bed.send(Enqueue(draft("y", 1))).await;
    bed.work(0, 8).await;
    let until = bed.clock.now_ms() + 5_000;
    let report = SentReport {
        due_ms: until,
        quiet_until_ms: Some(until),
        ..report("x", 1, DeliveryState::Queued)
    };
    bed.send(RecordSent(vec![report])).await;
    bed.send(Enqueue(draft("later", 1))).await;
    let none = bed.work(0, 8).await.deliveries;
    assert!(none.is_empty());
    bed.clock.advance(5_000);
    let first = bed.work(0, 8).await.deliveries;
    assert_eq!(first[0].id, "x");
}

#[tokio::test]
async fn an_ended_event_is_done_again_under_its_own_id() {
    let bed = Bed::new();
    bed.accept("1", "a").await;
    let claimed = bed.claim().await.remove(0);
    let replay = Replay { event: claimed.id.clone(), actor: "operator".into() };
    assert_eq!(bed.send(replay.clone()).await, Replayed::StillOpen);
    bed.to(&claimed, Stage::Dead, Patch { reason: Some("test".into()), ..Patch::default() }).await;
    let yes = bed.send(replay).await;
    assert_eq!(yes, Replayed::Yes);
    let again = bed.claim().await.remove(0);
    assert_eq!((again.id.clone(), again.runs), (claimed.id.clone(), 2));
    assert_eq!(again.current_task().as_str(), format!("{}~2", claimed.id));
    assert!(bed.accept("1", "a").await.1, "replay does not open the dedup key");
}

#[tokio::test]
async fn too_many_messages_are_ignored_and_the_sender_is_told_once() {
    let bed = Bed::new();
    for n in 0..5 {
        let mut one = event(&n.to_string(), "a");
        one.limits = vec![Limit { key: "s:1".into(), per_minute: 3 }];
        one.limit_notice = Some(draft(&format!("notice {n}"), 1));
        bed.send(Accept { event: one, claim_ms: None }).await;
    }
    let stats = bed.send(ReadStats { since_ms: 0, latency_since_ms: 0 }).await;
    assert_eq!(stats.by_state.get("ignored"), Some(&2));
    let notices = bed.work(0, 8).await.deliveries;
    assert_eq!(notices.len(), 1);
}

#[tokio::test]
async fn a_commit_that_fails_changes_nothing() {
    let bed = Bed::new();
    bed.inbox.faults.refuse_next(1, PortErrorKind::Full);
    let accept = Accept { event: event("1", "a"), claim_ms: None };
    assert!(bed.inbox.ask(&bed.shard, accept).await.is_err());
    assert!(!bed.accept("1", "a").await.1);
}

#[tokio::test]
async fn what_is_overheard_counts_only_where_something_was_answered() {
    let bed = Bed::new();
    let overhear = async |key: &str, conversation: &str| {
        let said = NewEvent { overheard: true, ..event(key, conversation) };
        bed.send(Accept { event: said, claim_ms: None }).await.state
    };
    assert_eq!(overhear("a", "thread").await, Stage::Ignored);
    bed.accept("b", "thread").await;
    let asked = bed.claim().await;
    assert_eq!(overhear("c", "thread").await, Stage::Ignored, "it is not answered yet");
    assert!(bed.to(&asked[0], Stage::Done, Patch::default()).await);
    assert_eq!(overhear("d", "thread").await, Stage::Received);
    assert_eq!(overhear("e", "another thread").await, Stage::Ignored);
}

#[tokio::test]
async fn event_pages_skip_nothing_within_one_millisecond() {
    let bed = Bed::new();
    for n in 0..20 {
        bed.accept(&n.to_string(), "chat").await;
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut before = None;
    for _ in 0..10 {
        let list = ListEvents {
            state: None,
            channel: None,
            conversation: None,
            before: before.clone(),
            limit: 3,
        };
        let page = bed.send(list).await;
        let Some(last) = page.last() else { break };
        before = last.id.as_str().rsplit('.').next().map(str::to_owned);
        seen.extend(page.into_iter().map(|event| event.dedupe_key));
    }
    assert_eq!(seen.len(), 20, "{seen:?}");
}

#[tokio::test]
async fn inbox_accept_claims_an_event_only_when_its_lane_is_free() {
    let bed = Bed::new();
    let accept = |key| Accept { event: event(key, "a"), claim_ms: Some(60_000) };
    let first = bed.send(accept("1")).await;
    assert_eq!(first.claimed.map(|event| event.id), Some(first.event.clone()));
    assert!(bed.claim().await.is_empty(), "it is claimed already");
    assert_eq!(bed.send(accept("1")).await.claimed, None, "a duplicate claims nothing");
    assert_eq!(bed.send(accept("2")).await.claimed, None, "the first holds the lane");
    bed.clock.advance(60_001);
    let again: Vec<_> = bed.claim().await.into_iter().map(|event| event.id).collect();
    assert_eq!(again, [first.event], "its step crashed");
}

#[tokio::test]
async fn inbox_keeps_a_claim_for_the_next_step_under_a_lease() {
    let bed = Bed::new();
    bed.accept("1", "a").await;
    let claimed = bed.claim().await.remove(0);
    let step = |stage| Step::To { stage, note: None, patch: Box::default(), due_ms: 0 };
    let advance = |event: &StoredEvent, stage| Advance {
        event: event.id.clone(),
        version: event.version,
        step: step(stage),
        keep_ms: Some(60_000),
    };
    let kept = bed.send(advance(&claimed, Stage::Routed)).await.claimed.unwrap();
    assert_eq!((kept.state, kept.version), (Stage::Routed, claimed.version + 1));
    assert!(bed.claim().await.is_empty(), "the claim is kept");
    let stale = bed.send(advance(&claimed, Stage::Dead)).await;
    assert_eq!((stale.moved, stale.claimed), (false, None));
    bed.clock.advance(60_001);
    assert_eq!(bed.claim().await.len(), 1, "a crash makes it due after the lease");
    let ended = bed.send(advance(&kept, Stage::Done)).await;
    assert_eq!((ended.moved, ended.claimed, ended.more), (true, None, false));
}

#[tokio::test]
async fn inbox_gives_up_a_claim_when_an_earlier_event_holds_the_lane() {
    let bed = Bed::new();
    bed.accept("1", "a").await;
    bed.accept("2", "a").await;
    let first = bed.claim().await.remove(0);
    bed.to(&first, Stage::Parked, Patch::default()).await;
    let second = bed.claim().await.into_iter().find(|event| event.seq > first.seq).unwrap();
    let first = bed.get(&first.id).await.0;
    bed.to(&first, Stage::Approved, Patch::default()).await;
    let step = Step::To { stage: Stage::Routed, note: None, patch: Box::default(), due_ms: 0 };
    let (event, version) = (second.id, second.version);
    let advance = Advance { event, version, step, keep_ms: Some(60_000) };
    let advanced = bed.send(advance).await;
    assert_eq!((advanced.moved, advanced.claimed), (true, None));
}

#[tokio::test]
async fn inbox_records_what_was_sent_before_it_claims() {
    let bed = Bed::new();
    bed.accept("1", "a").await;
    let claimed = bed.claim().await.remove(0);
    let reply = Draft { event_id: Some(claimed.id.clone()), ..draft("re", 1) };
    let step = Step::To {
        stage: Stage::Answered,
        note: None,
        patch: Box::new(Patch { say: vec![reply], ..Patch::default() }),
        due_ms: i64::MAX,
    };
    let (event, version) = (claimed.id, claimed.version);
    let answered = bed.send(Advance { event, version, step, keep_ms: None }).await;
    assert!(answered.more, "the reply is due");
    let row = bed.work(8, 8).await.deliveries.remove(0);
    let report = report(&row.id, row.revision, DeliveryState::Sent);
    let claim = ClaimWork { sent: vec![report], events: 8, deliveries: 8, lease_ms: 60_000 };
    let work = bed.send(claim).await;
    assert_eq!((work.events.len(), work.deliveries.len()), (1, 0));
}
