//! Calendar windows: the local day, week and month of an instant, and their ends.
//!
//! A window's key is its local label, so nothing has to be reset: the next day has another label.
//! Days of 23 and 25 hours need no special case.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, ZonedDateTime};

/// A local day, week or month. Times are milliseconds since the epoch; `end_ms` is the first
/// instant after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// `2026-11-23`, `2026-W48` or `2026-11`.
    pub label: String,
    pub start_ms: i64,
    pub end_ms: i64,
}

/// The instant is outside the calendar (years −9999 to 9999).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time is outside the calendar")]
pub struct OutsideCalendar;

/// The time zone with this IANA name, or `None`.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// The local day of an instant.
pub fn day(now_ms: i64, zone: &TimeZone) -> Result<Window, OutsideCalendar> {
    let date = local(now_ms, zone)?.date();
    window(date.to_string(), date, date.checked_add(1.day()).map_err(|_| OutsideCalendar)?, zone)
}

/// The local week of an instant, from Monday on (ISO 8601).
pub fn week(now_ms: i64, zone: &TimeZone) -> Result<Window, OutsideCalendar> {
    let date = local(now_ms, zone)?.date();
    let week = date.iso_week_date();
    let back = i64::from(date.weekday().to_monday_zero_offset());
    let first = date.checked_sub(back.days()).map_err(|_| OutsideCalendar)?;
    let label = format!("{:04}-W{:02}", week.year(), week.week());
    window(label, first, first.checked_add(1.week()).map_err(|_| OutsideCalendar)?, zone)
}

/// The local month of an instant.
pub fn month(now_ms: i64, zone: &TimeZone) -> Result<Window, OutsideCalendar> {
    let first = local(now_ms, zone)?.date().first_of_month();
    let label = format!("{:04}-{:02}", first.year(), first.month());
    window(label, first, first.checked_add(1.month()).map_err(|_| OutsideCalendar)?, zone)
}

/// The labels of the `n` full days before an instant's day, oldest first.
pub fn days_before(now_ms: i64, zone: &TimeZone, n: i64) -> Result<Vec<String>, OutsideCalendar> {
    let today = local(now_ms, zone)?.date();
    (1..=n)
        .rev()
        .map(|back| {
            today.checked_sub(back.days()).map(|date| date.to_string()).map_err(|_| OutsideCalendar)
        })
        .collect()
}

/// The local time in words: `Monday 2026-11-30, 22:05 (Europe/Berlin)`.
pub fn local_text(now_ms: i64, zone_name: &str) -> Option<String> {
    let local = local(now_ms, &zone(zone_name)?).ok()?;
    Some(format!("{} ({zone_name})", local.strftime("%A %Y-%m-%d, %H:%M")))
}

fn local(now_ms: i64, zone: &TimeZone) -> Result<ZonedDateTime, OutsideCalendar> {
    Ok(Timestamp::from_millisecond(now_ms)
        .map_err(|_| OutsideCalendar)?
        .to_zoned_datetime(zone.clone()))
}

fn window(
    label: String,
    first: Date,
    next: Date,
    zone: &TimeZone,
) -> Result<Window, OutsideCalendar> {
    // If midnight does not exist, this is the first instant after the gap.
    let start = |date: Date| {
        date.to_zoned_datetime(zone.clone())
            .map(|time| time.timestamp().as_millisecond())
            .map_err(|_| OutsideCalendar)
    };
    Ok(Window { label, start_ms: start(first)?, end_ms: start(next)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::time::parse_rfc3339;

    fn at(text: &str) -> i64 {
        parse_rfc3339(text).unwrap()
    }

    #[test]
    fn window_label_is_the_owners_date_and_not_utc() {
        let berlin = zone("Europe/Berlin").unwrap();
        let late = day(at("2026-11-22T23:30:00Z"), &berlin).unwrap();
        assert_eq!(late.label, "2026-11-23");
        assert_eq!(late.start_ms, at("2026-11-22T23:00:00Z"));
        assert_eq!(month(at("2026-11-30T23:30:00Z"), &berlin).unwrap().label, "2026-12");
    }

    #[test]
    fn window_of_a_week_begins_on_monday_and_has_the_year_of_its_thursday() {
        let berlin = zone("Europe/Berlin").unwrap();
        let week = |text: &str| week(at(text), &berlin).unwrap();
        let new_year = week("2027-01-01T12:00:00Z");
        assert_eq!(new_year.label, "2026-W53");
        assert_eq!(new_year.start_ms, at("2026-12-27T23:00:00Z"));
        assert_eq!(new_year.end_ms, at("2027-01-03T23:00:00Z"));
        assert_eq!(week("2027-01-03T23:30:00Z").label, "2027-W01");
        // The clocks change on a Sunday.
        let spring = week("2026-03-29T12:00:00Z");
        assert_eq!(spring.end_ms - spring.start_ms, (7 * 24 - 1) * 3_600_000);
    }

    #[test]
    fn window_of_a_clock_change_has_23_or_25_hours() {
        let berlin = zone("Europe/Berlin").unwrap();
        let hours = |text: &str| {
            let window = day(at(text), &berlin).unwrap();
            (window.end_ms - window.start_ms) / 3_600_000
        };
        assert_eq!(hours("2026-03-29T12:00:00Z"), 23);
        assert_eq!(hours("2026-10-25T12:00:00Z"), 25);
    }

    #[test]
    fn windows_tile_time_in_every_zone_across_two_years_of_clock_changes_and_days() {
        let (start, end) = (at("2026-01-01T00:00:00Z"), at("2028-01-01T00:00:00Z"));
        let mut zones = 0;
        for name in jiff::tz::db().available() {
            let zone = zone(name.as_str()).unwrap();
            zones += 1;
            let mut now = start;
            while now < end {
                let window = day(now, &zone).unwrap();
                assert!(window.start_ms <= now && now < window.end_ms, "{name} {now}");
                let next = day(window.end_ms, &zone).unwrap();
                assert_eq!(
                    next.start_ms, window.end_ms,
                    "{name}: a gap or overlap after {}",
                    window.label
                );
                assert_ne!(next.label, window.label, "{name}");
                assert_eq!(day(window.end_ms - 1, &zone).unwrap().label, window.label, "{name}");
                now = window.end_ms;
            }
        }
        assert!(zones > 400, "{zones}");
    }

    #[test]
    fn window_zone_of_an_unknown_name_is_none() {
        assert!(zone("Mars/Olympus").is_none());
        assert_eq!(
            days_before(at("2026-03-02T12:00:00Z"), &zone("UTC").unwrap(), 2).unwrap(),
            ["2026-02-28", "2026-03-01"]
        );
    }
}
