//! `POST /api/route` for people and programs, `POST /internal/route` for the dispatcher.

use crate::Deps;
use crate::answer::{Stamp, answer};
use crate::pool;
use crate::route::{Decision, World, decide};
use crate::store::{self, Asked};
use axum::extract::State;
use axum::{Extension, Json};
use contracts::routing::{Feedback, RouteAnswer, RouteRequest};
use contracts::{DecisionId, Problem, Tokens};
use platform::edge::{ApiResult, JsonBody, Principal};
use platform::ports::ClockExt;

/// Maximum characters of a message. Longer external messages are refused, internal ones truncated.
pub const MESSAGE_CHARS_MAX: usize = 16_000;

/// `POST /api/route`.
pub async fn public(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    JsonBody(request): JsonBody<RouteRequest>,
) -> ApiResult<Json<RouteAnswer>> {
    let request = for_everybody(request)?;
    let (decision, answer, _) = route(&deps, &request).await;
    store::record(&*deps.sql, &asked(&request, &decision, &answer, who), &answer).await?;
    Ok(Json(answer))
}

/// `POST /internal/route`: uses the members below `context`, and decides each event once.
pub async fn internal(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    JsonBody(mut request): JsonBody<RouteRequest>,
) -> ApiResult<Json<RouteAnswer>> {
    // An accepted message must be routed, so a long one is truncated, not refused.
    if let Some((end, _)) = request.message.char_indices().nth(MESSAGE_CHARS_MAX) {
        request.message.truncate(end);
    }
    let key = store::exclude_key(&request.exclude);
    if let Some(event) = &request.event_id
        && let Some(earlier) = store::of_event(&*deps.sql, event, &key).await?
    {
        return Ok(Json(closed(&deps, &request, earlier).await));
    }
    let (decision, answer, _) = route(&deps, &request).await;
    if answer.unknown_agent.is_some() {
        // The chat refuses the message, so nothing was decided about it.
        return Ok(Json(answer));
    }
    store::record(&*deps.sql, &asked(&request, &decision, &answer, who), &answer).await?;
    if let Some(previous) = request.previous.as_ref().filter(|_| decision.takes_back) {
        // The sender's feedback on the previous decision. If storing it fails, the message still
        // runs. A replacement chosen by the router is a guess and not part of the feedback.
        let feedback = Feedback {
            decision_id: previous.decision_id.clone(),
            correct: false,
            agent: decision.corrected_to.clone(),
        };
        if let Err(error) = store::feedback(
            &*deps.sql,
            &feedback,
            request.user_id.as_deref().unwrap_or("chat"),
            deps.clock.now_ms(),
        )
        .await
        {
            tracing::warn!(%error, "cannot store the correction");
        }
    }
    // Two concurrent requests for one event: the recorded decision counts for both.
    if let Some(event) = &request.event_id
        && let Some(recorded) = store::of_event(&*deps.sql, event, &key).await?
        && recorded.decision_id != answer.decision_id
    {
        return Ok(Json(closed(&deps, &request, recorded).await));
    }
    Ok(Json(closed(&deps, &request, answer).await))
}

/// Adjusts the response: clears the follow-up mark if there was no earlier message, and marks a
/// named agent that is closed to this sender, when there is no replacement.
async fn closed(deps: &Deps, request: &RouteRequest, answer: RouteAnswer) -> RouteAnswer {
    let answer =
        RouteAnswer { follows_up: answer.follows_up && request.previous.is_some(), ..answer };
    if !request.public_only {
        return answer;
    }
    let snapshot = deps.shared.graph.current(&*deps.calls, &*deps.kv, deps.clock.now_ms()).await;
    let open = snapshot.graph.agent(&answer.agent).is_some_and(|agent| agent.public);
    RouteAnswer { closed: !open, ..answer }
}

/// Refuses values out of bounds and drops members reserved for internal callers.
pub fn for_everybody(request: RouteRequest) -> ApiResult<RouteRequest> {
    if request.message.trim().is_empty() {
        return Err(Problem::field(
            "message",
            "The message is empty.",
            "Put the text to route into `message`.",
        )
        .into());
    }
    let length = request.message.chars().count();
    if length > MESSAGE_CHARS_MAX {
        let detail =
            format!("The message has {length} characters; the maximum is {MESSAGE_CHARS_MAX}.");
        return Err(Problem::field(
            "message",
            detail,
            "Shorten the message, or route its first paragraphs.",
        )
        .into());
    }
    Ok(RouteRequest {
        sticky_agent: None,
        exclude: Vec::new(),
        public_only: false,
        bound_agent: None,
        is_reply: false,
        asked: false,
        in_group: false,
        posted: false,
        previous: None,
        taken_back_from: Vec::new(),
        event_id: None,
        ..request
    })
}

/// Decides with the current graph and pool. The tokens are the estimate; none for an agent without
/// a model.
pub async fn route(deps: &Deps, request: &RouteRequest) -> (Decision, RouteAnswer, Option<Tokens>) {
    let now_ms = deps.clock.now_ms();
    let snapshot = deps.shared.graph.current(&*deps.calls, &*deps.kv, now_ms).await;
    let pool = deps.shared.pool.current(&*deps.cell, now_ms).await;
    // Only the decision is timed: a new graph is fetched once per publish, not per route.
    let start = (deps.stopwatch)();
    let decision = decide(
        request,
        World { graph: &snapshot.graph, model: snapshot.model.as_ref(), pool: &pool, now_ms },
    );
    let latency_ms = ((deps.stopwatch)() - start).max(0.0);
    let stamp = Stamp {
        decision_id: DecisionId::new(format!("dec_{}", deps.clock.ulid())),
        now_ms,
        latency_ms,
    };
    let expected = pool::expected(&pool, &decision.agent, decision.complexity, &request.message);
    let answer = answer(&decision, &snapshot.graph, &deps.config, expected, stamp);
    let tokens = deps.config.uses_model(&decision.agent).then_some(expected);
    (decision, answer, tokens)
}

fn asked(
    request: &RouteRequest,
    decision: &Decision,
    answer: &RouteAnswer,
    who: Principal,
) -> Asked {
    Asked {
        source: who.as_str(),
        at_ms: platform::time::parse_rfc3339(&answer.timestamp).unwrap_or_default(),
        event_id: request.event_id.clone(),
        exclude_key: store::exclude_key(&request.exclude),
        channel: request.channel.clone(),
        user_id: request.user_id.clone(),
        message: request.message.clone(),
        sticky_agent: request.sticky_agent.clone(),
        public_only: request.public_only,
        in_scope: decision.content.as_ref().map(|content| content.in_scope),
        unknown_words: decision.content.as_ref().map(|content| content.unknown_words),
    }
}
