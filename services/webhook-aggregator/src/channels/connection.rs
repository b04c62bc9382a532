//! The traits of a channel, which reads webhooks and brings messages to the chat, with the types
//! and helpers that all channels share.

use super::inbound::Incoming;
use super::mailbox::Mailbox;
use super::protocol::Protocol;
use super::setup::Setup;
use crate::render::{MESSAGES_MAX, Rest, Rich, Room, of_markdown, of_question, parts};
use bytes::Bytes;
use contracts::outbox::{Buttons, Target};
use inbox::{BEGINNING, KeptFile, OfferedFile, OutboxRow, Part};
use platform::config::Section;
use platform::ports::mail::FilePlace;
use platform::ports::{OutboundRequest, OutboundResponse};
use platform::secret::Secret;
use serde_json::Value;
use std::sync::Arc;

/// One channel, before anything is configured.
pub trait Channel: Send + Sync {
    /// Address of the platform's API, unless the configuration has another; empty where nothing is
    /// sent to it, or where every endpoint has a server of its own.
    fn default_api_base(&self) -> &'static str;
    /// Whether requests go to an API of the platform, so that there is the key `api_base`.
    fn has_api(&self) -> bool {
        !self.default_api_base().is_empty()
    }
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
    /// Whether the platform asks, before it sends anything, whether the webhook's address is its
    /// endpoint's: [`Connection::challenge`].
    fn asks_first(&self) -> bool {
        false
    }
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
    /// The answer to a platform that asks whether the webhook's address is this endpoint's, by the
    /// query of its request; `None` where it does not prove that it knows the endpoint.
    fn challenge(&self, _query: &str) -> Option<String> {
        None
    }
    /// Reads an authentic webhook leniently; never fails, never panics.
    fn read(&self, headers: &http::HeaderMap, body: &[u8], now_ms: i64) -> Incoming;
    /// The program that posts, where no person writes.
    fn program(&self) -> Option<Program<'_>> {
        None
    }
    /// The chat and the thread of a conversation of this endpoint, by the parts behind its name;
    /// `None` where nothing can be sent.
    fn chat_of(&self, conversation: &str) -> Option<(String, Option<String>)> {
        let (chat, thread) = match conversation.split_once(':') {
            Some((chat, thread)) => (chat, Some(thread)),
            None => (conversation, None),
        };
        let is_named = !chat.is_empty() && thread != Some("");
        is_named.then(|| (chat.to_owned(), thread.map(str::to_owned)))
    }
    /// Maximum bytes of a webhook with these headers, which are all that is known before it is
    /// read.
    fn body_bytes_max(&self, _headers: &http::HeaderMap) -> usize {
        BODY_BYTES_MAX
    }
    /// The next thing to learn before this body can be read, such as our own name.
    fn look_up(&self, _body: &[u8], _now_ms: i64) -> Option<LookUp> {
        None
    }
    /// Whether a response tells what was asked for; only of look-ups that are needed.
    fn tells(&self, _about: &str, answer: &OutboundResponse) -> bool {
        !matches!(answer.status, 408 | 429 | 500..=599)
    }
    /// Keeps the response to a look-up, by its name.
    fn learn(&self, _about: &str, _answer: &OutboundResponse) {}
    /// A look-up that is needed told nothing; `answer` is the response, if there was one.
    /// `is_final`: no such request can be sent. True if the body is to be read without it.
    fn does_without(&self, _about: &str, _: Option<&OutboundResponse>, _is_final: bool) -> bool {
        false
    }
    /// The press data of the button that this reaction to a message of ours stands for.
    fn press_of(&self, _row: &OutboxRow, _reaction: &str) -> Option<String> {
        None
    }
    /// The next request for a message, `None` when it shows what it should.
    fn next(&self, row: &OutboxRow, now_ms: i64) -> Option<Attempt>;
    /// How much of the chat a message takes.
    fn length(&self, row: &OutboxRow) -> Length;
    /// Whether a sent message can be changed; else a new text is a further message.
    fn edits(&self) -> bool {
        true
    }
    /// Reads the response to an attempt.
    fn judge(&self, aim: &Aim, answer: &OutboundResponse) -> SendResult;
    /// How messages reach us; one way alone.
    fn mode(&self) -> Mode {
        Mode::Webhook
    }
    /// The next request on the way to a file of a message; `found` is the response to the one
    /// before.
    fn fetch(&self, file: &OfferedFile, found: Option<&OutboundResponse>) -> Fetch;
    /// Why a successful download is not the file.
    fn not_a_file(&self, _: &OfferedFile, _: &OutboundResponse) -> Option<String> {
        None
    }
    /// Maximum bytes of a file that the platform takes from a bot.
    fn file_bytes_max(&self) -> u64;
    /// The next request that brings a file to the chat, `None` when it is there.
    fn next_file(
        &self,
        row: &OutboxRow,
        file: &KeptFile,
        content: &Bytes,
        now_ms: i64,
    ) -> Option<Attempt>;
    /// How the platform is asked for messages, where it does not send them.
    fn poll(&self) -> Option<&dyn Poll> {
        None
    }
    /// The protocol, where messages come over a connection that we open.
    fn protocol(&self) -> Option<Box<dyn Protocol + '_>> {
        None
    }
    /// The mailbox, where messages are mail.
    fn mailbox(&self) -> Option<&dyn Mailbox> {
        None
    }
    /// The requests that make the platform send to `path` of this server. `public` is the server's
    /// https address without a slash at its end, where it is known.
    fn set_up(&self, path: &str, public: Option<&str>) -> Setup;
}

/// Bodies above this are refused before they are read, unless a platform sends longer ones.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A request without whose response a body is read in part only.
#[derive(Clone, Debug)]
pub struct LookUp {
    /// Its name, which differs for each thing that is asked for.
    pub about: String,
    pub request: OutboundRequest,
    /// Until it is told, or done without, the body is refused, so that it is sent again.
    pub is_needed: bool,
}

/// Maximum messages of a reply whose rest is in a file.
const BEGINNING_MESSAGES: usize = 2;

/// How much of a chat a message takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Length {
    pub messages: usize,
    /// Characters at the end that are too many. The last part says so.
    pub left_out: usize,
}

/// A program that posts: the sender of every message of its endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    pub name: &'a str,
    /// The chat of another endpoint that its answers go to.
    pub reply_to: Option<&'a Target>,
}

/// How messages of an endpoint reach us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The platform posts them.
    Webhook,
    /// We fetch them, which takes a process that keeps running: the word for it in the
    /// configuration, and how to have a webhook instead.
    Fetched { name: &'static str, webhook_fix: &'static str },
}

impl Mode {
    /// The word for it in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Fetched { name, .. } => name,
        }
    }
}

/// A request for a file of a message.
#[derive(Clone, Debug)]
pub enum Fetch {
    /// A request whose response leads on.
    Ask(OutboundRequest),
    /// The request whose response is the file.
    Download(OutboundRequest),
    /// It is in a message of the mailbox.
    Mailbox(FilePlace),
    /// It cannot be had, in words that go on from its name.
    Never(String),
    /// The platform is not well.
    Later(String),
}

/// A platform that is asked for its messages. Pure, as its connection is.
pub trait Poll: Send + Sync {
    /// Makes sure that the platform sends nothing by itself.
    fn prepare(&self) -> OutboundRequest;
    /// Asks for what is new. `after` confirms everything before it.
    fn next(&self, after: Option<i64>) -> OutboundRequest;
    /// Reads the response to either.
    fn read(&self, answer: &OutboundResponse) -> Polled;
}

/// A platform's response to a request for messages.
#[derive(Clone, Debug, PartialEq)]
pub enum Polled {
    /// Messages in order, each with its number.
    Updates(Vec<(i64, Bytes)>),
    /// The token is refused, or a webhook or another program reads them. `prepare`: what
    /// [`Poll::prepare`] does has to be done again.
    Refused { why: String, prepare: bool },
    /// Too many requests, or the platform is not well.
    Later { after_ms: i64, why: String },
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
    /// A message that cannot be edited, in the place of the part at this index.
    Say { index: usize, shows: String },
    /// A direct conversation with the person, to be written to next.
    OpenDirect,
    /// The members of a direct conversation that was found, which are to be the person alone.
    LookInto { room: String, person: String },
    /// The person, into a direct conversation that he has left.
    Invite { room: String },
    /// The platform's date of what the part at this index shows.
    Date { index: usize },
    /// An answer to a press.
    AnswerPress,
    /// A request of an upload, by its name.
    Upload(&'static str),
}

/// The meaning of a platform's response.
#[derive(Clone, Debug, PartialEq)]
pub enum SendResult {
    /// It shows now; the platform's id of it and the chat it is in.
    Shown { message: String, chat: String },
    /// The direct conversation's id.
    Opened { chat: String },
    /// The date of the part at this index, milliseconds since the epoch, if the platform has one.
    Dated { index: usize, at_ms: Option<i64> },
    /// Refused as it is; each of these changes may make it acceptable. They are tried in order,
    /// and what changes nothing is passed over.
    Refused { changes: Vec<Change>, error: String },
    /// Try again after this many milliseconds, or by the usual back-off.
    Later { after_ms: Option<i64>, error: String },
    /// It will never work.
    Never { error: String },
}

/// A second way for a message that its platform refuses.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The sent message is gone: send a new one.
    NewMessage,
    /// The message to reply to is gone.
    WithoutReply,
    /// The thread or topic is gone.
    WithoutThread,
    /// The chat has another id now.
    MovedTo(String),
    /// The promised answer to an interaction is gone: a further one.
    FollowUp,
    /// The interaction's token is dead: the bot writes to the channel.
    WithoutInteraction,
    /// The bot may not write to the channel: by the address of the command.
    ByCommand,
    /// The bot may not write to the channel: to the person who asked, directly. A question is for
    /// the channel's approvers, and stays.
    Direct,
    /// Its marks are refused: the words without them.
    WithoutMarks,
}

impl Change {
    /// Changes the message; false when that makes no difference.
    pub(crate) fn apply(self, row: &mut OutboxRow, now_ms: i64) -> bool {
        let target = &mut row.target;
        match self {
            Self::NewMessage => {
                let had = !row.parts.is_empty();
                row.parts.clear();
                had
            }
            Self::WithoutReply => target.reply_to.take().is_some(),
            Self::WithoutThread => target.thread.take().is_some(),
            Self::MovedTo(chat) if target.chat == chat => {
                let stale = row.parts.iter().any(|part| part.chat != chat);
                row.parts.retain(|part| part.chat == chat);
                stale
            }
            Self::MovedTo(chat) => {
                // Ids of messages and topics are those of the old chat.
                *target = Target { chat, reply_to: None, thread: None, ..target.clone() };
                row.parts.clear();
                true
            }
            Self::FollowUp => match target.interaction.as_mut() {
                Some(interaction)
                    if interaction.until_ms > now_ms && !interaction.is_original_gone =>
                {
                    interaction.is_original_gone = true;
                    row.parts.clear();
                    true
                }
                _ => false,
            },
            Self::WithoutInteraction => match target.interaction.as_mut() {
                Some(interaction) if interaction.until_ms > now_ms => {
                    interaction.until_ms = 0;
                    true
                }
                _ => false,
            },
            Self::ByCommand => match target.command.as_mut() {
                Some(command) if command.until_ms > now_ms && !command.is_only_way => {
                    command.is_only_way = true;
                    true
                }
                _ => false,
            },
            Self::Direct => {
                match target.mention.clone().filter(|_| !target.direct && row.kind != "ask") {
                    Some(person) => {
                        let there = Target { chat: person, direct: true, ..target.clone() };
                        *target =
                            Target { thread: None, reply_to: None, interaction: None, ..there };
                        row.parts.clear();
                        true
                    }
                    None => false,
                }
            }
            Self::WithoutMarks => !std::mem::replace(&mut row.plain, true),
        }
    }
}

/// A key for bodies without an id of their own: the digest of the bytes.
pub(super) fn body_key(body: &[u8]) -> String {
    format!("sha256:{}", platform::secret::digest_hex(body))
}

/// A digest of a part's content.
fn shows(part: &Rich, buttons: bool) -> String {
    let content = format!("{buttons}\n{}", part.fingerprint());
    platform::secret::digest_hex(content.as_bytes()).chars().take(16).collect()
}

/// The part of a message that is to be sent, or edited, next.
pub(super) struct NextPart<'a> {
    pub(super) index: usize,
    pub(super) content: Rich,
    pub(super) shows: String,
    /// A message that exists and shows something else.
    pub(super) edited: Option<&'a Part>,
    /// Buttons stand under the last part.
    pub(super) buttons: Option<&'a Buttons>,
}

/// The text of a message as it is to be read.
fn content(row: &OutboxRow) -> Rich {
    if row.kind == "ask" { of_question(&row.text) } else { of_markdown(&row.text) }
}

/// The first part that is missing or shows something else than it should; `None` when everything
/// shows.
pub(super) fn next_part<'a>(
    row: &'a OutboxRow,
    sent: &'a [Part],
    room: Room<'_>,
) -> Option<NextPart<'a>> {
    let messages = parts(&content(row), room, messages_max(row), rest_of(row)).messages;
    let last = messages.len().saturating_sub(1);
    messages.into_iter().enumerate().find_map(|(index, content)| {
        let buttons = row.buttons.as_ref().filter(|_| index == last);
        let shows = shows(&content, buttons.is_some());
        let edited = sent.get(index);
        let is_due = edited.is_none_or(|part| part.shows != shows);
        is_due.then_some(NextPart { index, content, shows, edited, buttons })
    })
}

/// How much of the chat a message takes.
pub(super) fn length(row: &OutboxRow, room: Room<'_>) -> Length {
    let laid = parts(&content(row), room, messages_max(row), rest_of(row));
    Length { messages: laid.messages.len(), left_out: laid.left_out }
}

/// The address of a command takes five messages, one of which is left for a later word.
fn messages_max(row: &OutboxRow) -> usize {
    let by_command = row.target.command.as_ref().is_some_and(|reply| reply.is_only_way);
    match rest_of(row) {
        _ if by_command => 4,
        Rest::InFile => BEGINNING_MESSAGES,
        Rest::OnDashboard => MESSAGES_MAX,
    }
}

/// Where a person finds what a chat is not shown.
fn rest_of(row: &OutboxRow) -> Rest {
    if row.kind == BEGINNING { Rest::InFile } else { Rest::OnDashboard }
}

/// A member that is text and not empty.
pub(super) fn text_at<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// Maximum characters of a person's name.
const NAME_CHARS_MAX: usize = 60;

/// The first of these names that says something, as one visible line.
pub(super) fn name_of<'a>(names: impl IntoIterator<Item = Option<&'a str>>) -> Option<String> {
    let line = |name: &str| {
        let name = platform::text::printable(name);
        let words = name.split_whitespace().collect::<Vec<_>>().join(" ");
        platform::text::short(&words, NAME_CHARS_MAX)
    };
    names.into_iter().flatten().map(line).find(|name| !name.is_empty())
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
