//! The words of a Telegram message, and those that it points at.

use super::{Bot, text_of};
use crate::pointed::Quoted;
use serde_json::Value;
use std::ops::Range;

/// Kinds of things that a message carries beside its text, and their names in a sentence. Those
/// before the sticker are files, which are handed over by themselves.
const CARRIED: [(&str, &str); 13] = [
    ("photo", "a photo"),
    ("video", "a video"),
    ("voice", "a voice message"),
    ("audio", "an audio file"),
    ("video_note", "a video message"),
    ("animation", "an animation"),
    ("document", "a document"),
    ("sticker", "a sticker"),
    ("location", "a location"),
    ("venue", "a venue"),
    ("contact", "a contact"),
    ("poll", "a poll"),
    ("story", "a story"),
];

/// The text or the caption.
pub(super) fn text(message: &Value) -> &str {
    message["text"].as_str().or_else(|| message["caption"].as_str()).unwrap_or_default()
}

/// The entities of the text or the caption.
pub(super) fn entities(message: &Value) -> impl Iterator<Item = &Value> {
    let both = [&message["entities"], &message["caption_entities"]];
    both.into_iter().filter_map(Value::as_array).flatten()
}

/// The piece of the text that an entity covers: its bytes. Entities count UTF-16 units.
pub(super) fn piece(text: &str, entity: &Value) -> Option<Range<usize>> {
    let unit = |key: &str| entity[key].as_u64().and_then(|n| usize::try_from(n).ok());
    let (from, length) = (unit("offset")?, unit("length")?);
    let byte = |wanted: usize| {
        let mut units = 0;
        for (at, ch) in text.char_indices() {
            if units >= wanted {
                return at;
            }
            units += ch.len_utf16();
        }
        text.len()
    };
    Some(byte(from)..byte(from.saturating_add(length)))
}

/// A range of the text with the addresses behind its words.
pub(super) fn with_addresses(message: &Value, range: Range<usize>) -> String {
    let whole = text(message);
    let mut text = whole.get(range.clone()).unwrap_or_default().to_owned();
    let mut links: Vec<(usize, &str)> = entities(message)
        .filter(|entity| entity["type"] == "text_link")
        .filter_map(|entity| {
            let (piece, address) = (piece(whole, entity)?, entity["url"].as_str()?);
            let words = whole.get(piece.clone())?;
            let is_news = words.trim_end_matches('/') != address.trim_end_matches('/');
            let is_here = range.start <= piece.start && piece.end <= range.end;
            (is_news && is_here).then_some((piece.end - range.start, address))
        })
        .collect();
    links.sort_by_key(|(at, _)| *at);
    for (at, address) in links.into_iter().rev() {
        text.insert_str(at, &format!(" ({address})"));
    }
    text
}

/// The byte at which the quotations end that the text has from this byte on.
pub(super) fn end_of_quotation(message: &Value, start: usize) -> usize {
    let text = text(message);
    let is_quote = |entity: &&Value| {
        matches!(entity["type"].as_str(), Some("blockquote" | "expandable_blockquote"))
    };
    let mut quotes: Vec<Range<usize>> =
        entities(message).filter(is_quote).filter_map(|entity| piece(text, entity)).collect();
    quotes.sort_by_key(|quote| quote.start);
    let mut end = start;
    for quote in quotes {
        let gap = text.get(end..quote.start).unwrap_or_default();
        if gap.trim().is_empty() {
            end = end.max(quote.end);
        }
    }
    end
}

/// Everything that the message carries beside its text.
fn carried(message: &Value) -> impl Iterator<Item = (&'static str, &'static str)> {
    CARRIED.into_iter().filter(|(key, _)| message.get(key).is_some())
}

/// The things that the message carries, as words.
pub(super) fn named(message: &Value) -> String {
    carried(message).map(|(_, name)| name).collect::<Vec<_>>().join(", ")
}

/// The things that the message carries and that are no files.
pub(super) fn attached(message: &Value) -> Vec<String> {
    let is_file = |key: &str| CARRIED.iter().take(7).any(|(file, _)| *file == key);
    // Telegram names a venue as a location too.
    let is_again = |key: &str| key == "location" && message.get("venue").is_some();
    let rest = carried(message).filter(|(key, _)| !is_file(key) && !is_again(key));
    rest.map(|(_, name)| name.to_owned()).collect()
}

/// The message that this one replies to. A topic's first message is no such thing.
pub(super) fn quoted(message: &Value, is_own: &dyn Fn(&Value) -> bool) -> Option<Quoted> {
    let replied = &message["reply_to_message"];
    let picked = message["quote"]["text"].as_str();
    if let Some(outside) = message.get("external_reply") {
        let by = writer(&outside["origin"]);
        let words = picked.map_or_else(|| named(outside), str::to_owned);
        return Some(Quoted { by, is_ours: false, words });
    }
    if !replied.is_object() || replied.get("forum_topic_created").is_some() {
        return None;
    }
    let whole = with_addresses(replied, 0..text(replied).len());
    let carried = named(replied);
    let words = match picked {
        Some(picked) => picked.to_owned(),
        None if whole.is_empty() => carried,
        None if carried.is_empty() => whole,
        None => format!("[{carried}] {whole}"),
    };
    let author = if replied.get("sender_chat").is_some() { "sender_chat" } else { "from" };
    Some(Quoted { by: name(&replied[author]), is_ours: is_own(&replied["from"]), words })
}

/// The name of the one who wrote the words that the sender forwarded.
pub(super) fn forwarded_by(message: &Value) -> Option<String> {
    writer(&message["forward_origin"])
        .or_else(|| name(&message["forward_from"]))
        .or_else(|| name(&message["forward_from_chat"]))
        .or_else(|| message["forward_sender_name"].as_str().map(str::to_owned))
}

/// The writer by an origin.
fn writer(origin: &Value) -> Option<String> {
    ["sender_user", "sender_chat", "chat"]
        .iter()
        .find_map(|key| name(&origin[key]))
        .or_else(|| origin["sender_user_name"].as_str().map(str::to_owned))
}

/// The name of a person or a chat.
fn name(of: &Value) -> Option<String> {
    let part = |key: &str| of[key].as_str().unwrap_or_default();
    let full = format!("{} {}", part("first_name"), part("last_name"));
    let names = [full.trim(), part("title"), part("username")];
    names.into_iter().find(|name| !name.is_empty()).map(str::to_owned)
}

/// Whether a bot's name is ours; where Telegram does not tell our name, every name that a bot may
/// have.
pub(super) fn may_be_ours(bot: &Bot, name: &str) -> bool {
    match bot.username() {
        Some(own) => name.eq_ignore_ascii_case(own),
        None => is_bot_name(name),
    }
}

/// Whether the message begins with the name of another bot, or with a command for it. A command
/// that names a bot (`/halt@name`) is ours only by our own name: where that is not known, nobody
/// guesses.
pub(super) fn is_for_another(bot: &Bot, message: &Value) -> bool {
    let is_other = |name: &str| bot.username().is_some_and(|own| !name.eq_ignore_ascii_case(own));
    if let Some(name) = named_in_command(message) {
        return bot.username().is_none() || is_other(&name);
    }
    let text = text(message);
    // In a private chat a message that only begins with a name is about that bot.
    let is_private = message["chat"]["type"] == "private";
    let start = after_command(text).or(Some(text).filter(|_| !is_private));
    let named = start.and_then(leading_name).filter(|name| is_bot_name(name));
    named.is_some_and(is_other) && !mentions_us(bot, message)
}

/// The words behind a command of ours that names nobody, as of `/halt @name`.
fn after_command(text: &str) -> Option<&str> {
    let (first, rest) = text.trim_start().split_once(char::is_whitespace)?;
    crate::control::is_command(first).then_some(rest)
}

/// Whether it mentions us by our known name.
fn mentions_us(bot: &Bot, message: &Value) -> bool {
    mentioned(message).any(|name| bot.username().is_some_and(|own| name.eq_ignore_ascii_case(own)))
}

/// The names that the message mentions.
fn mentioned(message: &Value) -> impl Iterator<Item = &str> {
    let text = text(message);
    let mentions = entities(message).filter(|entity| entity["type"] == "mention");
    mentions.filter_map(|entity| text.get(piece(text, entity)?)?.strip_prefix('@'))
}

/// The name that a text begins with.
fn leading_name(text: &str) -> Option<&str> {
    let rest = text.trim_start().strip_prefix('@')?;
    let word = rest.split_whitespace().next().unwrap_or_default();
    Some(word.trim_end_matches(|ch: char| !ch.is_alphanumeric() && ch != '_'))
}

/// Telegram has bots' names end in `bot`.
fn is_bot_name(name: &str) -> bool {
    name.len() > 3 && name.to_ascii_lowercase().ends_with("bot")
}

/// Whether the message cannot be read without our name: a command or a stop, and a bot that it is
/// for.
pub(super) fn names_a_bot(message: &Value) -> bool {
    let text = text(message).trim();
    let is_bot = |text: &str| leading_name(text).is_some_and(is_bot_name);
    let rest = || text.split_once(char::is_whitespace).map(|(_, rest)| rest).unwrap_or_default();
    let steers =
        |text: &str| crate::control::parse(text).is_some() || crate::control::is_stop_word(text);
    named_in_command(message).is_some()
        || after_command(text).is_some_and(is_bot)
        || is_bot(text) && steers(rest())
}

/// The bot that the command at the start of a message names.
pub(super) fn named_in_command(message: &Value) -> Option<String> {
    let text = text(message);
    let first = entities(message).find(|entity| entity["type"] == "bot_command")?;
    let piece = text.get(piece(text, first)?)?;
    let is_first = text.trim_start().starts_with(piece);
    let (_, name) = piece.split_once('@').filter(|_| is_first)?;
    Some(name.to_owned())
}

/// The text without our mention at its start.
pub(super) fn without_mention<'a>(bot: &Bot, text: &'a str) -> &'a str {
    let text = text.trim();
    let Some(name) = leading_name(text).filter(|name| may_be_ours(bot, name)) else { return text };
    let rest = text.get(1 + name.len()..).unwrap_or_default();
    rest.trim_start_matches(|ch: char| ch.is_whitespace() || ",:;.!?-–—".contains(ch)).trim_end()
}

/// Our name, by a message of ours that the sender answers.
pub(super) fn own_name(message: &Value, is_own: &dyn Fn(&Value) -> bool) -> Option<String> {
    let replied = &message["reply_to_message"]["from"];
    let name = replied["username"].as_str().filter(|_| is_own(replied))?;
    Some(text_of(&Value::from(name)))
}
