//! The time of the daily digest: as configured, and when to look next.

use platform::config::Section;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// When to look next, in milliseconds since the epoch. Clones share it.
#[derive(Clone, Default)]
pub struct NextLook(Arc<AtomicI64>);

impl NextLook {
    pub(crate) fn ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
    pub(crate) fn set(&self, at_ms: i64) {
        self.0.store(at_ms, Ordering::Relaxed);
    }
}

/// Reads `[digest]`; the minutes of the local day at which it is due.
pub fn read(mut section: Section<'_>) -> Option<i64> {
    let at = section.text("at");
    let at = section.required("at", at, "Write the local time, such as \"08:00\".");
    let minutes = at.as_deref().and_then(minutes_of);
    if at.is_some() && minutes.is_none() {
        section.wrong("at", "is not a time of the day.", "Write it as \"08:00\".");
    }
    section.finish();
    minutes
}

fn minutes_of(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str, below: i64| {
        let number = text.parse::<i64>().ok()?;
        (text.len() == 2 && !text.starts_with('+') && (0..below).contains(&number))
            .then_some(number)
    };
    Some(two(hours, 24)? * 60 + two(minutes, 60)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_the_digest_is_hours_and_minutes() {
        assert_eq!(minutes_of("08:05"), Some(485));
        assert_eq!(minutes_of("23:59"), Some(1439));
        for odd in ["", "8:00", "24:00", "12:60", "12", "08:00:00", "-1:00", "+8:00", "ab:cd"] {
            assert_eq!(minutes_of(odd), None, "{odd}");
        }
    }
}
