//! Telegram's webhook: the secret in a header, an update in the body.

use super::{Bot, files, text_of, words};
use crate::channels::{Ack, Inbound, Kind, body_key, header, lenient, name_of};
use serde_json::{Value, json};

/// Telegram repeats the secret that `setWebhook` got.
pub(super) fn verify(bot: &Bot, headers: &http::HeaderMap) -> bool {
    header(headers, "x-telegram-bot-api-secret-token")
        .zip(bot.secret_token.as_ref())
        .is_some_and(|(sent, secret)| !sent.is_empty() && secret.matches(sent))
}

/// Reads an update.
pub(super) fn read(bot: &Bot, body: &[u8]) -> Inbound {
    let update = lenient::json(body);
    let key = update.get("update_id").and_then(Value::as_i64);
    let dedupe_key = key.map_or_else(|| body_key(body), |key| key.to_string());
    let mut inbound = Inbound::unreadable(Ack::json(json!({})), dedupe_key);
    if key.is_some() {
        read_update(bot, &update, &mut inbound);
    }
    inbound
}

fn read_update(bot: &Bot, update: &Value, inbound: &mut Inbound) {
    if let Some(message) = update.get("message") {
        read_message(bot, message, inbound);
    } else if let Some(query) = update.get("callback_query") {
        let token = query["data"].as_str().unwrap_or_default().to_owned();
        inbound.sender = id_of(&query["from"]);
        inbound.sender_name = name(&query["from"]);
        // A press has no date of its own: a button lives as long as its question.
        inbound.kind = if query["from"]["is_bot"] == true {
            Kind::Ignored("bot_message")
        } else {
            Kind::Press { token, callback: query["id"].as_str().map(str::to_owned) }
        };
        set_place(&query["message"], inbound);
        inbound.target.reply_to = None;
    } else if let Some(message) = update.get("edited_message") {
        read_message(bot, message, inbound);
        inbound.edits = inbound.message.take();
        inbound.sent_ms = message["edit_date"].as_i64().map(|seconds| seconds.saturating_mul(1000));
    } else {
        inbound.kind = Kind::Ignored("not_a_message");
        let kind = update
            .as_object()
            .and_then(|update| update.iter().find(|(name, _)| *name != "update_id"));
        if let Some((_, inner)) = kind.filter(|(_, inner)| inner.get("chat").is_some()) {
            inbound.sender = id_of(&inner["from"]);
            set_place(inner, inbound);
        }
    }
}

/// Whether the message names a bot and we do not know our own name.
pub(super) fn needs_name(bot: &Bot, body: &[u8]) -> bool {
    if bot.username().is_some() {
        return false;
    }
    let update = lenient::json(body);
    ["message", "edited_message"].iter().filter_map(|kind| update.get(kind)).any(words::names_a_bot)
}

fn read_message(bot: &Bot, message: &Value, inbound: &mut Inbound) {
    inbound.sender = id_of(&message["from"]);
    inbound.sender_name = name(&message["from"]);
    inbound.sent_ms = message["date"].as_i64().map(|seconds| seconds.saturating_mul(1000));
    set_place(message, inbound);
    inbound.in_group = message["chat"]["type"] != "private";
    let own = own_id(bot);
    let is_own = |user: &Value| own.is_some() && id_of(user) == own;
    inbound.attachments = files::offered(message);
    inbound.album = message["media_group_id"].as_str().map(str::to_owned);
    if let Some(name) = words::own_name(message, &is_own) {
        bot.learn(&name);
    }
    let moved = |other: &str| Some(text_of(&message[other])).filter(|id| !id.is_empty());
    let chat = inbound.target.chat.clone();
    inbound.moved = moved("migrate_to_chat_id")
        .map(|to| (chat.clone(), to))
        .or_else(|| moved("migrate_from_chat_id").map(|from| (from, chat)));
    inbound.is_reply = is_own(&message["reply_to_message"]["from"]);
    inbound.replies_to = Some(text_of(&message["reply_to_message"]["message_id"]))
        .filter(|id| inbound.is_reply && !id.is_empty());
    inbound.kind = if is_own(&message["from"]) || is_own(&message["via_bot"]) {
        Kind::Ignored("own_message")
    } else if message["from"]["is_bot"] == true {
        Kind::Ignored("bot_message")
    } else if message.get("sender_chat").is_some() {
        // A channel, or an administrator who hides behind the group.
        Kind::Ignored("not_a_person")
    } else if words::is_for_another(bot, message) {
        Kind::Ignored("for_another_bot")
    } else if inbound.in_group && !is_addressed(bot, message, &is_own) {
        Kind::Ignored("not_addressed")
    } else {
        read_words(bot, message, &is_own, inbound)
    };
}

/// The words of a message to us, and those that it points at.
fn read_words(
    bot: &Bot,
    message: &Value,
    is_own: &dyn Fn(&Value) -> bool,
    inbound: &mut Inbound,
) -> Kind {
    let text = words::text(message);
    let typed = words::without_mention(bot, text);
    inbound.attached = words::attached(message);
    if typed.is_empty() && inbound.attachments.is_empty() {
        // A service message, such as of a new title, asks for no answer.
        let is_said = !inbound.attached.is_empty() || !text.is_empty();
        return Kind::Ignored(if is_said { "no_text" } else { "not_a_message" });
    }
    inbound.quoted = words::quoted(message, is_own);
    // The words are the end of the text.
    let end = text.trim_end().len();
    let start = end.saturating_sub(typed.len());
    let read = |range| words::with_addresses(message, range);
    if is_passed_on(message) {
        let words = read(start..end);
        inbound.forwarded = Some(if words.is_empty() { words::named(message) } else { words });
        inbound.forwarded_by = words::forwarded_by(message);
        return Kind::Message { text: String::new() };
    }
    let own = words::end_of_quotation(message, start).min(end);
    if own > start {
        inbound.forwarded = Some(read(start..own).trim().to_owned());
    }
    Kind::Message { text: read(own..end).trim().to_owned() }
}

/// Whether the sender passed this on instead of making it: forwarded (Telegram names the origin in
/// one member since Bot API 7.0, in several before), or made by another bot.
fn is_passed_on(message: &Value) -> bool {
    const PASSED_ON: [&str; 8] = [
        "forward_origin",
        "forward_from",
        "forward_from_chat",
        "forward_sender_name",
        "forward_signature",
        "forward_date",
        "is_automatic_forward",
        "via_bot",
    ];
    PASSED_ON.iter().any(|member| message.get(member).is_some())
}

/// In groups: a reply to us, a mention of us, or a command of ours. Another command without a
/// bot's name is for nobody.
fn is_addressed(bot: &Bot, message: &Value, is_own: &dyn Fn(&Value) -> bool) -> bool {
    if is_own(&message["reply_to_message"]["from"]) {
        return true;
    }
    // Where Telegram does not tell our name a mention of any bot counts: in its privacy mode, the
    // default, mentions of others do not reach us at all.
    let text = words::text(message);
    words::entities(message).any(|entity| {
        let piece = words::piece(text, entity).and_then(|range| text.get(range));
        let piece = piece.unwrap_or_default();
        match entity["type"].as_str() {
            Some("mention") => words::may_be_ours(bot, piece.trim_start_matches('@')),
            Some("text_mention") => is_own(&entity["user"]),
            Some("bot_command") => match piece.split_once('@') {
                Some((_, name)) => bot.username().is_some_and(|own| name.eq_ignore_ascii_case(own)),
                None => crate::control::is_command(piece),
            },
            _ => false,
        }
    })
}

fn set_place(message: &Value, inbound: &mut Inbound) {
    let chat = text_of(&message["chat"]["id"]);
    if chat.is_empty() {
        return;
    }
    let topic = (message["is_topic_message"] == true)
        .then(|| text_of(&message["message_thread_id"]))
        // General is a topic to read and none to write to.
        .filter(|topic| !topic.is_empty() && topic != "1");
    inbound.conversation = std::iter::once(chat.clone()).chain(topic.clone()).collect();
    inbound.target.chat = chat;
    inbound.target.thread = topic;
    inbound.message = Some(text_of(&message["message_id"])).filter(|id| !id.is_empty());
    inbound.target.reply_to = inbound.message.clone();
}

/// The bot's own id is the part of its token before the colon.
fn own_id(bot: &Bot) -> Option<String> {
    bot.bot_token.reveal().split_once(':').map(|(id, _)| id.trim_start_matches("bot").to_owned())
}

fn name(user: &Value) -> Option<String> {
    let part = |key: &str| user[key].as_str().unwrap_or_default();
    let full = format!("{} {}", part("first_name"), part("last_name"));
    name_of([Some(full.trim()), user["username"].as_str()])
}

fn id_of(user: &Value) -> Option<String> {
    Some(text_of(&user["id"])).filter(|id| !id.is_empty())
}
