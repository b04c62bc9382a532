//! Calls that must be acknowledged: retried with back-off until the server answers yes or no.

use crate::Deps;
use contracts::approval::{SettleAnswer, SettleRequest};
use contracts::task::{ResultAnswer, ResultRequest};
use contracts::{ServiceName, TaskId};
use futures_util::future::{Either, select};
use platform::backoff::Exponential;
use platform::percent::encode;
use platform::ports::{CallError, calls};
use std::pin::pin;

const FIRST_WAIT_MS: i64 = 500;
const WAIT_MS_MAX: i64 = 30_000;
/// Maximum back-off during the shutdown.
const CLOSING_WAIT_MS: i64 = 1_000;

/// Whether a retry may succeed.
pub(crate) fn may_pass(error: &CallError) -> bool {
    match error {
        CallError::Port(_) => true,
        CallError::Refused(problem) => problem.code.retryable() || problem.status >= 500,
    }
}

/// Posts the cost of a run. A refusal is only logged, because the gateway cannot resolve it.
pub(crate) async fn settle(deps: &Deps, task: &TaskId, request: &SettleRequest) {
    let path = format!("/api/tasks/{}/settle", encode(task.as_str()));
    until_answered::<_, SettleAnswer>(deps, ServiceName::PersonalAssistant, &path, request).await;
}

/// Reports a result. A stale epoch also counts as an answer: another lease reports instead.
pub(crate) async fn result(deps: &Deps, task: &TaskId, request: &ResultRequest) {
    let path = format!("/api/tasks/{}/result", encode(task.as_str()));
    until_answered::<_, ResultAnswer>(deps, ServiceName::WebhookAggregator, &path, request).await;
}

async fn until_answered<Q: serde::Serialize + Sync, A: serde::de::DeserializeOwned>(
    deps: &Deps,
    callee: ServiceName,
    path: &str,
    request: &Q,
) {
    let mut failures = 0;
    loop {
        match calls::post::<Q, A>(&*deps.calls, callee, path, request).await {
            Ok(_) => return,
            Err(error) if may_pass(&error) => {
                failures += 1;
                tracing::warn!(error = %error, path, failures, "a report was not acknowledged; it will be repeated");
                pause(deps, failures).await;
            }
            Err(error) => {
                tracing::warn!(error = %error, path, "a report was refused");
                return;
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
