//! When to try again: quick at first since a person waits, then patient, about a day in all.

use platform::backoff::Schedule;

/// Full jitter on the first six waits, 20 % either way after.
pub(crate) const RETRY: Schedule = Schedule {
    waits_ms: &[
        0, 1_000, 5_000, 20_000, 60_000, 300_000, 900_000, 3_600_000, 10_800_000, 28_800_000,
        43_200_000,
    ],
    full_jitter: 6,
};

#[cfg(test)]
mod tests {
    use super::*;
    use platform::memory::ManualClock;

    #[test]
    fn retries_end_after_about_a_day() {
        let clock = ManualClock::default();
        let all: Vec<_> = (0..20).map_while(|n| RETRY.wait_ms(n, &clock)).collect();
        assert_eq!(all.len(), RETRY.waits_ms.len());
        let sum: i64 = all.iter().sum();
        assert!((60_000_000..110_000_000).contains(&sum), "{sum}");
    }
}
