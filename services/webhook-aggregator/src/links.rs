//! The state of each endpoint's way in, in the memory of this process.

use crate::channels::Link;
use contracts::Shard;
use contracts::endpoint::LinkState;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The states by endpoint.
#[derive(Clone, Default)]
pub struct Links(Arc<Mutex<HashMap<Shard, (Link, i64)>>>);

impl Links {
    /// Notes a state and logs a change.
    pub(crate) fn note(&self, shard: Shard, link: Link, now_ms: i64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(&shard).is_some_and(|(known, _)| *known == link) {
            return;
        }
        let why = link.why.as_deref().unwrap_or_default();
        let fix = link.fix.unwrap_or_default();
        match link.state {
            LinkState::Refused => {
                tracing::error!(endpoint = %shard, why, fix, "the platform refuses this endpoint");
            }
            LinkState::Reconnecting => {
                tracing::warn!(endpoint = %shard, why, "no messages arrive; trying again");
            }
            state => tracing::info!(endpoint = %shard, state = state.as_str(), "way in"),
        }
        // A state keeps its time while only its reason changes.
        let since_ms = match all.get(&shard) {
            Some((known, since_ms)) if known.state == link.state => *since_ms,
            _ => now_ms,
        };
        all.insert(shard, (link, since_ms));
    }
    /// An endpoint's state, and since when (milliseconds since the epoch).
    pub(crate) fn of(&self, shard: &Shard) -> Option<(Link, i64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(shard).cloned()
    }
}
