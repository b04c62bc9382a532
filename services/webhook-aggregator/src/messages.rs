//! The web console and the owner's own programs: saying something, and reading what was said.

use crate::{Deps, control, ingest, pump};
use axum::Json;
use axum::extract::{Path, State};
use contracts::endpoint::CONSOLE;
use contracts::event::{
    MessageAccepted, MessageList, MessageListQuery, MessageRequest, Speaker, Stage,
};
use contracts::outbox::Target;
use contracts::{ChannelKind, ConversationId, Problem, Shard};
use inbox::{EventOrigin, InboxExt, Limit, NewEvent, NewSaid, ReadTranscript, Transcript};
use platform::edge::{ApiResult, JsonBody, Query};
use platform::ports::{ClockExt, begin_wait};

const TEXT_CHARS_MAX: usize = 16_000;
const WAIT_S_MAX: u32 = 25;
const LINES_MAX: u32 = 200;

/// `POST /api/messages` → 202.
pub(crate) async fn send(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<MessageRequest>,
) -> ApiResult<(http::StatusCode, Json<MessageAccepted>)> {
    let text = request.text.trim().to_owned();
    if text.is_empty() || text.chars().count() > TEXT_CHARS_MAX {
        let detail = format!("The field `text` must have 1 to {TEXT_CHARS_MAX} characters.");
        return Err(Problem::field("text", detail, "Write what you want done.").into());
    }
    let name = match request.conversation {
        Some(name) => checked_name(name)?,
        None => deps.clock.ulid().to_ascii_lowercase(),
    };
    let event = new_event(&deps, &name, text);
    let conversation = event.conversation.clone();
    let shard = Shard::of(ChannelKind::Web.as_str(), CONSOLE);
    let accepted =
        deps.inbox.ask(&shard, pump::accept(event)).await.map_err(ingest::cannot_store)?;
    ingest::started(&deps, &accepted, conversation.as_str());
    Ok((
        http::StatusCode::ACCEPTED,
        Json(MessageAccepted { event_id: accepted.event, conversation: conversation.0 }),
    ))
}

/// A caller may name its conversation, with or without our prefix.
fn checked_name(name: String) -> ApiResult<String> {
    let bare = name.strip_prefix("web:console:").unwrap_or(&name).to_owned();
    let fits = (1..=64).contains(&bare.len())
        && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if fits {
        return Ok(bare);
    }
    let fix =
        "Use 1 to 64 letters, digits, '-', '_' or '.', or leave it out for a new conversation.";
    Err(Problem::field("conversation", "The field `conversation` is not a valid name.", fix).into())
}

fn new_event(deps: &Deps, name: &str, text: String) -> NewEvent {
    let conversation = ConversationId::new(format!("web:{CONSOLE}:{name}"));
    let key = deps.clock.ulid();
    let target = Target {
        channel: ChannelKind::Web.to_string(),
        endpoint: CONSOLE.to_owned(),
        chat: conversation.0.clone(),
        ..Target::default()
    };
    let control = control::parse(&text).is_some();
    // A halt must get through however much was said before it.
    let limit = Limit {
        key: format!("endpoint:web:{CONSOLE}"),
        per_minute: deps.config.endpoint_per_minute,
    };
    let limits = if control { Vec::new() } else { vec![limit] };
    let is_stop_word = !control && control::is_stop_word(&text);
    let limit_notice =
        (!control).then(|| ingest::limit_notice(&conversation, &key, target.clone()));
    NewEvent {
        channel: ChannelKind::Web.to_string(),
        endpoint: CONSOLE.to_owned(),
        control,
        said: vec![NewSaid {
            id: format!("in:web:{key}"),
            conversation: conversation.clone(),
            speaker: Speaker::User,
            agent: None,
            text: text.clone(),
            settled: true,
        }],
        dedupe_key: key,
        semantic_key: None,
        conversation,
        sender: Some("owner".to_owned()),
        text,
        origin: EventOrigin {
            target,
            actor: Some("web:console:owner".to_owned()),
            approver: true,
            ..EventOrigin::default()
        },
        raw: None,
        state: Stage::Received,
        reason: None,
        limits,
        limit_notice,
        overheard: false,
        is_stop_word,
        waits_notice: Some(ingest::WAITS.to_owned()),
        moved: None,
        edits: None,
        unrecorded_over_limit: false,
    }
}

/// `GET /api/conversations/{id}/messages?after=&wait=`: what was said, or nothing new by the end of
/// the wait.
pub(crate) async fn read(
    State(deps): State<Deps>,
    Path(id): Path<String>,
    Query(query): Query<MessageListQuery>,
) -> ApiResult<Json<MessageList>> {
    let (id, shard) = deps
        .config
        .conversation(id)
        .ok_or_else(|| platform::edge::ApiError::not_found("conversation of this id"))?;
    let deadline = deps.clock.now_ms() + i64::from(query.wait.min(WAIT_S_MAX)) * 1000;
    let key = format!("said:{id}");
    loop {
        let waiting = begin_wait(deps.signal.as_ref(), &key, deadline).await;
        let read = ReadTranscript {
            conversation: id.clone(),
            after: query.after,
            limit: LINES_MAX,
            without_public: false,
        };
        let Transcript { lines: messages, last } = deps.inbox.ask(&shard, read).await?;
        if !messages.is_empty() || deps.clock.now_ms() >= deadline {
            return Ok(Json(MessageList { messages, last }));
        }
        waiting.await;
    }
}
