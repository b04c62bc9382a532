//! Work that the assistant itself asks for: the rules must approve it, its money is held before it
//! begins, and its cost is settled.

use crate::{Deps, halt, renew, settle};
use contracts::approval::{ApproveRequest, Outcome, SettleRequest};
use contracts::task::RENEW_EVERY_MS;
use contracts::{AgentId, Micros, ServiceName, TaskId};
use futures_util::future::{Either, select};
use platform::edge::Principal;
use platform::ports::begin_wait;
use std::pin::pin;

/// The types of its approvals, also in lists of rules.
pub const TIE_BREAK: &str = "tie-break";
pub const TRANSCRIPTION: &str = "transcription";
pub const CHAT: &str = "assistant-chat";
pub const SUMMARY: &str = "assistant-summary";
pub const REVIEW: &str = "assistant-review";
/// All of them.
pub const KINDS: [&str; 5] = [TIE_BREAK, TRANSCRIPTION, CHAT, SUMMARY, REVIEW];

/// The assistant, as the one that asks for its own work. No caller from outside can be it.
pub const WHO: Principal = Principal::Service(ServiceName::PersonalAssistant);

/// Between looks for a halt; a halt of this process wakes it at once.
const LOOK_EVERY_MS: i64 = 1_000;

/// Pauses before the retries of a failed settlement.
const SETTLE_AGAIN_MS: [i64; 4] = [500, 2_000, 5_000, 15_000];

/// The request for its approval. `of` names the event or the file that it is about; the task is
/// `<kind>:<of>`.
pub fn request(kind: &str, of: &str, description: String, most: Micros) -> ApproveRequest {
    ApproveRequest {
        task_id: TaskId::new(format!("{kind}:{of}")),
        kind: kind.to_owned(),
        description,
        estimated_cost: most,
        agent_type: AgentId::from(kind),
        channel_context: None,
        operation: Some(kind.to_owned()),
        arguments: None,
        wait: None,
    }
}

/// Its settlement; no cost where the cost is not known.
pub fn settlement(claim_token: String, cost: Option<Micros>, is_done: bool) -> SettleRequest {
    let outcome = if is_done { Outcome::Success } else { Outcome::Failed };
    SettleRequest { claim_token, actual_cost: cost, usage: None, outcome }
}

/// Settles it, with retries if needed: its result is paid for and useful even if the ledger is
/// briefly unavailable.
pub async fn settle(deps: &Deps, task: TaskId, settled: SettleRequest) {
    let Err(error) = settle::post(deps, task.as_str(), &settled).await else { return };
    tracing::warn!(?error, "settling work of the assistant itself failed; retrying");
    let (background, deps) = (deps.background.clone(), deps.clone());
    background.spawn(Box::pin(async move {
        for pause_ms in SETTLE_AGAIN_MS {
            deps.clock.sleep_until(deps.clock.now_ms() + pause_ms).await;
            if settle::post(&deps, task.as_str(), &settled).await.is_ok() {
                return;
            }
        }
        tracing::error!(%task, "work of the assistant itself is not settled");
    }));
}

/// The result of work that is claimed, unless everything is halted before it is there. Dropping the
/// work stops a program and ends a request. Its claim is renewed meanwhile.
pub async fn unless_halted<T>(
    deps: &Deps,
    task: &TaskId,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    let mut renewed_ms = deps.clock.now_ms();
    loop {
        let now_ms = deps.clock.now_ms();
        let wait = begin_wait(&*deps.signal, halt::KEY, now_ms + LOOK_EVERY_MS).await;
        // A state that cannot be read is no reason to go on.
        if halt::all_halted(deps).await.unwrap_or(true) {
            return None;
        }
        if now_ms >= renewed_ms + RENEW_EVERY_MS {
            renewed_ms = now_ms;
            // Without it the cost is posted as that of a run that was cut off, and corrected.
            if let Err(error) = renew::extend(deps, task.as_str()).await {
                tracing::warn!(?error, %task, "a claim of the assistant itself was not renewed");
            }
        }
        match select(work, wait).await {
            Either::Left((done, _)) => return Some(done),
            Either::Right(((), unfinished)) => work = unfinished,
        }
    }
}
