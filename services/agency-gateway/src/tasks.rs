//! `GET /api/tasks/{id}` and `GET /api/tasks/{id}/events`: the runs here.

use crate::Deps;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::TaskId;
use contracts::task::TaskView;
use futures_util::future::{Either, select};
use futures_util::stream;
use http::{HeaderMap, header};
use platform::edge::{ApiError, ApiResult};
use std::convert::Infallible;
use std::pin::pin;

/// Interval of keep-alive comments, so that no proxy closes the stream.
const KEEP_ALIVE_MS: i64 = 15_000;

/// The newest run of a task.
pub(crate) async fn one(
    State(deps): State<Deps>,
    Path(id): Path<TaskId>,
) -> ApiResult<Json<TaskView>> {
    deps.board.view(&id).map(Json).ok_or_else(|| ApiError::not_found("such task at this gateway"))
}

/// Server-sent events of the newest run: past events, then new ones, until the run ends.
/// `Last-Event-ID` continues after that event.
pub(crate) async fn events(
    State(deps): State<Deps>,
    Path(id): Path<TaskId>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    if deps.board.view(&id).is_none() {
        return Err(ApiError::not_found("such task at this gateway"));
    }
    let after = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let events = stream::unfold(Some(after), move |after| {
        let (deps, id) = (deps.clone(), id.clone());
        async move { next(&deps, &id, after?).await }
    });
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(events)).into_response())
}

/// The next chunk of the stream, and the position after it; none after the end.
async fn next(
    deps: &Deps,
    id: &TaskId,
    after: u64,
) -> Option<(Result<Bytes, Infallible>, Option<u64>)> {
    let news = pin!(deps.board.events_after(id, after));
    let pause = deps.clock.sleep_until(deps.clock.now_ms() + KEEP_ALIVE_MS);
    let (events, done) = match select(news, pause).await {
        Either::Left((news, _)) => news?,
        Either::Right(_) => return Some((Ok(Bytes::from_static(b": waiting\n\n")), Some(after))),
    };
    let last = events.last().map_or(after, |event| event.seq);
    let mut text = String::new();
    for event in &events {
        let data = serde_json::to_string(event).unwrap_or_default();
        text.push_str(&format!("id: {}\nevent: {}\ndata: {data}\n\n", event.seq, event.kind));
    }
    (!events.is_empty()).then(|| (Ok(Bytes::from(text)), (!done).then_some(last)))
}
