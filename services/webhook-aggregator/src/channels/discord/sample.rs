//! Discord's side, played on this machine.

use super::Discord;
use crate::channels::{LocalMessage, LocalPlatform, Signed, first_approver, text_at};
use ed25519_dalek::{Signer, SigningKey};
use platform::ports::{Clock, ClockExt};
use serde_json::{Value, json};

impl LocalPlatform for Discord {
    fn credentials(&self, clock: &dyn Clock) -> Value {
        let mut seed = [0_u8; 32];
        clock.random(&mut seed);
        let key = SigningKey::from_bytes(&seed);
        json!({
            "public_key": hex::encode(key.verifying_key().to_bytes()),
            "private_key": hex::encode(seed),
            "application_id": "910000000000000042",
            "bot_token": clock.random_hex(24),
            "approvers": ["810000000000000042"],
        })
    }

    fn signing_keys(&self) -> &'static [&'static str] {
        &["private_key"]
    }

    fn sample(&self, local: &Value, said: &LocalMessage<'_>) -> Option<Signed> {
        let dedupe_key = (900_000_000_000_000_000 + said.unique % 99_999_999_999_999).to_string();
        let person = json!({ "id": first_approver(local), "username": "you" });
        let body = json!({
            "id": dedupe_key, "type": 2, "token": format!("local-{:x}", said.unique), "application_id": local["application_id"],
            "channel_id": "830000000000000042", "user": person, "version": 1,
            "data": { "id": "1", "type": 1, "name": "ask", "options": [{ "name": "message", "type": 3, "value": said.text }] },
        })
        .to_string();
        let seed = hex::decode(text_at(local, "private_key")?).ok()?.try_into().ok()?;
        let time = said.now_s.to_string();
        let signature = SigningKey::from_bytes(&seed).sign(format!("{time}{body}").as_bytes());
        let headers = vec![
            ("x-signature-timestamp", time),
            ("x-signature-ed25519", hex::encode(signature.to_bytes())),
        ];
        Some(Signed { dedupe_key, headers, body })
    }

    fn takes_file(&self, path: &str) -> bool {
        path.starts_with("channels/") && path.ends_with("/messages")
    }
    fn answer(&self, path: &str, _: &str, unique: u64) -> Value {
        let id = unique.to_string();
        if path.ends_with("/channels") {
            json!({ "id": id })
        } else {
            json!({ "id": id, "channel_id": "830000000000000042" })
        }
    }
}
