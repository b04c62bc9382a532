//! Discord: interactions and webhook events in; edits of the deferred answer and bot messages out.

mod application;
mod enrol;
mod files;
mod gateway;
mod incoming;
mod markdown;
mod outgoing;
mod plain;
mod sample;
mod setup;
mod tokens;

use super::{
    Aim, Attempt, Channel, Connection, Fetch, Incoming, Length, Mode, Protocol, SendResult, Setup,
    secret,
};
use application::{Application, Way};
use bytes::Bytes;
use gateway::Gateway;
use http::HeaderMap;
use inbox::{KeptFile, OfferedFile, OutboxRow};
use platform::config::Section;
use platform::ports::OutboundResponse;
use std::sync::Arc;

/// The channel.
pub struct Discord;

const GATEWAY: Mode = Mode::Fetched {
    name: "gateway",
    webhook_fix: "Write mode = \"webhook\", and the public_key from the application's General Information page.",
};
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
        let way = way(section);
        let application_id = section.text("application_id");
        let application_id = section.required("application_id", application_id, GENERAL);
        let bot_token = secret(section, "bot_token", "Copy it from the application's Bot page.");
        let hears_all = section.one_of("messages", &[("mentions", false), ("all", true)]);
        let hears_all = hears_all.unwrap_or(false);
        let (id, way, bot_token) = (application_id?, way?, bot_token?);
        Some(Arc::new(Application { api_base, id, way, bot_token, hears_all }))
    }

    fn example(&self) -> &'static str {
        setup::EXAMPLE
    }
}

/// With a public key, Discord's interactions come by its webhook; else everything comes over a
/// connection of ours.
fn way(section: &mut Section<'_>) -> Option<Way> {
    let choices = [("gateway", true), ("webhook", false)];
    let by_gateway = section.one_of("mode", &choices).unwrap_or_else(|| !section.has("public_key"));
    let text = section.text("public_key");
    if by_gateway {
        return Some(Way::Gateway);
    }
    let fix = "Copy it from the application's General Information page (64 hex characters).";
    let text = section.required("public_key", text, fix)?;
    let key = hex::decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    if key.is_none() {
        section.wrong("public_key", "is not 64 hex characters.", GENERAL);
    }
    key.map(Way::Webhook)
}

impl Connection for Application {
    /// A server, where it is in one, and a channel.
    fn chat_of(&self, conversation: &str) -> Option<(String, Option<String>)> {
        let channel = conversation.rsplit(':').next().filter(|channel| !channel.is_empty())?;
        Some((channel.to_owned(), None))
    }
    fn verify(&self, headers: &HeaderMap, body: &[u8], _: i64) -> bool {
        incoming::verify(self, headers, body)
    }
    fn read(&self, headers: &HeaderMap, body: &[u8], now_ms: i64) -> Incoming {
        Incoming::Event(Box::new(incoming::read(headers, body, now_ms)))
    }
    fn next(&self, row: &OutboxRow, now_ms: i64) -> Option<Attempt> {
        outgoing::next(self, row, now_ms)
    }
    fn length(&self, row: &OutboxRow) -> Length {
        outgoing::length_of(row)
    }
    fn judge(&self, aim: &Aim, answer: &OutboundResponse) -> SendResult {
        outgoing::judge(aim, answer)
    }
    fn mode(&self) -> Mode {
        match self.way {
            Way::Webhook(_) => Mode::Webhook,
            Way::Gateway => GATEWAY,
        }
    }
    fn protocol(&self) -> Option<Box<dyn Protocol + '_>> {
        match self.way {
            Way::Webhook(_) => None,
            Way::Gateway => Some(Box::new(Gateway::new(self))),
        }
    }
    fn fetch(&self, file: &OfferedFile, _: Option<&OutboundResponse>) -> Fetch {
        files::fetch(self, file)
    }
    fn file_bytes_max(&self) -> u64 {
        files::BYTES_MAX
    }
    fn next_file(
        &self,
        row: &OutboxRow,
        file: &KeptFile,
        content: &Bytes,
        now_ms: i64,
    ) -> Option<Attempt> {
        row.parts.is_empty().then(|| files::send(self, row, file, content, now_ms))
    }
    fn set_up(&self, path: &str, public: Option<&str>) -> Setup {
        match self.way {
            Way::Webhook(_) => Setup::steps(setup::STEPS, path, public),
            Way::Gateway => Setup::Steps(setup::GATEWAY_STEPS.to_owned()),
        }
    }
}
