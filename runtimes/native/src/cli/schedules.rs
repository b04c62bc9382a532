//! `quintet schedules`.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use contracts::schedule::OnMissed;

/// Subcommands for schedules.
#[derive(Subcommand)]
pub enum Schedules {
    /// List them, the next due first
    #[command(after_help = "Example:\n  quintet schedules list --json")]
    List,
    /// Make one; those of the configuration stand under `schedules` there
    #[command(
        after_help = "Example:\n  quintet schedules add digest --cron \"0 8 * * 1-5\" --time-zone Europe/Berlin --conversation telegram:main:700100200 \"summarise my open tickets\"\n  quintet schedules add tea --at 2027-01-01T16:00 --conversation telegram:main:700100200 \"remind me of the tea\""
    )]
    Add(NewSchedule),
    /// Remove one that was made by a command or the API
    #[command(after_help = "Example:\n  quintet schedules remove digest")]
    Remove { name: String },
    /// Show what comes next, and when
    #[command(after_help = "Example:\n  quintet schedules next")]
    Next,
    /// Run one now: the missed time that it asked about, or once more
    #[command(after_help = "Example:\n  quintet schedules run digest")]
    Run { name: String },
}

/// A schedule to be made.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("when").required(true).args(["cron", "at", "every"])))]
pub struct NewSchedule {
    /// Letters, digits, '-' and '_'
    pub name: String,
    /// The message that the agent gets
    pub message: String,
    /// Minute, hour, day of the month, month and day of the week: "0 8 * * 1-5"
    #[arg(long, value_name = "EXPRESSION")]
    pub cron: Option<String>,
    /// Once, at this local time: 2027-01-01T09:00
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Again and again at this distance, at least a minute: 2h
    #[arg(long, value_name = "DURATION")]
    pub every: Option<String>,
    /// IANA time zone [default: yours, of the budget]
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// The conversation that gets the answer, as `quintet events --json` shows it
    #[arg(long, value_name = "CONVERSATION")]
    pub conversation: String,
    /// Treatment of a time that passed while Quintet was off
    #[arg(long, value_name = "WHAT", default_value = "run", value_parser = on_missed())]
    pub on_missed: OnMissed,
    /// The agent that gets it [default: the router chooses]
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<String>,
}

fn on_missed() -> impl TypedValueParser<Value = OnMissed> {
    PossibleValuesParser::new(OnMissed::ALL.map(|(word, _)| word)).try_map(|given| {
        let found = OnMissed::ALL.into_iter().find(|(word, _)| *word == given);
        found.map(|(_, what)| what).ok_or("there is no such word")
    })
}
