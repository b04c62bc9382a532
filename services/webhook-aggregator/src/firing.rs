//! Schedules that are due: each firing is an event like any other, asked about or skipped if its
//! time was missed.
//!
//! The assistant computes the due times, because it has the time zones. Without it nothing fires:
//! its approval would be needed next anyway.

use crate::Deps;
use crate::config::Chat;
use contracts::ChannelKind;
use contracts::calls::personal_assistant::PlanSchedule;
use contracts::event::{Speaker, Stage};
use contracts::outbox::Buttons;
use contracts::schedule::{DueTime, OnMissed, PlanAnswer, PlanRequest};
use contracts::{ConversationId, ErrorCode, Shard};
use inbox::{
    Draft, EventOrigin, FireSchedule, Firing, InboxExt, NewEvent, NewQuestion, NewSaid,
    StoredSchedule, line_id,
};
use platform::ports::{CallError, ClockExt, PortResult};
use platform::secret::digest_hex;
use platform::text::short;

/// A due time that is longer ago than this was missed.
const LATE_MS: i64 = 5 * 60_000;
/// Until the next try, when the due times could not be computed.
const AGAIN_MS: i64 = 15_000;
/// Until the next look at a schedule that the configuration in force does not allow.
const NOT_NOW_MS: i64 = 60_000;
/// Maximum characters of the message that a question shows.
const SHOWN_CHARS: usize = 300;
/// Begins the press data of these buttons: `m1:<96 random bits>:<1 or 0>`. `s1` stops a message.
pub(crate) const PREFIX: &str = "m1";

/// Fires these schedules. Afterwards none of them is due.
///
/// # Errors
/// The first error of the inbox; what is due stays due.
pub(crate) async fn fire_all(
    deps: &Deps,
    shard: &Shard,
    due: Vec<StoredSchedule>,
) -> PortResult<()> {
    let mut first = Ok(());
    for schedule in &due {
        let fired = fire(deps, shard, schedule).await;
        first = first.and(fired);
    }
    first
}

async fn fire(deps: &Deps, shard: &Shard, schedule: &StoredSchedule) -> PortResult<()> {
    let now_ms = deps.clock.now_ms();
    let command = match decided(deps, shard, schedule, now_ms).await {
        Ok(command) => command,
        Err(Stays { until_ms, why }) => FireSchedule {
            firing: until_ms.map_or(Firing::Planned, |look_ms| Firing::Later { look_ms }),
            note: Some(why),
            ..unmoved(schedule)
        },
    };
    let what = match &command.firing {
        Firing::Run { .. } => "run",
        Firing::Asked { .. } => "asked",
        Firing::Skipped { .. } => "skipped",
        Firing::Planned | Firing::Later { .. } => "",
    };
    let fired = deps.inbox.ask(shard, command).await?;
    if fired.moved && !what.is_empty() {
        let event = fired.accepted.map(|accepted| accepted.event.0).unwrap_or_default();
        tracing::info!(%shard, schedule = schedule.name, what, "event.id" = event, "a schedule was due");
        deps.notify_conversation(&schedule.spec.conversation);
    }
    Ok(())
}

/// Why a schedule does not move now; without a time it ends.
struct Stays {
    until_ms: Option<i64>,
    why: String,
}

fn unmoved(schedule: &StoredSchedule) -> FireSchedule {
    FireSchedule {
        name: schedule.name.clone(),
        made_ms: schedule.made_ms,
        due_ms: schedule.due_ms,
        firing: Firing::Planned,
        next: None,
        note: None,
    }
}

async fn decided(
    deps: &Deps,
    shard: &Shard,
    schedule: &StoredSchedule,
    now_ms: i64,
) -> Result<FireSchedule, Stays> {
    let later = |why: String| Stays { until_ms: Some(now_ms + NOT_NOW_MS), why };
    let spec = &schedule.spec;
    if !deps.config.is_in_force(schedule) {
        return Err(later("It is not in the configuration any more.".to_owned()));
    }
    let chat = deps.config.chat(&spec.conversation);
    let chat =
        chat.map_err(|wrong| later(format!("`{}` {} {}", wrong.key, wrong.what, wrong.fix)))?;
    if let Some(approver) = spec.approver.as_ref().filter(|who| !may_approve(&chat, who)) {
        let place = format!("{}.{}", chat.endpoint.channel, chat.endpoint.name);
        return Err(later(format!(
            "It was made for {approver}, who is no approver of {place} any more. Make it again."
        )));
    }
    let PlanAnswer { latest, next } = plan(deps, schedule, now_ms).await?;
    // By a clock that was ahead, its times are over for years.
    let is_ahead = schedule.last_ms.is_some_and(|last| last > now_ms + inbox::SCHEDULE_AHEAD_MS);
    let Some(due_ms) = schedule.due_ms.filter(|_| !is_ahead) else {
        let over = next.is_none().then(|| "Its time was over when it was made.".to_owned());
        return Ok(FireSchedule { next, note: over, ..unmoved(schedule) });
    };
    // Another time zone of the owner may move the newest time before the one that was planned.
    let planned = DueTime { at_ms: due_ms, local: schedule.due_local.clone().unwrap_or_default() };
    let due = latest.filter(|latest| latest.at_ms >= due_ms).unwrap_or(planned);
    let (firing, note) = firing(deps, shard, schedule, &chat, &due, now_ms);
    Ok(FireSchedule { firing, next, note: Some(note), ..unmoved(schedule) })
}

/// Whether this person approves where the schedule runs.
fn may_approve(chat: &Chat<'_>, who: &str) -> bool {
    chat.approver == who || chat.endpoint.approvers.iter().any(|approver| approver == who)
}

async fn plan(deps: &Deps, schedule: &StoredSchedule, now_ms: i64) -> Result<PlanAnswer, Stays> {
    let timing = schedule.spec.timing.clone();
    let asked = PlanRequest { timing, since_ms: schedule.made_ms, now_ms };
    deps.calls.ask::<PlanSchedule>(&(), &asked).await.map_err(|error| match error {
        CallError::Refused(problem) if problem.code == ErrorCode::InvalidField => {
            tracing::error!(schedule = schedule.name, why = problem.detail, "a schedule ended");
            Stays { until_ms: None, why: problem.detail }
        }
        error => {
            tracing::warn!(schedule = schedule.name, %error, "a schedule could not be fired and is tried again");
            let why = "Its due times could not be computed; it is tried again.".to_owned();
            Stays { until_ms: Some(now_ms + AGAIN_MS), why }
        }
    })
}

/// The effect of this due time, in time or missed, with its note.
fn firing(
    deps: &Deps,
    shard: &Shard,
    schedule: &StoredSchedule,
    chat: &Chat<'_>,
    due: &DueTime,
    now_ms: i64,
) -> (Firing, String) {
    let at_ms = due.at_ms;
    let run = || Firing::Run { at_ms, event: Box::new(event(schedule, chat, at_ms)) };
    if now_ms - at_ms <= LATE_MS {
        return (run(), format!("Run at {}.", due.local));
    }
    match schedule.spec.on_missed {
        OnMissed::Run => (run(), format!("Missed at {}, and run later.", due.local)),
        OnMissed::Skip => (Firing::Skipped { at_ms }, format!("Missed at {}.", due.local)),
        OnMissed::Ask => {
            let question = Box::new(question(deps, shard, schedule, chat, due));
            let note = format!("Missed at {}, and asked about.", due.local);
            (Firing::Asked { at_ms, question }, note)
        }
    }
}

/// The event of a due time, in the name of an approver of its endpoint: it may do what he may, and
/// its agent needs the same approval.
pub(crate) fn event(schedule: &StoredSchedule, chat: &Chat<'_>, at_ms: i64) -> NewEvent {
    event_of(schedule, chat, format!("schedule:{}:{at_ms}", schedule.name))
}

/// The same by its dedup key.
pub(crate) fn event_of(schedule: &StoredSchedule, chat: &Chat<'_>, dedupe_key: String) -> NewEvent {
    let Chat { endpoint, target, approver } = chat;
    let spec = &schedule.spec;
    let approver = spec.approver.as_deref().unwrap_or(approver);
    let (channel, name) = (endpoint.channel.to_string(), endpoint.name.clone());
    let conversation = ConversationId::new(spec.conversation.clone());
    NewEvent {
        said: vec![NewSaid {
            id: line_id(&channel, &name, &dedupe_key),
            conversation: conversation.clone(),
            speaker: Speaker::User,
            agent: None,
            text: spec.message.clone(),
            settled: true,
        }],
        origin: EventOrigin {
            target: target.clone(),
            actor: Some(format!("{channel}:{name}:{approver}")),
            approver: true,
            schedule: Some(schedule.name.clone()),
            agent: spec.agent.clone(),
            ..EventOrigin::default()
        },
        channel,
        endpoint: name,
        dedupe_key,
        semantic_key: None,
        conversation,
        control: false,
        sender: Some(approver.to_owned()),
        text: spec.message.clone(),
        raw: None,
        state: Stage::Received,
        reason: None,
        limits: Vec::new(),
        limit_notice: None,
        overheard: false,
        unrecorded_over_limit: false,
        is_stop_word: false,
        waits_notice: None,
        moved: None,
        edits: None,
    }
}

/// The question about a missed time. Only the digest of its token is stored.
fn question(
    deps: &Deps,
    shard: &Shard,
    schedule: &StoredSchedule,
    chat: &Chat<'_>,
    due: &DueTime,
) -> NewQuestion {
    let nonce = deps.clock.random_hex(12);
    let message = short(&schedule.spec.message, SHOWN_CHARS);
    let text = format!(
        "Schedule “{}” was due at {}, and I was not running then: “{message}”.",
        schedule.name, due.local
    );
    let token_hash = digest_hex(nonce.as_bytes());
    let id = format!("schedule:{shard}:{}:{}", schedule.name, due.at_ms);
    if chat.endpoint.channel == ChannelKind::Web {
        let said = NewSaid {
            id,
            conversation: ConversationId::new(schedule.spec.conversation.clone()),
            speaker: Speaker::System,
            agent: None,
            text: format!("{text} `quintet schedules run {}` runs it now.", schedule.name),
            settled: true,
        };
        return NewQuestion { token_hash, draft: None, closing: None, said: Some(said) };
    }
    let buttons = Buttons {
        approve: format!("{PREFIX}:{nonce}:1"),
        reject: format!("{PREFIX}:{nonce}:0"),
        labels: Some(["Run now".to_owned(), "Skip".to_owned()]),
        more: Vec::new(),
    };
    let closing = Draft {
        id,
        revision: 2,
        target: chat.target.clone(),
        text: format!("{text} This question is closed."),
        buttons: None,
        event_id: None,
        kind: "ask".to_owned(),
        file: None,
        expires_ms: None,
    };
    let draft = Draft {
        revision: 1,
        text: format!("{text} Run it now?"),
        buttons: Some(buttons),
        ..closing.clone()
    };
    NewQuestion { token_hash, draft: Some(draft), closing: Some(closing), said: None }
}
