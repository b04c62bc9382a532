//! A program's webhook, read.

use super::poster::Poster;
use super::signature::{self, Scheme};
use super::words::text_of;
use crate::channels::lenient;
use crate::channels::{Ack, Inbound, Kind, body_key, form};
use serde_json::Value;

/// The conversation of messages that name none.
const ONE: &str = "all";
/// Maximum characters of a conversation's name; a longer one is named by its digest.
const NAME_CHARS_MAX: usize = 100;

/// Reads an authentic body.
pub(super) fn read(poster: &Poster, headers: &http::HeaderMap, body: &[u8]) -> Inbound {
    let id = signature::id(poster.scheme, headers).map(str::to_owned);
    let mut inbound = Inbound::unreadable(Ack::with_event(), id.unwrap_or_else(|| body_key(body)));
    inbound.sender = Some(poster.sender.clone());
    inbound.conversation = vec![ONE.to_owned()];
    inbound.target = poster.reply_to.clone().unwrap_or_default();
    if poster.scheme == Scheme::GitHub {
        // Its signature covers the body alone: under another id the same body is no new message.
        inbound.semantic_key = Some(body_key(body));
    } else {
        inbound.sent_ms = signature::seconds(headers).map(|at| at.saturating_mul(1000));
    }
    let value = json(poster.scheme, body);
    if value.is_null() {
        inbound.semantic_key = None;
        return inbound;
    }
    if let Some(name) = poster.conversation.as_deref().and_then(|at| text_of(&value, at)) {
        inbound.conversation = vec![conversation(&name)];
    }
    inbound.kind = match poster.words.of(&value) {
        _ if poster.scheme == Scheme::GitHub && is_ping(&value) => Kind::Ignored("ping"),
        Some(text) => Kind::Posted { text },
        None => Kind::Ignored("no_text_there"),
    };
    inbound
}

/// GitHub also posts its JSON in a form, unless it is set otherwise.
fn json(scheme: Scheme, body: &[u8]) -> Value {
    if scheme == Scheme::GitHub && body.starts_with(b"payload=") {
        let payload = form::parse(body).into_iter().next().map(|(_, payload)| payload);
        return lenient::json(payload.unwrap_or_default().as_bytes());
    }
    lenient::json(body)
}

/// GitHub's first message. The header that names the event is not signed.
fn is_ping(body: &Value) -> bool {
    body.get("zen").is_some() && body.get("hook_id").is_some()
}

fn conversation(name: &str) -> String {
    let plain = platform::text::printable(name);
    // The name of a long one is no name that a program can give itself.
    let is_digest = plain.starts_with("sha256:");
    let fits =
        !is_digest && !plain.is_empty() && plain.chars().count() <= NAME_CHARS_MAX && plain == name;
    if fits { plain } else { body_key(name.as_bytes()) }
}
