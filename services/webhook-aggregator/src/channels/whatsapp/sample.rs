//! Meta's side, played on this machine.

use super::WhatsApp;
use crate::channels::{LocalMessage, LocalPlatform, Signed, first_approver, hub, text_at};
use platform::ports::{Clock, ClockExt};
use serde_json::{Value, json};

/// Meta's id of the local number.
const NUMBER: &str = "100000000000001";
const YOU: &str = "15550000001";

impl LocalPlatform for WhatsApp {
    fn credentials(&self, clock: &dyn Clock) -> Value {
        let secret = || clock.random_hex(16);
        json!({
            "phone_number_id": NUMBER, "app_secret": secret(), "verify_token": secret(),
            "access_token": secret(), "approvers": [YOU],
        })
    }

    fn sample(&self, local: &Value, said: &LocalMessage<'_>) -> Option<Signed> {
        let (id, from) = (format!("wamid.{}", said.unique), first_approver(local));
        let message = json!({
            "from": from, "id": id, "timestamp": said.now_s.to_string(), "type": "text",
            "text": { "body": said.text },
        });
        let value = json!({
            "messaging_product": "whatsapp", "metadata": { "phone_number_id": local["phone_number_id"] },
            "contacts": [{ "profile": { "name": "You" }, "wa_id": from }], "messages": [message],
        });
        let entry = json!({ "changes": [{ "field": "messages", "value": value }] });
        let body = json!({ "object": "whatsapp_business_account", "entry": [entry] }).to_string();
        let secret = text_at(local, "app_secret")?;
        let signature = hub::signature(secret.as_bytes(), body.as_bytes());
        Some(Signed { dedupe_key: id, headers: vec![(hub::HEADER, signature)], body })
    }

    fn takes_file(&self, path: &str) -> bool {
        path.ends_with("/media")
    }
    fn answer(&self, path: &str, body: &str, unique: u64) -> Value {
        let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        if path.ends_with("/media") {
            return json!({ "id": unique.to_string() });
        }
        if body["status"] == "read" {
            return json!({ "success": true });
        }
        json!({ "messaging_product": "whatsapp", "messages": [{ "id": format!("wamid.{unique}") }] })
    }
}
