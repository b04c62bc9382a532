//! A session of the Gateway, which outlives a connection and, kept, a restart.

use super::Application;
use crate::channels::protocol::may_open;
use crate::channels::text_at;
use serde_json::{Value, json};

/// Intents: servers, their messages, direct messages.
const INTENTS: u32 = 1 | 1 << 9 | 1 << 12;
/// The text of messages that do not mention the bot; it has to be switched on for the application.
const MESSAGE_CONTENT: u32 = 1 << 15;

/// A session.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Session {
    pub(super) id: String,
    /// The address at which it is resumed.
    pub(super) url: String,
    /// Everything up to this event is stored.
    pub(super) seq: i64,
    /// The bot's user id.
    pub(super) user: String,
}

impl Session {
    /// Reads a ready event. `None` without an address that may be opened: a later connection then
    /// begins another session.
    pub(super) fn read(application: &Application, ready: &Value, seq: i64) -> Option<Self> {
        let url = text_at(ready, "resume_gateway_url")?;
        let user = text_at(&ready["user"], "id").unwrap_or(&application.id);
        Self {
            id: text_at(ready, "session_id")?.to_owned(),
            url: url.to_owned(),
            seq,
            user: user.to_owned(),
        }
        .allowed(application)
    }
    /// Reads what [`kept`](Self::kept) wrote. A session of another bot is none.
    pub(super) fn of_kept(application: &Application, kept: &str) -> Option<Self> {
        let kept: Value = serde_json::from_str(kept).ok()?;
        if text_at(&kept, "application") != Some(&application.id) {
            return None;
        }
        Self {
            id: text_at(&kept, "id")?.to_owned(),
            url: text_at(&kept, "url")?.to_owned(),
            seq: kept["seq"].as_i64()?,
            user: text_at(&kept, "user")?.to_owned(),
        }
        .allowed(application)
    }
    fn allowed(self, application: &Application) -> Option<Self> {
        may_open(&application.api_base, &self.url).then_some(self)
    }
    /// For the next start of the process; without the token.
    pub(super) fn kept(&self, application: &Application) -> String {
        let Self { id, url, seq, user } = self;
        let application = &application.id;
        json!({ "application": application, "id": id, "url": url, "seq": seq, "user": user })
            .to_string()
    }
    /// The frame that goes on with the session.
    pub(super) fn resume(&self, application: &Application) -> String {
        let token = application.bot_token.reveal();
        let data = json!({ "token": token, "session_id": self.id, "seq": self.seq });
        json!({ "op": 6, "d": data }).to_string()
    }
}

/// The frame that begins a session.
pub(super) fn identify(application: &Application) -> String {
    let content = if application.hears_all { MESSAGE_CONTENT } else { 0 };
    let properties = json!({ "os": "linux", "browser": "quintet", "device": "quintet" });
    let data = json!({
        "token": application.bot_token.reveal(),
        "intents": INTENTS | content,
        "properties": properties,
    });
    json!({ "op": 2, "d": data }).to_string()
}
