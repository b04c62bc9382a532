//! Telegram's side, played on this machine.

use super::Telegram;
use crate::channels::{LocalMessage, LocalPlatform, Signed, first_approver, text_at};
use platform::ports::{Clock, ClockExt};
use serde_json::{Value, json};

impl LocalPlatform for Telegram {
    fn credentials(&self, clock: &dyn Clock) -> Value {
        let (secret, token) = (clock.random_hex(24), clock.random_hex(16));
        json!({ "secret_token": secret, "bot_token": format!("4200000001:{token}"), "approvers": ["700000001"] })
    }

    fn sample(&self, local: &Value, said: &LocalMessage<'_>) -> Option<Signed> {
        let id: i64 = first_approver(local).as_str().and_then(|id| id.parse().ok()).unwrap_or(1);
        let person = json!({ "id": id, "is_bot": false, "first_name": "You" });
        let message = json!({
            "message_id": said.unique % 1_000_000_000, "from": person, "chat": { "id": id, "type": "private" },
            "date": said.now_s, "text": said.text,
        });
        let secret = text_at(local, "secret_token")?.to_owned();
        Some(Signed {
            dedupe_key: said.unique.to_string(),
            headers: vec![("x-telegram-bot-api-secret-token", secret)],
            body: json!({ "update_id": said.unique, "message": message }).to_string(),
        })
    }

    /// `bot<token>/<method>`.
    fn takes_file(&self, path: &str) -> bool {
        path.ends_with("/sendDocument")
    }
    fn answer(&self, path: &str, body: &str, unique: u64) -> Value {
        let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        match path.rsplit('/').next() {
            Some("sendMessage" | "editMessageText") => {
                let message = body["message_id"].as_u64().unwrap_or(unique);
                json!({ "ok": true, "result": { "message_id": message, "chat": { "id": body["chat_id"] } } })
            }
            _ => json!({ "ok": true, "result": true }),
        }
    }
}
