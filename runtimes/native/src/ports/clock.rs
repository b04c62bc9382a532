//! The system's clock and random numbers.

use async_trait::async_trait;
use platform::ports::Clock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The real clock.
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock port")]
    fn now_ms(&self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
    fn random(&self, bytes: &mut [u8]) {
        // Without random numbers there are no safe tokens or ids, so abort.
        if getrandom::fill(bytes).is_err() {
            tracing::error!("the operating system provides no random numbers");
            std::process::abort();
        }
    }
    async fn sleep_until(&self, at_ms: i64) {
        // In slices, so that a clock set forward is noticed.
        loop {
            let left = at_ms - self.now_ms();
            if left <= 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(left.clamp(1, 30_000).unsigned_abs())).await;
        }
    }
}
