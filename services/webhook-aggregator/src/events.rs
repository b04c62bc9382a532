//! Reading events: lists over all inboxes, one event whole.

use crate::deps::event_key;
use crate::steps::words_of;
use crate::{Deps, files};
use axum::Json;
use axum::extract::{Path, State};
use contracts::event::{
    AttemptEntry, EventDetail, EventList, EventQuery, EventRow, EventsQuery, ProgressLine,
    Reply as SaidReply, Speaker, Stage, StageEntry, TranscriptLine,
};
use contracts::outbox::DeliveryState;
use contracts::{EventId, Problem, Shard};
use futures_util::future::join_all;
use inbox::{
    EventParts, InboxExt, ListEvents, ProgressRow, ReadCursor, ReadProgress, ReadTranscript,
    StoredEvent,
};
use platform::edge::{ApiError, ApiResult, Query};
use platform::ports::{PortResult, begin_wait};
use platform::time::rfc3339;

const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 500;
const WAIT_S_MAX: u32 = 25;
const CURSOR_BYTES_MAX: usize = 200;

/// `GET /api/events?state=&channel=&limit=&cursor=`, newest first.
pub(crate) async fn list(
    State(deps): State<Deps>,
    Query(filter): Query<EventsQuery>,
) -> ApiResult<Json<EventList>> {
    let limit = filter.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field(
            "limit",
            format!("`limit` must be from 1 to {LIMIT_MAX}."),
            "Ask for fewer, and continue with the cursor.",
        )
        .into());
    }
    let state = parse_state(filter.state.as_deref())?;
    let cursor = filter.cursor.filter(|cursor| !cursor.is_empty());
    if cursor.as_ref().is_some_and(|cursor| {
        cursor.len() != 26 || !cursor.bytes().all(|b| b.is_ascii_alphanumeric())
    }) {
        return Err(Problem::field(
            "cursor",
            "`cursor` is none of ours.",
            "Take it from the previous page, or leave it out.",
        )
        .into());
    }
    let mut events = newest(&deps, state, filter.channel.as_deref(), cursor, limit + 1).await?;
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = events.len() > size;
    events.truncate(size);
    let cursor = events.last().filter(|_| more).map(|event| ulid_of(&event.id).to_owned());
    Ok(Json(EventList { events: events.into_iter().map(row).collect(), cursor }))
}

/// The state of a filter, or what states there are.
pub(crate) fn parse_state(text: Option<&str>) -> ApiResult<Option<Stage>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let known = || Stage::ALL.map(Stage::as_str).join(", ");
    Stage::parse(text).map(Some).ok_or_else(|| {
        Problem::field(
            "state",
            format!("There is no state `{text}`."),
            format!("The states are: {}.", known()),
        )
        .into()
    })
}

/// Asks every inbox side by side and merges by time.
pub(crate) async fn newest(
    deps: &Deps,
    state: Option<Stage>,
    channel: Option<&str>,
    before: Option<String>,
    limit: u32,
) -> PortResult<Vec<StoredEvent>> {
    let shards: Vec<Shard> = deps
        .config
        .endpoints
        .iter()
        .filter(|endpoint| channel.is_none_or(|channel| channel == endpoint.channel.as_str()))
        .map(super::config::Endpoint::shard)
        .collect();
    let lists = join_all(shards.iter().map(|shard| async {
        let list =
            ListEvents { state, channel: None, conversation: None, before: before.clone(), limit };
        deps.inbox.ask(shard, list).await
    }))
    .await;
    let mut events: Vec<StoredEvent> =
        lists.into_iter().collect::<PortResult<Vec<_>>>()?.into_iter().flatten().collect();
    events.sort_by(|a, b| ulid_of(&b.id).cmp(ulid_of(&a.id)));
    events.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(events)
}

fn ulid_of(id: &EventId) -> &str {
    id.as_str().rsplit_once('.').map_or("", |(_, ulid)| ulid)
}

/// `GET /api/events/{id}`; with `wait` it answers when the event has ended, been answered or
/// parked, or the time is up. With `after` it answers when the event differs from that cursor.
pub(crate) async fn one(
    State(deps): State<Deps>,
    Path(id): Path<String>,
    Query(query): Query<EventQuery>,
) -> ApiResult<Json<EventDetail>> {
    let id = EventId::new(id);
    let deadline = deps.clock.now_ms() + i64::from(query.wait.min(WAIT_S_MAX)) * 1000;
    check_after(query.after.as_deref())?;
    let key = event_key(&id);
    loop {
        let waiting = begin_wait(deps.signal.as_ref(), &key, deadline).await;
        let is_over = deps.clock.now_ms() >= deadline;
        // A look costs one request to the inbox, which counts on Workers.
        if query.after.is_some() && !is_over && cursor(&deps, &id).await? == query.after {
            waiting.await;
            continue;
        }
        let found =
            deps.event(&id).await?.ok_or_else(|| ApiError::not_found("event of this id"))?;
        let settled = found.0.state.is_at_rest(found.0.reason.as_deref());
        if settled || is_over || query.after.is_some() {
            let spoken = if found.0.origin.target.is_transcript() {
                in_the_console(&deps, &found.0).await?
            } else {
                Vec::new()
            };
            let progress = match found.0.task_id.clone() {
                Some(task) => {
                    let shard = found.0.shard.clone();
                    deps.inbox.ask(&shard, ReadProgress { task }).await?
                }
                None => Vec::new(),
            };
            return Ok(Json(detail(found, spoken, progress)));
        }
        waiting.await;
    }
}

/// The cursor of an event.
async fn cursor(deps: &Deps, id: &EventId) -> ApiResult<Option<String>> {
    let missing = || ApiError::not_found("event of this id");
    let shard = deps.shard_of(id).ok_or_else(missing)?;
    let cursor = deps.inbox.ask(&shard, ReadCursor { event: id.clone() }).await?;
    cursor.ok_or_else(missing).map(Some)
}

/// Refuses what is no cursor.
fn check_after(after: Option<&str>) -> ApiResult<()> {
    let is_sane = |after: &str| {
        after.len() <= CURSOR_BYTES_MAX && after.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    };
    if after.is_none_or(is_sane) {
        return Ok(());
    }
    let fix = "Take it from the previous answer, or leave it out.";
    Err(Problem::field("after", "`after` is none of our cursors.", fix).into())
}

/// The console has no platform behind it: what was said back is in the transcript.
async fn in_the_console(deps: &Deps, event: &StoredEvent) -> PortResult<Vec<SaidReply>> {
    let read = ReadTranscript {
        conversation: event.conversation.0.clone(),
        after: 0,
        limit: LIMIT_MAX,
        without_public: false,
    };
    let lines = deps.inbox.ask(&event.shard, read).await?.lines;
    let own = lines
        .into_iter()
        .filter(|line| line.speaker != Speaker::User && line.event_id.as_ref() == Some(&event.id));
    let reply = |line: TranscriptLine| SaidReply {
        id: line.id,
        state: DeliveryState::Sent.as_str().to_owned(),
        text: line.text,
        attempts: 1,
        error: None,
        message_ids: Vec::new(),
        updated_at: line.at,
    };
    Ok(own.map(reply).collect())
}

fn detail(
    (event, entries, replies, cursor): EventParts,
    spoken: Vec<SaidReply>,
    progress: Vec<ProgressRow>,
) -> EventDetail {
    let progress = progress.into_iter().map(|row| ProgressLine {
        at: rfc3339(row.at_ms),
        text: row.line,
        cost_micros: row.cost_micros,
    });
    let (replays, received) = (event.replays, event.received_ms);
    let stages = entries.iter().filter(|entry| entry.error.is_none()).map(|entry| StageEntry {
        stage: entry.stage,
        at: rfc3339(entry.at_ms),
        after_ms: entry.at_ms - received,
        note: entry.note.clone(),
    });
    let attempts = entries.iter().filter_map(|entry| {
        let error = entry.error.clone()?;
        Some(AttemptEntry {
            stage: entry.stage,
            at: rfc3339(entry.at_ms),
            error,
            retry_at: entry.retry_ms.map(rfc3339),
        })
    });
    EventDetail {
        stages: stages.collect(),
        attempts_log: attempts.collect(),
        replies: replies
            .into_iter()
            .filter(|row| row.kind != "press_ack")
            .map(|row| SaidReply {
                id: row.id,
                state: row.state.as_str().to_owned(),
                text: row.text,
                attempts: row.attempts,
                error: row.error,
                message_ids: row.parts.into_iter().map(|part| part.id).collect(),
                updated_at: rfc3339(row.updated_ms),
            })
            .chain(spoken)
            .collect(),
        progress: progress.collect(),
        replays,
        cursor: Some(cursor),
        attachments: files::of_message(&event),
        answer_files: files::of_answer(&event),
        row: row(event),
    }
}

/// An event as the contract shows it.
pub(crate) fn row(event: StoredEvent) -> EventRow {
    let text = words_of(&event).to_owned();
    EventRow {
        task_id: event.task_id,
        id: event.id,
        endpoint: event.endpoint,
        channel: event.channel,
        dedupe_key: event.dedupe_key,
        conversation: event.conversation,
        sender: event.sender,
        text,
        state: event.state,
        reason: event.reason,
        attempts: event.attempts,
        received_at: rfc3339(event.received_ms),
        updated_at: rfc3339(event.updated_ms),
        agent: event.agent,
        decision_id: event.decision_id,
        approval_id: event.approval_id,
        cost_micros: event.cost_micros,
        cost_unknown: event.data.cost_unknown,
    }
}
