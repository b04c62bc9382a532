//! The services' last metrics, stored in KV every ten minutes and shown, with their age, while a
//! service does not answer. A cache for display only: never authoritative, never summed, at most an
//! hour old.

use crate::{Deps, day, owners};
use contracts::monitoring::{InboxStats, LedgerStats};
use contracts::routing::RoutingStats;
use serde::{Deserialize, Serialize};

/// One key, because Workers KV charges per write.
const KEY: &str = "figures";
const TTL_S: u64 = 3600;

/// The services' answers and their time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Remembered {
    pub at_ms: i64,
    pub ledger: Option<LedgerStats>,
    pub routing: Option<RoutingStats>,
    pub inbox: Option<InboxStats>,
}

/// Asks all services and stores their answers, all or none, so that the copy is of one moment. If
/// one fails, the previous copy stays.
pub async fn remember(deps: &Deps) {
    let now = deps.clock.now_ms();
    let ledger = owners::ledger(deps).await.ok();
    let since = day::start(ledger.as_ref(), now);
    let (routing, inbox) =
        (owners::routing(deps, since).await.ok(), owners::inbox(deps, since).await.ok());
    if ledger.is_none() || routing.is_none() || inbox.is_none() {
        return;
    }
    let Ok(text) = serde_json::to_string(&Remembered { at_ms: now, ledger, routing, inbox }) else {
        return;
    };
    if let Err(error) = deps.kv.put(KEY, &text, TTL_S).await {
        tracing::warn!(%error, "cannot store the metrics");
    }
}

/// The stored metrics, if any.
pub async fn recall(deps: &Deps) -> Option<Remembered> {
    serde_json::from_str(&deps.kv.get(KEY).await.ok()??).ok()
}
