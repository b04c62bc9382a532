//! The rules that every schedule keeps, wherever it was made.

use crate::control;
use contracts::AgentId;
use contracts::schedule::{MESSAGE_CHARS_MAX, NAME_CHARS_MAX, OnMissed, Timing};
use inbox::ScheduleSpec;
use platform::config::Section;

/// Maximum bytes of each key that says when it is due.
const TIMING_BYTES_MAX: usize = 200;

/// A mistake in a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key of the configuration.
    pub key: &'static str,
    /// A sentence without a subject.
    pub what: String,
    pub fix: &'static str,
}

/// Reads one table of `[schedules]`; `None` where a key is missing, which is reported.
pub(crate) fn read(name: &str, section: &mut Section<'_>) -> Option<ScheduleSpec> {
    let timing = Timing {
        cron: section.text("cron"),
        at: section.text("at"),
        every: section.text("every"),
        time_zone: section.text("time_zone"),
    };
    let on_missed = section.one_of("on_missed", &OnMissed::ALL).unwrap_or_default();
    let agent = section.text("agent").map(AgentId::from);
    let mut needed = |key, fix| {
        let text = section.text(key);
        section.required(key, text, fix)
    };
    let conversation = needed(
        "conversation",
        "Write the chat that it is for, such as \"telegram:main:700100200\".",
    );
    let message = needed("message", "Write the message that the agent gets.");
    let (name, conversation, message) = (name.to_owned(), conversation?, message?);
    Some(ScheduleSpec { name, timing, conversation, message, on_missed, agent, approver: None })
}

/// Checks what needs neither an endpoint nor a calendar.
pub(crate) fn check(spec: &ScheduleSpec) -> Result<(), Mistake> {
    let wrong = |key, what: String, fix| Err(Mistake { key, what, fix });
    let (name, message) = (spec.name.as_str(), spec.message.trim());
    let fits = (1..=NAME_CHARS_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !fits {
        let fix = "Use 1 to 64 letters, digits, '-' and '_'.";
        return wrong("name", "is not a valid name for a schedule.".to_owned(), fix);
    }
    let timing = [&spec.timing.cron, &spec.timing.at, &spec.timing.every, &spec.timing.time_zone];
    if timing.into_iter().flatten().any(|text| text.len() > TIMING_BYTES_MAX) {
        return wrong(
            "cron",
            "is too long, or at, every or time_zone is.".to_owned(),
            "Shorten it.",
        );
    }
    let chars = message.chars().count();
    if chars == 0 || chars > MESSAGE_CHARS_MAX {
        let fix = "Write the message in 1 to 4,000 characters.";
        return wrong("message", format!("has {chars} characters."), fix);
    }
    // Nobody is there to see what a command answers, and a schedule decides nothing.
    if control::parse(message).is_some() || control::is_stop_word(message) {
        let fix = "Write a message for an agent; commands are typed by people.";
        return wrong("message", "is a command.".to_owned(), fix);
    }
    Ok(())
}
