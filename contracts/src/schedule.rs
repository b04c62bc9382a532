//! Schedules: messages that Quintet sends to an agent by itself, once or again and again.

use crate::{AgentId, EventId};
use serde::{Deserialize, Serialize};

/// Maximum schedules of an installation.
pub const SCHEDULES_MAX: usize = 200;
/// Maximum characters of a schedule's message.
pub const MESSAGE_CHARS_MAX: usize = 4_000;
/// Maximum characters of a schedule's name.
pub const NAME_CHARS_MAX: usize = 64;

/// The treatment of a due time that passed while Quintet was off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OnMissed {
    /// The newest missed time runs, once.
    #[default]
    Run,
    /// The conversation is asked, once.
    Ask,
    /// Nothing runs until the next time.
    Skip,
}

impl OnMissed {
    /// The words of the configuration, the default first.
    pub const ALL: [(&'static str, Self); 3] =
        [("run", Self::Run), ("ask", Self::Ask), ("skip", Self::Skip)];
    /// The wire text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Ask => "ask",
            Self::Skip => "skip",
        }
    }
}

/// When a schedule is due: one of `cron`, `at` and `every`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// Five fields: minute, hour, day of the month, month, day of the week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// Once: a local time such as `2027-01-01T09:00`, or an instant with its offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// A distance such as `2h` or `1h30m`, at least a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// IANA name; default: the owner's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

impl Timing {
    /// The rule as one line, for people: `cron 0 8 * * 1-5`.
    pub fn words(&self) -> String {
        let parts = [("cron", &self.cron), ("at", &self.at), ("every", &self.every)];
        let given = parts.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        given.map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
    }
}

/// `POST /api/schedules`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleRequest {
    /// Letters, digits, `-` and `_`, at most 64.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// `<channel>:<endpoint>:<chat>`, as events show it.
    pub conversation: String,
    /// The message that the agent gets, at most 4,000 characters.
    pub message: String,
    #[serde(default)]
    pub on_missed: OnMissed,
    /// The agent that gets it; default: the router chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
}

impl ScheduleRequest {
    /// When it is due.
    pub fn timing(&self) -> Timing {
        Timing {
            cron: self.cron.clone(),
            at: self.at.clone(),
            every: self.every.clone(),
            time_zone: self.time_zone.clone(),
        }
    }
}

/// The place that a schedule was made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MadeBy {
    /// `[schedules]` of the configuration.
    File,
    /// The API, or a command.
    Api,
}

impl MadeBy {
    /// The wire text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
        }
    }
}

/// A schedule with its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScheduleView {
    pub name: String,
    #[serde(flatten)]
    pub timing: Timing,
    pub conversation: String,
    pub message: String,
    pub on_missed: OnMissed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    pub made_by: MadeBy,
    /// The next due time in UTC; none where it is still computed, or will not come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due: Option<String>,
    /// The same in the schedule's own time zone, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_local: Option<String>,
    /// The due time that was handled last: run, asked about or skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_due: Option<String>,
    /// The event of the last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event: Option<EventId>,
    /// The missed time that its conversation was asked about and has not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_about: Option<String>,
    /// It is over: nothing will run any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// The outcome of the last due time, or why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// `GET /api/schedules`, the next due first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScheduleList {
    pub schedules: Vec<ScheduleView>,
}

/// `POST /internal/schedules/plan`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlanRequest {
    pub timing: Timing,
    /// The time that `every` counts from, milliseconds since the epoch.
    pub since_ms: i64,
    /// The present, milliseconds since the epoch.
    pub now_ms: i64,
}

/// A due time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DueTime {
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// In the schedule's own time zone, for people.
    pub local: String,
}

/// The due times around the present.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlanAnswer {
    /// The newest that is not after the present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<DueTime>,
    /// The first after the present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<DueTime>,
}

/// Answer of `POST /api/schedules/{name}/run`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ScheduleRun {
    pub event_id: EventId,
}
