//! Metrics, and each service's part of them.

use crate::Micros;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// State of a dependency in `GET /health`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Dependency {
    Ok,
    Failed,
    /// Not asked, or it has not answered yet.
    Unknown,
}

/// `GET /health` of every service: 200 while it can do its work, else 503.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Health {
    pub service: crate::ServiceName,
    /// `ok` or `degraded`.
    pub status: String,
    pub version: String,
    /// Problems, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// The dependencies by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub depends_on: BTreeMap<String, Dependency>,
}

/// The query of figures since a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SinceQuery {
    /// Milliseconds since the epoch; without it, the start of the day.
    #[serde(default)]
    pub since: Option<i64>,
}

/// `GET /api/status` of personal-assistant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AssistantStatus {
    pub service: crate::ServiceName,
    pub version: String,
    /// Whether everything is halted.
    pub halted: bool,
    pub pending: i64,
    /// Questions of pending approvals that no chat shows yet.
    pub undelivered: i64,
    /// Claimed and not settled.
    pub running: i64,
    /// No model in this version: always null.
    pub model: Option<String>,
    pub time_zone: String,
    pub budget: Vec<crate::budget::BudgetScope>,
}

/// `GET /internal/ledger-stats?since=` of personal-assistant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LedgerStats {
    pub time_zone: String,
    /// Local label of today, `2026-11-23`.
    pub today: String,
    /// Start of today in milliseconds since the epoch.
    pub day_start_ms: i64,
    /// Approved today.
    pub approved: u64,
    pub rejected: u64,
    pub expired: u64,
    /// Decided by a person today.
    pub by_human: u64,
    /// Pending now.
    pub pending: u64,
    pub median_decision_ms: Option<f64>,
    pub cost_today: Micros,
    pub held: Micros,
    pub limit: Micros,
    pub unpriced_count: u64,
    pub overrun: Micros,
    /// Cost of the last 14 full days, oldest first; days before the first record are absent.
    pub daily_costs: Vec<Micros>,
    pub halted: bool,
    /// Whether the owner has set the limit of a day.
    pub own_limit: bool,
    /// Whether anything was ever halted.
    pub halt_tried: bool,
}

/// `GET /internal/inbox-stats?since=` of webhook-aggregator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InboxStats {
    /// Accepted since `since`, duplicates not counted.
    pub requests: u64,
    pub by_state: BTreeMap<String, u64>,
    pub by_channel: BTreeMap<String, u64>,
    /// Events that have not ended, now.
    pub open: u64,
    pub oldest_open_ms: Option<i64>,
    /// Dead letters now.
    pub dead: u64,
    /// Mean and percentiles of received → answered, last 7 days, milliseconds.
    pub avg_latency_ms: Option<f64>,
    pub p50_latency_ms: Option<f64>,
    pub p90_latency_ms: Option<f64>,
    pub p99_latency_ms: Option<f64>,
    pub answered: u64,
    /// Chats that are connected.
    pub chats: u64,
    /// Agents with a program or a model, in the configuration.
    pub working_agents: u64,
}

/// `GET /api/stats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    pub requests: u64,
    pub avg_routing_latency: Option<f64>,
    pub p50_routing_latency: Option<f64>,
    pub p95_routing_latency: Option<f64>,
    pub p99_routing_latency: Option<f64>,
    pub approval_rate: Option<f64>,
    /// `$12.50`.
    pub cost_today: String,
    pub cost_today_micros: i64,
    pub held_micros: i64,
    pub limit_micros: i64,
    pub unpriced_count: u64,
    pub overrun_micros: i64,
    pub pending_approvals: u64,
    pub dead_letters: u64,
    pub open_events: u64,
    pub halted: bool,
    pub today_tz: String,
    /// RFC 3339 UTC start of the local day.
    pub since: String,
    /// Service → `healthy`, `degraded`, `down`, `maintenance` or `unknown`.
    pub worker_status: BTreeMap<String, String>,
    /// Last values of services that do not answer now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_known: Option<LastKnown>,
}

/// Metrics of services that do not answer, at most an hour old.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LastKnown {
    /// Time of the values.
    pub at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerStats>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<crate::routing::RoutingStats>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox: Option<InboxStats>,
}

/// `GET /api/archive` of monitoring-dashboard: days, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Archive {
    pub days: Vec<String>,
}

/// `GET /api/archive/{day}`: a day's rows of the table `metrics`, one per hour and series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ArchiveDay {
    pub day: String,
    pub rows: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// `GET /api/sla`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Sla {
    /// Percent, rounded down to two decimals; null before the first measurement.
    pub uptime7d: Option<f64>,
    /// Milliseconds, mean of received → answered over 7 days.
    pub avg_latency: Option<f64>,
    pub p50_latency: Option<f64>,
    pub p90_latency: Option<f64>,
    pub p99_latency: Option<f64>,
    pub routing_accuracy: Option<f64>,
    pub routing_accuracy_n: u64,
    /// `rising`, `falling`, `stable` or `insufficient_data`.
    pub cost_trend: String,
    /// Measured ÷ 168 h.
    pub coverage: f64,
    pub per_service: BTreeMap<String, ServiceUptime>,
}

/// One service's uptime.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServiceUptime {
    pub uptime7d: Option<f64>,
    pub coverage: f64,
}

/// A link that signs the owner in to the dashboard once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SignInLink {
    /// Path and query below the dashboard's address, with the one-use code.
    pub path: String,
    /// RFC 3339 UTC.
    pub expires_at: String,
}
