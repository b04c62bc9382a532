//! Work that the assistant itself asks for: the rules must approve it, its money is held before it
//! begins, and its cost is settled.

use crate::{Deps, settle};
use contracts::approval::{ApproveRequest, Outcome, SettleRequest};
use contracts::{AgentId, Micros, TaskId};

/// The types of its approvals, also in lists of rules.
pub const TIE_BREAK: &str = "tie-break";
pub const TRANSCRIPTION: &str = "transcription";
/// All of them.
pub const KINDS: [&str; 2] = [TIE_BREAK, TRANSCRIPTION];

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
