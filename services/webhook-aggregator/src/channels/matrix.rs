//! Matrix: `/sync` or the transactions of an application service in, `m.room.message` out.

mod bot;
mod buttons;
mod direct;
mod enrol;
mod files;
mod incoming;
mod known;
mod look_ups;
mod outgoing;
mod relation;
mod sample;
mod setup;
mod sync;
mod words;

use super::{
    Aim, Attempt, Channel, Connection, Fetch, Incoming, Length, LookUp, Mode, Protocol, SendResult,
    Setup, secret,
};
use bot::{Bot, Way, is_user};
use bytes::Bytes;
use http::HeaderMap;
use inbox::{KeptFile, OfferedFile, OutboxRow};
use platform::config::Section;
use platform::ports::OutboundResponse;
use std::sync::Arc;
use sync::Sync;

/// The channel.
pub struct Matrix;

const SYNC: Mode = Mode::Fetched {
    name: "sync",
    webhook_fix: "Write mode = \"webhook\", and the hs_token of the application service's registration.",
};
const API_BASE: &str =
    "Write the address of your homeserver, such as \"https://matrix.example.org\".";
const USER: &str =
    "Write the bot's user id, such as \"@desk:example.org\" (`quintet setup matrix` does).";
const USER_FORM: &str = "A user id is @name:server, such as \"@ines:example.org\".";
const HS_TOKEN: &str =
    "Copy hs_token from the application service's registration, or write mode = \"sync\".";

/// A transaction has up to a hundred events of 64 KiB.
const TRANSACTION_BYTES_MAX: usize = 8 << 20;
/// Any other request.
const REQUEST_BYTES_MAX: usize = 1 << 20;

impl Channel for Matrix {
    /// Everybody has a homeserver of one's own.
    fn default_api_base(&self) -> &'static str {
        ""
    }
    fn has_api(&self) -> bool {
        true
    }

    fn connect(
        &self,
        _: &str,
        section: &mut Section<'_>,
        api_base: String,
    ) -> Option<Arc<dyn Connection>> {
        let api_base = Some(api_base).filter(|address| !address.is_empty());
        let api_base = section.required("api_base", api_base, API_BASE);
        let user = section.text("user");
        let user = section.required("user", user, USER);
        if user.as_deref().is_some_and(|user| !is_user(user)) {
            section.wrong("user", "is no user id of Matrix.", USER_FORM);
        }
        let bot_token = secret(
            section,
            "bot_token",
            "Copy the bot's access token; of an application service, its as_token.",
        );
        let way = way(section);
        let lists = ["approvers", "senders"];
        let heard: Vec<String> =
            lists.into_iter().filter_map(|key| section.texts(key)).flatten().collect();
        if heard.iter().any(|id| id != "*" && !is_user(id)) {
            let list = if section.has("approvers") { "approvers" } else { "senders" };
            section.wrong(list, "has an id that is no user id of Matrix.", USER_FORM);
        }
        Some(Arc::new(Bot {
            api_base: api_base?,
            bot_token: bot_token?,
            user: user?,
            way: way?,
            heard,
            known: std::sync::Mutex::default(),
        }))
    }

    fn example(&self) -> &'static str {
        setup::EXAMPLE
    }
}

/// With the token of a registration, the homeserver sends transactions; else it is asked.
fn way(section: &mut Section<'_>) -> Option<Way> {
    let choices = [("sync", true), ("webhook", false)];
    let syncs = section.one_of("mode", &choices).unwrap_or_else(|| !section.has("hs_token"));
    let hs_token = section.secret("hs_token");
    if syncs {
        return Some(Way::Sync);
    }
    section.required("hs_token", hs_token, HS_TOKEN).map(Way::Transactions)
}

impl Connection for Bot {
    /// A room, whose id has a colon of its own, and the event that begins a thread.
    fn chat_of(&self, conversation: &str) -> Option<(String, Option<String>)> {
        let (room, thread) = match conversation.split_once(":$") {
            Some((room, thread)) => (room, Some(format!("${thread}"))),
            None => (conversation, None),
        };
        room.starts_with('!').then(|| (room.to_owned(), thread))
    }
    fn verify(&self, headers: &HeaderMap, _: &[u8], _: i64) -> bool {
        incoming::verify(self, headers)
    }
    fn read(&self, _: &HeaderMap, body: &[u8], _: i64) -> Incoming {
        incoming::read(self, body)
    }
    fn body_bytes_max(&self, headers: &HeaderMap) -> usize {
        if incoming::verify(self, headers) { TRANSACTION_BYTES_MAX } else { REQUEST_BYTES_MAX }
    }
    fn look_up(&self, body: &[u8], now_ms: i64) -> Option<LookUp> {
        look_ups::next(self, body, now_ms)
    }
    fn tells(&self, about: &str, answer: &OutboundResponse) -> bool {
        look_ups::tells(about, answer)
    }
    fn learn(&self, about: &str, answer: &OutboundResponse) {
        look_ups::learn(self, about, answer);
    }
    fn does_without(&self, about: &str, told: Option<&OutboundResponse>, is_final: bool) -> bool {
        look_ups::does_without(self, about, told, is_final)
    }
    fn press_of(&self, row: &OutboxRow, reaction: &str) -> Option<String> {
        buttons::pressed(row.buttons.as_ref()?, reaction)
    }
    fn next(&self, row: &OutboxRow, _: i64) -> Option<Attempt> {
        outgoing::next(self, row)
    }
    fn length(&self, row: &OutboxRow) -> Length {
        outgoing::length_of(row)
    }
    fn judge(&self, aim: &Aim, answer: &OutboundResponse) -> SendResult {
        outgoing::judge(self, aim, answer)
    }
    fn mode(&self) -> Mode {
        if matches!(self.way, Way::Sync) { SYNC } else { Mode::Webhook }
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
        _: i64,
    ) -> Option<Attempt> {
        files::send(self, row, file, content)
    }
    fn protocol(&self) -> Option<Box<dyn Protocol + '_>> {
        matches!(self.way, Way::Sync).then(|| Box::new(Sync::new(self)) as Box<dyn Protocol + '_>)
    }
    fn set_up(&self, path: &str, public: Option<&str>) -> Setup {
        setup::set_up(self, path, public)
    }
}
