//! Stops of single messages: what still moves in a conversation, and the mark that ends a run.

use super::{Context, Step, StoredEvent, TaskState, advance, args, claim, read, tasks};
use contracts::event::Stage;
use contracts::outbox::Buttons;
use contracts::{EventId, Shard};
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// The messages of a conversation that wait, are parked or run; oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListOpen {
    pub conversation: String,
    /// Also those of its threads, which are conversations below its name.
    #[serde(default)]
    pub with_threads: bool,
}

/// Stops one message. A message that no gateway has ends at once; a run is marked, and its
/// gateway learns of it with its next renewal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StopEvent {
    pub event: EventId,
    /// The version that was seen.
    pub version: u32,
    /// The control input that asked for it; due again when the run has ended.
    pub by: EventId,
    /// The end of a message that no gateway has.
    pub ended: Step,
    /// The waiting message of its conversation that goes on first.
    #[serde(default)]
    pub then: Option<EventId>,
}

/// Result of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stopping {
    /// It ended without a run.
    Ended,
    /// A gateway has it and will be told.
    Marked,
    /// It moved meanwhile: read it again.
    Moved,
}

/// Begin the press data of the buttons: stop, stop and go on with a message, leave it waiting.
const STOP: &str = "s1";
const INSTEAD: &str = "s2";
const AFTER: &str = "s3";

/// A press on one of the buttons of this file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopPress {
    /// Stop this message.
    Stop(EventId),
    /// Stop this run and go on with the message.
    Instead(Waiting),
    /// Leave the run alone: the message comes after it.
    After(Waiting),
}

/// A message that waits for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The message that runs.
    pub run: EventId,
    /// Which of its runs.
    pub number: u32,
    pub message: EventId,
}

/// The press data of the button that stops this message: `s1:<ULID>`. It needs no secret: only the
/// sender and approvers are obeyed, in the same chat.
pub fn stop_button(event: &EventId) -> String {
    format!("{STOP}:{}", ulid(event))
}

/// The buttons of a message that waits for a run: `s3:<ULID>:<number>:<ULID>` and the same with
/// `s2`, at most 64 bytes. They name the run, so that a late press cannot stop another.
pub(super) fn waiting_buttons(waiting: &Waiting) -> Buttons {
    let Waiting { run, number, message } = waiting;
    let data = |kind: &str| format!("{kind}:{}:{number}:{}", ulid(run), ulid(message));
    let labels = Some(["After this".to_owned(), "Stop and do this".to_owned()]);
    Buttons { approve: data(AFTER), reject: data(INSTEAD), labels, more: Vec::new() }
}

fn ulid(event: &EventId) -> &str {
    event.as_str().rsplit_once('.').map_or("", |(_, ulid)| ulid)
}

/// Whether all of these buttons only stop, or leave, what goes on.
pub fn only_stops(buttons: &Buttons) -> bool {
    let is_stop = |data: &str| {
        data.split_once(':').is_some_and(|(kind, _)| [STOP, INSTEAD, AFTER].contains(&kind))
    };
    buttons.two().iter().all(|shown| is_stop(shown.data)) && buttons.rest().next().is_none()
}

/// Whether there is one button alone, and it stops something: safe at any time.
pub fn stops_alone(buttons: &Buttons) -> bool {
    only_stops(buttons) && buttons.two().len() == 1
}

/// The meaning of a press in this inbox, if it is one on a button of this file.
pub fn pressed_to_stop(shard: &Shard, token: &str) -> Option<StopPress> {
    let id = |ulid: &str| EventId::new(format!("{shard}.{ulid}"));
    let parts: Vec<_> = token.split(':').collect();
    match *parts {
        [STOP, ulid] => Some(StopPress::Stop(id(ulid))),
        [kind @ (INSTEAD | AFTER), run, number, message] => {
            let number = number.parse().ok()?;
            let waiting = Waiting { run: id(run), number, message: id(message) };
            let press = if kind == AFTER { StopPress::After } else { StopPress::Instead };
            Some(press(waiting))
        }
        _ => None,
    }
}

/// The lane `?1`, or also those below it.
const fn lanes(with_threads: bool) -> &'static str {
    if with_threads {
        "(q.lane = ?1 OR substr(q.lane, 1, length(?1) + 1) = ?1 || ':')"
    } else {
        "q.lane = ?1"
    }
}

/// Messages that a stop can end. An answer that is known is delivered.
const OPEN: &str = "q.control = 0 AND q.state <> 'answered'";

impl ListOpen {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Vec<StoredEvent>> {
        let columns = claim::EVENT_COLUMNS;
        let lanes = lanes(self.with_threads);
        let sql = format!(
            "SELECT {columns} FROM event
             WHERE id IN (SELECT q.event_id FROM queue q WHERE {lanes} AND {OPEN}) ORDER BY seq"
        );
        context.all(&sql, args![self.conversation])
    }
}

impl StopEvent {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Stopping> {
        let found = read::event(context, &self.event)?;
        let Some(event) = found.filter(|event| event.version == self.version) else {
            return Ok(Stopping::Moved);
        };
        if let Some(then) = &self.then {
            put_first(context, &self.event, then)?;
        }
        let task = event.task_id.clone().unwrap_or_else(|| event.current_task());
        let leased = event.state == Stage::Running
            && tasks::get(context, &task)?.is_some_and(|row| row.state == TaskState::Leased);
        if !leased {
            let ended = advance::apply(context, &self.event, self.version, self.ended)?;
            return Ok(if ended { Stopping::Ended } else { Stopping::Moved });
        }
        context.exec(
            "INSERT INTO stop (task_id, event_id, at_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT (task_id) DO UPDATE SET event_id = excluded.event_id",
            args![task.as_str(), self.by.as_str(), context.now_ms],
        )?;
        Ok(Stopping::Marked)
    }
}

/// Puts a waiting message before all others that wait in the lane behind this run.
fn put_first(context: &Context<'_>, run: &EventId, message: &EventId) -> PortResult<()> {
    #[derive(Deserialize)]
    struct Place {
        event_id: EventId,
        seq: i64,
    }
    let places: Vec<Place> = context.all(
        "SELECT q.event_id, q.seq FROM queue q JOIN queue r ON r.event_id = ?1
         WHERE q.lane = r.lane AND q.seq > r.seq AND q.control = 0 AND q.state IN ('received', 'routed', 'approved')
         ORDER BY q.seq",
        args![run.as_str()],
    )?;
    let Some(at) = places.iter().position(|place| place.event_id == *message) else {
        return Ok(());
    };
    // Each of those before it takes the place of the next one.
    let (before, _) = places.split_at(at + 1);
    let order = before.last().into_iter().chain(before.iter().take(at));
    for (place, moved) in before.iter().zip(order) {
        context.exec(
            "UPDATE queue SET seq = ?2 WHERE event_id = ?1",
            args![moved.event_id.as_str(), place.seq],
        )?;
    }
    Ok(())
}

/// Whether something of a conversation, or also of its threads, is open, and whether it is this
/// sender's to stop.
pub(super) fn open_here(
    context: &Context<'_>,
    conversation: &str,
    with_threads: bool,
    (sender, approver): (Option<&str>, bool),
) -> PortResult<(bool, bool)> {
    let open = format!("FROM queue q WHERE {} AND {OPEN}", lanes(with_threads));
    let any = context.number(&format!("SELECT COUNT(*) {open}"), args![conversation])? > 0;
    let own = format!(
        "SELECT COUNT(*) {open} AND EXISTS (SELECT 1 FROM event e WHERE e.id = q.event_id AND e.sender = ?2)"
    );
    let own = any && (approver || context.number(&own, args![conversation, sender])? > 0);
    Ok((any, own))
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    use super::*;
    use crate::Patch;
    use crate::tests::{Bed, asks, task};

    #[tokio::test]
    async fn mark_of_a_stop_is_gone_when_its_message_has_ended() {
        let bed = Bed::new();
        bed.accept("1", "a").await;
        let event = bed.claim().await.remove(0);
        let patch = Patch { task: Some(task(&event)), ..Patch::default() };
        bed.to(&event, Stage::Running, patch).await;
        bed.send(asks("g", "*", 1)).await;
        let (event, ..) = bed.get(&event.id).await;
        let ended =
            Step::To { stage: Stage::Refused, note: None, patch: Box::default(), due_ms: 0 };
        let (by, version) = (event.id.clone(), event.version);
        let stop = StopEvent { event: event.id.clone(), version, by, ended, then: None };
        assert_eq!(bed.send(stop).await, Stopping::Marked);
        assert_eq!(bed.inbox.rows("stop"), 1);
        assert!(bed.to(&event, Stage::Done, Patch::default()).await);
        assert_eq!(bed.inbox.rows("stop"), 0);
    }

    #[test]
    fn press_data_names_the_run_and_the_message_that_it_is_for() {
        let ulid = |last: char| format!("01ARZ3NDEKTSV4RRFFQ69G5FA{last}");
        let id = |last: char| EventId::new(format!("telegram.main.{}", ulid(last)));
        let shard = Shard::new("telegram.main");
        let waiting = Waiting { run: id('A'), number: 999, message: id('B') };
        let buttons = waiting_buttons(&waiting);
        assert!(buttons.two().iter().all(|shown| shown.data.len() <= 64));
        let read = |data: &str| pressed_to_stop(&shard, data);
        assert_eq!(read(&buttons.approve), Some(StopPress::After(waiting.clone())));
        assert_eq!(read(&buttons.reject), Some(StopPress::Instead(waiting)));
        assert_eq!(read(&stop_button(&id('A'))), Some(StopPress::Stop(id('A'))));
        assert!(only_stops(&buttons) && only_stops(&Buttons::one("Stop", stop_button(&id('A')))));
        assert!(!only_stops(&Buttons::one("Choose", "c1:x".to_owned())));
        assert!(
            !stops_alone(&buttons) && stops_alone(&Buttons::one("Stop", stop_button(&id('A'))))
        );
        for data in ["s2:a:b", "s2:a:-1:b", "s2:a:1:b:c", "s1:a:b", "w1:a", "s4:a:1:b", ""] {
            assert_eq!(read(data), None, "{data}");
        }
    }

    #[tokio::test]
    async fn message_that_a_stop_names_goes_on_before_the_others_and_not_before_the_end() {
        let bed = Bed::new();
        bed.accept("1", "a").await;
        let event = bed.claim().await.remove(0);
        let patch = Patch { task: Some(task(&event)), ..Patch::default() };
        bed.to(&event, Stage::Running, patch).await;
        bed.send(asks("g", "*", 1)).await;
        let mut waiting = Vec::new();
        for key in ["2", "3", "4", "5"] {
            waiting.push(bed.accept(key, "a").await.0);
        }
        let (event, ..) = bed.get(&event.id).await;
        let ended =
            Step::To { stage: Stage::Refused, note: None, patch: Box::default(), due_ms: 0 };
        let (by, version, then) = (event.id.clone(), event.version, Some(waiting[2].clone()));
        let stop = StopEvent { event: event.id.clone(), version, by, ended, then };
        assert_eq!(bed.send(stop).await, Stopping::Marked);
        assert!(bed.claim().await.is_empty(), "the run has not ended");
        assert!(bed.to(&event, Stage::Done, Patch::default()).await);
        for next in [2, 0, 1, 3] {
            let claimed = bed.claim().await;
            let ids: Vec<_> = claimed.iter().map(|event| event.id.clone()).collect();
            assert_eq!(ids, [waiting[next].clone()]);
            assert!(bed.to(&claimed[0], Stage::Done, Patch::default()).await);
        }
    }
}
