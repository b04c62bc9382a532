//! Back-off before a retry.

use platform::ports::{Clock, ClockExt};

const FIRST_MS: f64 = 500.0;

/// Milliseconds before attempt `failures + 1`: 0.5 s, doubled each time up to `most_ms`, with ±25 %
/// jitter so that gateways that failed together do not return together.
pub fn wait_ms(clock: &dyn Clock, failures: u32, most_ms: i64) -> i64 {
    let doubled = FIRST_MS * f64::from(1_u32 << failures.saturating_sub(1).min(16));
    let spread = 0.75 + clock.uniform() / 2.0;
    (doubled.min(most_ms as f64) * spread) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::memory::ManualClock;

    #[test]
    fn backoff_grows_and_is_bounded() {
        let clock = ManualClock::default();
        for failures in 1..100 {
            let bound = (500_i64 << (failures - 1).min(10)).min(30_000);
            let wait = wait_ms(&clock, u32::try_from(failures).unwrap(), 30_000);
            assert!((bound * 3 / 4..=bound * 5 / 4).contains(&wait), "{failures}: {wait}");
        }
    }
}
