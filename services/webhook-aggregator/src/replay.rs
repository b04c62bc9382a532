//! Doing ended events again: one by one, or by a filter that is tried dry first.

use crate::{Deps, events, pump};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use contracts::event::{ReplayAnswer, ReplayFilter};
use contracts::{ErrorCode, EventId, Problem};
use inbox::{InboxExt, Replay, Replayed};
use platform::edge::{ApiError, ApiResult, JsonBody, Principal};

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 500;

/// `POST /api/events/{id}/replay`.
pub(crate) async fn one(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> ApiResult<Json<ReplayAnswer>> {
    let id = EventId::new(id);
    let conflict = |detail: &str, fix: &str| {
        Err(ApiError::from(Problem::new(ErrorCode::Conflict, detail).with_fix(fix)))
    };
    match replay(&deps, &id, who).await? {
        Replayed::Yes => {
            Ok(Json(ReplayAnswer { dry_run: false, matched: vec![id.clone()], replayed: vec![id] }))
        }
        Replayed::NotFound => Err(ApiError::not_found("event of this id")),
        Replayed::StillOpen => conflict(
            "The event has not ended, so there is nothing to replay yet.",
            "Wait until it ends, or halt its task.",
        ),
        Replayed::NotWork => conflict(
            "This was not a message for an agent: it was ignored, unreadable, a button press or a command.",
            "Send the message again instead.",
        ),
    }
}

async fn replay(deps: &Deps, id: &EventId, who: Principal) -> ApiResult<Replayed> {
    let Some(shard) = deps.shard_of(id) else { return Ok(Replayed::NotFound) };
    let command = Replay { event: id.clone(), actor: who.as_str().to_owned() };
    let replayed = deps.inbox.ask(&shard, command).await?;
    if replayed == Replayed::Yes {
        deps.notify_event(id);
        pump::soon(deps, shard);
    }
    Ok(replayed)
}

/// `POST /api/replay`: dead ones unless the filter says otherwise; nothing is done while `dryRun`
/// is not false.
pub(crate) async fn many(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    JsonBody(filter): JsonBody<ReplayFilter>,
) -> ApiResult<Json<ReplayAnswer>> {
    let limit = filter.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field(
            "limit",
            format!("`limit` must be from 1 to {LIMIT_MAX}."),
            "Replay them in several calls.",
        )
        .into());
    }
    let state = events::parse_state(Some(filter.state.as_deref().unwrap_or("dead")))?;
    let found = events::newest(&deps, state, filter.channel.as_deref(), None, limit).await?;
    let fits = |reason: &Option<String>| {
        filter.reason.as_ref().is_none_or(|wanted| {
            reason.as_ref().is_some_and(|reason| reason.starts_with(wanted.as_str()))
        })
    };
    let matched: Vec<EventId> =
        found.into_iter().filter(|event| fits(&event.reason)).map(|event| event.id).collect();
    let dry_run = filter.dry_run.unwrap_or(true);
    let mut replayed = Vec::new();
    if !dry_run {
        // Oldest first, as they came.
        for id in matched.iter().rev() {
            if replay(&deps, id, who).await? == Replayed::Yes {
                replayed.push(id.clone());
            }
        }
    }
    Ok(Json(ReplayAnswer { dry_run, matched, replayed }))
}
