//! webhook-aggregator: takes every message in, once and for all; conducts it; sends the answers out.
//!
//! * in: [`ingest`] (webhooks), [`messages`] (the API) → the inbox's accept
//! * on: [`dispatch`] (content, one stage a step), [`control`] and `press.rs` (buttons and commands), [`tasks`] and [`gateways`]
//! * out: [`send`] (the outbox), `channels/` (what each platform says and expects)

pub mod channels;
pub mod config;
pub mod control;
mod deps;
mod dispatch;
mod events;
mod gateways;
mod handover;
mod health;
mod ingest;
mod messages;
mod outbox;
mod press;
mod pump;
mod replay;
mod retry;
mod send;
pub mod split;
mod stats;
mod tasks;

pub use config::Config;
pub use deps::Deps;
pub use pump::{next_due, pump, recover};

use axum::Router;
use axum::routing::{get, post};
use contracts::{ChannelKind, ServiceName};
use platform::edge::{Routes, Scope};

const READ: &[Scope] = &[Scope::Operator, Scope::Viewer];
const OPERATOR: &[Scope] = &[Scope::Operator];
const GATEWAY: &[Scope] = &[Scope::Gateway];

/// The service. The whole URL map is this page.
pub fn router(deps: Deps) -> Router {
    let routes = Routes::new(ServiceName::WebhookAggregator, deps.auth.clone());
    ChannelKind::with_webhooks()
        .fold(routes, |routes, channel| {
            let receive = move |deps, name, request| ingest::webhook(channel, deps, name, request);
            routes.open(&channel.webhook_path("{endpoint}"), post(receive))
        })
        .open("/health", get(health::health))
        .scoped(OPERATOR, "/api/messages", post(messages::send))
        .scoped(OPERATOR, "/api/conversations/{id}/messages", get(messages::read))
        .scoped(READ, "/api/events", get(events::list))
        .scoped(READ, "/api/events/{id}", get(events::one))
        .scoped(OPERATOR, "/api/events/{id}/replay", post(replay::one))
        .scoped(OPERATOR, "/api/replay", post(replay::many))
        .scoped(READ, "/api/gateways", get(gateways::list))
        .scoped(OPERATOR, "/api/gateways/{id}/drain", post(gateways::drain))
        .scoped(GATEWAY, "/api/tasks/lease", post(tasks::lease))
        .scoped(GATEWAY, "/api/tasks/{id}/renew", post(tasks::renew))
        .scoped(GATEWAY, "/api/tasks/{id}/result", post(tasks::result))
        .internal("/internal/outbox", post(outbox::enqueue))
        .internal("/internal/approvers", get(outbox::approvers))
        .internal("/internal/events/{id}/wake", post(pump::wake))
        .internal("/internal/inbox-stats", get(stats::inbox_stats))
        .finish(deps)
}
