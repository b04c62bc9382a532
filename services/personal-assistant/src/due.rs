//! The due times of a schedule.
//!
//! A local time that the clocks skip counts once, at the next moment that exists; one that they
//! show twice counts once, the first time. So due times rise strictly, whatever the zone does.

mod cron;

use crate::window;
use contracts::schedule::{DueTime, PlanAnswer, PlanRequest, Timing};
use cron::Cron;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// Minimum distance of `every`: a minute.
const EVERY_MS_MIN: i64 = 60_000;
/// Maximum distance of `every`: a leap year.
const EVERY_MS_MAX: i64 = 366 * 24 * 3_600_000;
/// Local clocks are set back by less than this at once.
const SET_BACK: SignedDuration = SignedDuration::from_hours(3);

/// A timing that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key of the configuration.
    pub key: &'static str,
    /// A sentence without a subject.
    pub what: String,
    pub fix: &'static str,
}

impl Mistake {
    fn new(key: &'static str, what: impl Into<String>, fix: &'static str) -> Self {
        Self { key, what: what.into(), fix }
    }
}

enum Rule {
    Cron(Cron),
    /// Once, at this local time.
    Local(DateTime),
    /// Once, at this instant.
    Instant(i64),
    /// Milliseconds between two times.
    Every(i64),
}

/// A timing, read and in its time zone.
pub struct Due {
    rule: Rule,
    zone: TimeZone,
}

impl Due {
    /// Reads a timing; without a zone of its own it has the owner's.
    pub fn read(timing: &Timing, owners_zone: &str) -> Result<Self, Mistake> {
        const ZONE: &str = "Write an IANA name, such as \"Europe/Berlin\" or \"UTC\".";
        let name = timing.time_zone.as_deref().unwrap_or(owners_zone);
        let no_zone = || Mistake::new("time_zone", format!("is {name:?}, no time zone."), ZONE);
        let zone = window::zone(name).ok_or_else(no_zone)?;
        let rule = match (&timing.cron, &timing.at, &timing.every) {
            (Some(text), None, None) => Rule::Cron(Cron::parse(text).map_err(|why| {
                let fix = "Write minute, hour, day of the month, month and day of the week, such as \"0 8 * * 1-5\".";
                Mistake::new("cron", format!("{why}."), fix)
            })?),
            (None, Some(text), None) => at(text)?,
            (None, None, Some(text)) => Rule::Every(every(text)?),
            (None, None, None) => {
                let fix = "Write one of cron, at and every.";
                return Err(Mistake::new("cron", "is missing, and so are at and every.", fix));
            }
            (cron, ..) => {
                let key = if cron.is_some() { "cron" } else { "at" };
                return Err(Mistake::new(key, "is not the only time.", "Keep one of cron, at and every."));
            }
        };
        Ok(Self { rule, zone })
    }

    /// The first due time after this one, milliseconds since the epoch. `since_ms` is where `every`
    /// counts from.
    pub fn next(&self, after_ms: i64, since_ms: i64) -> Option<i64> {
        match &self.rule {
            Rule::Cron(cron) => {
                let start = self.zone.to_datetime(Timestamp::from_millisecond(after_ms).ok()?);
                let times = cron.from(start.with().second(0).subsec_nanosecond(0).build().ok()?);
                times.filter_map(|time| self.instant(time)).find(|at| *at > after_ms)
            }
            Rule::Local(time) => self.instant(*time).filter(|at| *at > after_ms),
            Rule::Instant(at) => Some(*at).filter(|at| *at > after_ms),
            Rule::Every(distance) => {
                let passed = (after_ms - since_ms).max(0) / distance;
                since_ms.checked_add(distance.checked_mul(passed + 1)?)
            }
        }
    }

    /// The newest due time that is not after this one.
    pub fn latest(&self, until_ms: i64, since_ms: i64) -> Option<i64> {
        match &self.rule {
            Rule::Cron(cron) => {
                let local = self.zone.to_datetime(Timestamp::from_millisecond(until_ms).ok()?);
                // While the clocks show an hour again, later local times have been before.
                let times = cron.back_from(local.checked_add(SET_BACK).ok()?);
                times.filter_map(|time| self.instant(time)).find(|at| *at <= until_ms)
            }
            Rule::Local(time) => self.instant(*time).filter(|at| *at <= until_ms),
            Rule::Instant(at) => Some(*at).filter(|at| *at <= until_ms),
            Rule::Every(distance) => {
                let passed = (until_ms - since_ms) / distance;
                (passed >= 1).then(|| since_ms + distance * passed)
            }
        }
    }

    /// The due times around the present.
    pub fn plan(&self, asked: &PlanRequest) -> PlanAnswer {
        let due = |at_ms: Option<i64>| {
            let at_ms = at_ms?;
            let local = Timestamp::from_millisecond(at_ms).ok()?;
            let local = local.to_zoned_datetime(self.zone.clone());
            let zone = self.zone.iana_name().unwrap_or("UTC");
            Some(DueTime {
                at_ms,
                local: format!("{} {zone}", local.strftime("%a %Y-%m-%d %H:%M")),
            })
        };
        PlanAnswer {
            latest: due(self.latest(asked.now_ms, asked.since_ms)),
            next: due(self.next(asked.now_ms, asked.since_ms)),
        }
    }

    /// The instant of a local time: the end of a gap that it is in, the first of two.
    fn instant(&self, time: DateTime) -> Option<i64> {
        let ambiguous = self.zone.to_ambiguous_timestamp(time);
        let instant = match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
                ambiguous.earlier().ok()?
            }
            AmbiguousOffset::Gap { .. } => {
                // As far behind the gap as the time is in it; the change itself is before that.
                let behind = ambiguous.later().ok()?;
                let until = behind.checked_add(SignedDuration::from_nanos(1)).ok()?;
                self.zone.preceding(until).next()?.timestamp()
            }
        };
        Some(instant.as_millisecond())
    }
}

/// A local time, or an instant with its offset.
fn at(text: &str) -> Result<Rule, Mistake> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(Rule::Instant(instant.as_millisecond()));
    }
    let fix = "Write a local time, such as \"2027-01-01T09:00\".";
    let wrong = |_| Mistake::new("at", format!("is {text:?}, no date with a time."), fix);
    // A zone in brackets would be read over.
    if text.contains('[') {
        let fix = "Write the zone as time_zone, or the offset behind the time.";
        return Err(Mistake::new("at", format!("is {text:?}, with a zone in it."), fix));
    }
    // A date alone would be midnight, which is rarely meant.
    if !text.contains([':', 'T', ' ']) {
        return Err(Mistake::new("at", format!("is {text:?}, a date without a time."), fix));
    }
    text.parse().map(Rule::Local).map_err(wrong)
}

/// `2h`, `90m`, `1h30m` → milliseconds.
fn every(text: &str) -> Result<i64, Mistake> {
    const FIX: &str =
        "Write a distance from a minute to a year, such as \"2h\", \"1h30m\" or \"1d\".";
    let wrong = || Mistake::new("every", format!("is {text:?}, no distance of time."), FIX);
    let (mut sum, mut number) = (0_i64, String::new());
    for letter in text.trim().chars() {
        let minutes = match letter {
            '0'..='9' if number.len() < 7 => {
                number.push(letter);
                continue;
            }
            'm' => 1,
            'h' => 60,
            'd' => 24 * 60,
            'w' => 7 * 24 * 60,
            _ => return Err(wrong()),
        };
        let count: i64 = number.parse().map_err(|_| wrong())?;
        sum = count
            .checked_mul(minutes * 60_000)
            .and_then(|more| sum.checked_add(more))
            .ok_or_else(wrong)?;
        number.clear();
    }
    if !number.is_empty() {
        return Err(wrong());
    }
    match sum {
        EVERY_MS_MIN..=EVERY_MS_MAX => Ok(sum),
        0..EVERY_MS_MIN => {
            Err(Mistake::new("every", format!("is {text:?}, less than a minute."), FIX))
        }
        _ => Err(Mistake::new("every", format!("is {text:?}, more than a year."), FIX)),
    }
}

#[cfg(test)]
mod tests;
