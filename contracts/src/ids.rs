//! Ids as newtypes, so that an approval's id cannot be passed as a task's.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// Wraps a string without validation.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            /// The id on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl crate::calls::PathParam for $name {
            fn value(&self) -> Option<&str> {
                Some(&self.0)
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    )+};
}

id! {
    /// `<shard>.<ULID>`: one accepted message. The shard names the inbox that holds it.
    EventId,
    /// One piece of work for an agent. For chat work: the event's id, followed by `~n` from the
    /// second route on.
    TaskId,
    /// `apr_<ULID>`: one request for approval.
    ApprovalId,
    /// `dec_<ULID>`: one routing decision.
    DecisionId,
    /// An agent, spelled as in the skill graph.
    AgentId,
    /// `<channel>:<endpoint>:<platform parts joined by ':'>`: the unit of message order.
    ConversationId,
    /// `<channel>.<endpoint>`: one inbox.
    Shard,
    /// The digest of a published graph.
    GraphVersion,
    /// A gateway's name, generated at its first start.
    GatewayId,
    /// The id of a message, followed by `-m` or `-a` and the place of the file in the message or
    /// its answer.
    FileId,
    /// `mem_<ULID>`: one fact about the owner.
    FactId,
}

impl EventId {
    /// The inbox of this event: everything before the last dot, or `None` if the text is not an
    /// event id.
    pub fn shard(&self) -> Option<Shard> {
        let (shard, ulid) = self.0.rsplit_once('.')?;
        (ulid.len() == 26 && !shard.is_empty()).then(|| Shard::new(shard))
    }
}

impl TaskId {
    /// The event of a chat task: the id without its `~n`.
    pub fn event_id(&self) -> EventId {
        EventId::new(self.0.split('~').next().unwrap_or_default())
    }
}

impl Shard {
    /// The shard of a channel's endpoint.
    pub fn of(channel: &str, endpoint: &str) -> Self {
        Self(format!("{channel}.{endpoint}"))
    }
    /// Channel and endpoint, or `None` if the text is not a shard.
    pub fn parts(&self) -> Option<(&str, &str)> {
        self.0.split_once('.')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_id_contains_its_shard() {
        let id = EventId::new("slack.T0AAAA111.01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(id.shard(), Some(Shard::new("slack.T0AAAA111")));
        assert_eq!(EventId::new("nonsense").shard(), None);
        assert_eq!(
            TaskId::new("web.console.01ARZ3NDEKTSV4RRFFQ69G5FAV~2").event_id().shard(),
            Some(Shard::new("web.console"))
        );
    }
}
