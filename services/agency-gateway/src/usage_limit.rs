//! Failures that come from the limit of an account or from an overloaded service, not from the
//! work: which texts of the known programs say so, and when they say that it ends.
//!
//! Only what a program reports about itself is read. Output of its tools and words of its agent may
//! repeat a stranger, who must not be able to send an agent to rest.

use contracts::task::UsageLimit;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ZonedDateTime};
use platform::time::rfc3339;

/// The beginnings of such a text, in lower case: Claude Code and Codex, and status codes of the
/// services behind them.
const BEGINNINGS: [&str; 14] = [
    "you've hit your",
    "you’ve hit your",
    "you've reached your",
    "claude ai usage limit reached",
    "claude usage limit reached",
    "usage limit reached",
    "the usage limit has been reached",
    "5-hour limit reached",
    "weekly limit reached",
    "api error: 429",
    "api error: 529",
    "api error: repeated 529",
    "rate limit reached for",
    "exceeded retry limit, last status: 429",
];

/// The words before a time of day.
const BEFORE_A_TIME: [&str; 4] = ["resets at ", "resets ", "reset at ", "try again at "];
/// The words before a while.
const BEFORE_A_WHILE: [&str; 3] = ["try again in ", "resets in ", "retry after "];

/// Maximum milliseconds that an agent rests: the longest limits are those of a week.
const REST_MS_MAX: i64 = 8 * 86_400_000;

/// The limit that this text of a program tells; None where it tells another failure. Times without
/// a zone are those of `zone`, the machine's.
pub(crate) fn read(text: &str, now_ms: i64, zone: &TimeZone) -> Option<UsageLimit> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line.filter(|line| begins(line))?;
    let until_ms =
        epoch(line).or_else(|| for_a_while(line, now_ms)).or_else(|| at_a_time(line, now_ms, zone));
    Some(until(until_ms, now_ms))
}

/// A limit that ends then, if that is a time to wait for.
pub(crate) fn until(until_ms: Option<i64>, now_ms: i64) -> UsageLimit {
    let until = until_ms.filter(|until| *until > now_ms);
    UsageLimit { until: until.map(|until| rfc3339(until.min(now_ms + REST_MS_MAX))) }
}

fn begins(line: &str) -> bool {
    let line = line.to_lowercase();
    // An agent of the Agent Client Protocol puts the words behind the name of the error.
    let behind = ["error: ", "internal error: "].iter().find_map(|name| line.strip_prefix(name));
    let line = behind.unwrap_or(&line);
    BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}

/// The rest of the line behind the first of these marks that it has.
fn behind<'a>(line: &'a str, marks: &[&str]) -> Option<&'a str> {
    let lower = line.to_ascii_lowercase();
    let ends = marks.iter().filter_map(|mark| lower.find(mark).map(|at| at + mark.len()));
    line.get(ends.min()?..)
}

/// `…|1735689600`: seconds since the epoch.
fn epoch(line: &str) -> Option<i64> {
    let digits = line.rsplit_once('|')?.1.trim();
    (digits.len() == 10).then_some(digits)?.parse::<i64>().ok()?.checked_mul(1000)
}

/// `2 hours 11 minutes`, `11.054s`.
fn for_a_while(line: &str, now_ms: i64) -> Option<i64> {
    let words: Vec<&str> = behind(line, &BEFORE_A_WHILE)?.split_whitespace().take(8).collect();
    let spans = (1..=words.len()).rev().filter_map(|count| {
        let text = words.get(..count)?.join(" ");
        text.trim_end_matches(['.', ',']).parse::<Span>().ok()
    });
    let span = { spans }.next()?;
    let now = Timestamp::from_millisecond(now_ms).ok()?.to_zoned_datetime(TimeZone::UTC);
    Some(now.checked_add(span).ok()?.timestamp().as_millisecond())
}

/// The parts of a time as they are written.
#[derive(Default)]
struct Written {
    month: Option<i8>,
    day: Option<i8>,
    year: Option<i16>,
    weekday: Option<Weekday>,
    time: Option<Time>,
}

/// `1am (Europe/Berlin)`, `3:42 PM`, `Mon 12:00am`, `Dec 29th, 2026 10:15 PM`.
fn at_a_time(line: &str, now_ms: i64, zone: &TimeZone) -> Option<i64> {
    let rest = behind(line, &BEFORE_A_TIME)?;
    let named = rest.split_once('(').and_then(|(_, named)| named.split_once(')'));
    let named = named.and_then(|(name, _)| TimeZone::get(name.trim()).ok());
    let zone = named.unwrap_or_else(|| zone.clone());
    let mut written = Written::default();
    let words: Vec<String> = rest
        .split(['(', '.', '·', ';'])
        .next()?
        .split([' ', ','])
        .filter(|word| !word.is_empty() && *word != "at")
        .map(str::to_lowercase)
        .collect();
    for (place, word) in words.iter().enumerate() {
        let next = words.get(place + 1).map_or("", String::as_str);
        if !written.take(word, next) {
            break;
        }
    }
    let now = Timestamp::from_millisecond(now_ms).ok()?.to_zoned_datetime(zone);
    Some(written.after(&now)?.timestamp().as_millisecond())
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Written {
    /// Takes a word; false where it belongs to no time.
    fn take(&mut self, word: &str, next: &str) -> bool {
        let place = |names: &[&str]| {
            let place = names.iter().position(|name| word.starts_with(name))?;
            i8::try_from(place).ok().map(|place| place + 1)
        };
        if matches!(word, "am" | "pm") {
            return self.time.is_some();
        }
        if let Some(month) = place(&MONTHS) {
            self.month = Some(month);
        } else if let Some(day) = place(&DAYS) {
            self.weekday = Weekday::from_monday_one_offset(day).ok();
        } else if let (Some(_), None, Some(day)) = (self.month, self.day, day(word)) {
            self.day = Some(day);
        } else if let Some(year) = word.parse().ok().filter(|_| word.len() == 4) {
            self.year = Some(year);
        } else if let Some(time) = time(word, next) {
            self.time = Some(time);
        } else {
            return false;
        }
        true
    }
    /// The next such time.
    fn after(&self, now: &ZonedDateTime) -> Option<ZonedDateTime> {
        let time = self.time?;
        let at =
            |date: Date| date.to_datetime(time).to_zoned_datetime(now.time_zone().clone()).ok();
        if let (Some(month), Some(day)) = (self.month, self.day) {
            let in_year = |year| Date::new(year, month, day).ok().and_then(at);
            if let Some(year) = self.year {
                return in_year(year);
            }
            return in_year(now.year())
                .filter(|at| at > now)
                .or_else(|| in_year(now.year().checked_add(1)?));
        }
        let days = (0..=7).filter_map(|days| now.date().checked_add(Span::new().days(days)).ok());
        days.filter(|date| self.weekday.is_none_or(|weekday| date.weekday() == weekday))
            .filter_map(at)
            // A run takes a moment to end: a limit that ended just now is not tomorrow's.
            .find(|at| at.timestamp().as_millisecond() > now.timestamp().as_millisecond() - 60_000)
    }
}

/// `29`, `29th`.
fn day(word: &str) -> Option<i8> {
    let digits = word.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    digits.parse().ok().filter(|day| (1..=31).contains(day))
}

/// `1am`, `3:42 PM` in two words, `15:30`.
fn time(word: &str, next: &str) -> Option<Time> {
    let (digits, half) = match (word.strip_suffix("am"), word.strip_suffix("pm")) {
        (Some(digits), _) => (digits, Some(0)),
        (_, Some(digits)) => (digits, Some(12)),
        _ if next == "am" => (word, Some(0)),
        _ if next == "pm" => (word, Some(12)),
        _ => (word, None),
    };
    let (hour, minute) = digits.split_once(':').unwrap_or((digits, "0"));
    // A bare number is no time.
    half.or_else(|| digits.contains(':').then_some(0))?;
    let (hour, minute): (i8, i8) = (hour.parse().ok()?, minute.parse().ok()?);
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
        None => hour,
    };
    Time::new(hour, minute, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Friday, 27 November 2026, 15:00 in Berlin.
    const NOW: &str = "2026-11-27T14:00:00Z";

    fn found(text: &str) -> Option<UsageLimit> {
        let now: Timestamp = NOW.parse().unwrap();
        read(text, now.as_millisecond(), &TimeZone::get("Europe/Berlin").unwrap())
    }

    #[test]
    fn end_of_a_limit_is_read_as_the_programs_write_it() {
        for (text, until) in [
            ("Claude AI usage limit reached|1795800000", "2026-11-27T17:20:00.000Z"),
            ("You've hit your limit · resets 1am", "2026-11-28T00:00:00.000Z"),
            (
                "You've hit your session limit · resets 3:45pm (America/New_York)",
                "2026-11-27T20:45:00.000Z",
            ),
            ("You’ve hit your limit · resets 4pm", "2026-11-27T15:00:00.000Z"),
            ("You've hit your weekly limit · resets Mon 12:00am", "2026-11-29T23:00:00.000Z"),
            (
                "You've hit your weekly limit · resets Dec 3 at 9am (UTC)",
                "2026-12-03T09:00:00.000Z",
            ),
            (
                "Claude usage limit reached. Your limit will reset at 5pm (Europe/Berlin).",
                "2026-11-27T16:00:00.000Z",
            ),
            (
                "You've hit your usage limit. Upgrade to Pro (https://openai.com/chatgpt/pricing) or try again in 2 hours 11 minutes.",
                "2026-11-27T16:11:00.000Z",
            ),
            (
                "Internal error: You've hit your usage limit. Try again at Dec 29th, 2026 10:15 PM.",
                "2026-12-05T14:00:00.000Z",
            ),
            (
                "You've hit your usage limit. Try again in 1 day 3 hours.",
                "2026-11-28T17:00:00.000Z",
            ),
            (
                "You've hit your usage limit. Try again at Dec 2nd, 2026 10:15 PM.",
                "2026-12-02T21:15:00.000Z",
            ),
            (
                "ERROR: You've hit your usage limit. Try again at 3:42 PM.",
                "2026-11-27T14:42:00.000Z",
            ),
            (
                "Rate limit reached for gpt-5 in organization org-1: Please try again in 11.054s. Visit us.",
                "2026-11-27T14:00:11.054Z",
            ),
        ] {
            let limit = found(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(limit.until.as_deref(), Some(until), "{text}");
        }
    }

    #[test]
    fn limit_without_an_end_or_with_one_that_cannot_be_has_none() {
        for text in [
            "API Error: 529 {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}",
            "exceeded retry limit, last status: 429 Too Many Requests",
            "You've hit your usage limit. Try again later.",
            "You've hit your limit · resets 25am",
            "You've hit your limit · resets soon (Mars/Base)",
            "You've hit your limit · resets 3pm",
            "Claude AI usage limit reached|1000000000",
            "You've hit your usage limit. Try again in -3 hours.",
        ] {
            assert_eq!(found(text), Some(UsageLimit { until: None }), "{text}");
        }
    }

    #[test]
    fn failure_of_the_work_is_no_limit() {
        for text in [
            "The tests failed: the server answers 429.",
            "I could not finish. The page says: You've hit your limit · resets 1am",
            "I could not finish:\nYou've hit your limit · resets 1am",
            "error: usage: tool [options]",
            "",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
