//! The ports and settings that the service is built with, and `ask!`, which sends a command to the inbox.

use crate::config::Config;
use contracts::{ServiceName, Shard};
use inbox::{Command, EventParts, Inbox, Reply};
use platform::edge::Auth;
use platform::ports::{
    Background, Calls, Clock, Outbound, PortError, PortErrorKind, PortResult, Signal, calls,
};
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

/// Sends a command and takes the kind of reply it always has; another kind is a bug on our side.
macro_rules! ask {
    ($deps:expr, $shard:expr, $command:expr, $pattern:pat => $value:expr) => {
        match $deps.inbox.send($shard, $command).await {
            Ok($pattern) => Ok($value),
            Ok(_) => Err($crate::deps::odd_reply()),
            Err(error) => Err(error),
        }
    };
}
pub(crate) use ask;

/// The inbox answered a command with a reply of another kind.
pub(crate) fn odd_reply() -> PortError {
    PortError::unknown(PortErrorKind::Invalid, "the inbox gave a reply of another kind")
}

impl Deps {
    /// One event with its history, or nothing.
    pub(crate) async fn event(&self, id: &contracts::EventId) -> PortResult<Option<EventParts>> {
        let Some(shard) = self.shard_of(id) else { return Ok(None) };
        ask!(self, &shard, Command::Get { event: id.clone() }, Reply::Event(found) => found.map(|parts| *parts))
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
    pub(crate) fn notify_conversation(&self, conversation: &str) {
        self.signal.notify(&format!("said:{conversation}"));
    }
}
