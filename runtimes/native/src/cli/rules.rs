//! `quintet rules`, `quintet audit` and `quintet budget`.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use contracts::Micros;
use contracts::chat::RiskTolerance;
use contracts::policy::DAYS_MAX;

/// Subcommands for rules.
#[derive(Subcommand)]
pub enum Rules {
    /// Show the rules
    #[command(after_help = "Example:\n  quintet rules list --json")]
    List,
    /// Change the simple rules; what is left out stays
    #[command(
        after_help = "Example:\n  quintet rules set --threshold 5 --tolerance conservative\n  quintet rules set --always-ask deploy --always-ask mail --try\n  quintet rules set --block drop-database"
    )]
    Set(SetRules),
    /// Approve work without asking, up to an amount
    #[command(
        after_help = "Example:\n  quintet rules allow --agent codegen --up-to 5 --until 7d --try\n  quintet rules allow --agent pm --in telegram.main --up-to 2.50"
    )]
    Allow {
        #[command(flatten)]
        fits: Fits,
        /// Largest amount that it approves, in dollars
        #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
        up_to: Micros,
    },
    /// Always ask about work, or about work above an amount
    #[command(after_help = "Example:\n  quintet rules ask --operation deploy")]
    Ask {
        #[command(flatten)]
        fits: Fits,
        /// Only above this amount, in dollars
        #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
        above: Option<Micros>,
    },
    /// Refuse work, or work above an amount
    #[command(after_help = "Example:\n  quintet rules forbid --agent codegen --above 20")]
    Forbid {
        #[command(flatten)]
        fits: Fits,
        /// Only above this amount, in dollars
        #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
        above: Option<Micros>,
    },
    /// Remove one of the rules that `allow`, `ask` and `forbid` made
    #[command(after_help = "Example:\n  quintet rules remove pol_01J9Z5K2M8Q4R6T8V0X2Z4B6D8")]
    Remove {
        id: String,
        #[command(flatten)]
        trial: Trial,
    },
    /// Go back to the simple rules of the configuration; `allow`, `ask` and `forbid` stay
    #[command(after_help = "Example:\n  quintet rules reset --try")]
    Reset {
        #[command(flatten)]
        trial: Trial,
    },
    /// Decide the requests of the last days again by the rules of today, and show what differs
    #[command(after_help = "Example:\n  quintet rules replay --days 7")]
    Replay {
        /// Days to look back
        #[arg(long, default_value_t = 30, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
        days: u32,
    },
}

/// Whether a change is only tried.
#[derive(Args, Clone, Copy)]
pub struct Trial {
    /// Change nothing: show what the requests of the last 30 days would have become
    #[arg(long = "try")]
    pub only_try: bool,
}

/// The simple rules.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)))]
pub struct SetRules {
    /// Ask above this amount, in dollars
    #[arg(long, value_name = "DOLLARS", value_parser = dollars, group = "what")]
    pub threshold: Option<Micros>,
    /// How much is approved below it: nothing, a quarter of it, all
    #[arg(long, value_name = "TOLERANCE", value_parser = tolerance(), group = "what")]
    pub tolerance: Option<RiskTolerance>,
    /// Operation, type or agent that is always asked about; may be repeated, and replaces the list
    #[arg(long, value_name = "NAME", group = "what")]
    pub always_ask: Option<Vec<String>>,
    /// Operation that is refused; may be repeated, and replaces the list
    #[arg(long, value_name = "NAME", group = "what")]
    pub block: Option<Vec<String>>,
    /// Agent that may work, if not all may; may be repeated, and replaces the list
    #[arg(long, value_name = "AGENT", group = "what")]
    pub only: Option<Vec<String>>,
    /// Empty this list; may be repeated
    #[arg(long, value_name = "LIST", value_parser = ["always-ask", "block", "only"], group = "what")]
    pub clear: Vec<String>,
    #[command(flatten)]
    pub trial: Trial,
}

/// The requests that a rule fits: all that is given must be true of them.
#[derive(Args)]
pub struct Fits {
    /// Agent; may be repeated [default: every agent]
    #[arg(long = "agent", value_name = "AGENT")]
    pub agents: Vec<String>,
    /// Operation, else type, of the request; may be repeated [default: every one]
    #[arg(long = "operation", value_name = "NAME")]
    pub operations: Vec<String>,
    /// Endpoint such as telegram.main, or channel such as telegram; may be repeated [default: all]
    #[arg(long = "in", value_name = "ENDPOINT")]
    pub endpoints: Vec<String>,
    /// End of the rule: a date, a time such as 2027-01-31T18:00:00Z, or a while such as 12h or 7d
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Your own words on it
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    #[command(flatten)]
    pub trial: Trial,
}

/// Subcommands for the audit log.
#[derive(Subcommand)]
pub enum Audit {
    /// List the newest entries
    #[command(after_help = "Example:\n  quintet audit list --limit 200")]
    List {
        /// Maximum number of entries
        #[arg(long, default_value_t = 50, value_name = "NUMBER")]
        limit: u32,
    },
    /// Check that no entry was changed, removed or added, and print the newest hash
    #[command(
        after_help = "Example:\n  quintet audit verify\n\nExit code: 0 the log is as it was written, 1 it is not."
    )]
    Verify,
}

/// Subcommands for the budget.
#[derive(Subcommand)]
pub enum Budget {
    /// Show the amounts spent, held and left
    #[command(after_help = "Example:\n  quintet budget show --json")]
    Show,
    /// Change the limits from now on, in dollars
    #[command(after_help = "Example:\n  quintet budget set --daily 20 --monthly 300")]
    Set(SetBudget),
    /// Go back to the limits of the configuration
    #[command(after_help = "Example:\n  quintet budget reset")]
    Reset,
}

/// The limits.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("limit").required(true).multiple(true)))]
pub struct SetBudget {
    /// Limit of a day
    #[arg(long, value_name = "DOLLARS", value_parser = dollars, group = "limit")]
    pub daily: Option<Micros>,
    /// Limit of a month
    #[arg(long, value_name = "DOLLARS", value_parser = dollars, group = "limit")]
    pub monthly: Option<Micros>,
}

fn dollars(text: &str) -> Result<Micros, String> {
    let amount = text.trim_start_matches('$').parse().ok().and_then(Micros::from_dollars);
    amount.ok_or_else(|| "write dollars, such as 2.50".to_owned())
}

fn tolerance() -> impl TypedValueParser<Value = RiskTolerance> {
    let all = [
        ("conservative", RiskTolerance::Conservative),
        ("balanced", RiskTolerance::Balanced),
        ("aggressive", RiskTolerance::Aggressive),
    ];
    PossibleValuesParser::new(all.map(|(word, _)| word)).try_map(move |given| {
        let found = all.into_iter().find(|(word, _)| *word == given);
        found.map(|(_, what)| what).ok_or("there is no such word")
    })
}
