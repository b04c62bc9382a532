//! A homeserver, played on this machine.

use super::Matrix;
use crate::channels::{LocalMessage, LocalPlatform, Signed, first_approver, text_at};
use platform::ports::{Clock, ClockExt};
use serde_json::{Value, json};

const BOT: &str = "@quintet:local";
const YOU: &str = "@you:local";
const ROOM: &str = "!local:local";

impl LocalPlatform for Matrix {
    fn credentials(&self, clock: &dyn Clock) -> Value {
        let (hs_token, bot_token) = (clock.random_hex(24), clock.random_hex(24));
        json!({ "hs_token": hs_token, "bot_token": bot_token, "user": BOT, "approvers": [YOU] })
    }

    fn sample(&self, local: &Value, said: &LocalMessage<'_>) -> Option<Signed> {
        let you = first_approver(local);
        let id = format!("${}", said.unique);
        let event = json!({
            "type": "m.room.message", "event_id": id, "room_id": ROOM,
            "sender": you.as_str().unwrap_or(YOU), "origin_server_ts": said.now_s.saturating_mul(1000),
            "content": { "msgtype": "m.text", "body": said.text },
        });
        let token = text_at(local, "hs_token")?;
        Some(Signed {
            dedupe_key: id,
            headers: vec![("authorization", format!("Bearer {token}"))],
            body: json!({ "events": [event] }).to_string(),
        })
    }

    fn takes_file(&self, path: &str) -> bool {
        path.ends_with("media/v3/upload")
    }
    fn answer(&self, path: &str, _: &str, unique: u64) -> Value {
        if path.ends_with("/joined_members") {
            return json!({ "joined": { BOT: {}, YOU: { "display_name": "You" } } });
        }
        if path.contains("media/v3/upload") {
            return json!({ "content_uri": format!("mxc://local/{unique}") });
        }
        json!({ "event_id": format!("${unique}"), "room_id": ROOM })
    }
}
