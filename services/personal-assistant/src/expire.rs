//! Expires overdue approvals: they are never approved, and all waiting requests are told.

use crate::store::{Answers, ApprovalRow, approval_by_id};
use crate::{Deps, ask, audit};
use platform::edge::ApiResult;
use platform::ports::{ClockExt, SqlExt};
use platform::sql;
use serde::Deserialize;

/// Maximum per tick; the next tick continues.
const AT_ONCE_MAX: u32 = 50;

#[derive(Deserialize)]
struct Due {
    id: String,
}

/// Expires overdue approvals. They already count as expired from their deadline on; this records
/// it.
pub async fn expire_due(deps: &Deps) -> ApiResult<()> {
    let now_ms = deps.clock.now_ms();
    let due: Vec<Due> =
        deps.sql.all(sql!("SELECT id FROM approvals WHERE state = 'pending' AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2", now_ms, AT_ONCE_MAX)).await?;
    for Due { id } in due {
        let attempt = deps.clock.random_hex(16);
        let end = sql!(
            "UPDATE approvals SET state = 'expired', version = version + 1, decided_at = expires_at, decided_by = 'expiry', reason = 'No decision came in time.', code = 'expired', attempt = ?3
             WHERE id = ?1 AND state = 'pending' AND expires_at <= ?2 RETURNING id",
            &id,
            now_ms,
            &attempt
        );
        let entry = audit::of_approval(deps, &id, &attempt);
        let batch = vec![end, entry, ask::mirror(&id, now_ms), approval_by_id(&id)];
        let mut answers = Answers::of(&*deps.sql, batch).await?;
        let ended = answers.any();
        (0..2).for_each(|_| answers.skip());
        if let (true, Some(row)) = (ended, answers.one::<ApprovalRow>()?) {
            ask::announce(deps, &row);
        }
    }
    Ok(())
}
