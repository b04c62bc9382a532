//! The owners' last figures, kept in KV every ten minutes and shown while an owner does not answer, with their age.
//! Never truth and never added up: a copy as it was given, at most an hour old.

use crate::{Deps, owners, stats};
use contracts::monitoring::{InboxStats, LedgerStats};
use contracts::routing::RoutingStats;
use serde::{Deserialize, Serialize};

/// One object, since Workers KV is paid by the write.
const KEY: &str = "figures";
const TTL_S: u64 = 3600;

/// What the owners said, and when.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Remembered {
    pub at_ms: i64,
    pub ledger: Option<LedgerStats>,
    pub routing: Option<RoutingStats>,
    pub inbox: Option<InboxStats>,
}

/// Asks all and keeps their answers, all or none: a copy is of one moment. While one of them is silent, the copy before stays.
pub async fn remember(deps: &Deps) {
    let now = deps.clock.now_ms();
    let ledger = owners::ledger(deps).await.ok();
    let since = stats::day_start(ledger.as_ref(), now);
    let (routing, inbox) =
        (owners::routing(deps, since).await.ok(), owners::inbox(deps, since).await.ok());
    if ledger.is_none() || routing.is_none() || inbox.is_none() {
        return;
    }
    let Ok(text) = serde_json::to_string(&Remembered { at_ms: now, ledger, routing, inbox }) else {
        return;
    };
    if let Err(error) = deps.kv.put(KEY, &text, TTL_S).await {
        tracing::warn!(%error, "the figures were not kept");
    }
}

/// The kept figures, where there are any.
pub async fn recall(deps: &Deps) -> Option<Remembered> {
    serde_json::from_str(&deps.kv.get(KEY).await.ok()??).ok()
}
