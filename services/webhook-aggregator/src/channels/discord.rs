//! Discord: interactions and webhook events in; edits of the deferred answer and bot messages out.

mod application;
mod incoming;
mod outgoing;
mod sample;
mod setup;

use super::{Aim, Attempt, Channel, Connection, Incoming, SendResult, Setup, secret};
use application::Application;
use http::HeaderMap;
use inbox::OutboxRow;
use platform::config::Section;
use platform::ports::OutboundResponse;
use std::sync::Arc;

/// The channel.
pub struct Discord;

const GENERAL: &str = "Copy it from the application's General Information page.";

impl Channel for Discord {
    fn default_api_base(&self) -> &'static str {
        "https://discord.com/api/v10"
    }

    fn connect(
        &self,
        _: &str,
        section: &mut Section<'_>,
        api_base: String,
    ) -> Option<Arc<dyn Connection>> {
        let public_key = public_key(section);
        let application_id = section.text("application_id");
        let application_id = section.required("application_id", application_id, GENERAL);
        let bot_token = secret(section, "bot_token", "Copy it from the application's Bot page.");
        let (id, public_key, bot_token) = (application_id?, public_key?, bot_token?);
        Some(Arc::new(Application { api_base, id, public_key, bot_token }))
    }

    fn example(&self) -> &'static str {
        setup::EXAMPLE
    }
}

fn public_key(section: &mut Section<'_>) -> Option<[u8; 32]> {
    let text = section.text("public_key");
    let fix = "Copy it from the application's General Information page (64 hex characters).";
    let text = section.required("public_key", text, fix)?;
    let key = hex::decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    if key.is_none() {
        section.wrong("public_key", "is not 64 hex characters.", GENERAL);
    }
    key
}

impl Connection for Application {
    fn verify(&self, headers: &HeaderMap, body: &[u8], _: i64) -> bool {
        incoming::verify(self, headers, body)
    }
    fn read(&self, headers: &HeaderMap, body: &[u8], now_ms: i64) -> Incoming {
        Incoming::Event(Box::new(incoming::read(headers, body, now_ms)))
    }
    fn next(&self, row: &OutboxRow, now_ms: i64) -> Option<Attempt> {
        outgoing::next(self, row, now_ms)
    }
    fn judge(&self, aim: &Aim, answer: &OutboundResponse) -> SendResult {
        outgoing::judge(aim, answer)
    }
    fn set_up(&self, path: &str, public: Option<&str>) -> Setup {
        Setup::steps(setup::STEPS, path, public)
    }
}
