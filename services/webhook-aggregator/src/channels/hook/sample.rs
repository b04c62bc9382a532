//! A program that posts, played on this machine.

use super::Hook;
use super::signature::{Key, Scheme, standard};
use crate::channels::{LocalMessage, LocalPlatform, Signed, text_at};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use platform::ports::{Clock, ClockExt};
use serde_json::{Value, json};

impl LocalPlatform for Hook {
    fn takes_file(&self, _: &str) -> bool {
        false
    }
    fn credentials(&self, clock: &dyn Clock) -> Value {
        let secret = STANDARD.encode(clock.random_hex(24));
        json!({ "secret": format!("whsec_{secret}"), "text": "/text" })
    }

    fn sample(&self, local: &Value, said: &LocalMessage<'_>) -> Option<Signed> {
        let key = Key::read(text_at(local, "secret")?, Scheme::Standard)?;
        let (id, time) = (format!("msg_{}", said.unique), said.now_s.to_string());
        let body = json!({ "text": said.text }).to_string();
        let signature = standard(&key, &id, &time, body.as_bytes());
        Some(Signed {
            dedupe_key: id.clone(),
            headers: vec![
                ("webhook-id", id),
                ("webhook-timestamp", time),
                ("webhook-signature", signature),
            ],
            body,
        })
    }

    /// Nothing is sent to it.
    fn answer(&self, _: &str, _: &str, _: u64) -> Value {
        json!({})
    }
}
