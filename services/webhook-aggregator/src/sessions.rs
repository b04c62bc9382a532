//! Sessions that agents' programs keep of a conversation: listed, started afresh, resumed.

use crate::Deps;
use axum::Json;
use axum::extract::{Path, State};
use contracts::task::{SessionList, SessionView};
use inbox::{InboxExt, KeptSession, ListSessions, PickSession, StartAfresh, StoredEvent};
use platform::edge::{ApiError, ApiResult};
use platform::ports::PortResult;
use platform::time::rfc3339;

/// `GET /api/conversations/{id}/sessions`.
pub(crate) async fn list(
    State(deps): State<Deps>,
    Path(id): Path<String>,
) -> ApiResult<Json<SessionList>> {
    let (conversation, shard) = deps
        .config
        .conversation(id)
        .ok_or_else(|| ApiError::not_found("conversation of this id"))?;
    let kept = deps.inbox.ask(&shard, ListSessions { conversation }).await?;
    let view = |kept: KeptSession| SessionView {
        agent: kept.agent,
        runner: kept.runner,
        id: kept.id,
        gateway_id: kept.gateway_id,
        runs: kept.runs,
        started_at: rfc3339(kept.begun_ms),
        used_at: rfc3339(kept.used_ms),
        current: kept.current != 0,
    };
    Ok(Json(SessionList { sessions: kept.into_iter().map(view).collect() }))
}

/// `/new`: the conversation begins anew.
pub(crate) async fn start_afresh(deps: &Deps, event: &StoredEvent) -> PortResult<String> {
    let conversation = event.conversation.0.clone();
    deps.inbox.ask(&event.shard, StartAfresh { conversation }).await?;
    Ok("New conversation. Agents no longer see the earlier messages here.".to_owned())
}

/// `/sessions`, or `/sessions 2` to take one up again.
pub(crate) async fn tell(
    deps: &Deps,
    event: &StoredEvent,
    number: Option<usize>,
) -> PortResult<String> {
    let conversation = event.conversation.0.clone();
    let list = ListSessions { conversation: conversation.clone() };
    let kept: Vec<KeptSession> = deps.inbox.ask(&event.shard, list).await?;
    if kept.is_empty() {
        return Ok("No agent keeps a session of this conversation yet.".to_owned());
    }
    let Some(number) = number else { return Ok(table(&kept)) };
    let Some(picked) = number.checked_sub(1).and_then(|at| kept.get(at)) else {
        return Ok(format!("There is no session {number}.\n\n{}", table(&kept)));
    };
    let agent = picked.agent.clone();
    let pick = PickSession { conversation, agent, id: picked.id.clone() };
    if !deps.inbox.ask(&event.shard, pick).await? {
        return Ok(format!("Session {number} is gone.\n\n{}", table(&kept)));
    }
    Ok(format!("The next message to {} resumes session {number}.", picked.agent))
}

fn table(kept: &[KeptSession]) -> String {
    let row = |(at, kept): (usize, &KeptSession)| {
        let (number, used) = (at + 1, rfc3339(kept.used_ms));
        let used = used.get(..16).unwrap_or_default().replace('T', " ");
        let runs = if kept.runs == 1 { "1 run".to_owned() } else { format!("{} runs", kept.runs) };
        let current = if kept.current == 0 { "" } else { ", current" };
        format!("{number}. {}: {runs}, last {used} UTC{current}", kept.agent)
    };
    let rows: Vec<_> = kept.iter().enumerate().map(row).collect();
    format!("{}\n\n/sessions NUMBER resumes one, /new starts afresh.", rows.join("\n"))
}
