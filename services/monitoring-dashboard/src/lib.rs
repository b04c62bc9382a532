//! Statistics, service levels and the owner's pages. It owns no message, no money and no decision:
//! it asks their owners, and acts for the signed-in owner alone.
//!
//! * [`router`]: the URL map, below. [`tick`]: one probe round. [`sign_in_link`]: a one-use way in.

mod answer;
mod archive;
mod assets;
mod attempts;
pub mod chats;
pub mod config;
mod day;
mod deps;
mod document;
mod form;
mod form_token;
mod gate;
mod guard;
mod health;
mod owners;
mod pages;
mod probe;
mod refusal;
mod remembered;
mod rule_form;
mod session;
mod sla;
mod stats;
mod store;

pub use archive::archive;
pub use config::{Config, HostSettings};
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

/// The service.
pub fn router(deps: Deps) -> Router {
    let guard = from_fn_with_state(deps.clone(), guard::layer);
    routes(&deps).finish(deps).layer(guard)
}

/// Every path, and whether it is a page behind the gate.
pub fn route_map(deps: &Deps) -> Vec<(String, bool)> {
    routes(deps).map().collect()
}

/// The whole URL map. The gate stands before every page; only signing in itself is open.
fn routes(deps: &Deps) -> Routes<Deps> {
    use pages::{
        agents, api, approvals, assistant, budget, chats, console, dashboard, event, events, files,
        graph, halt, health, menu, rules, schedules, sign_in,
    };
    let gate = gate::Gate(deps.clone());
    const READERS: Access = Access::Scopes(&[Scope::Viewer, Scope::Operator]);
    Routes::new(ServiceName::MonitoringDashboard, deps.auth.clone())
        .health(deps.clock.clone(), crate::health::health)
        .document(document::DOCUMENT)
        .call(calls::ReadStats, stats::show)
        .call(calls::ReadSla, sla::show)
        .call(calls::ListArchive, archive::list)
        .call(calls::ReadArchiveDay, archive::day)
        .call(calls::MakeSignInLink, session::make_link)
        .call(calls::Restore, archive::restore)
        .planned(READERS, "/api/series")
        .planned(READERS, "/api/incidents")
        .planned(READERS, "/metrics")
        .planned(Access::Open, "/status")
        // Leads to the first page, which asks for the session.
        .open("/", get(dashboard::lead_there))
        // The sign-in page needs its style sheet; the files hold nothing of the owner's.
        .open("/assets/{file}", get(assets::show))
        // This is where a session begins; the token or the link is the proof.
        .open("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        // It checks the form's token itself, and a session that has ended is signed out already.
        .open("/sign-out", post(sign_in::sign_out))
        .page(&gate, "/dashboard/session-key", post(sign_in::bind_key))
        .page(&gate, menu::OVERVIEW.path, get(dashboard::show))
        .page(&gate, "/dashboard/live", get(dashboard::live))
        .page(&gate, "/dashboard/console", post(console::say))
        .page(&gate, "/dashboard/console/feed", get(console::feed))
        .page(&gate, "/dashboard/halt", post(halt::halt))
        .page(&gate, "/dashboard/resume", post(halt::resume))
        .page(&gate, menu::EVENTS.path, get(events::show))
        .page(&gate, "/dashboard/events/{id}", get(event::show))
        .page(&gate, "/dashboard/events/{id}/replay", post(event::replay))
        .page(&gate, "/dashboard/events/{id}/deliver", post(event::deliver))
        .page(&gate, "/dashboard/events/{id}/feedback", post(event::feedback))
        .page(&gate, "/dashboard/files/{id}", post(files::download))
        .page(&gate, menu::GRAPH.path, get(graph::show))
        .page(&gate, "/dashboard/graph/rollback", post(graph::rollback))
        .page(&gate, menu::APPROVALS.path, get(approvals::show))
        .page(&gate, "/dashboard/approvals/{id}", get(approvals::show_one))
        .page(&gate, "/dashboard/approvals/{id}/decide", post(approvals::decide))
        .page(&gate, menu::RULES.path, get(rules::show))
        .page(&gate, "/dashboard/rules/change", post(rules::change))
        .page(&gate, menu::ASSISTANT.path, get(assistant::show))
        .page(&gate, "/dashboard/assistant/say", post(assistant::say))
        .page(&gate, "/dashboard/assistant/pin", post(assistant::pin))
        .page(&gate, "/dashboard/assistant/forget", post(assistant::forget))
        .page(&gate, menu::AGENTS.path, get(agents::show))
        .page(&gate, "/dashboard/agents/halt", post(agents::halt))
        .page(&gate, "/dashboard/gateways/drain", post(agents::drain))
        .page(&gate, menu::SCHEDULES.path, get(schedules::show))
        .page(&gate, "/dashboard/schedules/remove", post(schedules::remove))
        .page(&gate, menu::HEALTH.path, get(health::show))
        .page(&gate, menu::BUDGET.path, get(budget::show).post(budget::change))
        .page(&gate, menu::CHATS.path, get(chats::show).post(chats::attempt))
        .page(&gate, "/dashboard/chats/finish", post(chats::finish))
        .page(&gate, "/dashboard/chats/decline", post(chats::decline))
        .page(&gate, "/dashboard/chats/register", post(chats::register))
        .page(&gate, menu::API.path, get(api::show))
        .page(&gate, "/dashboard/{*rest}", get(pages::refusal::no_such_page))
}
