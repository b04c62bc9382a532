//! The fixed table of which service may call what.
//!
//! A service signs in with its own secret. On `/internal/*` the table is the only way in: everybody else gets 404.
//! On `/api/*` a row lets the service in beside the scopes that the route names.

use crate::ServiceName::{
    self, AgencyRouter, MonitoringDashboard, PersonalAssistant, SkillGraphLoader, WebhookAggregator,
};

/// One allowed call. `path` ends in `*` where anything may follow.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    pub caller: ServiceName,
    pub callee: ServiceName,
    pub method: &'static str,
    pub path: &'static str,
}

const fn allow(
    caller: ServiceName,
    callee: ServiceName,
    method: &'static str,
    path: &'static str,
) -> Allowed {
    Allowed { caller, callee, method, path }
}

/// Every call a service may make to another.
pub const TABLE: &[Allowed] = &[
    // The conductor asks for a route, for approval, hands on what people press and type, and asks what is halted.
    allow(WebhookAggregator, AgencyRouter, "POST", "/internal/route"),
    allow(WebhookAggregator, AgencyRouter, "POST", "/internal/outcomes"),
    allow(WebhookAggregator, AgencyRouter, "POST", "/internal/instances/choose"),
    allow(WebhookAggregator, AgencyRouter, "POST", "/api/feedback"),
    allow(WebhookAggregator, PersonalAssistant, "POST", "/internal/tie-break"),
    allow(WebhookAggregator, PersonalAssistant, "POST", "/api/approve"),
    allow(WebhookAggregator, PersonalAssistant, "GET", "/api/approvals"),
    allow(WebhookAggregator, PersonalAssistant, "GET", "/api/approvals/*"),
    allow(WebhookAggregator, PersonalAssistant, "POST", "/api/approvals/*"),
    allow(WebhookAggregator, PersonalAssistant, "POST", "/internal/press"),
    allow(WebhookAggregator, PersonalAssistant, "POST", "/internal/halts/check"),
    allow(WebhookAggregator, PersonalAssistant, "POST", "/internal/renewed"),
    allow(WebhookAggregator, PersonalAssistant, "POST", "/internal/stopped"),
    allow(WebhookAggregator, PersonalAssistant, "POST", "/internal/given-up"),
    allow(WebhookAggregator, PersonalAssistant, "POST", "/api/halt"),
    allow(WebhookAggregator, PersonalAssistant, "POST", "/api/resume"),
    allow(WebhookAggregator, PersonalAssistant, "GET", "/api/budget"),
    // The assistant speaks through the conductor, wakes its events, and reads what it needs to chat.
    allow(PersonalAssistant, WebhookAggregator, "POST", "/internal/outbox"),
    allow(PersonalAssistant, WebhookAggregator, "GET", "/internal/approvers"),
    allow(PersonalAssistant, WebhookAggregator, "POST", "/internal/events/*"),
    allow(PersonalAssistant, WebhookAggregator, "GET", "/api/events"),
    allow(PersonalAssistant, SkillGraphLoader, "GET", "/api/search"),
    allow(PersonalAssistant, SkillGraphLoader, "GET", "/api/agents"),
    // The router reads the graph and its model; the loader has a new graph's model trained.
    allow(AgencyRouter, SkillGraphLoader, "GET", "/internal/current"),
    allow(AgencyRouter, SkillGraphLoader, "GET", "/internal/model/*"),
    allow(AgencyRouter, SkillGraphLoader, "GET", "/api/graph"),
    allow(SkillGraphLoader, AgencyRouter, "POST", "/internal/train"),
    allow(SkillGraphLoader, AgencyRouter, "POST", "/internal/published"),
    // The dashboard reads everything and acts as the signed-in owner.
    allow(MonitoringDashboard, PersonalAssistant, "GET", "/api/*"),
    allow(MonitoringDashboard, PersonalAssistant, "POST", "/api/approvals/*"),
    allow(MonitoringDashboard, PersonalAssistant, "POST", "/api/halt"),
    allow(MonitoringDashboard, PersonalAssistant, "POST", "/api/resume"),
    allow(MonitoringDashboard, PersonalAssistant, "GET", "/internal/ledger-stats"),
    allow(MonitoringDashboard, AgencyRouter, "GET", "/api/*"),
    allow(MonitoringDashboard, AgencyRouter, "POST", "/api/feedback"),
    allow(MonitoringDashboard, SkillGraphLoader, "GET", "/api/*"),
    allow(MonitoringDashboard, SkillGraphLoader, "POST", "/api/rollback"),
    allow(MonitoringDashboard, WebhookAggregator, "GET", "/api/*"),
    allow(MonitoringDashboard, WebhookAggregator, "POST", "/api/messages"),
    allow(MonitoringDashboard, WebhookAggregator, "POST", "/api/events/*"),
    allow(MonitoringDashboard, WebhookAggregator, "GET", "/internal/inbox-stats"),
    allow(MonitoringDashboard, WebhookAggregator, "GET", "/api/gateways"),
    allow(MonitoringDashboard, WebhookAggregator, "POST", "/api/gateways/*"),
];

/// Whether `caller` may send this method to this path (without query) of `callee`.
pub fn is_allowed(caller: ServiceName, callee: ServiceName, method: &str, path: &str) -> bool {
    TABLE.iter().any(|row| {
        row.caller == caller
            && row.callee == callee
            && row.method == method
            && row
                .path
                .strip_suffix('*')
                .map_or(row.path == path, |prefix| path.starts_with(prefix))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_the_aggregator_presses_buttons() {
        for caller in ServiceName::ALL {
            let may = is_allowed(caller, PersonalAssistant, "POST", "/internal/press");
            assert_eq!(may, caller == WebhookAggregator, "{caller}");
        }
    }

    #[test]
    fn a_star_stands_for_what_follows_it_only() {
        assert!(is_allowed(
            PersonalAssistant,
            WebhookAggregator,
            "POST",
            "/internal/events/x.y/wake"
        ));
        assert!(!is_allowed(PersonalAssistant, WebhookAggregator, "POST", "/internal/outbox/x"));
    }
}
