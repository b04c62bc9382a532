//! A platform's message, read: the person, the words, and where an answer goes.

use crate::pointed::Quoted;
use contracts::outbox::Target;
use inbox::OfferedFile;
use serde_json::Value;

/// The acknowledgement a platform expects once the message is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Ack {
    pub status: u16,
    pub body: Option<Value>,
    /// The id of the stored event stands in it.
    pub with_event: bool,
}

impl Ack {
    /// 200 with this JSON.
    pub fn json(body: Value) -> Self {
        Self { status: 200, body: Some(body), with_event: false }
    }
    /// An empty answer.
    pub fn empty(status: u16) -> Self {
        Self { status, body: None, with_event: false }
    }
    /// 200 with the id of the stored event.
    pub fn with_event() -> Self {
        Self { status: 200, body: None, with_event: true }
    }
}

/// The content of an authentic body.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// Nothing to store: the URL is being set up.
    Handshake(Ack),
    /// Something to store.
    Event(Box<Inbound>),
    /// Several things to store, each with its own piece of the body; acknowledged together.
    Events(Ack, Vec<(Inbound, bytes::Bytes)>),
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
    /// The name that the platform shows for the sender, who may change it.
    pub sender_name: Option<String>,
    /// It replies to something that we said.
    pub is_reply: bool,
    /// The platform's id of what it replies to, where it names one message of ours.
    pub replies_to: Option<String>,
    /// It was written in a chat that other persons read, and not by a command of ours.
    pub in_group: bool,
    /// The platform's id of the message itself.
    pub message: Option<String>,
    /// The same of the earlier message that this is the new text of.
    pub edits: Option<String>,
    /// The chat has another id now: the old one and the new one.
    pub moved: Option<(String, String)>,
    pub kind: Kind,
    /// Words of another person, which the sender passed on. A message with such words is never
    /// a command.
    pub forwarded: Option<String>,
    /// Files that came with it.
    pub attachments: Vec<OfferedFile>,
    /// The platform's id of the album that it is a part of.
    pub album: Option<String>,
    /// The name of that person.
    pub forwarded_by: Option<String>,
    /// The message that the sender replies to.
    pub quoted: Option<Quoted>,
    /// Things that the message carries and that are not handed over, such as `a photo`.
    pub attached: Vec<String>,
    /// The acknowledgement with these words if nobody will answer: the sender is not heard, or the
    /// body cannot be read. For platforms that would show a person that we are thinking.
    pub unheard: Option<fn(&str) -> Ack>,
    /// When the person acted, by the platform's own date, where it gives one.
    pub sent_ms: Option<i64>,
    /// Where an answer goes. Channel and endpoint are filled in by `ingest.rs`, unless it names
    /// those of another endpoint.
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
            sender_name: None,
            is_reply: false,
            replies_to: None,
            in_group: false,
            message: None,
            edits: None,
            moved: None,
            kind: Kind::Quarantined("unreadable"),
            forwarded: None,
            attachments: Vec::new(),
            album: None,
            forwarded_by: None,
            quoted: None,
            attached: Vec::new(),
            unheard: None,
            sent_ms: None,
            target: Target::default(),
        }
    }
}

/// The reason of a message that only the devices of its chat's members can read. Its sender is told
/// once per chat how to be heard.
pub const ENCRYPTED: &str = "encrypted";

/// An action of a person.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Said something to us.
    Message { text: String },
    /// A program posted something: content, and never a command.
    Posted { text: String },
    /// Said something where we may have answered before, and not to us by name.
    Overheard { text: String },
    /// Reacted to a message, named by the platform's id, where a reaction may stand for a button.
    Reaction { message: String, key: String },
    /// Answered a message of ours, named by its id, with a word that may stand for a button. Else
    /// it is something said, unless it answers a question.
    Word { message: String, text: String, is_question: bool },
    /// Pressed a button of ours. `callback` names the press where it has to be answered by a call.
    Press { token: String, callback: Option<String> },
    /// The platform says that a message of ours, by its id, did not arrive; the reason.
    Undelivered { message: String, why: String },
    /// Not for us, with the reason.
    Ignored(&'static str),
    /// Authentic and unreadable, with the reason.
    Quarantined(&'static str),
}
