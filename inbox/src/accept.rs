//! Accept: dedup key, event, queue row and transcript in one transaction. A duplicate is an answer,
//! not an error.

use super::limits::{Passed, count};
use super::stops::{Waiting, waiting_buttons};
use super::{
    Context, Draft, NewEvent, NewSaid, StoredEvent, aliases, args, claim, edits, forget, json,
    outbox, reply_id, stops, transcript,
};
use contracts::event::{Speaker, Stage};
use contracts::{ChannelKind, EventId};
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// Takes a message in, once and for all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Accept {
    pub event: NewEvent,
    /// Claims the event for its first step, for this long, if its lane is free.
    pub claim_ms: Option<i64>,
}

/// Result of an accept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Accepted {
    pub event: EventId,
    /// The event was accepted before, and this changed nothing.
    pub duplicate: bool,
    pub state: Stage,
    /// The event, when it was claimed.
    pub claimed: Option<StoredEvent>,
}

#[derive(Deserialize)]
struct Known {
    id: EventId,
    state: Stage,
}

impl Accept {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Accepted> {
        let mut accepted = accept(context, self.event)?;
        if let Some(lease_ms) = self.claim_ms.filter(|_| !accepted.duplicate) {
            accepted.claimed = claim::claim_one(context, &accepted.event, lease_ms)?;
        }
        Ok(accepted)
    }
}

/// Accepts an event within the transaction of another command.
pub(super) fn accept(context: &Context<'_>, mut event: NewEvent) -> PortResult<Accepted> {
    if let Some(known) = known(context, &event)? {
        let (event, state) = (known.id, known.state);
        return Ok(Accepted { event, duplicate: true, state, claimed: None });
    }
    if forget::is_forgotten(context, &event)? {
        return Ok(unrecorded(context));
    }
    aliases::apply(context, &mut event)?;
    edits::apply(context, &mut event)?;
    let stops = event.is_stop_word && is_stop(context, &mut event)?;
    if event.overheard && !stops && event.state == Stage::Received && !answered_in(context, &event)?
    {
        event.state = Stage::Ignored;
        event.reason = Some("not_addressed".to_owned());
        event.semantic_key = None;
        event.said.clear();
        // Messages between other people are not kept.
        event.text.clear();
        event.origin.attachments.clear();
    }
    let counts = event.state == Stage::Received || event.unrecorded_over_limit;
    if counts && let Passed::No { tell } = count(context, &event.limits)? {
        if event.unrecorded_over_limit {
            return Ok(unrecorded(context));
        }
        event.state = Stage::Ignored;
        event.reason = Some("rate_limited".to_owned());
        // Its platform may send it again, and then it counts.
        event.semantic_key = None;
        match event.limit_notice.take().filter(|_| tell) {
            // The console has no platform behind it: what is said there is the transcript.
            Some(notice) if event.channel == ChannelKind::Web.as_str() => {
                event.said.push(line_of(notice, &event));
            }
            Some(notice) => outbox::put(context, &notice)?,
            None => {}
        }
    }
    let id = EventId::new(format!("{}.{}", context.shard, (context.ulid)()));
    insert(context, &event, &id)?;
    context.exec(
        "INSERT INTO stage (event_id, at_ms, stage, note) VALUES (?1, ?2, ?3, ?4)",
        args![id.as_str(), context.now_ms, event.state.as_str(), event.reason.clone()],
    )?;
    if event.state == Stage::Received {
        // Control inputs refer to something else and wait for nobody: each is a lane of its own.
        let lane = if event.control { id.as_str() } else { event.conversation.as_str() };
        context.exec(
            "INSERT INTO queue (event_id, seq, shard, lane, control, state, due_ms)
             SELECT id, seq, shard, ?2, control, state, ?3 FROM event WHERE id = ?1",
            args![id.as_str(), lane, context.now_ms],
        )?;
    }
    for line in &event.said {
        transcript::put(context, line, Some(&id))?;
    }
    put_waits_notice(context, &event, &id)?;
    Ok(Accepted { event: id, duplicate: false, state: event.state, claimed: None })
}

/// Whether a stop word counts as one here: something of its conversation is open. Then it waits for
/// nothing, and an approver's stop gets through however much was said before. Overheard, it counts
/// for what its sender may stop.
fn is_stop(context: &Context<'_>, event: &mut NewEvent) -> PortResult<bool> {
    let (sender, approver) = (event.sender.as_deref(), event.origin.approver);
    let (open, own) = stops::open_here(
        context,
        event.conversation.as_str(),
        event.origin.target.spans_threads(),
        (sender, approver),
    )?;
    let counts = event.state == Stage::Received && if event.overheard { own } else { open };
    event.control |= counts;
    if counts && approver {
        event.limits.clear();
        event.limit_notice = None;
    }
    Ok(counts)
}

/// Tells the sender of a message that it waits for a run.
fn put_waits_notice(context: &Context<'_>, event: &NewEvent, id: &EventId) -> PortResult<()> {
    let running = "SELECT q.event_id, e.runs FROM queue q JOIN event e ON e.id = q.event_id
        WHERE q.lane = ?1 AND q.control = 0 AND q.state = 'running' ORDER BY q.seq LIMIT 1";
    let Some(text) = event.waits_notice.clone().filter(|_| event.state == Stage::Received) else {
        return Ok(());
    };
    #[derive(Deserialize)]
    struct Running {
        event_id: EventId,
        runs: u32,
    }
    let found = context.one(running, args![event.conversation.as_str()])?;
    let Some(Running { event_id, runs }) = found.filter(|_| !event.control) else {
        return Ok(());
    };
    let waiting = Waiting { run: event_id, number: runs, message: id.clone() };
    let notice = Draft {
        id: reply_id(id, 0),
        // Every later word about the message has a higher revision.
        revision: 1,
        target: event.origin.target.clone(),
        text,
        buttons: Some(waiting_buttons(&waiting)),
        event_id: Some(id.clone()),
        kind: "reply".to_owned(),
        file: None,
        expires_ms: None,
    };
    if event.channel != ChannelKind::Web.as_str() {
        outbox::put(context, &notice)?;
    }
    let line = NewSaid { settled: false, ..line_of(notice, event) };
    transcript::put(context, &line, Some(id))
}

/// The answer for a message that leaves no row: nothing changed, as for a duplicate.
fn unrecorded(context: &Context<'_>) -> Accepted {
    let event = EventId::new(format!("{}.{}", context.shard, (context.ulid)()));
    Accepted { event, duplicate: true, state: Stage::Ignored, claimed: None }
}

fn line_of(notice: Draft, event: &NewEvent) -> NewSaid {
    NewSaid {
        id: notice.id,
        conversation: event.conversation.clone(),
        speaker: Speaker::System,
        agent: None,
        text: notice.text,
        settled: true,
    }
}

/// Whether something said in this conversation was answered by us.
fn answered_in(context: &Context<'_>, event: &NewEvent) -> PortResult<bool> {
    #[derive(Deserialize)]
    struct Found {
        #[serde(rename = "found")]
        _found: i64,
    }
    let answered = "SELECT 1 AS found FROM event WHERE conversation = ?1 AND state IN ('answered', 'done') AND control = 0 LIMIT 1";
    Ok(context.one::<Found>(answered, args![event.conversation.as_str()])?.is_some())
}

fn known(context: &Context<'_>, event: &NewEvent) -> PortResult<Option<Known>> {
    let shard = context.shard.as_str();
    let same = context.one(
        "SELECT id, state FROM event WHERE shard = ?1 AND dedupe_key = ?2",
        args![shard, &event.dedupe_key],
    )?;
    if same.is_some() {
        return Ok(same);
    }
    match &event.semantic_key {
        Some(key) => context.one(
            "SELECT id, state FROM event WHERE shard = ?1 AND semantic_key = ?2",
            args![shard, key],
        ),
        None => Ok(None),
    }
}

fn insert(context: &Context<'_>, event: &NewEvent, id: &EventId) -> PortResult<()> {
    context.exec(
        "INSERT INTO event (id, shard, channel, endpoint, dedupe_key, semantic_key, conversation, control, sender, text, payload, raw,
            state, reason, received_ms, updated_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15)",
        args![
            id.as_str(),
            context.shard.as_str(),
            &event.channel,
            &event.endpoint,
            &event.dedupe_key,
            event.semantic_key.clone(),
            event.conversation.as_str(),
            event.control,
            event.sender.clone(),
            &event.text,
            json(&event.origin)?,
            event.raw.clone(),
            event.state.as_str(),
            event.reason.clone(),
            context.now_ms,
        ],
    )?;
    Ok(())
}
