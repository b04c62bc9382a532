//! A mailbox, played on this machine.

use super::Mail;
use crate::channels::{LocalMessage, LocalPlatform, Signed, first_approver, hub, text_at};
use platform::ports::mail::Received;
use platform::ports::{Clock, ClockExt};
use serde_json::{Value, json};

const DOMAIN: &str = "local.invalid";
const SERVER: &str = "mx.local.invalid";

impl LocalPlatform for Mail {
    fn credentials(&self, clock: &dyn Clock) -> Value {
        json!({
            "address": format!("quintet@{DOMAIN}"), "password": clock.random_hex(16),
            "trusts": SERVER, "approvers": [format!("you@{DOMAIN}")],
        })
    }

    fn sample(&self, local: &Value, said: &LocalMessage<'_>) -> Option<Signed> {
        let from = first_approver(local).as_str()?.to_owned();
        let id = format!("{}@{DOMAIN}", said.unique);
        let mail = Received {
            received_ms: said.now_s.saturating_mul(1000),
            message_id: Some(id.clone()),
            authentication: Some(format!("{SERVER}; dmarc=pass header.from={DOMAIN}")),
            from: Some(from.clone()),
            from_name: Some("You".to_owned()),
            to: vec![format!("quintet@{DOMAIN}")],
            text: said.text.to_owned(),
            ..Received::default()
        };
        let body = serde_json::to_string(&mail).ok()?;
        let key = text_at(local, "password")?;
        let signature = hub::signature(key.as_bytes(), body.as_bytes());
        let headers = vec![(hub::HEADER, signature)];
        Some(Signed { dedupe_key: format!("{from} {id}"), headers, body })
    }

    fn takes_file(&self, _: &str) -> bool {
        false
    }
    /// Nothing is sent to it.
    fn answer(&self, _: &str, _: &str, _: u64) -> Value {
        json!({})
    }
}
