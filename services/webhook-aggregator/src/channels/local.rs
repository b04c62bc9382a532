//! The platform's side of a channel, played on this machine: for `quintet send` and the `local`
//! endpoints.

use platform::ports::Clock;
use serde_json::Value;

/// A person's message sent by `quintet send`.
pub struct LocalMessage<'a> {
    pub text: &'a str,
    /// Seconds since the epoch.
    pub now_s: i64,
    /// A number that no other message has.
    pub unique: u64,
}

/// A webhook as the platform would post it.
pub struct Signed {
    /// The key by which the event is found once it is stored.
    pub dedupe_key: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// Plays the platform. It stores nothing: events and conversations hold the messages.
pub trait LocalPlatform: Send + Sync {
    /// Random keys and one approver for an endpoint of this machine, in the words of the
    /// configuration, with the [signing keys](Self::signing_keys).
    fn credentials(&self, clock: &dyn Clock) -> Value;
    /// Members of the credentials that only the platform has: no keys of the configuration.
    fn signing_keys(&self) -> &'static [&'static str] {
        &[]
    }
    /// A message of the approver, signed with the credentials; `None` when they lack a key.
    fn sample(&self, credentials: &Value, said: &LocalMessage<'_>) -> Option<Signed>;
    /// Whether a request to `path` of the API may have a file in it.
    fn takes_file(&self, path: &str) -> bool;
    /// The answer to one of our requests to `path` of the API. `unique` names a message it makes.
    fn answer(&self, path: &str, body: &str, unique: u64) -> Value;
}

/// The one person of a local endpoint.
pub(super) fn first_approver(credentials: &Value) -> Value {
    credentials.pointer("/approvers/0").cloned().unwrap_or_default()
}
