//! Small labels used everywhere: statuses as icon, word and colour; times, durations and money.

use contracts::event::Stage;
use contracts::{Micros, approval::ApprovalState};
use maud::{Markup, html};
use platform::text::printable;

/// The five moods of a label; each has its own icon, so that colour is never the only cue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Good,
    Busy,
    Warn,
    Bad,
    Quiet,
}

impl Mood {
    const fn class(self) -> &'static str {
        match self {
            Self::Good => "sign good",
            Self::Busy => "sign busy",
            Self::Warn => "sign warn",
            Self::Bad => "sign bad",
            Self::Quiet => "sign none",
        }
    }
    const fn path(self) -> &'static str {
        match self {
            Self::Good => {
                "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm3.5 5.2L7.3 10.9 4.6 8.4l1-1.1 1.6 1.5 3.2-3.6Z"
            }
            Self::Busy => {
                "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.8v5.6l3.7 2.1-.8 1.3L6.5 9.2V2.8Z"
            }
            Self::Warn => "M8 1.2 15.4 14H.6Zm-.8 4.6v4.3h1.6V5.8Zm0 5.3v1.6h1.6v-1.6Z",
            Self::Bad => {
                "M5 1h6l4 4v6l-4 4H5l-4-4V5Zm.9 3.8L4.8 5.9 6.9 8l-2.1 2.1 1.1 1.1L8 9.1l2.1 2.1 \
                 1.1-1.1L9.1 8l2.1-2.1-1.1-1.1L8 6.9Z"
            }
            Self::Quiet => {
                "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.6a5.4 5.4 0 1 1 0 10.8A5.4 5.4 0 0 1 8 \
                 2.6ZM5 7.2h6v1.6H5Z"
            }
        }
    }
}

/// Icon and word.
pub fn sign(mood: Mood, word: &str) -> Markup {
    html! {
        span class=(mood.class()) {
            svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" { path fill-rule="evenodd" d=(mood.path()) {} }
            (word)
        }
    }
}

/// A service's status.
pub fn status(word: &str) -> Markup {
    let mood = match word {
        "healthy" => Mood::Good,
        "degraded" => Mood::Warn,
        "down" => Mood::Bad,
        _ => Mood::Quiet,
    };
    sign(mood, word)
}

/// The mood of a stage, for the owner.
pub const fn stage_mood(stage: Stage) -> Mood {
    match stage {
        Stage::Done | Stage::Answered => Mood::Good,
        Stage::Received | Stage::Routed | Stage::Approved | Stage::Running => Mood::Busy,
        Stage::Parked | Stage::Halted | Stage::Expired | Stage::Quarantined => Mood::Warn,
        Stage::Failed | Stage::Refused | Stage::Dead => Mood::Bad,
        Stage::Ignored => Mood::Quiet,
    }
}

/// A stage.
pub fn stage(stage: Stage) -> Markup {
    sign(stage_mood(stage), stage.as_str())
}

/// A passed stage: good, unless it was a bad end.
pub fn stage_passed(stage: Stage) -> Markup {
    let mood =
        if stage.is_final() || stage == Stage::Parked { stage_mood(stage) } else { Mood::Good };
    sign(mood, stage.as_str())
}

/// The state of an approval.
pub fn approval(state: ApprovalState) -> Markup {
    let mood = match state {
        ApprovalState::Pending => Mood::Warn,
        ApprovalState::Approved | ApprovalState::Claimed | ApprovalState::Consumed => Mood::Good,
        ApprovalState::Rejected => Mood::Bad,
        ApprovalState::Expired | ApprovalState::Cancelled | ApprovalState::Lapsed => Mood::Quiet,
    };
    sign(mood, state.as_str())
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// An RFC 3339 time as `21 Sep 14:13`.
fn short_time(rfc3339: &str) -> Option<String> {
    let month = rfc3339.get(5..7)?.parse::<usize>().ok()?.checked_sub(1)?;
    Some(format!(
        "{} {} {}",
        rfc3339.get(8..10)?.trim_start_matches('0'),
        MONTHS.get(month)?,
        rfc3339.get(11..16)?
    ))
}

/// A time in UTC; the script converts it to local time and shows UTC on hover.
pub fn time(rfc3339: &str) -> Markup {
    let shown =
        short_time(rfc3339).map_or_else(|| rfc3339.to_owned(), |text| format!("{text} UTC"));
    html! { time datetime=(rfc3339) title=(utc(rfc3339)) { (shown) } }
}

fn utc(rfc3339: &str) -> String {
    format!(
        "{} UTC",
        rfc3339.split('.').next().unwrap_or(rfc3339).trim_end_matches('Z').replace('T', " ")
    )
}

/// A future time that the script counts down.
pub fn countdown(rfc3339: &str, now: i64) -> Markup {
    let left = platform::time::parse_rfc3339(rfc3339).map_or(0, |at| at - now);
    let shown = if left > 0 { format!("{} left", duration(left)) } else { "time is up".to_owned() };
    html! { time.countdown datetime=(rfc3339) title=(utc(rfc3339)) data-countdown { (shown) } }
}

/// `340 ms`, `2.4 s`, `3 min`, `5 h`, `2 d`.
pub fn duration(ms: i64) -> String {
    match ms {
        ..=999 => format!("{ms} ms"),
        1_000..=59_999 => format!("{:.1} s", ms as f64 / 1_000.0),
        60_000..=5_399_999 => format!("{} min", (ms + 30_000) / 60_000),
        5_400_000..=172_799_999 => format!("{} h", (ms + 1_800_000) / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

/// A latency, or a dash.
pub fn latency(ms: Option<f64>) -> String {
    match ms {
        None => "–".to_owned(),
        Some(ms) if ms < 10.0 => format!("{ms:.1} ms"),
        Some(ms) => duration(ms.round() as i64),
    }
}

/// A share as percent, or a dash.
pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

/// An amount, or a dash.
pub fn money(amount: Option<Micros>) -> String {
    amount.map_or_else(|| "–".to_owned(), |amount| amount.to_string())
}

/// A table cell with its label for narrow screens, which omit empty cells.
pub fn cell(name: &str, value: &str) -> Markup {
    html! { td.figure.nil[value == "–"] data-name=(name) { (value) } }
}

/// The first line of a text, cut to the width of a list.
pub fn excerpt(text: &str, letters_max: usize) -> String {
    let line = printable(text.trim().lines().next().unwrap_or_default());
    let mut letters = line.chars();
    let kept: String = letters.by_ref().take(letters_max).collect();
    if letters.next().is_some() { format!("{}…", kept.trim_end()) } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_shows_characters_that_hide() {
        assert_eq!(excerpt("pay \u{202e}00.1\nmore", 40), "pay \u{fffd}00.1");
    }

    #[test]
    fn signs_format_times_for_people() {
        assert_eq!(short_time("2026-09-01T14:13:22.345Z").as_deref(), Some("1 Sep 14:13"));
        assert_eq!(short_time("nonsense"), None);
        assert_eq!(short_time("2026-00-01T14:13:22Z"), None);
        assert_eq!(utc("2026-09-01T14:13:22.345Z"), "2026-09-01 14:13:22 UTC");
    }

    #[test]
    fn signs_show_durations_in_the_largest_fitting_unit() {
        let texts: Vec<_> = [340, 2_400, 180_000, 18_000_000, 200_000_000].map(duration).into();
        assert_eq!(texts, ["340 ms", "2.4 s", "3 min", "5 h", "2 d"]);
    }

    #[test]
    fn signs_never_cut_an_excerpt_inside_a_letter() {
        assert_eq!(excerpt("añb\nsecond", 2), "añ…");
        assert_eq!(excerpt("  short ", 10), "short");
    }
}
