//! Waiting for a decision.

use crate::Deps;
use crate::store::{self, ApprovalRow};
use contracts::approval::ApprovalState;
use futures_util::FutureExt;
use platform::edge::ApiResult;

/// Maximum wait, in seconds.
pub const WAIT_SECONDS_MAX: u32 = 30;
/// Time between two looks at the row, in case a wake-up was lost.
const LOOK_EVERY_MS: i64 = 2_000;

/// The signal's key for those who wait for a decision.
pub fn key(id: &str) -> String {
    format!("approval:{id}")
}

/// Waits while it is pending, at most `wait_ms`, and returns the row as it then is.
pub async fn until_decided(
    deps: &Deps,
    mut row: ApprovalRow,
    wait_ms: i64,
) -> ApiResult<ApprovalRow> {
    let until_ms = deps.clock.now_ms() + wait_ms;
    let key = key(&row.id);
    loop {
        let now_ms = deps.clock.now_ms();
        if now_ms >= until_ms || row.state_at(now_ms)? != ApprovalState::Pending {
            return Ok(row);
        }
        let mut woken = deps.signal.wait(&key, until_ms.min(now_ms + LOOK_EVERY_MS));
        // Waiting begins here, before the row is read again: a decision in between is not missed.
        let is_woken = (&mut woken).now_or_never().is_some();
        row = store::approval(&*deps.sql, &row.id).await?;
        if !is_woken && row.state_at(deps.clock.now_ms())? == ApprovalState::Pending {
            woken.await;
            row = store::approval(&*deps.sql, &row.id).await?;
        }
    }
}
