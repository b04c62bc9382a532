//! One account of a homeserver, and requests in its name.

use super::known::Known;
use crate::channels::SEND_TIMEOUT_MS;
use crate::channels::protocol::retry_after_ms;
use bytes::Bytes;
use http::Method;
use platform::ports::{OutboundRequest, OutboundResponse};
use platform::secret::Secret;
use serde_json::Value;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One account.
#[derive(Debug)]
pub(super) struct Bot {
    /// Address of the homeserver, without a path of the API.
    pub(super) api_base: String,
    pub(super) bot_token: Secret,
    /// Its full user id, `@name:server`.
    pub(super) user: String,
    pub(super) way: Way,
    /// Approvers and senders of the endpoint: whose messages and invitations count.
    pub(super) heard: Vec<String>,
    /// Rooms and messages, as the homeserver told about them.
    pub(super) known: Mutex<Known>,
}

/// How messages come in.
#[derive(Debug)]
pub(super) enum Way {
    /// We ask the homeserver.
    Sync,
    /// The homeserver sends transactions to an application service, with this token.
    Transactions(Secret),
}

impl Bot {
    /// The known rooms and messages.
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Whether a person's messages and invitations count.
    pub(super) fn hears(&self, user: &str) -> bool {
        self.heard.iter().any(|known| known == user || known == "*")
    }
    /// A request to the client-server API, of version 3.
    pub(super) fn call(&self, method: Method, path: &str, body: Option<&Value>) -> OutboundRequest {
        self.request(method, &format!("client/v3/{path}"), body)
    }
    /// A request to a path below `/_matrix`.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> OutboundRequest {
        let mut headers = vec![("authorization", format!("Bearer {}", self.bot_token.reveal()))];
        headers.extend(body.map(|_| ("content-type", "application/json".to_owned())));
        OutboundRequest {
            method,
            url: format!("{}/_matrix/{path}", self.api_base),
            headers,
            body: body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string())),
            timeout_ms: SEND_TIMEOUT_MS,
        }
    }
}

/// An id as one segment of a path, or as a value of a query.
pub(super) fn segment(id: &str) -> String {
    platform::percent::encode(id)
}

/// The name in a user's id, between `@` and the first colon.
pub(super) fn local_of(user: &str) -> &str {
    user.trim_start_matches('@').split(':').next().unwrap_or_default()
}

/// The server's name in an id, which follows its first colon.
pub(super) fn server_of(id: &str) -> &str {
    id.split_once(':').map_or("", |(_, server)| server)
}

/// `@name:server`
pub(super) fn is_user(id: &str) -> bool {
    id.len() <= 255
        && !id.contains(char::is_whitespace)
        && id.strip_prefix('@').and_then(|rest| rest.split_once(':')).is_some_and(
            |(name, server)| !name.is_empty() && !server.is_empty() && !server.contains('/'),
        )
}

/// The wait that the homeserver asks for, milliseconds: by a header, or in the body as earlier
/// versions did.
pub(super) fn wait_ms(answer: &OutboundResponse, body: &Value) -> Option<i64> {
    let of_body = || body["retry_after_ms"].as_i64().map(|wait| wait.clamp(100, 3_600_000));
    retry_after_ms(answer).or_else(of_body)
}
