//! When the owner's day began.

use crate::store::HOUR_MS;
use contracts::monitoring::LedgerStats;

/// The start of the owner's day in milliseconds, from the ledger; without it, of the UTC day.
pub fn start(ledger: Option<&LedgerStats>, now: i64) -> i64 {
    ledger.map_or_else(|| utc_start(now), |ledger| ledger.day_start_ms)
}

fn utc_start(now: i64) -> i64 {
    now - now.rem_euclid(24 * HOUR_MS)
}
