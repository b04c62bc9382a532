//! Plain messages of the Gateway: direct messages, and messages in servers that name the bot.

use super::{files, tokens};
use crate::channels::{Ack, Inbound, Kind, name_of, text_at};
use crate::pointed::Quoted;
use platform::time::parse_rfc3339;
use serde_json::Value;

/// Kinds of messages that people write: plain ones and replies.
const BY_PEOPLE: [i64; 2] = [0, 19];

/// The bot that hears.
pub(super) struct Hearer<'a> {
    /// Its user id.
    pub(super) own: &'a str,
    /// It hears every message of a server, not only those that name it.
    pub(super) hears_all: bool,
}

/// Reads a new message. `None` for our own, and for those of other bots, which are not answered.
pub(super) fn read(hearer: &Hearer<'_>, message: &Value) -> Option<Inbound> {
    let id = text_at(message, "id")?;
    let author = text_at(&message["author"], "id")?;
    if author == hearer.own || is_by_program(message) {
        return None;
    }
    let mut inbound = place(message, id.to_owned(), author);
    let replied = &message["referenced_message"];
    inbound.is_reply = text_at(&replied["author"], "id") == Some(hearer.own);
    inbound.replies_to = text_at(replied, "id").filter(|_| inbound.is_reply).map(str::to_owned);
    inbound.message = Some(id.to_owned());
    inbound.quoted = quoted(replied, inbound.is_reply);
    inbound.forwarded = passed_on(message);
    inbound.attachments = files::of_message(message);
    let stickers = message["sticker_items"].as_array().is_some_and(|items| !items.is_empty());
    inbound.attached = stickers.then(|| "a sticker".to_owned()).into_iter().collect();
    let direct = text_at(message, "guild_id").is_none();
    // A mention of a person is written out as `@name`, and is no agent's.
    inbound.in_group = !direct || begins_with_a_person(hearer, message);
    let addressed = direct || hearer.hears_all || inbound.is_reply || names(hearer, message);
    let people = message["type"].as_i64().is_none_or(|kind| BY_PEOPLE.contains(&kind));
    inbound.kind = if !people {
        Kind::Ignored("not_a_message")
    } else if !addressed {
        Kind::Ignored("not_addressed")
    } else {
        match words(hearer, message).as_str() {
            "" if inbound.forwarded.is_none() && inbound.attachments.is_empty() => {
                Kind::Ignored("no_text")
            }
            words => Kind::Message { text: words.to_owned() },
        }
    };
    Some(inbound)
}

/// Reads a changed message. `None` where no person changed it: Discord also tells of link previews
/// this way.
pub(super) fn read_edit(hearer: &Hearer<'_>, message: &Value) -> Option<Inbound> {
    let id = text_at(message, "id")?;
    let author = text_at(&message["author"], "id")?;
    let edited = text_at(message, "edited_timestamp")?;
    if author == hearer.own || is_by_program(message) {
        return None;
    }
    let dedupe_key = format!("edit:{id}:{edited}");
    let mut inbound = match message.get("content") {
        Some(_) => Inbound { dedupe_key, ..read(hearer, message)? },
        None => Inbound { kind: Kind::Ignored("edit"), ..place(message, dedupe_key, author) },
    };
    inbound.edits = inbound.message.take();
    Some(inbound)
}

/// The message that this one replies to.
fn quoted(replied: &Value, is_ours: bool) -> Option<Quoted> {
    let author = &replied["author"];
    let by = text_at(author, "global_name").or_else(|| text_at(author, "username"));
    let words = content(replied)?;
    Some(Quoted { by: by.map(str::to_owned), is_ours, words })
}

fn is_by_program(message: &Value) -> bool {
    message["author"]["bot"] == true || text_at(message, "webhook_id").is_some()
}

/// Who wrote it, and where an answer goes. A thread is a channel of its own.
fn place(message: &Value, dedupe_key: String, author: &str) -> Inbound {
    let mut inbound = Inbound::unreadable(Ack::empty(204), dedupe_key);
    inbound.sender = Some(author.to_owned());
    let user = &message["author"];
    let names = [
        text_at(&message["member"], "nick"),
        text_at(user, "global_name"),
        text_at(user, "username"),
    ];
    inbound.sender_name = name_of(names);
    inbound.sent_ms = text_at(message, "timestamp").and_then(parse_rfc3339);
    let channel = text_at(message, "channel_id").unwrap_or_default();
    inbound.conversation =
        text_at(message, "guild_id").into_iter().chain([channel]).map(str::to_owned).collect();
    channel.clone_into(&mut inbound.target.chat);
    inbound.target.reply_to = text_at(message, "id").map(str::to_owned);
    inbound.target.mention = inbound.sender.clone();
    inbound
}

fn names(hearer: &Hearer<'_>, message: &Value) -> bool {
    let mentions = message["mentions"].as_array().into_iter().flatten();
    mentions.filter_map(|user| text_at(user, "id")).any(|id| id == hearer.own)
}

/// The text without the bot's mention at its start.
fn without_own_name<'a>(hearer: &Hearer<'_>, message: &'a Value) -> &'a str {
    tokens::without_own(text_at(message, "content").unwrap_or_default(), hearer.own)
}

fn begins_with_a_person(hearer: &Hearer<'_>, message: &Value) -> bool {
    without_own_name(hearer, message).starts_with("<@")
}

/// The text without the bot's mention at its start; everything else by name.
fn words(hearer: &Hearer<'_>, message: &Value) -> String {
    tokens::named(without_own_name(hearer, message), message)
}

/// The whole text by names.
fn content(message: &Value) -> Option<String> {
    Some(tokens::named(text_at(message, "content")?, message))
}

/// The words of messages that the sender forwarded.
fn passed_on(message: &Value) -> Option<String> {
    let words = snapshots(message).filter_map(content);
    let words = words.collect::<Vec<_>>().join("\n");
    (!words.is_empty()).then_some(words)
}

/// The messages that the sender forwarded.
fn snapshots(message: &Value) -> impl Iterator<Item = &Value> {
    let all = message["message_snapshots"].as_array().into_iter().flatten();
    all.map(|snapshot| &snapshot["message"])
}
