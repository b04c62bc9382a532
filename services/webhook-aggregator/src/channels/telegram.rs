//! Telegram: Bot API updates in, `sendMessage` and edits out.

mod bot;
mod enrol;
mod entities;
mod files;
mod incoming;
mod outgoing;
mod polling;
mod sample;
mod setup;
mod words;

use super::{
    Aim, Attempt, Channel, Connection, Fetch, Incoming, Length, LookUp, Mode, Poll, SendResult,
    Setup, lenient, secret,
};
use bot::{Bot, text_of};
use bytes::Bytes;
use http::HeaderMap;
use inbox::{KeptFile, OfferedFile, OutboxRow};
use platform::config::Section;
use platform::ports::OutboundResponse;
use serde_json::json;
use std::sync::Arc;

/// The channel.
pub struct Telegram;

const POLLING: Mode = Mode::Fetched {
    name: "polling",
    webhook_fix: "Write mode = \"webhook\", and a secret_token of 1-256 characters of A-Z a-z 0-9 _ -.",
};

impl Channel for Telegram {
    fn default_api_base(&self) -> &'static str {
        "https://api.telegram.org"
    }

    fn connect(
        &self,
        _: &str,
        section: &mut Section<'_>,
        api_base: String,
    ) -> Option<Arc<dyn Connection>> {
        let has_secret = section.has("secret_token");
        let choices = [("polling", true), ("webhook", false)];
        let polls = section.one_of("mode", &choices).unwrap_or(!has_secret);
        let secret_token = (has_secret || !polls).then(|| {
            secret(
                section,
                "secret_token",
                "Choose 1-256 characters of A-Z a-z 0-9 _ - and hand them to setWebhook (`quintet setup telegram`), or write mode = \"polling\".",
            )
        });
        let secret_token = match secret_token {
            Some(secret) => Some(secret?),
            None => None,
        };
        if secret_token.as_ref().is_some_and(|secret| !is_secret_token(secret.reveal())) {
            section.wrong(
                "secret_token",
                "has characters that Telegram does not take.",
                "Use 1-256 characters of A-Z a-z 0-9 _ -.",
            );
        }
        let bot_token = secret(section, "bot_token", "Copy it from @BotFather.");
        let bot_username =
            section.text("bot_username").map(|name| name.trim_start_matches('@').to_owned());
        Some(Arc::new(Bot {
            api_base,
            secret_token: secret_token.filter(|_| !polls),
            bot_token: bot_token?,
            bot_username,
            learnt_name: std::sync::OnceLock::new(),
        }))
    }

    fn example(&self) -> &'static str {
        setup::EXAMPLE
    }
}

fn is_secret_token(text: &str) -> bool {
    text.len() <= 256 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

impl Connection for Bot {
    fn verify(&self, headers: &HeaderMap, _: &[u8], _: i64) -> bool {
        incoming::verify(self, headers)
    }
    fn read(&self, _: &HeaderMap, body: &[u8], _: i64) -> Incoming {
        Incoming::Event(Box::new(incoming::read(self, body)))
    }
    fn look_up(&self, body: &[u8], _: i64) -> Option<LookUp> {
        incoming::needs_name(self, body).then(|| LookUp {
            about: "name".to_owned(),
            request: outgoing::call(self, "getMe", &json!({})),
            is_needed: false,
        })
    }
    fn learn(&self, _: &str, answer: &OutboundResponse) {
        let body = lenient::json(&answer.body);
        self.learn(body["result"]["username"].as_str().unwrap_or_default());
    }
    fn next(&self, row: &OutboxRow, _: i64) -> Option<Attempt> {
        outgoing::next(self, row)
    }
    fn length(&self, row: &OutboxRow) -> Length {
        outgoing::length_of(row)
    }
    fn judge(&self, aim: &Aim, answer: &OutboundResponse) -> SendResult {
        outgoing::judge(aim, answer)
    }
    fn mode(&self) -> Mode {
        if self.secret_token.is_some() { Mode::Webhook } else { POLLING }
    }
    fn fetch(&self, file: &OfferedFile, found: Option<&OutboundResponse>) -> Fetch {
        files::fetch(self, file, found)
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
        row.parts.is_empty().then(|| files::send(self, row, file, content))
    }
    fn poll(&self) -> Option<&dyn Poll> {
        self.secret_token.is_none().then_some(self)
    }
    fn set_up(&self, path: &str, public: Option<&str>) -> Setup {
        setup::set_up(self, path, public)
    }
}
