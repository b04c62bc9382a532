//! When to try again: quick at first since a person waits, then patient, about a day in all.
//! Full jitter on the first five (AWS Architecture Blog, "Exponential Backoff And Jitter"), ±20 % after.

use platform::ports::{Clock, ClockExt};

const SCHEDULE_MS: [i64; 11] = [
    0, 1_000, 5_000, 20_000, 60_000, 300_000, 900_000, 3_600_000, 10_800_000, 28_800_000,
    43_200_000,
];
const FULL_JITTER: usize = 5;

/// Milliseconds until the next try after `failed` failures, or `None` when the budget of tries is used up.
pub fn delay_ms(failed: u32, clock: &dyn Clock) -> Option<i64> {
    let step = usize::try_from(failed).ok()?;
    let base = *SCHEDULE_MS.get(step)?;
    let share = if step <= FULL_JITTER { clock.uniform() } else { 0.8 + 0.4 * clock.uniform() };
    Some((base as f64 * share) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::memory::ManualClock;

    #[test]
    fn tries_end_after_about_a_day() {
        let clock = ManualClock::default();
        let all: Vec<_> = (0..20).map_while(|n| delay_ms(n, &clock)).collect();
        assert_eq!(all.len(), SCHEDULE_MS.len());
        let sum: i64 = all.iter().sum();
        assert!((60_000_000..110_000_000).contains(&sum), "{sum}");
    }
}
