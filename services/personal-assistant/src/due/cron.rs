//! Cron expressions: five fields, as Vixie's cron reads them.
//!
//! Lists, ranges, steps, names of months and weekdays, 0 and 7 for Sunday. With both a day of the
//! month and a day of the week, either is enough.

use jiff::civil::{Date, DateTime};

/// Days that are looked through for the next match: the 29th of February may be on a given day of
/// the week 40 years later, around a year of a century that is no leap year.
const DAYS_MAX: usize = 41 * 366;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A field: its name, its bounds, and the names of its values from the lowest.
struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", low: 0, high: 59, names: &[] },
    Field { name: "hour", low: 0, high: 23, names: &[] },
    Field { name: "day of the month", low: 1, high: 31, names: &[] },
    Field { name: "month", low: 1, high: 12, names: &MONTHS },
    Field { name: "day of the week", low: 0, high: 7, names: &WEEKDAYS },
];

/// A cron expression, one bit for each value that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both kinds of days are restricted: either is enough.
    either_day: bool,
}

impl Cron {
    /// Reads an expression; the error is a sentence without a subject.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!("has {} fields and needs five", fields.len()));
        };
        let [minutes, hours, days, months, mut weekdays] = {
            let mut sets = [0_u64; 5];
            let given = [minute, hour, day, month, weekday];
            for ((set, field), given) in sets.iter_mut().zip(&FIELDS).zip(given) {
                *set = field.parse(given)?;
            }
            sets
        };
        // Sunday is 0 and 7.
        if weekdays & (1 << 7) != 0 {
            weekdays |= 1;
        }
        // As cron does, a field that begins with a star restricts nothing here, even with a step.
        let either_day = !day.starts_with('*') && !weekday.starts_with('*');
        let cron = Self { minutes, hours, days, months, weekdays, either_day };
        let never = "names a day that no month has";
        cron.from(DateTime::constant(2024, 1, 1, 0, 0, 0, 0)).next().ok_or(never)?;
        Ok(cron)
    }

    /// The local times that match, from this one on, the earliest first.
    pub fn from(self, start: DateTime) -> impl Iterator<Item = DateTime> {
        let days = std::iter::successors(Some(start.date()), |date| date.tomorrow().ok());
        let days = days.take(DAYS_MAX).filter(move |date| self.is_day(*date));
        days.flat_map(move |date| self.times(date)).filter(move |time| *time >= start)
    }

    /// The local times that match, from this one back, the latest first.
    pub fn back_from(self, start: DateTime) -> impl Iterator<Item = DateTime> {
        let days = std::iter::successors(Some(start.date()), |date| date.yesterday().ok());
        let days = days.take(DAYS_MAX).filter(move |date| self.is_day(*date));
        days.flat_map(move |date| self.times(date).rev()).filter(move |time| *time <= start)
    }

    fn is_day(self, date: Date) -> bool {
        let has = |set: u64, value: i8| set & (1 << value) != 0;
        let in_month = has(self.days, date.day());
        let in_week = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let is_day = if self.either_day { in_month || in_week } else { in_month && in_week };
        has(self.months, date.month()) && is_day
    }

    /// The times of a day that matches.
    fn times(self, date: Date) -> impl DoubleEndedIterator<Item = DateTime> {
        let values = |set: u64, count: i8| (0..count).filter(move |value| set & (1 << value) != 0);
        values(self.hours, 24).flat_map(move |hour| {
            values(self.minutes, 60).map(move |minute| date.at(hour, minute, 0, 0))
        })
    }
}

impl Field {
    /// `*/15`, `1-5`, `mon,wed`, `8-18/2` → bits.
    fn parse(&self, text: &str) -> Result<u64, String> {
        let mut set = 0;
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(self.step(step)?)),
                None => (part, None),
            };
            let (low, high) = match range.split_once('-') {
                _ if range == "*" => (self.low, self.high),
                Some((low, high)) => (self.value(low)?, self.value(high)?),
                // From there on, as `5/15` means in most crons.
                None if step.is_some() => (self.value(range)?, self.high),
                None => (self.value(range)?, self.value(range)?),
            };
            if low > high {
                return Err(format!("has the {} {part}, which ends before it begins", self.name));
            }
            let step = usize::try_from(step.unwrap_or(1)).unwrap_or(usize::MAX);
            for value in (low..=high).step_by(step) {
                set |= 1 << value;
            }
        }
        Ok(set)
    }

    fn step(&self, text: &str) -> Result<u32, String> {
        let step = number(text).filter(|step| (1..=self.high).contains(step));
        step.ok_or_else(|| format!("has the step {text:?} in the {}", self.name))
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = named.and_then(|place| u32::try_from(place).ok()).map(|place| place + self.low);
        let value = named.or_else(|| number(text));
        value.filter(|value| (self.low..=self.high).contains(value)).ok_or_else(|| {
            let Self { name, low, high, .. } = self;
            format!("has the {name} {text:?}, which is not from {low} to {high}")
        })
    }
}

fn number(text: &str) -> Option<u32> {
    let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str, from: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(text).unwrap();
        cron.from(from.parse().unwrap()).take(count).map(|time| time.to_string()).collect()
    }

    #[test]
    fn cron_reads_lists_ranges_steps_and_names() {
        assert_eq!(
            first("0 8 * * mon-fri", "2026-11-27T08:01", 2),
            ["2026-11-30T08:00:00", "2026-12-01T08:00:00"]
        );
        assert_eq!(
            first("*/20 9,17 * * *", "2026-11-27T09:30", 3),
            ["2026-11-27T09:40:00", "2026-11-27T17:00:00", "2026-11-27T17:20:00"]
        );
        assert_eq!(
            first("5/25 0 1 FEB *", "2026-01-01T00:00", 3),
            ["2026-02-01T00:05:00", "2026-02-01T00:30:00", "2026-02-01T00:55:00"]
        );
        assert_eq!(first("0 0 29 2 *", "2026-01-01T00:00", 1), ["2028-02-29T00:00:00"]);
        let sundays = ["0", "7", "sun", "SUN"].map(|day| Cron::parse(&format!("0 0 * * {day}")));
        let of = |cron: &Result<Cron, String>| {
            let from = "2026-11-27T00:00".parse().unwrap();
            cron.as_ref().unwrap().from(from).next()
        };
        assert!(sundays.iter().all(|cron| of(cron) == of(&sundays[0])), "{sundays:?}");
    }

    #[test]
    fn cron_with_both_kinds_of_days_means_either() {
        // The 13th, and each Friday.
        let days = first("0 0 13 * fri", "2026-12-01T00:00", 4);
        let starts = ["2026-12-04", "2026-12-11", "2026-12-13", "2026-12-18"];
        assert!(days.iter().zip(starts).all(|(day, start)| day.starts_with(start)), "{days:?}");
        // A step after a star restricts, and does not make it either.
        assert_eq!(first("0 0 */2 * sun", "2026-12-01T00:00", 1), ["2026-12-13T00:00:00"]);
    }

    #[test]
    fn cron_goes_back_as_it_goes_forward() {
        let cron = Cron::parse("*/7 3,4 1-9 * *").unwrap();
        let (low, high) =
            ("2026-01-03T00:00".parse().unwrap(), "2026-04-20T00:00".parse().unwrap());
        let forth: Vec<DateTime> = cron.from(low).take_while(|time| *time <= high).collect();
        let mut back: Vec<DateTime> =
            cron.back_from(high).take_while(|time| *time >= low).collect();
        back.reverse();
        assert_eq!(forth, back);
        assert!(forth.len() > 100);
    }

    #[test]
    fn cron_refuses_what_it_cannot_read_and_says_why() {
        for (odd, why) in [
            ("", "five"),
            ("* * * *", "has 4 fields"),
            ("* * * * * *", "has 6 fields"),
            ("60 * * * *", "minute \"60\""),
            ("* 24 * * *", "hour"),
            ("* * 0 * *", "day of the month"),
            ("* * * 13 *", "month"),
            ("* * * * 8", "day of the week"),
            ("*/0 * * * *", "step"),
            ("5-1 * * * *", "ends before"),
            ("-1 * * * *", "minute"),
            ("1,,2 * * * *", "minute"),
            ("+1 * * * *", "minute"),
            ("0 0 30 2 *", "no month has"),
            ("@daily", "has 1 fields"),
            ("0 0 * * monday", "monday"),
        ] {
            let said = Cron::parse(odd).unwrap_err();
            assert!(said.contains(why), "{odd}: {said}");
        }
    }
}
