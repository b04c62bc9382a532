//! A warning that a limit was reached: one line a minute, with the number of times.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Minimum time between two lines.
const EVERY: Duration = Duration::from_mins(1);

/// One kind of warning.
#[derive(Default)]
pub(super) struct Notice(Mutex<Told>);

#[derive(Default)]
struct Told {
    last: Option<Instant>,
    /// Times since the last line.
    silent: u64,
}

impl Notice {
    /// Logs the text, unless a line was logged less than a minute ago.
    pub(super) fn tell(&self, text: impl FnOnce() -> String) {
        if let Some(before) = self.due(Instant::now()) {
            tracing::warn!(before, "{}", text());
        }
    }
    /// The number of times since the last line if the next one is due.
    fn due(&self, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.last.is_some_and(|last| now.duration_since(last) < EVERY) {
            told.silent += 1;
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notice_is_given_once_a_minute_with_the_number_of_times() {
        let notice = Notice::default();
        let start = Instant::now();
        assert_eq!(notice.due(start), Some(0));
        for _ in 0..3_000 {
            assert_eq!(notice.due(start + Duration::from_secs(59)), None);
        }
        assert_eq!(notice.due(start + EVERY), Some(3_000));
    }
}
