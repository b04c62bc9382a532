//! Names of the six services: folder, crate, Worker, metric label and log field.

use serde::{Deserialize, Serialize};

/// A service, spelled on the wire like its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ServiceName {
    PersonalAssistant,
    AgencyRouter,
    SkillGraphLoader,
    MonitoringDashboard,
    WebhookAggregator,
    AgencyGateway,
}

impl ServiceName {
    /// All six, in the order of the dashboard.
    pub const ALL: [Self; 6] = [
        Self::PersonalAssistant,
        Self::AgencyRouter,
        Self::SkillGraphLoader,
        Self::MonitoringDashboard,
        Self::WebhookAggregator,
        Self::AgencyGateway,
    ];
    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PersonalAssistant => "personal-assistant",
            Self::AgencyRouter => "agency-router",
            Self::SkillGraphLoader => "skill-graph-loader",
            Self::MonitoringDashboard => "monitoring-dashboard",
            Self::WebhookAggregator => "webhook-aggregator",
            Self::AgencyGateway => "agency-gateway",
        }
    }
    /// Parses a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.as_str() == text)
    }
}

impl std::fmt::Display for ServiceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
