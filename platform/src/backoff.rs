//! How long to wait before another attempt. Every wait has jitter, so that callers that failed
//! together do not come back together. Randomness comes through the clock port.

use crate::ports::{Clock, ClockExt};

/// Lower end of an exponential wait's jitter, as a share of the wait.
const LEAST_SHARE: f64 = 0.75;
/// Jitter of a schedule's later waits, as a share of the wait.
const SCHEDULE_SHARE: f64 = 0.2;
/// Later doublings change nothing: the longest wait is far below `first_ms << 32`.
const DOUBLINGS_MAX: u32 = 32;

/// Waits that double from `first_ms` up to `max_ms`.
#[derive(Clone, Copy, Debug)]
pub struct Exponential {
    pub first_ms: i64,
    pub max_ms: i64,
}

impl Exponential {
    /// Milliseconds to wait after `failures` failures in a row, the first being 1. The wait lies
    /// between three quarters of the doubled wait and the whole of it.
    pub fn wait_ms(self, failures: u32, clock: &dyn Clock) -> i64 {
        let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
        let wait = self.first_ms.saturating_mul(1 << doublings).min(self.max_ms);
        jittered(wait, LEAST_SHARE, 1.0, clock)
    }
}

/// Waits listed one by one; after the last the attempts are used up.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    pub waits_ms: &'static [i64],
    /// The first waits, this many, have full jitter (between nothing and the wait; AWS Architecture
    /// Blog, "Exponential Backoff And Jitter"); the later ones 20 % either way.
    pub full_jitter: usize,
}

impl Schedule {
    /// Milliseconds to wait after `failures` failures, the first entry being for none; `None` when
    /// the attempts are used up.
    pub fn wait_ms(&self, failures: u32, clock: &dyn Clock) -> Option<i64> {
        let place = usize::try_from(failures).ok()?;
        let wait = *self.waits_ms.get(place)?;
        Some(if place < self.full_jitter {
            jittered(wait, 0.0, 1.0, clock)
        } else {
            jittered(wait, 1.0 - SCHEDULE_SHARE, 1.0 + SCHEDULE_SHARE, clock)
        })
    }
}

/// A random wait between these shares of `wait_ms`.
fn jittered(wait_ms: i64, from: f64, to: f64, clock: &dyn Clock) -> i64 {
    (wait_ms as f64 * (from + (to - from) * clock.uniform())) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::ManualClock;

    /// Clocks with different dice.
    fn clocks() -> impl Iterator<Item = ManualClock> {
        (0..200).map(|seed| ManualClock::at(1_790_000_000_000 + seed * 7_919))
    }

    #[test]
    fn exponential_wait_doubles_and_never_exceeds_its_maximum() {
        let backoff = Exponential { first_ms: 500, max_ms: 30_000 };
        for clock in clocks() {
            for failures in 0..100_u32 {
                let bound = (500_i64 << failures.saturating_sub(1).min(10)).min(30_000);
                let wait = backoff.wait_ms(failures, &clock);
                assert!((bound * 3 / 4..=bound).contains(&wait), "{failures}: {wait}");
            }
            assert!((22_500..=30_000).contains(&backoff.wait_ms(u32::MAX, &clock)));
        }
    }

    #[test]
    fn exponential_wait_survives_extreme_limits() {
        let clock = ManualClock::default();
        let endless = Exponential { first_ms: i64::MAX, max_ms: i64::MAX };
        assert!(endless.wait_ms(9, &clock) > 0);
        assert_eq!(Exponential { first_ms: 500, max_ms: 0 }.wait_ms(9, &clock), 0);
    }

    #[test]
    fn schedule_keeps_each_wait_within_its_jitter_and_ends() {
        let schedule = Schedule { waits_ms: &[0, 1_000, 60_000, 1_000_000], full_jitter: 2 };
        for clock in clocks() {
            let waits: Vec<_> = (0..9).map_while(|n| schedule.wait_ms(n, &clock)).collect();
            assert_eq!(waits.len(), 4);
            assert_eq!(waits[0], 0);
            assert!((0..=1_000).contains(&waits[1]), "{waits:?}");
            assert!((48_000..=72_000).contains(&waits[2]), "{waits:?}");
            assert!((800_000..=1_200_000).contains(&waits[3]), "{waits:?}");
            assert_eq!(schedule.wait_ms(u32::MAX, &clock), None);
        }
    }

    #[test]
    fn jitter_spreads_callers_that_failed_together() {
        let exponential = Exponential { first_ms: 10_000, max_ms: 60_000 };
        let schedule = Schedule { waits_ms: &[10_000], full_jitter: 1 };
        let spread = |wait: &dyn Fn(&ManualClock) -> i64| {
            let waits: Vec<_> = clocks().map(|clock| wait(&clock)).collect();
            waits.iter().max().unwrap() - waits.iter().min().unwrap()
        };
        assert!(spread(&|clock| exponential.wait_ms(1, clock)) > 2_000);
        assert!(spread(&|clock| schedule.wait_ms(0, clock).unwrap()) > 8_000);
    }
}
