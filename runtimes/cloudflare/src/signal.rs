//! Waking long polls. Requests of one isolate may not wake each other, and most are in different
//! isolates anyway. So a wait ends within a second, and the waiting request checks again.

use crate::clock::{WorkerClock, pause};
use async_trait::async_trait;
use platform::ports::{Clock, Signal};

/// Interval between two checks.
const LOOK_EVERY_MS: i64 = 1_000;

/// Waits by polling.
pub struct PollingSignal;

#[async_trait]
impl Signal for PollingSignal {
    fn notify(&self, _key: &str) {}
    async fn wait(&self, _key: &str, until_ms: i64) {
        pause((until_ms - WorkerClock.now_ms()).min(LOOK_EVERY_MS)).await;
    }
}
