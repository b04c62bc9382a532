//! webhook-aggregator: takes every message in, once and for all; conducts it; sends the answers
//! out.
//!
//! * in: [`ingest`] (webhooks), [`messages`] (the API) → the inbox's accept
//! * on: [`dispatch`] (content, one stage a step), [`control`] and `press.rs` (buttons and
//!   commands), [`tasks`] and [`gateways`]
//! * out: [`send`] (the outbox), `channels/` (what each platform says and expects)

pub mod channels;
pub mod config;
pub mod control;
mod deps;
mod dispatch;
mod events;
mod gateways;
mod health;
mod ingest;
mod messages;
mod outbox;
mod pool;
mod press;
mod pump;
mod replay;
mod retry;
mod send;
mod sessions;
pub mod split;
mod stats;
mod steps;
mod stop;
mod tasks;

pub use config::Config;
pub use deps::Deps;
pub use pump::{next_due, pump, recover};

use axum::Router;
use axum::routing::post;
use contracts::calls::webhook_aggregator as calls;
use contracts::{ChannelKind, ServiceName};
use platform::edge::Routes;

/// The service. The whole URL map is this page.
pub fn router(deps: Deps) -> Router {
    let routes = Routes::new(ServiceName::WebhookAggregator, deps.auth.clone());
    ChannelKind::with_webhooks()
        .fold(routes, |routes, channel| {
            let receive = move |deps, name, request| ingest::webhook(channel, deps, name, request);
            routes.open(&channel.webhook_path("{endpoint}"), post(receive))
        })
        .health(deps.clock.clone(), health::health)
        .document(include_str!("../../../docs/api/webhook-aggregator.json"))
        .call(calls::SendMessage, messages::send)
        .call(calls::ReadConversation, messages::read)
        .call(calls::ListSessions, sessions::list)
        .call(calls::ListEvents, events::list)
        .call(calls::ReadEvent, events::one)
        .call(calls::ReplayEvent, replay::one)
        .call(calls::Replay, replay::many)
        .call(calls::ListGateways, gateways::list)
        .call(calls::DrainGateway, gateways::drain)
        .call(calls::LeaseTasks, tasks::lease)
        .call(calls::RenewTask, tasks::renew)
        .call(calls::FinishTask, tasks::result)
        .call(calls::Deliver, outbox::enqueue)
        .call(calls::ListApprovers, outbox::approvers)
        .call(calls::WakeEvent, pump::wake)
        .call(calls::ReadInboxStats, stats::inbox_stats)
        .finish(deps)
}
