//! Calls that must be acknowledged: retried with back-off until the server answers yes or no.

use crate::Deps;
use contracts::approval::{SettleAnswer, SettleRequest};
use contracts::calls::Call;
use contracts::calls::personal_assistant::Settle;
use contracts::calls::webhook_aggregator::FinishTask;
use contracts::task::ResultRequest;
use contracts::{Problem, TaskId};
use futures_util::future::{Either, select};
use platform::backoff::Exponential;
use platform::ports::CallError;
use std::pin::pin;

const FIRST_WAIT_MS: i64 = 500;
const WAIT_MS_MAX: i64 = 30_000;
/// Maximum back-off during the shutdown.
const CLOSING_WAIT_MS: i64 = 1_000;

/// Whether a retry may succeed.
pub(crate) fn may_pass(error: &CallError) -> bool {
    match error {
        CallError::Port(_) => true,
        CallError::Refused(problem) => passes(problem),
    }
}

fn passes(problem: &Problem) -> bool {
    problem.code.retryable() || problem.status >= 500
}

/// Posts the cost of a run; returns what was posted. A refusal is only logged, because the
/// gateway cannot resolve it.
pub(crate) async fn settle(
    deps: &Deps,
    task: &TaskId,
    request: &SettleRequest,
) -> Option<SettleAnswer> {
    until_answered::<Settle>(deps, task, request).await.ok()
}

/// Reports a result. A stale epoch also counts as an answer: another lease reports instead.
pub(crate) async fn result(deps: &Deps, task: &TaskId, request: &ResultRequest) {
    let refused = until_answered::<FinishTask>(deps, task, request).await.err();
    // A server of an earlier version does not know them: the answer is worth more.
    let has_new = request.log.is_some() || request.usage_limit.is_some();
    if has_new && refused.is_some_and(|problem| is_about_a_new_field(&problem)) {
        let without = ResultRequest { log: None, usage_limit: None, ..request.clone() };
        let _ = until_answered::<FinishTask>(deps, task, &without).await;
    }
}

fn is_about_a_new_field(problem: &Problem) -> bool {
    let field = problem.extra.get("field").and_then(|field| field.as_str());
    matches!(field, Some("log" | "usageLimit"))
}

/// The same report may arrive twice, so the compiler takes only calls that are idempotent.
async fn until_answered<C>(
    deps: &Deps,
    task: &TaskId,
    request: &C::Request,
) -> Result<C::Reply, Problem>
where
    C: Call<Params = TaskId, Request: serde::Serialize + Sync, Reply: serde::de::DeserializeOwned>,
{
    const { assert!(C::IDEMPOTENT, "only an idempotent call may be repeated") };
    let path = C::PATH;
    let mut failures = 0;
    loop {
        match deps.calls.ask::<C>(task, request).await {
            Ok(reply) => return Ok(reply),
            Err(CallError::Refused(problem)) if !passes(&problem) => {
                tracing::warn!(detail = problem.detail, path, %task, "a report was refused");
                return Err(*problem);
            }
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, path, %task, failures, "a report was not acknowledged; it will be repeated");
                pause(deps, failures).await;
            }
        }
    }
}

/// Waits before the next attempt; a shutdown shortens the wait.
async fn pause(deps: &Deps, failures: u32) {
    let max_ms = if deps.board.is_closed() { CLOSING_WAIT_MS } else { WAIT_MS_MAX };
    let wait = Exponential { first_ms: FIRST_WAIT_MS, max_ms }.wait_ms(failures, &*deps.clock);
    let sleep = deps.clock.sleep_until(deps.clock.now_ms() + wait);
    if deps.board.is_closed() {
        sleep.await;
        return;
    }
    match select(sleep, pin!(deps.board.closed())).await {
        Either::Left(_) | Either::Right(_) => {}
    }
}
