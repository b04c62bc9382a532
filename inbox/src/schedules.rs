//! Schedules: firing one and moving it on to its next due time is one transaction, so a kill at the
//! due second leaves either the old due time and no event, or the event and the next due time.
//!
//! This side only knows instants. Its caller computes them, and names the due time that it has
//! seen: of two pumps that fire at once, the second changes nothing.

use super::accept::accept;
use super::schedule_rows::{all, one};
use super::{
    Accepted, Context, Draft, NewEvent, NewSaid, ScheduleSpec, StoredSchedule, args, json, outbox,
    transcript,
};
use contracts::EventId;
use contracts::event::Stage;
use contracts::schedule::{DueTime, MadeBy};
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// Milliseconds for which an ended schedule of the API is still listed: 30 days.
const ENDED_KEPT_MS: i64 = 30 * 24 * 3_600_000;

/// Takes up the schedules of the configuration, by name: those that are not in it any more go, and
/// one of the API gives way to one of the same name. The reply names those.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SyncSchedules {
    pub wanted: Vec<ScheduleSpec>,
    /// The names of all schedules of the configuration, also of other inboxes.
    pub names: Vec<String>,
}

/// Makes a schedule by the API; changes nothing if there is a live one of this name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MakeSchedule {
    pub spec: ScheduleSpec,
    pub due: DueTime,
    /// The time that `every` counts from.
    pub made_ms: i64,
}

/// Removes a schedule that the API made; the reply is who made the one of this name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DropSchedule {
    pub name: String,
}

/// Reads all schedules.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadSchedules;

/// The effect of a due time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Firing {
    /// Nothing was due: the next due time is set.
    Planned,
    /// The event is accepted.
    Run { at_ms: i64, event: Box<NewEvent> },
    /// The conversation is asked.
    Asked { at_ms: i64, question: Box<NewQuestion> },
    /// It passes.
    Skipped { at_ms: i64 },
    /// It cannot be told yet.
    Later { look_ms: i64 },
}

/// A question about a missed time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewQuestion {
    /// SHA-256 of the nonce in its buttons.
    pub token_hash: String,
    /// The message with the buttons; none where nothing can be sent.
    pub draft: Option<Draft>,
    /// The same message when nobody may press any more.
    pub closing: Option<Draft>,
    /// The line of a conversation without a platform.
    pub said: Option<NewSaid>,
}

/// Fires a schedule and moves it on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FireSchedule {
    pub name: String,
    /// As the caller has seen it; another one changes nothing.
    pub made_ms: i64,
    pub due_ms: Option<i64>,
    pub firing: Firing,
    /// The next due time; without one the schedule ends.
    pub next: Option<DueTime>,
    pub note: Option<String>,
}

/// The effect of a command about a due time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Fired {
    pub moved: bool,
    pub accepted: Option<Accepted>,
}

/// Finds the open question with this button, or of this schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindQuestion {
    pub token_hash: Option<String>,
    pub name: Option<String>,
}

/// An open question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question {
    pub schedule: StoredSchedule,
    pub at_ms: i64,
    pub token_hash: String,
    pub closing: Option<Draft>,
}

/// Answers a question, once: with an event to run it, without to skip it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AnswerQuestion {
    pub token_hash: String,
    pub event: Option<NewEvent>,
    /// The message of the question, without buttons.
    pub draft: Option<Draft>,
    pub note: String,
}

impl SyncSchedules {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Vec<String>> {
        let mut replaced = Vec::new();
        let kept = all(context)?;
        for gone in kept.iter().filter(|kept| kept.made_by == MadeBy::File) {
            if !self.wanted.iter().any(|spec| spec.name == gone.name) {
                delete(context, &gone.name)?;
            }
        }
        let of_api = kept.iter().filter(|kept| kept.made_by == MadeBy::Api);
        for other in of_api.filter(|kept| self.names.contains(&kept.name)) {
            delete(context, &other.name)?;
            replaced.push(other.name.clone());
        }
        for spec in self.wanted {
            let known = kept.iter().find(|kept| kept.name == spec.name);
            match known {
                Some(known) if known.made_by == MadeBy::File && known.spec.is_alike(&spec) => {}
                Some(known)
                    if known.made_by == MadeBy::File && known.spec.timing == spec.timing =>
                {
                    // Its question is about the schedule as it was.
                    close(context, &spec.name)?;
                    context.exec(
                        "UPDATE schedule SET spec = ?3 WHERE shard = ?1 AND name = ?2",
                        args![context.shard.as_str(), &spec.name, json(&spec)?],
                    )?;
                }
                _ => {
                    delete(context, &spec.name)?;
                    insert(context, &spec, MadeBy::File, None, context.now_ms)?;
                }
            }
        }
        Ok(replaced)
    }
}

impl MakeSchedule {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Option<StoredSchedule>> {
        context.exec(
            "DELETE FROM schedule WHERE shard = ?1 AND made_by = 'api' AND look_ms IS NULL AND COALESCE(last_ms, made_ms) < ?2",
            args![context.shard.as_str(), context.now_ms - ENDED_KEPT_MS],
        )?;
        let known = one(context, &self.spec.name)?;
        let is_over =
            |known: &StoredSchedule| known.look_ms.is_none() && known.made_by == MadeBy::Api;
        if known.as_ref().is_none_or(is_over) {
            delete(context, &self.spec.name)?;
            insert(context, &self.spec, MadeBy::Api, Some(&self.due), self.made_ms)?;
            return one(context, &self.spec.name);
        }
        // The same again has the same answer.
        let same = |known: &StoredSchedule| {
            known.made_by == MadeBy::Api && known.spec.is_alike(&self.spec)
        };
        Ok(known.filter(same))
    }
}

impl DropSchedule {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Option<MadeBy>> {
        let made_by = one(context, &self.name)?.map(|known| known.made_by);
        if made_by == Some(MadeBy::Api) {
            delete(context, &self.name)?;
        }
        Ok(made_by)
    }
}

impl ReadSchedules {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Vec<StoredSchedule>> {
        all(context)
    }
}

impl FireSchedule {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Fired> {
        let seen = |known: &StoredSchedule| {
            known.made_ms == self.made_ms && known.due_ms == self.due_ms && known.look_ms.is_some()
        };
        let Some(known) = one(context, &self.name)?.filter(seen) else {
            return Ok(Fired::default());
        };
        let (mut last_ms, mut last_event, mut accepted) = (known.last_ms, known.last_event, None);
        let mut note = self.note;
        match self.firing {
            // A time that is still to come was no due time.
            Firing::Planned => last_ms = last_ms.map(|last| last.min(context.now_ms)),
            Firing::Skipped { at_ms } => last_ms = Some(at_ms),
            Firing::Run { at_ms, .. } if is_open(context, last_event.as_ref())? => {
                last_ms = Some(at_ms);
                note = Some("The run before is still open, so this time passed.".to_owned());
            }
            Firing::Run { at_ms, event } => {
                let done = accept(context, *event)?;
                last_ms = Some(at_ms);
                last_event = Some(done.event.clone());
                accepted = Some(done);
                // A question about an earlier time is closed.
                close(context, &self.name)?;
            }
            Firing::Asked { at_ms, question } => {
                last_ms = Some(at_ms);
                close(context, &self.name)?;
                ask(context, &self.name, at_ms, &question)?;
            }
            Firing::Later { look_ms } => {
                context.exec(
                    "UPDATE schedule SET look_ms = ?3, note = ?4 WHERE shard = ?1 AND name = ?2",
                    args![context.shard.as_str(), &self.name, look_ms, note],
                )?;
                return Ok(Fired { moved: true, accepted: None });
            }
        }
        let (due_ms, due_local) = self.next.map(|due| (due.at_ms, due.local)).unzip();
        context.exec(
            "UPDATE schedule SET due_ms = ?3, due_local = ?4, look_ms = ?3, last_ms = ?5, last_event = ?6, note = ?7
             WHERE shard = ?1 AND name = ?2",
            args![
                context.shard.as_str(),
                &self.name,
                due_ms,
                due_local,
                last_ms,
                last_event.map(|event| event.0),
                note
            ],
        )?;
        Ok(Fired { moved: true, accepted })
    }
}

/// Whether an event has not ended: a halt, a missing gateway or a slow run must not pile up what
/// comes again and again.
fn is_open(context: &Context<'_>, event: Option<&EventId>) -> PortResult<bool> {
    #[derive(Deserialize)]
    struct Found {
        state: Stage,
    }
    let Some(event) = event else { return Ok(false) };
    let sql = "SELECT state FROM event WHERE id = ?1";
    let found = context.one::<Found>(sql, args![event.as_str()])?;
    Ok(found.is_some_and(|found| !found.state.is_final()))
}

impl FindQuestion {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Option<Question>> {
        let Some(row) = question(context, self.token_hash, self.name)? else { return Ok(None) };
        let Some(schedule) = one(context, &row.name)? else { return Ok(None) };
        let (at_ms, token_hash) = (row.at_ms, row.token_hash);
        Ok(Some(Question { schedule, at_ms, token_hash, closing: row.closing }))
    }
}

impl AnswerQuestion {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Fired> {
        let Some(row) = question(context, Some(self.token_hash), None)? else {
            return Ok(Fired::default());
        };
        let shard = context.shard.as_str();
        context.exec(
            "DELETE FROM schedule_question WHERE shard = ?1 AND name = ?2",
            args![shard, &row.name],
        )?;
        if let Some(draft) = &self.draft {
            outbox::put(context, draft)?;
        }
        let accepted = self.event.map(|event| accept(context, event)).transpose()?;
        let event = accepted.as_ref().map(|accepted| accepted.event.0.clone());
        context.exec(
            "UPDATE schedule SET note = ?3, last_event = COALESCE(?4, last_event) WHERE shard = ?1 AND name = ?2",
            args![shard, &row.name, self.note, event],
        )?;
        Ok(Fired { moved: true, accepted })
    }
}

#[derive(Deserialize)]
struct QuestionRow {
    name: String,
    at_ms: i64,
    token_hash: String,
    #[serde(deserialize_with = "draft_or_none")]
    closing: Option<Draft>,
}

/// A message that cannot be read is not edited.
fn draft_or_none<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Draft>, D::Error> {
    let text = Option::<String>::deserialize(d)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn question(
    context: &Context<'_>,
    token_hash: Option<String>,
    name: Option<String>,
) -> PortResult<Option<QuestionRow>> {
    context.one(
        "SELECT name, at_ms, token_hash, closing FROM schedule_question
         WHERE shard = ?1 AND (token_hash = ?2 OR name = ?3)",
        args![context.shard.as_str(), token_hash, name],
    )
}

/// Without a due time it is to be computed at once.
fn insert(
    context: &Context<'_>,
    spec: &ScheduleSpec,
    made_by: MadeBy,
    due: Option<&DueTime>,
    made_ms: i64,
) -> PortResult<()> {
    context.exec(
        "INSERT INTO schedule (shard, name, made_by, spec, made_ms, due_ms, due_local, look_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        args![
            context.shard.as_str(),
            &spec.name,
            made_by.as_str(),
            json(spec)?,
            made_ms,
            due.map(|due| due.at_ms),
            due.map(|due| due.local.clone()),
            due.map_or(context.now_ms, |due| due.at_ms),
        ],
    )?;
    Ok(())
}

fn delete(context: &Context<'_>, name: &str) -> PortResult<()> {
    close(context, name)?;
    context.exec(
        "DELETE FROM schedule WHERE shard = ?1 AND name = ?2",
        args![context.shard.as_str(), name],
    )?;
    Ok(())
}

fn ask(context: &Context<'_>, name: &str, at_ms: i64, asked: &NewQuestion) -> PortResult<()> {
    context.exec(
        "INSERT INTO schedule_question (shard, name, at_ms, token_hash, closing) VALUES (?1, ?2, ?3, ?4, ?5)",
        args![
            context.shard.as_str(),
            name,
            at_ms,
            &asked.token_hash,
            asked.closing.as_ref().map(json).transpose()?
        ],
    )?;
    if let Some(line) = &asked.said {
        transcript::put(context, line, None)?;
    }
    asked.draft.as_ref().map_or(Ok(()), |draft| outbox::put(context, draft))
}

/// Ends the open question of a schedule, if there is one: its message loses the buttons.
fn close(context: &Context<'_>, name: &str) -> PortResult<()> {
    let Some(row) = question(context, None, Some(name.to_owned()))? else { return Ok(()) };
    context.exec(
        "DELETE FROM schedule_question WHERE shard = ?1 AND name = ?2",
        args![context.shard.as_str(), name],
    )?;
    row.closing.map_or(Ok(()), |draft| outbox::put(context, &draft))
}

#[cfg(all(test, feature = "memory"))]
mod tests;
