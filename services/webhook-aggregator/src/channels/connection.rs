//! The traits of a channel, which reads webhooks and brings messages to the chat, with the types
//! and helpers that all channels share.

use super::setup::Setup;
use crate::split::{Limit, split};
use contracts::outbox::{Buttons, Target};
use inbox::{OutboxRow, Part};
use platform::config::Section;
use platform::ports::{OutboundRequest, OutboundResponse};
use platform::secret::Secret;
use serde_json::Value;
use std::sync::Arc;

/// One channel, before anything is configured.
pub trait Channel: Send + Sync {
    /// Address of the platform's API, unless the configuration has another.
    fn default_api_base(&self) -> &'static str;
    /// Reads the keys of `[endpoints.<channel>.<name>]` that no other channel has. `None` when one
    /// of them is missing or wrong, which the section has reported.
    fn connect(
        &self,
        name: &str,
        section: &mut Section<'_>,
        api_base: String,
    ) -> Option<Arc<dyn Connection>>;
    /// The lines of `quintet.toml` for an endpoint, with ellipses where the owner's own values go.
    fn example(&self) -> &'static str;
    /// An endpoint's name, from its spelling in a variable
    /// (`QUINTET_ENDPOINTS__SLACK__T0AAAA111__…`).
    fn name_of_variable(&self, word: &str) -> String {
        word.to_ascii_lowercase()
    }
}

/// One configured bot, app or workspace. Pure: no IO, no clock of its own.
pub trait Connection: std::fmt::Debug + Send + Sync {
    /// Whether the platform really sent this webhook. `now_ms` bounds replays where the platform
    /// signs a time.
    fn verify(&self, headers: &http::HeaderMap, body: &[u8], now_ms: i64) -> bool;
    /// Reads an authentic webhook leniently; never fails, never panics.
    fn read(&self, headers: &http::HeaderMap, body: &[u8], now_ms: i64) -> Incoming;
    /// The next request for a message, `None` when it shows what it should.
    fn next(&self, row: &OutboxRow, now_ms: i64) -> Option<Attempt>;
    /// Reads the response to an attempt.
    fn judge(&self, aim: &Aim, answer: &OutboundResponse) -> SendResult;
    /// The requests that make the platform send to `path` of this server. `public` is the server's
    /// https address without a slash at its end, where it is known.
    fn set_up(&self, path: &str, public: Option<&str>) -> Setup;
}

/// The acknowledgement a platform expects once the message is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Ack {
    pub status: u16,
    pub body: Option<Value>,
}

impl Ack {
    /// 200 with this JSON.
    pub fn json(body: Value) -> Self {
        Self { status: 200, body: Some(body) }
    }
    /// An empty answer.
    pub fn empty(status: u16) -> Self {
        Self { status, body: None }
    }
}

/// The content of an authentic body.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// Nothing to store: the URL is being set up.
    Handshake(Ack),
    /// Something to store.
    Event(Box<Inbound>),
}

/// An authentic body, read.
#[derive(Clone, Debug)]
pub struct Inbound {
    pub ack: Ack,
    pub dedupe_key: String,
    /// The message itself, where the platform delivers one message as two events.
    pub semantic_key: Option<String>,
    /// The platform's parts of the conversation key; empty where there is none.
    pub conversation: Vec<String>,
    /// Platform user id.
    pub sender: Option<String>,
    /// It replies to something that we said.
    pub is_reply: bool,
    /// The platform's id of what it replies to, where it names one message of ours.
    pub replies_to: Option<String>,
    pub kind: Kind,
    /// Words of another person, which the sender passed on. A message with such words is never
    /// a command.
    pub forwarded: Option<String>,
    /// When the person acted, by the platform's own date, where it gives one.
    pub sent_ms: Option<i64>,
    /// Where an answer goes. Channel and endpoint are filled in by `ingest.rs`.
    pub target: Target,
}

impl Inbound {
    /// A body of which nothing could be read yet.
    pub(super) fn unreadable(ack: Ack, dedupe_key: String) -> Self {
        Self {
            ack,
            dedupe_key,
            semantic_key: None,
            conversation: Vec::new(),
            sender: None,
            is_reply: false,
            replies_to: None,
            kind: Kind::Quarantined("unreadable"),
            forwarded: None,
            sent_ms: None,
            target: Target::default(),
        }
    }
}

/// An action of a person.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Said something to us.
    Message { text: String },
    /// Said something where we may have answered before, and not to us by name.
    Overheard { text: String },
    /// Pressed a button of ours. `callback` names the press where it has to be answered by a call.
    Press { token: String, callback: Option<String> },
    /// Not for us, with the reason.
    Ignored(&'static str),
    /// Authentic and unreadable, with the reason.
    Quarantined(&'static str),
}

/// The next request that brings a message nearer to what it should show.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub request: OutboundRequest,
    pub aim: Aim,
    /// Sending it twice shows it once.
    pub idempotent: bool,
    /// The earlier message can no longer be reached: this part is the first of a new one.
    pub restart: bool,
}

/// The purpose of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Aim {
    /// A new part; what it shows, and the name it is edited by where the platform's own id is not
    /// that.
    Send { shows: String, known_as: Option<&'static str> },
    /// An edit of the part at this index; what it shows.
    Edit { index: usize, shows: String },
    /// A direct conversation with the person, to be written to next.
    OpenDirect,
    /// An answer to a press.
    AnswerPress,
}

/// The meaning of a platform's response.
#[derive(Clone, Debug, PartialEq)]
pub enum SendResult {
    /// It shows now; the platform's id of it and the chat it is in.
    Shown { message: String, chat: String },
    /// The direct conversation's id.
    Opened { chat: String },
    /// The message to edit is gone: send a new one.
    Gone,
    /// Try again after this many milliseconds, or by the usual back-off.
    Later { after_ms: Option<i64>, error: String },
    /// It will never work.
    Never { error: String },
}

/// A key for bodies without an id of their own: the digest of the bytes.
pub(super) fn body_key(body: &[u8]) -> String {
    format!("sha256:{}", platform::secret::digest_hex(body))
}

/// A digest of a part's content.
fn shows(text: &str, buttons: bool) -> String {
    platform::secret::digest_hex(format!("{buttons}\n{text}").as_bytes()).chars().take(16).collect()
}

/// The part of a message that is to be sent, or edited, next.
pub(super) struct NextPart<'a> {
    pub(super) index: usize,
    pub(super) text: String,
    pub(super) shows: String,
    /// A message that exists and shows something else.
    pub(super) edited: Option<&'a Part>,
    /// Buttons stand under the last part.
    pub(super) buttons: Option<&'a Buttons>,
}

/// The first part that is missing or shows something else than it should; `None` when everything
/// shows.
pub(super) fn next_part<'a>(
    row: &'a OutboxRow,
    parts: &'a [Part],
    limit: Limit,
) -> Option<NextPart<'a>> {
    let texts = split(&row.text, limit);
    let last = texts.len().saturating_sub(1);
    texts.into_iter().enumerate().find_map(|(index, text)| {
        let buttons = row.buttons.as_ref().filter(|_| index == last);
        let shows = shows(&text, buttons.is_some());
        let edited = parts.get(index);
        let is_due = edited.is_none_or(|part| part.shows != shows);
        is_due.then_some(NextPart { index, text, shows, edited, buttons })
    })
}

/// A member that is text and not empty.
pub(super) fn text_at<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// A secret that has to be there.
pub(super) fn secret(section: &mut Section<'_>, key: &str, where_from: &str) -> Option<Secret> {
    let secret = section.secret(key);
    section.required(key, secret, where_from)
}

/// A header as text.
pub(super) fn header<'a>(headers: &'a http::HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Judges a status without a meaning of its own.
pub(super) fn by_status(answer: &OutboundResponse, error: String) -> SendResult {
    match answer.status {
        408 | 409 | 425 | 429 | 500..=599 => SendResult::Later { after_ms: None, error },
        _ => SendResult::Never { error },
    }
}

/// How long a request to a platform may take.
pub(super) const SEND_TIMEOUT_MS: u64 = 15_000;
