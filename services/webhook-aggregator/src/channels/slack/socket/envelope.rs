//! The envelopes of Socket Mode: each has the payload of a webhook, and is acknowledged by its id.

use crate::channels::{Ack, form, text_at};
use bytes::Bytes;
use serde_json::{Value, json};

/// The part of an envelope that its acknowledgement needs.
pub(super) struct Envelope {
    /// `None` for a frame that could not be read.
    id: Option<String>,
    accepts_payload: bool,
}

impl Envelope {
    /// The envelope, and its payload in the form in which Slack's webhook has it. `None` for frames
    /// of the connection itself.
    pub(super) fn read(frame: &Value, text: &str) -> Option<(Self, Bytes)> {
        if frame.is_null() {
            // The parser keeps what it cannot read.
            let unread = Self { id: None, accepts_payload: false };
            return Some((unread, Bytes::copy_from_slice(text.as_bytes())));
        }
        let id = text_at(frame, "envelope_id")?.to_owned();
        let accepts_payload = frame["accepts_response_payload"] == true;
        let payload = &frame["payload"];
        let body = match text_at(frame, "type") {
            Some("interactive") => form::body(&[("payload", payload.to_string())]),
            Some("slash_commands") => fields(payload),
            _ => payload.to_string(),
        };
        Some((Self { id: Some(id), accepts_payload }, body.into()))
    }
    /// The frame that acknowledges it.
    pub(super) fn acknowledgement(self, ack: &Ack) -> Option<String> {
        let mut frame = json!({ "envelope_id": self.id? });
        if let Some(payload) = ack.body.as_ref().filter(|_| self.accepts_payload) {
            frame["payload"] = payload.clone();
        }
        Some(frame.to_string())
    }
}

/// A command's fields; Socket Mode has them as an object.
fn fields<'a>(payload: &'a Value) -> String {
    let field = |(name, value): (&'a String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.as_str(), value)
    };
    let present = payload.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    form::body(&present.map(field).collect::<Vec<_>>())
}
