//! webhook-aggregator: takes every message in, once and for all; conducts it; sends the answers
//! out.
//!
//! * in: [`ingest`] (webhooks), [`poll()`] (platforms that are asked), [`sockets()`]
//!   (platforms that we connect to), [`mailboxes()`], [`messages`] (the API) → the
//!   inbox's accept
//! * on: [`dispatch`] (content, one stage a step), [`control`] and `press.rs` (buttons and
//!   commands), [`tasks`] and [`gateways`]
//! * out: [`send`] (the outbox), `channels/` (what each platform says and expects)

mod about;
mod asked;
mod challenge;
pub mod channels;
mod cockpit;
pub mod config;
pub mod control;
mod deliver;
mod deps;
mod dispatch;
mod ended_by;
mod endpoints;
mod events;
mod files;
mod firing;
mod forget;
mod gateways;
mod health;
mod ingest;
mod links;
mod look_up;
mod mailboxes;
mod messages;
mod outbox;
pub mod pointed;
mod poll;
mod pool;
mod press;
mod pump;
mod reaction;
pub mod render;
mod replay;
mod retry;
mod run_log;
mod schedule_rules;
mod schedules;
mod send;
mod sessions;
mod sockets;
mod stats;
mod steps;
mod stop;
mod synced;
mod tasks;
mod undelivered;
mod wordless;
mod work;

pub use config::Config;
pub use deps::Deps;
pub use links::Links;
pub use mailboxes::mailboxes;
pub use poll::poll;
pub use pump::{next_due, pump, recover};
pub use sockets::sockets;
pub use synced::{Synced, sync_schedules};

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
            let prove = move |deps, name, request| challenge::answer(channel, deps, name, request);
            let asks_first = channels::channel(channel).is_some_and(channels::Channel::asks_first);
            let methods = || if asks_first { post(receive).get(prove) } else { post(receive) };
            // A slash at the end is no other path.
            let routes = routes
                .open(&channel.webhook_path("{endpoint}"), methods())
                .open(&channel.webhook_path("{endpoint}/"), methods());
            channel.below_webhook().iter().fold(routes, |routes, rest| {
                let path = format!("{}{rest}", channel.webhook_path("{endpoint}"));
                let below = move |deps, parts, request| {
                    ingest::webhook_below(channel, deps, parts, request)
                };
                routes.open(&path, post(below).put(below))
            })
        })
        .health(deps.clock.clone(), health::health)
        .document(include_str!("../../../docs/api/webhook-aggregator.json"))
        .call(calls::SendMessage, messages::send)
        .call(calls::ReadConversation, messages::read)
        .call(calls::ListSessions, sessions::list)
        .call(calls::ListEndpoints, endpoints::list)
        .call(calls::ListEvents, events::list)
        .call(calls::ReadEvent, events::one)
        .call(calls::ReadLog, run_log::read)
        .call(calls::ReadFile, files::read)
        .call(calls::ReplayEvent, replay::one)
        .call(calls::DeliverEvent, deliver::one)
        .call(calls::Replay, replay::many)
        .call(calls::ListSchedules, schedules::list)
        .call(calls::AddSchedule, schedules::add)
        .call(calls::RemoveSchedule, schedules::remove)
        .call(calls::RunSchedule, schedules::run)
        .call(calls::ListGateways, gateways::list)
        .call(calls::DrainGateway, gateways::drain)
        .call(calls::LeaseTasks, tasks::lease)
        .call(calls::RenewTask, tasks::renew)
        .call(calls::StoreFile, files::store)
        .call(calls::FinishTask, tasks::result)
        .call(calls::Deliver, outbox::enqueue)
        .call(calls::ListApprovers, outbox::approvers)
        .call(calls::WakeEvent, pump::wake)
        .call(calls::ReadInboxStats, stats::inbox_stats)
        .finish(deps)
}
