//! The runtime's clock and random numbers. In production the clock stands still during computation.

use async_trait::async_trait;
use platform::ports::Clock;
use std::time::Duration;
use worker::Delay;
use worker::send::SendFuture;

/// The clock of Workers.
pub struct WorkerClock;

#[async_trait]
impl Clock for WorkerClock {
    fn now_ms(&self) -> i64 {
        i64::try_from(worker::Date::now().as_millis()).unwrap_or(i64::MAX)
    }
    fn random(&self, bytes: &mut [u8]) {
        // Without random numbers there are no safe tokens or ids: this instance aborts, and the
        // shim answers 500.
        if getrandom::fill(bytes).is_err() {
            std::process::abort();
        }
    }
    async fn sleep_until(&self, at_ms: i64) {
        pause(at_ms - self.now_ms()).await;
    }
}

/// Waits this many milliseconds; not at all if negative.
pub async fn pause(ms: i64) {
    if let Ok(ms @ 1..) = u64::try_from(ms) {
        SendFuture::new(async move { Delay::from(Duration::from_millis(ms)).await }).await;
    }
}
