//! Webhooks of any program: Standard Webhooks, and GitHub's. In only: an answer goes to a chat of
//! another endpoint, or stands on the event's page.

mod incoming;
mod poster;
mod sample;
mod setup;
mod signature;
mod words;

use super::{
    Aim, Attempt, Channel, Connection, Fetch, Incoming, Length, Program, SendResult, Setup, name_of,
};
use bytes::Bytes;
use contracts::ChannelKind;
use contracts::outbox::Target;
use http::HeaderMap;
use inbox::{KeptFile, OfferedFile, OutboxRow};
use platform::config::Section;
use platform::ports::OutboundResponse;
use poster::Poster;
use signature::{Key, Scheme};
use std::sync::Arc;
use words::Words;

/// The channel.
pub struct Hook;

const SECRET: &str = "Copy it from the program that posts; for one of your own: echo whsec_$(openssl rand -base64 32)";
const REPLY_TO: &str =
    "Write it as \"<channel>.<endpoint>:<chat id>\", such as \"telegram.main:700100200\".";

impl Channel for Hook {
    /// Nothing is sent to the program.
    fn default_api_base(&self) -> &'static str {
        ""
    }

    fn connect(
        &self,
        name: &str,
        section: &mut Section<'_>,
        _: String,
    ) -> Option<Arc<dyn Connection>> {
        let schemes = [("standard", Scheme::Standard), ("github", Scheme::GitHub)];
        let scheme = section.one_of("scheme", &schemes).unwrap_or(Scheme::Standard);
        let present = key(section, "secret", scheme);
        let present = section.required("secret", present, SECRET);
        let previous = key(section, "previous_secret", scheme);
        let words = words(section);
        let conversation = section.text("conversation");
        if conversation.as_ref().is_some_and(|pointer| !pointer.starts_with('/')) {
            section.wrong(
                "conversation",
                "is not a JSON pointer.",
                "Write the place in the body, such as \"/issue/number\".",
            );
        }
        let sender = section.text("sender");
        let sender = name_of([sender.as_deref(), Some(name)]).unwrap_or_default();
        let reply_to = section.text("reply_to");
        let target = reply_to.as_deref().and_then(target);
        if reply_to.is_some() && target.is_none() {
            section.wrong("reply_to", "is not a chat.", REPLY_TO);
        }
        let keys = std::iter::once(present?).chain(previous).collect();
        Some(Arc::new(Poster { scheme, keys, sender, words, conversation, reply_to: target }))
    }

    fn example(&self) -> &'static str {
        setup::EXAMPLE
    }
}

fn key(section: &mut Section<'_>, name: &str, scheme: Scheme) -> Option<Key> {
    let key = Key::read(section.secret(name)?.reveal(), scheme);
    if key.is_none() {
        let fix = "A secret of Standard Webhooks is whsec_ and 24 to 64 bytes in base64; for GitHub's own signature, write scheme = \"github\".";
        section.wrong(name, "is not a secret of Standard Webhooks.", fix);
    }
    key
}

fn words(section: &mut Section<'_>) -> Words {
    let Some(text) = section.text("text") else { return Words::Whole };
    Words::read(&text).unwrap_or_else(|| {
        section.wrong(
            "text",
            "names no place in the body.",
            "Write a JSON pointer (\"/message\"), or a text with pointers in braces (\"New issue: {/issue/title}\").",
        );
        Words::Whole
    })
}

/// `telegram.main:700100200` → the chat.
fn target(text: &str) -> Option<Target> {
    let (endpoint, chat) = text.split_once(':')?;
    let (channel, endpoint) = endpoint.split_once('.')?;
    let kind = ChannelKind::parse(channel).filter(|kind| kind.has_chats())?;
    (!chat.is_empty()).then(|| Target {
        channel: kind.to_string(),
        endpoint: endpoint.to_owned(),
        chat: chat.to_owned(),
        ..Target::default()
    })
}

impl Connection for Poster {
    fn verify(&self, headers: &HeaderMap, body: &[u8], now_ms: i64) -> bool {
        signature::verify(self.scheme, &self.keys, headers, body, now_ms)
    }
    fn read(&self, headers: &HeaderMap, body: &[u8], _: i64) -> Incoming {
        Incoming::Event(Box::new(incoming::read(self, headers, body)))
    }
    fn program(&self) -> Option<Program<'_>> {
        Some(Program { name: &self.sender, reply_to: self.reply_to.as_ref() })
    }
    fn chat_of(&self, _: &str) -> Option<(String, Option<String>)> {
        None
    }
    fn next(&self, _: &OutboxRow, _: i64) -> Option<Attempt> {
        None
    }
    fn length(&self, _: &OutboxRow) -> Length {
        Length::default()
    }
    fn judge(&self, _: &Aim, _: &OutboundResponse) -> SendResult {
        SendResult::Never { error: "nothing is sent to a program that posts".to_owned() }
    }
    fn fetch(&self, _: &OfferedFile, _: Option<&OutboundResponse>) -> Fetch {
        Fetch::Never("it is only named in a webhook".to_owned())
    }
    fn file_bytes_max(&self) -> u64 {
        u64::MAX
    }
    fn next_file(&self, _: &OutboxRow, _: &KeptFile, _: &Bytes, _: i64) -> Option<Attempt> {
        None
    }
    fn set_up(&self, path: &str, public: Option<&str>) -> Setup {
        Setup::steps(setup::steps(self.scheme), path, public)
    }
}
