//! Limits of `[budget]` beside those of the day and the month of everything: the week, and windows
//! of single endpoints and agents. They are in the configuration alone.

use contracts::{Micros, Shard};
use platform::config::Section;

/// A calendar window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Day,
    Week,
    Month,
}

impl Kind {
    /// The wire text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

/// The keys of a table, with their windows.
const KEYS: [(&str, Kind); 3] =
    [("daily", Kind::Day), ("weekly", Kind::Week), ("monthly", Kind::Month)];

/// The work that a limit is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    All,
    /// In lower case.
    Agent(String),
    Endpoint(Shard),
}

impl Whom {
    /// `all`, `agent:<id>` or `endpoint:<channel>.<name>`.
    pub fn name(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Agent(agent) => format!("agent:{agent}"),
            Self::Endpoint(shard) => format!("endpoint:{shard}"),
        }
    }
    /// Whether work of this agent that came in there is charged.
    pub fn covers(&self, agent: Option<&str>, endpoint: Option<&Shard>) -> bool {
        match self {
            Self::All => true,
            Self::Agent(own) => agent.is_some_and(|agent| agent.to_lowercase() == *own),
            Self::Endpoint(own) => endpoint == Some(own),
        }
    }
}

/// A limit of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLimit {
    pub whom: Whom,
    pub kind: Kind,
    pub limit: Micros,
}

/// Reads `weekly`, `[budget.endpoints]` and `[budget.agents]`.
pub fn read(budget: &mut Section<'_>) -> Vec<FileLimit> {
    let weekly = budget.dollars("weekly");
    let mut found: Vec<FileLimit> = weekly
        .map(|limit| FileLimit { whom: Whom::All, kind: Kind::Week, limit })
        .into_iter()
        .collect();
    for table in ["endpoints", "agents"] {
        if !budget.has(table) {
            continue;
        }
        let mut tables = budget.section(table);
        for name in tables.names() {
            let mut section = tables.section(&name);
            let whom = if table == "agents" {
                Whom::Agent(name.to_lowercase())
            } else {
                if !name.contains('.') {
                    let fix = "Write the endpoint as [budget.endpoints.\"telegram.main\"].";
                    tables.wrong(&name, "is no endpoint.", fix);
                }
                Whom::Endpoint(Shard::new(name.clone()))
            };
            for (key, kind) in KEYS {
                let limit = section.dollars(key);
                found.extend(limit.map(|limit| FileLimit { whom: whom.clone(), kind, limit }));
            }
            section.finish();
        }
    }
    found
}
