//! Telegram: Bot API updates in, `sendMessage` and edits out.

mod bot;
mod entities;
mod incoming;
mod outgoing;
mod sample;
mod setup;

use super::{Aim, Attempt, Channel, Connection, Incoming, SendResult, Setup, secret};
use bot::{Bot, text_of};
use http::HeaderMap;
use inbox::OutboxRow;
use platform::config::Section;
use platform::ports::OutboundResponse;
use std::sync::Arc;

/// The channel.
pub struct Telegram;

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
        let secret_token = secret(
            section,
            "secret_token",
            "Choose 1-256 characters of A-Z a-z 0-9 _ - and hand them to setWebhook (`quintet setup telegram`).",
        );
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
            secret_token: secret_token?,
            bot_token: bot_token?,
            bot_username,
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
    fn next(&self, row: &OutboxRow, _: i64) -> Option<Attempt> {
        outgoing::next(self, row)
    }
    fn judge(&self, aim: &Aim, answer: &OutboundResponse) -> SendResult {
        outgoing::judge(aim, answer)
    }
    fn set_up(&self, path: &str, public: Option<&str>) -> Setup {
        setup::set_up(self, path, public)
    }
}
