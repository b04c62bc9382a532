//! Due times over both changes of the clocks, and in every zone.

use super::*;
use platform::time::{parse_rfc3339, rfc3339};

fn cron(text: &str, zone: &str) -> Due {
    let timing = Timing {
        cron: Some(text.to_owned()),
        time_zone: Some(zone.to_owned()),
        ..Timing::default()
    };
    Due::read(&timing, "UTC").unwrap()
}

fn ms(text: &str) -> i64 {
    parse_rfc3339(text).unwrap()
}

/// The due times after this one.
fn times(due: &Due, after: &str, count: usize) -> Vec<String> {
    let next = |at: &i64| due.next(*at, 0);
    std::iter::successors(due.next(ms(after), 0), next).take(count).map(rfc3339).collect()
}

#[test]
fn due_time_that_the_clocks_skip_counts_once_at_the_next_moment_that_exists() {
    let berlin = cron("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        times(&berlin, "2027-03-27T00:00:00Z", 3),
        ["2027-03-27T01:30:00.000Z", "2027-03-28T01:00:00.000Z", "2027-03-29T00:30:00.000Z"]
    );
    let new_york = cron("30 2 * * *", "America/New_York");
    assert_eq!(
        times(&new_york, "2027-03-13T12:00:00Z", 2),
        ["2027-03-14T07:00:00.000Z", "2027-03-15T06:30:00.000Z"]
    );
    // Every time of the hour that is missing, and the first of the one after it, are one moment.
    let quarters = cron("*/15 2,3 * * *", "Europe/Berlin");
    assert_eq!(
        times(&quarters, "2027-03-28T00:59:59Z", 3),
        ["2027-03-28T01:00:00.000Z", "2027-03-28T01:15:00.000Z", "2027-03-28T01:30:00.000Z"]
    );
}

#[test]
fn due_time_that_the_clocks_show_twice_counts_the_first_time_only() {
    let berlin = cron("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        times(&berlin, "2027-10-30T12:00:00Z", 2),
        ["2027-10-31T00:30:00.000Z", "2027-11-01T01:30:00.000Z"]
    );
    let new_york = cron("30 1 * * *", "America/New_York");
    assert_eq!(
        times(&new_york, "2027-11-07T00:00:00Z", 2),
        ["2027-11-07T05:30:00.000Z", "2027-11-08T06:30:00.000Z"]
    );
    // In the second showing, the newest time is the last of the first showing.
    let quarters = cron("*/15 2 * * *", "Europe/Berlin");
    let latest = quarters.latest(ms("2027-10-31T01:10:00Z"), 0).map(rfc3339);
    assert_eq!(latest.as_deref(), Some("2027-10-31T00:45:00.000Z"));
    assert_eq!(times(&quarters, "2027-10-31T01:10:00Z", 1), ["2027-11-01T01:00:00.000Z"]);
}

#[test]
fn due_times_rise_strictly_and_the_newest_one_is_the_one_before_the_next_in_every_zone() {
    let rules = ["*/29 0-3 * * *", "30 2 */3 * sun"];
    let mut zones = 0;
    for name in jiff::tz::db().available() {
        // The other names are of the same rules.
        if !window::zone(name.as_str()).unwrap().is_primary() {
            continue;
        }
        zones += 1;
        for rule in rules {
            let due = cron(rule, name.as_str());
            // Every zone that changes its clocks does so in these weeks.
            for start in ["2027-03-12T00:00:00Z", "2027-10-29T00:00:00Z"] {
                let (mut at, end) = (ms(start), ms(start) + 18 * 24 * 3_600_000);
                while at < end {
                    let next = due.next(at, 0).unwrap();
                    assert!(next > at, "{name} {rule}: {} is not later", rfc3339(next));
                    assert_eq!(due.latest(next, 0), Some(next), "{name} {rule}");
                    let before = due.latest(next - 1, 0).unwrap();
                    assert!(before <= at || at == ms(start), "{name} {rule}: {}", rfc3339(before));
                    assert_eq!(due.next(next - 1, 0), Some(next), "{name} {rule}");
                    at = next;
                }
            }
        }
    }
    assert!(zones > 200, "{zones}");
}

#[test]
fn every_counts_from_its_making_and_at_comes_once() {
    let every = |text: &str| {
        let timing = Timing { every: Some(text.to_owned()), ..Timing::default() };
        Due::read(&timing, "UTC")
    };
    let two_hours = every("2h").unwrap();
    let since = ms("2027-03-28T00:10:00Z");
    assert_eq!(two_hours.latest(since, since), None);
    assert_eq!(two_hours.next(since, since), Some(since + 7_200_000));
    assert_eq!(two_hours.next(since + 7_200_000, since), Some(since + 14_400_000));
    assert_eq!(two_hours.latest(since + 7_200_000, since), Some(since + 7_200_000));
    assert_eq!(two_hours.latest(since + 30_000_000, since), Some(since + 28_800_000));
    assert!(every("1h30m").is_ok() && every("60m").is_ok() && every("2w").is_ok());
    for odd in ["", "h", "0h", "90", "-2h", "2 h", "30s", "1.5h", "400d", "99999999h", "2hh"] {
        let mistake = every(odd).err().unwrap();
        assert_eq!(mistake.key, "every", "{odd}");
    }
    let at = |text: &str| {
        let timing = Timing { at: Some(text.to_owned()), ..Timing::default() };
        Due::read(&timing, "Europe/Berlin")
    };
    let new_year = at("2027-01-01T09:00").unwrap();
    assert_eq!(new_year.next(0, 0).map(rfc3339).as_deref(), Some("2027-01-01T08:00:00.000Z"));
    assert_eq!(new_year.next(ms("2027-01-01T08:00:00Z"), 0), None);
    assert_eq!(new_year.latest(ms("2027-01-01T08:00:00Z"), 0), Some(ms("2027-01-01T08:00:00Z")));
    let instant = at("2027-01-01T09:00:00-05:00").unwrap();
    assert_eq!(instant.next(0, 0), Some(ms("2027-01-01T14:00:00Z")));
    for odd in ["", "tomorrow", "2027-01-01", "2027-02-30T09:00", "09:00"] {
        assert_eq!(at(odd).err().unwrap().key, "at", "{odd}");
    }
}

#[test]
fn timing_needs_exactly_one_rule_and_a_zone_that_exists() {
    let read = |timing: Timing| Due::read(&timing, "UTC").err().map(|mistake| mistake.key);
    let (cron, every) = (Some("0 8 * * *".to_owned()), Some("2h".to_owned()));
    let both = Timing { cron: cron.clone(), every, ..Timing::default() };
    assert_eq!(read(both), Some("cron"));
    assert_eq!(read(Timing::default()), Some("cron"));
    let nowhere = Timing { cron, time_zone: Some("Mars/Olympus".to_owned()), ..Timing::default() };
    assert_eq!(read(nowhere), Some("time_zone"));
}
