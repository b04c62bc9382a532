//! Slack's side, played on this machine.

use super::{Slack, signature};
use crate::channels::{LocalMessage, LocalPlatform, Signed, first_approver, form, text_at};
use platform::ports::{Clock, ClockExt};
use serde_json::{Value, json};

impl LocalPlatform for Slack {
    fn credentials(&self, clock: &dyn Clock) -> Value {
        let (secret, token) = (clock.random_hex(16), clock.random_hex(16));
        json!({ "signing_secret": secret, "bot_token": format!("xoxb-{token}"), "approvers": ["U0LOCAL01"] })
    }

    fn sample(&self, local: &Value, said: &LocalMessage<'_>) -> Option<Signed> {
        let dedupe_key = format!("Ev{:X}", said.unique);
        let ts = format!("{}.{:06}", said.now_s, said.unique % 1_000_000);
        let escaped = said.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let body = json!({
            "team_id": "T0LOCAL01", "api_app_id": "A0LOCAL01", "type": "event_callback", "event_id": dedupe_key, "event_time": said.now_s,
            "authorizations": [{ "team_id": "T0LOCAL01", "user_id": "U0BOTLOCAL", "is_bot": true }],
            "event": { "type": "message", "channel": "D0LOCAL01", "channel_type": "im", "user": first_approver(local), "text": escaped, "ts": ts, "event_ts": ts },
        })
        .to_string();
        let time = said.now_s.to_string();
        let signature = signature(text_at(local, "signing_secret")?, &time, body.as_bytes());
        let headers = vec![("x-slack-request-timestamp", time), ("x-slack-signature", signature)];
        Some(Signed { dedupe_key, headers, body })
    }

    /// `<method>`. The address of an upload is relative to the API.
    fn takes_file(&self, path: &str) -> bool {
        path == "upload"
    }
    fn answer(&self, path: &str, body: &str, unique: u64) -> Value {
        let fields = form::parse(body.as_bytes());
        let field =
            |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        match path {
            "chat.postMessage" | "chat.update" | "chat.postEphemeral" => json!({
                "ok": true,
                "channel": field("channel").unwrap_or_else(|| "D0LOCAL01".to_owned()),
                "ts": field("ts").unwrap_or_else(|| format!("1790000000.{unique:06}")),
            }),
            "files.getUploadURLExternal" => {
                json!({ "ok": true, "upload_url": "/upload", "file_id": format!("F{unique}") })
            }
            "upload" | "files.completeUploadExternal" => json!({ "ok": true }),
            _ => json!({ "ok": false, "error": "unknown_method" }),
        }
    }
}
