//! Every endpoint is a type, one file a service. `call.rs` holds the trait, `declare.rs` the macro that
//! declares the types.
//!
//! A service signs in with its own key. Only the callers of a call may use an `/internal/*` path: all
//! others get 404. On `/api/*` paths the callers come beside the scopes that the call names.

#[macro_use]
mod declare;
pub mod agency_gateway;
pub mod agency_router;
mod call;
pub mod monitoring_dashboard;
pub mod personal_assistant;
#[cfg(feature = "schema")]
pub mod schema;
pub mod skill_graph_loader;
pub mod webhook_aggregator;

pub use call::{Access, Binary, Call, DOCUMENT, EventStream, HEALTH, Listed, Method, PathParam};

use crate::ServiceName;

/// The calls that a service answers.
pub const fn of(callee: ServiceName) -> &'static [Listed] {
    match callee {
        ServiceName::PersonalAssistant => personal_assistant::ALL,
        ServiceName::AgencyRouter => agency_router::ALL,
        ServiceName::SkillGraphLoader => skill_graph_loader::ALL,
        ServiceName::MonitoringDashboard => monitoring_dashboard::ALL,
        ServiceName::WebhookAggregator => webhook_aggregator::ALL,
        ServiceName::AgencyGateway => agency_gateway::ALL,
    }
}

/// The calls that a service answers, in full.
#[cfg(feature = "schema")]
pub fn described(callee: ServiceName, schemas: &mut schema::Schemas) -> Vec<schema::Described> {
    match callee {
        ServiceName::PersonalAssistant => personal_assistant::described(schemas),
        ServiceName::AgencyRouter => agency_router::described(schemas),
        ServiceName::SkillGraphLoader => skill_graph_loader::described(schemas),
        ServiceName::MonitoringDashboard => monitoring_dashboard::described(schemas),
        ServiceName::WebhookAggregator => webhook_aggregator::described(schemas),
        ServiceName::AgencyGateway => agency_gateway::described(schemas),
    }
}

/// Who may call whom: one row a caller and call.
pub fn allowed() -> impl Iterator<Item = (ServiceName, &'static Listed)> {
    let all = ServiceName::ALL.into_iter().flat_map(of);
    all.flat_map(|call| call.callers.iter().map(move |caller| (*caller, call)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn callers(callee: ServiceName, name: &str) -> &'static [ServiceName] {
        of(callee).iter().find(|call| call.name == name).unwrap().callers
    }

    #[test]
    fn buttons_are_pressed_by_the_aggregator_alone() {
        let pressers = callers(ServiceName::PersonalAssistant, "Press");
        assert_eq!(pressers, [ServiceName::WebhookAggregator]);
    }

    #[test]
    fn approvals_are_claimed_and_settled_by_no_service() {
        for name in ["Claim", "Settle"] {
            assert_eq!(callers(ServiceName::PersonalAssistant, name), []);
        }
    }

    #[test]
    fn internal_calls_have_internal_paths_and_at_least_one_caller() {
        for call in ServiceName::ALL.into_iter().flat_map(of) {
            let internal = call.access == Access::Internal;
            assert_eq!(call.path.starts_with("/internal/"), internal, "{}", call.name);
            assert!(!internal || !call.callers.is_empty(), "{} has no caller", call.name);
        }
    }

    #[test]
    fn each_method_and_path_is_one_call() {
        for service in ServiceName::ALL {
            let places: BTreeSet<_> =
                of(service).iter().map(|call| (call.path, call.method)).collect();
            assert_eq!(places.len(), of(service).len(), "{service}");
        }
    }
}
