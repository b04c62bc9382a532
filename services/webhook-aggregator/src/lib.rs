//! webhook-aggregator: takes every message in, once and for all; conducts it; sends the answers out.
//!
//! * in: [`ingest`] (webhooks), [`messages`] (the API) → the inbox's accept
//! * on: [`dispatch`] (content, one stage a step), [`control`] and `press.rs` (buttons and commands), [`tasks`] and [`gateways`]
//! * out: [`send`] (the outbox), `channels/` (what each platform says and expects)

pub mod channels;
pub mod config;
pub mod control;
mod dispatch;
mod events;
mod gateways;
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
pub use pump::{next_due, pump, recover};

use axum::routing::{get, post};
use axum::{Json, Router};
use contracts::monitoring::Health;
use contracts::{ServiceName, Shard};
use platform::edge::{Auth, Routes, Scope};
use platform::inbox::{Command, EventParts, Reply};
use platform::ports::{
    Background, Calls, Clock, Inbox, Outbound, PortError, PortErrorKind, PortResult, Signal, calls,
};
use std::sync::Arc;

/// What the service needs of its runtime.
#[derive(Clone)]
pub struct Deps {
    pub inbox: Arc<dyn Inbox>,
    pub calls: Arc<dyn Calls>,
    pub outbound: Arc<dyn Outbound>,
    pub clock: Arc<dyn Clock>,
    pub signal: Arc<dyn Signal>,
    pub background: Arc<dyn Background>,
    pub auth: Auth,
    pub config: Arc<Config>,
}

const READ: &[Scope] = &[Scope::Operator, Scope::Viewer];
const OPERATOR: &[Scope] = &[Scope::Operator];
const GATEWAY: &[Scope] = &[Scope::Gateway];

/// The service. The whole URL map is this page.
pub fn router(deps: Deps) -> Router {
    Routes::new(ServiceName::WebhookAggregator, deps.auth.clone())
        .open("/health", get(health))
        .open("/telegram/{endpoint}", post(ingest::telegram))
        .open("/slack/{endpoint}", post(ingest::slack))
        .open("/discord/{endpoint}", post(ingest::discord))
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

async fn health() -> Json<Health> {
    Json(Health {
        service: ServiceName::WebhookAggregator,
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        problems: Vec::new(),
    })
}

/// Sends a command and takes the kind of reply it always has; another kind is a bug on our side.
macro_rules! ask {
    ($deps:expr, $shard:expr, $command:expr, $pattern:pat => $value:expr) => {
        match $deps.inbox.send($shard, $command).await {
            Ok($pattern) => Ok($value),
            Ok(_) => Err($crate::odd_reply()),
            Err(error) => Err(error),
        }
    };
}
use ask;

fn odd_reply() -> PortError {
    PortError::unknown(PortErrorKind::Invalid, "the inbox gave a reply of another kind")
}

impl Deps {
    /// One event with its history, or nothing.
    async fn event(&self, id: &contracts::EventId) -> PortResult<Option<EventParts>> {
        let Some(shard) = self.shard_of(id) else { return Ok(None) };
        ask!(self, &shard, Command::Get { event: id.clone() }, Reply::Event(found) => found.map(|parts| *parts))
    }
    /// The inbox that holds an event, when there is one of that name.
    fn shard_of(&self, id: &contracts::EventId) -> Option<Shard> {
        id.shard()
            .filter(|shard| self.config.endpoints.iter().any(|endpoint| endpoint.shard() == *shard))
    }
    /// Tells another service something, in the background: a lost word makes its picture older, not wrong.
    fn tell(&self, callee: ServiceName, path: &'static str, what: &impl serde::Serialize) {
        // Apart from the type of what is told, so that a Worker's bundle has the rest once.
        fn spawn(deps: Deps, callee: ServiceName, path: &'static str, body: bytes::Bytes) {
            let background = deps.background.clone();
            background.spawn(Box::pin(async move {
                if let Err(error) = calls::tell(deps.calls.as_ref(), callee, path, body).await {
                    tracing::warn!(%error, callee = %callee, path, "another service could not be told");
                }
            }));
        }
        spawn(self.clone(), callee, path, serde_json::to_vec(what).unwrap_or_default().into());
    }
    /// Wakes who waits for a conversation to go on.
    fn notify_conversation(&self, conversation: &str) {
        self.signal.notify(&format!("said:{conversation}"));
    }
}
