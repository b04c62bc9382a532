//! Figures, service levels and the owner's pages. It owns no message, no money and no decision: it
//! asks their owners, and acts for the signed-in owner alone.
//!
//! * [`router`]: the URL map, below. [`tick`]: one probe round. [`sign_in_link`]: a one-use way in.

mod archive;
mod assets;
mod attempts;
pub mod config;
mod deps;
mod form;
mod guard;
mod health;
mod owners;
mod pages;
mod probe;
mod remembered;
mod session;
mod sla;
mod stats;
mod store;

pub use archive::archive;
pub use config::{Config, Place};
pub use deps::Deps;
pub use probe::tick;
pub use session::sign_in_link;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use contracts::calls::{Access, monitoring_dashboard as calls};
use contracts::{Scope, ServiceName};
use form::Form;
use platform::edge::Routes;

/// The OpenAPI document of the calls below `/api`.
const DOCUMENT: &str = include_str!("../../../docs/api/monitoring-dashboard.json");

/// The service.
pub fn router(deps: Deps) -> Router {
    let guard = from_fn_with_state(deps.clone(), guard::layer);
    routes(&deps).finish(deps).layer(guard)
}

/// The whole URL map. Pages are open here and closed by [`session::Owner`], which every page
/// handler takes.
fn routes(deps: &Deps) -> Routes<Deps> {
    use pages::{
        agents, api, approvals, budget, console, dashboard, event, events, graph, halt, health,
        sign_in,
    };
    const READERS: Access = Access::Scopes(&[Scope::Viewer, Scope::Operator]);
    Routes::new(ServiceName::MonitoringDashboard, deps.auth.clone())
        .health(crate::health::health)
        .document(DOCUMENT)
        .call(calls::ReadStats, stats::show)
        .call(calls::ReadSla, sla::show)
        .call(calls::ListArchive, archive::list)
        .call(calls::ReadArchiveDay, archive::day)
        .call(calls::Restore, archive::restore)
        .planned(READERS, "/api/series")
        .planned(READERS, "/api/incidents")
        .planned(READERS, "/metrics")
        .planned(Access::Open, "/status")
        .open("/", get(dashboard::lead_there))
        .open("/assets/{file}", get(assets::show))
        .open("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .open("/sign-out", post(sign_in::sign_out))
        .open("/dashboard", get(dashboard::show))
        .open("/dashboard/live", get(dashboard::live))
        .open("/dashboard/console", post(console::say))
        .open("/dashboard/console/feed", get(console::feed))
        .open("/dashboard/halt", post(halt::halt))
        .open("/dashboard/resume", post(halt::resume))
        .open("/dashboard/events", get(events::show))
        .open("/dashboard/events/{id}", get(event::show))
        .open("/dashboard/events/{id}/replay", post(event::replay))
        .open("/dashboard/events/{id}/feedback", post(event::feedback))
        .open("/dashboard/graph", get(graph::show))
        .open("/dashboard/graph/rollback", post(graph::rollback))
        .open("/dashboard/approvals", get(approvals::show))
        .open("/dashboard/approvals/{id}", get(approvals::show_one))
        .open("/dashboard/approvals/{id}/decide", post(approvals::decide))
        .open("/dashboard/agents", get(agents::show))
        .open("/dashboard/gateways/drain", post(agents::drain))
        .open("/dashboard/health", get(health::show))
        .open("/dashboard/budget", get(budget::show))
        .open("/dashboard/api", get(api::show))
        .open("/dashboard/{*rest}", get(pages::refusal::no_such_page))
}
