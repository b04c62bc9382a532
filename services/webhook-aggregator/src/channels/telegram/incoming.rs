//! Telegram's webhook: the secret in a header, an update in the body.

use super::{Bot, text_of};
use crate::channels::{Ack, Inbound, Kind, body_key, header};
use serde_json::{Value, json};

/// Telegram repeats the secret that `setWebhook` got.
pub(super) fn verify(bot: &Bot, headers: &http::HeaderMap) -> bool {
    header(headers, "x-telegram-bot-api-secret-token")
        .is_some_and(|sent| !sent.is_empty() && bot.secret_token.matches(sent))
}

/// Reads an update.
pub(super) fn read(bot: &Bot, body: &[u8]) -> Inbound {
    let update: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
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
        // A press has no date of its own: a button lives as long as its question.
        inbound.kind = if query["from"]["is_bot"] == true {
            Kind::Ignored("bot_message")
        } else {
            Kind::Press { token, callback: query["id"].as_str().map(str::to_owned) }
        };
        set_place(&query["message"], inbound);
        inbound.target.reply_to = None;
    } else {
        inbound.kind = Kind::Ignored(if update.get("edited_message").is_some() {
            "edit"
        } else {
            "not_a_message"
        });
        let kind = update
            .as_object()
            .and_then(|update| update.iter().find(|(name, _)| *name != "update_id"));
        if let Some((_, inner)) = kind.filter(|(_, inner)| inner.get("chat").is_some()) {
            inbound.sender = id_of(&inner["from"]);
            set_place(inner, inbound);
        }
    }
}

fn read_message(bot: &Bot, message: &Value, inbound: &mut Inbound) {
    inbound.sender = id_of(&message["from"]);
    inbound.sent_ms = message["date"].as_i64().map(|seconds| seconds.saturating_mul(1000));
    set_place(message, inbound);
    let own = own_id(bot);
    let text = message["text"].as_str().or_else(|| message["caption"].as_str()).unwrap_or_default();
    let is_own = |user: &Value| own.is_some() && id_of(user) == own;
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
    } else if message["chat"]["type"] != "private" && !is_addressed(bot, message, text, &is_own) {
        Kind::Ignored("not_addressed")
    } else {
        match without_mention(text) {
            "" => Kind::Ignored("no_text"),
            words if is_foreign(message, text, words) => {
                inbound.forwarded = Some(words.to_owned());
                Kind::Message { text: String::new() }
            }
            words => Kind::Message { text: words.to_owned() },
        }
    };
}

/// Whether the sender passed these words on instead of typing them: forwarded (Telegram names the
/// origin in one member since Bot API 7.0, in several before), made by another bot, or a quotation
/// from the first of these `words` of the `text` on. Entities count UTF-16 units.
fn is_foreign(message: &Value, text: &str, words: &str) -> bool {
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
    // The words are the end of the text.
    let before = text.trim_end().strip_suffix(words).unwrap_or_default();
    let first = before.encode_utf16().count() as u64;
    let quoted = |entity: &Value| {
        let begin = entity["offset"].as_u64().unwrap_or(0);
        let length = entity["length"].as_u64().unwrap_or(u64::MAX);
        (begin..begin.saturating_add(length)).contains(&first)
            && matches!(entity["type"].as_str(), Some("blockquote" | "expandable_blockquote"))
    };
    PASSED_ON.iter().any(|member| message.get(member).is_some())
        || [&message["entities"], &message["caption_entities"]]
            .into_iter()
            .filter_map(Value::as_array)
            .flatten()
            .any(quoted)
}

/// In groups: a reply to us, a mention of us, or a command.
fn is_addressed(bot: &Bot, message: &Value, text: &str, is_own: &dyn Fn(&Value) -> bool) -> bool {
    if is_own(&message["reply_to_message"]["from"]) {
        return true;
    }
    // A bot's name always ends in "bot"; without a configured name any such mention counts, since
    // in Telegram's privacy mode, the default, other bots' mentions do not reach us at all.
    let is_name = |name: &str| match &bot.bot_username {
        Some(own) => name.eq_ignore_ascii_case(own),
        None => name.len() > 3 && name.to_ascii_lowercase().ends_with("bot"),
    };
    let units: Vec<u16> = text.encode_utf16().collect();
    let all = [&message["entities"], &message["caption_entities"]];
    all.into_iter().filter_map(Value::as_array).flatten().any(|entity| {
        let from =
            entity["offset"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        let length = entity["length"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let piece = String::from_utf16_lossy(
            units.get(from..from.saturating_add(length)).unwrap_or_default(),
        );
        match entity["type"].as_str() {
            Some("mention") => is_name(piece.trim_start_matches('@')),
            Some("text_mention") => is_own(&entity["user"]),
            Some("bot_command") => piece.split_once('@').is_none_or(|(_, name)| is_name(name)),
            _ => false,
        }
    })
}

/// The text without a bot's mention at its start, and without `@name` behind a command.
fn without_mention(text: &str) -> &str {
    let text = text.trim();
    let first = text.split_whitespace().next().unwrap_or_default();
    if first.starts_with('@') && first.to_ascii_lowercase().ends_with("bot") {
        text.get(first.len()..).unwrap_or_default().trim()
    } else {
        text
    }
}

fn set_place(message: &Value, inbound: &mut Inbound) {
    let chat = text_of(&message["chat"]["id"]);
    if chat.is_empty() {
        return;
    }
    let topic = (message["is_topic_message"] == true)
        .then(|| text_of(&message["message_thread_id"]))
        .filter(|topic| !topic.is_empty());
    inbound.conversation = std::iter::once(chat.clone()).chain(topic.clone()).collect();
    inbound.target.chat = chat;
    inbound.target.thread = topic;
    inbound.target.reply_to = Some(text_of(&message["message_id"])).filter(|id| !id.is_empty());
}

/// The bot's own id is the part of its token before the colon.
fn own_id(bot: &Bot) -> Option<String> {
    bot.bot_token.reveal().split_once(':').map(|(id, _)| id.trim_start_matches("bot").to_owned())
}

fn id_of(user: &Value) -> Option<String> {
    Some(text_of(&user["id"])).filter(|id| !id.is_empty())
}
