//! The ports and settings that the service is built with.

use crate::config::Config;
use contracts::{ServiceName, Shard};
use inbox::{EventParts, GetEvent, Inbox, InboxExt};
use platform::edge::Auth;
use platform::ports::{Background, Calls, Clock, Outbound, PortResult, Signal, calls};
use std::sync::Arc;

/// The service's ports and settings.
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

impl Deps {
    /// One event with its history, or nothing.
    pub(crate) async fn event(&self, id: &contracts::EventId) -> PortResult<Option<EventParts>> {
        let Some(shard) = self.shard_of(id) else { return Ok(None) };
        self.inbox.ask(&shard, GetEvent { event: id.clone() }).await
    }
    /// The inbox that holds an event, when there is one of that name.
    pub(crate) fn shard_of(&self, id: &contracts::EventId) -> Option<Shard> {
        id.shard()
            .filter(|shard| self.config.endpoints.iter().any(|endpoint| endpoint.shard() == *shard))
    }
    /// Tells another service something, in the background: a lost word makes its picture older, not wrong.
    pub(crate) fn tell(
        &self,
        callee: ServiceName,
        path: &'static str,
        what: &impl serde::Serialize,
    ) {
        let body = serde_json::to_vec(what).unwrap_or_default().into();
        let calls = self.calls.clone();
        self.background.spawn(Box::pin(async move {
            if let Err(error) = calls::tell(calls.as_ref(), callee, path, body).await {
                tracing::warn!(%error, callee = %callee, path, "another service could not be told");
            }
        }));
    }
    /// Wakes who waits for a conversation to go on.
    pub(crate) fn notify_conversation(&self, conversation: &str) {
        self.signal.notify(&format!("said:{conversation}"));
    }
}
