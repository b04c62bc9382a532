//! Firing is one transaction, and happens once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use super::*;
use crate::tests::{Bed, draft, event};
use crate::{InboxExt, NextDue};
use contracts::Shard;
use contracts::schedule::Timing;
use platform::ports::{Clock, PortErrorKind};

fn spec(name: &str, message: &str) -> ScheduleSpec {
    ScheduleSpec {
        name: name.to_owned(),
        timing: Timing { every: Some("1h".to_owned()), ..Timing::default() },
        conversation: "telegram:main:7".to_owned(),
        message: message.to_owned(),
        ..ScheduleSpec::default()
    }
}

fn at(at_ms: i64) -> DueTime {
    DueTime { at_ms, local: format!("local {at_ms}") }
}

/// A schedule of the API that is due now.
async fn due_now(bed: &Bed, name: &str) -> StoredSchedule {
    let now = bed.clock.now_ms();
    let make = MakeSchedule { spec: spec(name, "hello"), due: at(now), made_ms: now - 3_600_000 };
    bed.send(make).await.unwrap()
}

fn fire(schedule: &StoredSchedule) -> FireSchedule {
    let at_ms = schedule.due_ms.unwrap();
    let key = format!("schedule:{}:{at_ms}", schedule.name);
    FireSchedule {
        name: schedule.name.clone(),
        made_ms: schedule.made_ms,
        due_ms: schedule.due_ms,
        firing: Firing::Run { at_ms, event: Box::new(event(&key, "telegram:main:7")) },
        next: Some(at(at_ms + 3_600_000)),
        note: None,
    }
}

fn asked(schedule: &StoredSchedule, token: &str) -> FireSchedule {
    let at_ms = schedule.due_ms.unwrap();
    let id = format!("schedule:{at_ms}");
    let question = NewQuestion {
        token_hash: token.to_owned(),
        draft: Some(draft(&id, 1)),
        closing: Some(draft(&id, 2)),
        said: None,
    };
    let firing = Firing::Asked { at_ms, question: Box::new(question) };
    FireSchedule { firing, ..fire(schedule) }
}

async fn schedules(bed: &Bed) -> Vec<StoredSchedule> {
    bed.send(ReadSchedules).await
}

#[tokio::test]
async fn schedule_fires_once_however_many_pumps_have_seen_it() {
    let bed = Bed::new();
    let schedule = due_now(&bed, "digest").await;
    assert_eq!(bed.work(8, 8).await.schedules, std::slice::from_ref(&schedule));
    let first = bed.send(fire(&schedule)).await;
    assert!(first.moved && !first.accepted.unwrap().duplicate);
    let second = bed.send(fire(&schedule)).await;
    assert!(!second.moved && second.accepted.is_none());
    assert_eq!(bed.inbox.keys(), [format!("schedule:digest:{}", schedule.due_ms.unwrap())]);
    let next = schedule.due_ms.unwrap() + 3_600_000;
    assert_eq!(schedules(&bed).await[0].due_ms, Some(next));
    bed.claim().await;
    assert!(bed.work(8, 8).await.schedules.is_empty());
}

#[tokio::test]
async fn fault_while_a_schedule_fires_leaves_all_of_it_or_nothing() {
    let bed = Bed::new();
    let schedule = due_now(&bed, "digest").await;
    bed.inbox.faults.refuse_next(1, PortErrorKind::Full);
    let shard = Shard::new("telegram.main");
    assert!(bed.inbox.ask(&shard, fire(&schedule)).await.is_err());
    assert_eq!((bed.inbox.rows("event"), schedules(&bed).await[0].due_ms), (0, schedule.due_ms));
    // It took effect, and its caller does not know.
    bed.inbox.faults.keep_but_fail_next(1);
    assert!(bed.inbox.ask(&shard, fire(&schedule)).await.is_err());
    assert!(!bed.send(fire(&schedule)).await.moved);
    assert_eq!(bed.inbox.rows("event"), 1);
}

#[tokio::test]
async fn due_time_of_a_schedule_is_that_of_its_inbox() {
    let bed = Bed::new();
    assert_eq!(bed.send(NextDue).await, None);
    let schedule = due_now(&bed, "digest").await;
    assert_eq!(bed.send(NextDue).await, schedule.due_ms);
    let other = Shard::new("slack.T1");
    assert_eq!(bed.inbox.ask(&other, NextDue).await.unwrap(), None);
    let look_ms = bed.clock.now_ms() + 15_000;
    let later = FireSchedule {
        firing: Firing::Later { look_ms },
        note: Some("later".into()),
        ..fire(&schedule)
    };
    assert!(bed.send(later).await.moved);
    assert_eq!(bed.send(NextDue).await, Some(look_ms));
    // The due time that it will fire for stays.
    assert_eq!(schedules(&bed).await[0].due_ms, schedule.due_ms);
    let last = FireSchedule { next: None, ..fire(&schedule) };
    assert!(bed.send(last).await.moved);
    let ended = schedules(&bed).await.remove(0);
    assert_eq!((ended.due_ms, ended.look_ms, ended.last_ms), (None, None, schedule.due_ms));
    assert!(bed.work(0, 0).await.schedules.is_empty());
}

#[tokio::test]
async fn question_is_answered_once_and_a_newer_due_time_closes_it() {
    let bed = Bed::new();
    let schedule = due_now(&bed, "digest").await;
    assert!(bed.send(asked(&schedule, "one")).await.moved);
    assert_eq!((bed.inbox.rows("event"), bed.inbox.rows("schedule_question")), (0, 1));
    let find = |token: &str| FindQuestion { token_hash: Some(token.to_owned()), name: None };
    let question = bed.send(find("one")).await.unwrap();
    assert_eq!(
        (question.at_ms, question.schedule.asked_ms),
        (schedule.due_ms.unwrap(), schedule.due_ms)
    );
    // The next missed time: its question takes the place of the first.
    let next = schedules(&bed).await.remove(0);
    assert!(bed.send(asked(&next, "two")).await.moved);
    assert!(bed.send(find("one")).await.is_none());
    let answer = |token: &str| AnswerQuestion {
        token_hash: token.to_owned(),
        event: Some(event("schedule:digest:2", "telegram:main:7")),
        draft: None,
        note: "run".to_owned(),
    };
    assert!(!bed.send(answer("one")).await.moved);
    assert!(bed.send(answer("two")).await.accepted.is_some());
    assert!(!bed.send(answer("two")).await.moved);
    assert_eq!(bed.inbox.rows("event"), 1);
    // The message of the first question has lost its buttons.
    let deliveries = bed.work(0, 8).await.deliveries;
    let first = deliveries.first().map(|row| (row.revision, row.buttons.is_some()));
    assert_eq!(first, Some((2, false)));
}

#[tokio::test]
async fn schedules_of_the_file_are_taken_up_by_name_and_keep_their_due_time() {
    let bed = Bed::new();
    let sync = |wanted: &[ScheduleSpec]| SyncSchedules {
        wanted: wanted.to_vec(),
        names: wanted.iter().map(|spec| spec.name.clone()).collect(),
    };
    due_now(&bed, "mine").await;
    due_now(&bed, "both").await;
    let (both, new) = (spec("both", "of the file"), spec("new", "hello"));
    let replaced = bed.send(sync(&[both.clone(), new.clone()])).await;
    assert_eq!(replaced, ["both"]);
    let known = schedules(&bed).await;
    let who: Vec<_> = known.iter().map(|known| (known.name.as_str(), known.made_by)).collect();
    assert_eq!(who.len(), 3);
    assert!(who.contains(&("mine", MadeBy::Api)) && who.contains(&("both", MadeBy::File)));
    let fresh = known.into_iter().find(|known| known.name == "new").unwrap();
    assert_eq!((fresh.due_ms, fresh.look_ms), (None, Some(bed.clock.now_ms())));
    let due = bed.clock.now_ms() + 1_000;
    let planned = FireSchedule {
        name: "new".into(),
        made_ms: fresh.made_ms,
        due_ms: None,
        firing: Firing::Planned,
        next: Some(at(due)),
        note: None,
    };
    assert!(bed.send(planned).await.moved);
    // Another message keeps the due time, another rule does not, and one that is gone is gone.
    let reworded = ScheduleSpec { message: "other words".into(), ..new.clone() };
    bed.send(sync(&[reworded])).await;
    let known = schedules(&bed).await;
    let new_one = known.iter().find(|known| known.name == "new").unwrap();
    assert_eq!((new_one.due_ms, new_one.spec.message.as_str()), (Some(due), "other words"));
    assert!(known.iter().all(|known| known.name != "both"));
    let daily =
        ScheduleSpec { timing: Timing { every: Some("1d".into()), ..Timing::default() }, ..new };
    bed.send(sync(&[daily])).await;
    let new_one = schedules(&bed).await.into_iter().find(|known| known.name == "new").unwrap();
    assert_eq!(new_one.due_ms, None);
    // The API neither replaces nor removes it, and makes its own again once that has ended.
    let make = |name: &str, message: &str| MakeSchedule {
        spec: spec(name, message),
        due: at(due),
        made_ms: bed.clock.now_ms(),
    };
    assert_eq!(bed.send(make("new", "x")).await, None);
    assert_eq!(bed.send(make("mine", "another")).await, None);
    assert!(bed.send(make("mine", "hello")).await.is_some(), "the same again");
    assert_eq!(bed.send(DropSchedule { name: "new".into() }).await, Some(MadeBy::File));
    assert_eq!(bed.send(DropSchedule { name: "mine".into() }).await, Some(MadeBy::Api));
    assert_eq!(schedules(&bed).await.len(), 1);
}

#[tokio::test]
async fn schedule_that_cannot_be_read_stops_no_inbox() {
    let bed = Bed::new();
    let shard = Shard::new("telegram.main");
    let stored = serde_json::json!({
        "name": "odd", "made_by": "file", "spec": "{\"onMissed\": \"later version\"}", "made_ms": 1,
        "due_ms": 5, "due_local": null, "look_ms": 5, "last_ms": null, "last_event": null,
        "note": null, "asked_ms": null,
    });
    let odd: StoredSchedule = serde_json::from_value(stored).unwrap();
    assert_eq!(odd.spec, ScheduleSpec::default());
    assert!(bed.inbox.ask(&shard, NextDue).await.is_ok());
}

#[tokio::test]
async fn due_time_passes_while_the_run_before_is_open() {
    let bed = Bed::new();
    let first = due_now(&bed, "often").await;
    let ran = bed.send(fire(&first)).await.accepted.unwrap();
    bed.clock.advance(3_600_000);
    let second = schedules(&bed).await.remove(0);
    let passed = bed.send(fire(&second)).await;
    assert!(passed.moved && passed.accepted.is_none());
    let known = schedules(&bed).await.remove(0);
    assert_eq!(known.note.as_deref(), Some("The run before is still open, so this time passed."));
    assert_eq!((known.last_event, known.last_ms), (Some(ran.event), second.due_ms));
    assert_eq!(bed.inbox.rows("event"), 1);
}

#[tokio::test]
async fn name_of_the_file_takes_the_one_of_the_api_in_every_inbox() {
    let bed = Bed::new();
    due_now(&bed, "digest").await;
    let elsewhere = SyncSchedules { wanted: Vec::new(), names: vec!["digest".to_owned()] };
    assert_eq!(bed.send(elsewhere).await, ["digest"]);
    assert!(schedules(&bed).await.is_empty());
}

#[tokio::test]
async fn change_of_the_file_closes_the_question_about_the_schedule_as_it_was() {
    let bed = Bed::new();
    let sync = |message: &str| SyncSchedules {
        wanted: vec![spec("clean", message)],
        names: vec!["clean".to_owned()],
    };
    bed.send(sync("clean temp")).await;
    let fresh = schedules(&bed).await.remove(0);
    let ask =
        FireSchedule { due_ms: None, ..asked(&StoredSchedule { due_ms: Some(7), ..fresh }, "t") };
    assert!(bed.send(ask).await.moved);
    bed.send(sync("clean prod")).await;
    let find = FindQuestion { token_hash: Some("t".to_owned()), name: None };
    assert!(bed.send(find).await.is_none());
}

#[tokio::test]
async fn schedule_that_a_wrong_clock_has_planned_is_planned_again() {
    let bed = Bed::new();
    let (right, ahead) = (bed.clock.now_ms(), 10 * 365 * 24 * 3_600_000);
    due_now(&bed, "often").await;
    bed.clock.advance(ahead);
    let seen = schedules(&bed).await.remove(0);
    let skips = Firing::Skipped { at_ms: right + ahead };
    let next = Some(at(right + ahead + 3_600_000));
    bed.send(FireSchedule { firing: skips, next, ..fire(&seen) }).await;
    bed.clock.set(right + 1_000);
    let due = bed.work(0, 1).await.schedules;
    assert_eq!(due.len(), 1, "its last time is years ahead");
    let plan = FireSchedule {
        firing: Firing::Planned,
        next: Some(at(right + 3_600_000)),
        ..fire(&due[0])
    };
    assert!(bed.send(plan).await.moved);
    assert!(bed.work(0, 1).await.schedules.is_empty(), "once");
    assert_eq!(schedules(&bed).await.remove(0).due_ms, Some(right + 3_600_000));
}
