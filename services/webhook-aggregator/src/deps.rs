//! The ports and settings that the service is built with.

use crate::config::Config;
use crate::links::Links;
use contracts::Shard;
use contracts::calls::Call;
use inbox::{EventParts, GetEvent, Inbox, InboxExt};
use platform::edge::Auth;
use platform::ports::calls::{Prepared, deliver, prepare};
use platform::ports::{Background, Calls, Clock, Mail, Objects, Outbound, PortResult, Signal};
use std::sync::Arc;

/// The service's ports and settings.
#[derive(Clone)]
pub struct Deps {
    pub inbox: Arc<dyn Inbox>,
    pub calls: Arc<dyn Calls>,
    pub outbound: Arc<dyn Outbound>,
    /// Mailboxes; a Worker has none.
    pub mail: Option<Arc<dyn Mail>>,
    /// Files of messages and answers.
    pub objects: Arc<dyn Objects>,
    pub clock: Arc<dyn Clock>,
    pub signal: Arc<dyn Signal>,
    pub background: Arc<dyn Background>,
    pub auth: Auth,
    pub config: Arc<Config>,
    /// The state of the ways in, as this process knows it.
    pub links: Links,
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
    /// Makes a call in the background: a lost word makes the callee's picture older, not wrong.
    pub(crate) fn tell<C: Call<Params = (), Request: serde::Serialize>>(
        &self,
        request: &C::Request,
    ) {
        match prepare::<C>(&(), request) {
            Ok(prepared) => self.tell_prepared(prepared, C::PATH),
            Err(error) => tracing::warn!(%error, path = C::PATH, "a call could not be written"),
        }
    }
    /// Apart from the type of the call, so that a Worker's bundle has it once.
    fn tell_prepared(&self, prepared: Prepared, path: &'static str) {
        let calls = self.calls.clone();
        self.background.spawn(Box::pin(async move {
            if let Err(error) = deliver(&*calls, prepared).await {
                tracing::warn!(%error, path, "another service could not be told");
            }
        }));
    }
    /// Wakes those who follow an event.
    pub(crate) fn notify_event(&self, id: &contracts::EventId) {
        self.signal.notify(&event_key(id));
    }
    /// Wakes who waits for a conversation to go on.
    pub(crate) fn notify_conversation(&self, conversation: &str) {
        self.signal.notify(&format!("said:{conversation}"));
    }
}

/// The signal's key for those who follow an event.
pub(crate) fn event_key(id: &contracts::EventId) -> String {
    format!("event:{id}")
}
