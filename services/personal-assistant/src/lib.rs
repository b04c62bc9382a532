//! Personal assistant: approvals, policy, budget ledger, halts, and the owner's chat.
//!
//! `approve` applies the rules and sets money aside; `ask` asks the owner; `decide` and `press` take the owner's word;
//! `claim` lets a gateway begin, `settle` ends it; `halt` stops; `backups` keeps copies of the tables. Nothing here approves or spends on an error.

mod actor;
mod approvals;
mod approve;
mod ask;
mod backups;
mod budget;
mod chat;
mod claim;
pub mod config;
mod context;
mod decide;
mod deps;
mod expire;
mod halt;
mod ledger;
mod limits;
mod model;
mod owner;
mod policy;
mod press;
mod settle;
mod stats;
mod status;
mod store;
mod tie_break;
mod waiting;
mod window;
mod wrong;

pub use backups::{back_up, back_up_daily};
pub use config::Config;
pub use deps::Deps;
pub use store::{CLAIM_WINDOW_MS, DECISION_WINDOW_MS, SKEW_MS};

use axum::Router;
use axum::routing::{get, post};
use contracts::{ErrorCode, ServiceName};
use platform::edge::{ApiError, Auth, Routes, Scope};

const OWNER: &[Scope] = &[Scope::Operator];
const READER: &[Scope] = &[Scope::Operator, Scope::Viewer];
const REQUESTER: &[Scope] = &[Scope::Operator, Scope::Agent];
const REQUEST_READER: &[Scope] = &[Scope::Operator, Scope::Viewer, Scope::Agent, Scope::Gateway];
/// A gateway that runs tasks for other programs looks for halts itself.
const HALT_READER: &[Scope] = &[Scope::Operator, Scope::Viewer, Scope::Gateway];
const LIST_READER: &[Scope] = &[Scope::Operator, Scope::Viewer, Scope::Agent];
const GATEWAY: &[Scope] = &[Scope::Gateway];

/// The whole URL map. Services come in beside the scopes by the table in `contracts::calls`.
fn routes(auth: Auth) -> Routes<Deps> {
    Routes::new(ServiceName::PersonalAssistant, auth)
        .open("/health", get(status::health))
        .scoped(READER, "/api/status", get(status::status))
        .scoped(REQUESTER, "/api/approve", post(approve::approve))
        .scoped(LIST_READER, "/api/approvals", get(approvals::list))
        .scoped(REQUEST_READER, "/api/approvals/{id}", get(approvals::one))
        .scoped(OWNER, "/api/approvals/{id}/decide", post(decide::decide))
        .scoped(GATEWAY, "/api/approvals/{id}/claim", post(claim::claim))
        .scoped(GATEWAY, "/api/tasks/{task}/settle", post(settle::settle))
        .scoped(OWNER, "/api/halt", post(halt::halt))
        .scoped(OWNER, "/api/resume", post(halt::resume))
        .scoped(HALT_READER, "/api/halts", get(halt::list))
        .scoped(READER, "/api/context", get(context::read))
        .scoped(OWNER, "/api/context", axum::routing::put(context::update))
        .scoped(READER, "/api/budget", get(budget::read))
        .scoped(OWNER, "/api/budget", axum::routing::put(budget::update))
        .scoped(OWNER, "/api/chat", post(chat::chat))
        .scoped(OWNER, "/api/backups", get(backups::list).post(backups::make))
        .scoped(OWNER, "/api/restore", post(backups::restore))
        .scoped(OWNER, "/api/memory", get(later))
        .scoped(OWNER, "/api/memory/{id}", axum::routing::delete(later))
        .scoped(OWNER, "/api/policy", get(later).put(later))
        .scoped(OWNER, "/api/policy/replay", post(later))
        .internal("/internal/press", post(press::press))
        .internal("/internal/tie-break", post(tie_break::tie_break))
        .internal("/internal/halts/check", post(halt::check))
        .internal("/internal/stopped", post(halt::stopped))
        .internal("/internal/renewed", post(claim::renewed))
        .internal("/internal/given-up", post(claim::given_up))
        .internal("/internal/ledger-stats", get(stats::ledger_stats))
}

/// The service.
pub fn router(deps: Deps) -> Router {
    routes(deps.auth.clone()).finish(deps)
}

/// Once a second natively, once a minute by cron: pending approvals whose time is over end, what was not delivered to
/// the chats is tried again. Three indexed look-ups when nothing is due. A failure is logged and tried again next time.
pub async fn tick(deps: &Deps) {
    if let Err(error) = expire::expire_due(deps).await {
        tracing::warn!(problem = ?error.0, "expiring approvals failed; the next tick tries again");
    }
    if let Err(error) = halt::confirm_all(deps).await {
        tracing::warn!(problem = ?error.0, "the halt could not be confirmed; the next tick tries again");
    }
    if let Err(error) = ask::flush_due(deps).await {
        tracing::warn!(problem = ?error.0, "delivering to the chats failed; the next tick tries again");
    }
}

async fn later() -> ApiError {
    ApiError::new(ErrorCode::NotInThisVersion, "This path is planned; it is not in this version.")
}
