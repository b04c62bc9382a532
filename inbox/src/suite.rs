//! The inbox behind its port: durable accept, once; steps fenced by version; shards apart from each
//! other.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test equipment: a failed check must stop the test"
)]

use crate::{
    Accept, Advance, ClaimWork, DrainGateway, EventOrigin, FireSchedule, Firing, Forget, GetEvent,
    Inbox, InboxExt, KeepSocket, LeaseTasks, MakeSchedule, NewEvent, NewTask, NextDue, Patch,
    Placement, ReadSchedules, ReadSocket, ScheduleSpec, Step, StoredEvent,
};
use contracts::event::{Stage, UNKNOWN_SENDER};
use contracts::schedule::DueTime;
use contracts::task::TaskContext;
use contracts::{EventId, Shard, TaskId};
use futures_util::future::join_all;

fn event(key: &str) -> NewEvent {
    NewEvent {
        channel: "telegram".into(),
        endpoint: "suite".into(),
        dedupe_key: key.into(),
        semantic_key: None,
        conversation: format!("telegram:suite:{key}").into(),
        control: false,
        sender: None,
        text: "text".into(),
        origin: EventOrigin { actor: Some("ü".into()), ..EventOrigin::default() },
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

async fn accept(inbox: &dyn Inbox, shard: &Shard, key: &str) -> (EventId, bool) {
    let accepted = inbox.ask(shard, Accept { event: event(key), claim_ms: None }).await.unwrap();
    (accepted.event, accepted.duplicate)
}

async fn claim(inbox: &dyn Inbox, shard: &Shard) -> Vec<StoredEvent> {
    inbox
        .ask(shard, ClaimWork { sent: vec![], events: 100, deliveries: 0, lease_ms: 60_000 })
        .await
        .unwrap()
        .events
}

/// The state of a connection is read back, by its own inbox alone.
async fn check_socket(inbox: &dyn Inbox, shard: &Shard, other: &Shard) {
    for state in [Some("one".to_owned()), Some("two".to_owned()), None] {
        inbox.ask(shard, KeepSocket { state: state.clone() }).await.unwrap();
        assert_eq!(inbox.ask(shard, ReadSocket).await.unwrap(), state);
        assert_eq!(inbox.ask(other, ReadSocket).await.unwrap(), None);
    }
}

/// The whole check, on two fresh shards.
pub async fn check(inbox: &dyn Inbox) {
    let (shard, other) = (Shard::new("telegram.suite"), Shard::new("telegram.other"));
    check_socket(inbox, &shard, &other).await;
    // The same delivery from many sides at once is one event.
    let all = join_all((0..20).map(|_| accept(inbox, &shard, "same"))).await;
    assert_eq!(all.iter().filter(|(_, duplicate)| !duplicate).count(), 1);
    assert!(all.iter().all(|(id, _)| *id == all[0].0));
    assert_eq!(all[0].0.shard(), Some(shard.clone()));
    assert!(!accept(inbox, &other, "same").await.1, "another endpoint has its own keys");

    // A step is handed out once, and ends on the version it was taken at.
    let (mine, yours) = (claim(inbox, &shard).await, claim(inbox, &shard).await);
    assert_eq!((mine.len(), yours.len()), (1, 0));
    assert_eq!(mine[0].origin.actor.as_deref(), Some("ü"));
    let step = |stage| Step::To { stage, note: None, patch: Box::default(), due_ms: 0 };
    let advance = |stage| Advance {
        event: mine[0].id.clone(),
        version: mine[0].version,
        step: step(stage),
        keep_ms: None,
    };
    assert!(inbox.ask(&shard, advance(Stage::Routed)).await.unwrap().moved);
    assert!(!inbox.ask(&shard, advance(Stage::Dead)).await.unwrap().moved);
    let found = inbox.ask(&shard, GetEvent { event: mine[0].id.clone() }).await.unwrap().unwrap();
    assert_eq!((found.0.state, found.1.len()), (Stage::Routed, 2));

    gateways(inbox, &other).await;
    strangers(inbox, &other).await;
    schedules(inbox, &Shard::new("telegram.scheduled")).await;
}

/// A due time of a schedule is one event, and then the next due time counts.
async fn schedules(inbox: &dyn Inbox, shard: &Shard) {
    let due = |at_ms| DueTime { at_ms, local: "then".to_owned() };
    let spec = ScheduleSpec { name: "digest".to_owned(), ..ScheduleSpec::default() };
    let make = MakeSchedule { spec, due: due(5), made_ms: 1 };
    assert!(inbox.ask(shard, make).await.unwrap().is_some());
    assert_eq!(inbox.ask(shard, NextDue).await.unwrap(), Some(5));
    let claim = || ClaimWork { sent: vec![], events: 0, deliveries: 0, lease_ms: 60_000 };
    let seen = inbox.ask(shard, claim()).await.unwrap().schedules;
    assert_eq!((seen.len(), seen[0].due_ms), (1, Some(5)));
    let later = 4_000_000_000_000;
    let fire = || FireSchedule {
        name: "digest".to_owned(),
        made_ms: 1,
        due_ms: Some(5),
        firing: Firing::Run { at_ms: 5, event: Box::new(event("schedule:digest:5")) },
        next: Some(due(later)),
        note: None,
    };
    let fired = join_all((0..8).map(|_| inbox.ask(shard, fire()))).await;
    assert_eq!(fired.iter().filter(|fired| fired.as_ref().unwrap().moved).count(), 1);
    assert!(inbox.ask(shard, claim()).await.unwrap().schedules.is_empty());
    let kept = inbox.ask(shard, ReadSchedules).await.unwrap().remove(0);
    assert_eq!((kept.due_ms, kept.last_ms), (Some(later), Some(5)));
    assert!(accept(inbox, shard, "schedule:digest:5").await.1, "its key is taken");
}

/// The row of a stranger is deleted, and its delivery is known all the same.
async fn strangers(inbox: &dyn Inbox, shard: &Shard) {
    let origin = EventOrigin { public_only: true, ..EventOrigin::default() };
    let reason = Some(UNKNOWN_SENDER.to_owned());
    let stranger = NewEvent { origin, state: Stage::Ignored, reason, ..event("stranger") };
    let accept = || Accept { event: stranger.clone(), claim_ms: None };
    let accepted = inbox.ask(shard, accept()).await.unwrap();
    assert!(!accepted.duplicate);
    let get = || GetEvent { event: accepted.event.clone() };
    for (ended_before_ms, is_kept) in [(0, true), (i64::MAX, false)] {
        let events = vec![accepted.event.clone()];
        inbox.ask(shard, Forget { events, later: vec![], ended_before_ms }).await.unwrap();
        assert_eq!(inbox.ask(shard, get()).await.unwrap().is_some(), is_kept);
        assert!(inbox.ask(shard, accept()).await.unwrap().duplicate);
    }
}

/// A task kept for one gateway, and a gateway out of service.
async fn gateways(inbox: &dyn Inbox, shard: &Shard) {
    let lease = |gateway: &str| LeaseTasks {
        unready: Vec::new(),
        gateway: gateway.into(),
        agents: vec!["codegen".into()],
        capacity: 4,
        light: None,
        lease_ms: 30_000,
        runs: std::collections::BTreeMap::default(),
    };
    let leased = async |gateway: &str| inbox.ask(shard, lease(gateway)).await.unwrap().len();
    assert_eq!((leased("home").await, leased("office").await), (0, 0));
    let (accepted, _) = accept(inbox, shard, "work").await;
    let claimed = claim(inbox, shard).await.into_iter().find(|event| event.id == accepted).unwrap();
    let task = NewTask {
        id: TaskId::new(claimed.id.as_str()),
        agent: "codegen".into(),
        message: "work".into(),
        context: TaskContext::default(),
        approval_id: "apr_1".into(),
        digest: "d".into(),
        cost_limit: 0,
        place: Placement {
            gateway: Some("office".into()),
            until_ms: i64::MAX,
            ..Placement::default()
        },
    };
    let step = Step::To {
        stage: Stage::Running,
        note: None,
        patch: Box::new(Patch { task: Some(task), ..Patch::default() }),
        due_ms: i64::MAX,
    };
    inbox
        .ask(
            shard,
            Advance { event: claimed.id.clone(), version: claimed.version, step, keep_ms: None },
        )
        .await
        .unwrap();
    let drain = |drained| DrainGateway { gateway: "office".into(), drained };
    let seen = inbox.ask(shard, drain(true)).await.unwrap();
    let known: Vec<_> = seen
        .iter()
        .map(|gateway| (gateway.id.as_str(), gateway.running, gateway.kept, gateway.drained))
        .collect();
    assert_eq!(known, [("home", 0, 0, false), ("office", 0, 1, true)]);
    assert_eq!(
        (leased("home").await, leased("office").await),
        (0, 0),
        "kept for the one, which is out of service"
    );
    inbox.ask(shard, drain(false)).await.unwrap();
    assert_eq!((leased("home").await, leased("office").await), (0, 1));
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    use platform::memory::ManualClock;
    use std::sync::Arc;

    #[tokio::test]
    async fn the_memory_inbox_passes() {
        super::check(&crate::memory::MemoryInbox::new(Arc::new(ManualClock::default()))).await;
    }
}
