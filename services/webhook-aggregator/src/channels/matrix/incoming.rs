//! Transactions of a homeserver, read: its token in a header, a list of events in the body. What
//! `/sync` brings is put into the same form.

use super::bot::{Bot, Way};
use super::files;
use super::known::Room;
use super::relation::Relation;
use super::words::{self, Names};
use crate::channels::{
    Ack, ENCRYPTED, Inbound, Incoming, Kind, body_key, header, lenient, name_of, text_at,
};
use crate::pointed::Quoted;
use bytes::Bytes;
use serde_json::{Value, json};

/// The kinds of events that are read.
const READ: [&str; 4] = ["m.room.message", "m.sticker", "m.room.encrypted", "m.reaction"];

/// The homeserver repeats the token of the application service's registration.
pub(super) fn verify(bot: &Bot, headers: &http::HeaderMap) -> bool {
    let Way::Transactions(token) = &bot.way else { return false };
    let sent = header(headers, "authorization").and_then(|text| text.strip_prefix("Bearer "));
    sent.is_some_and(|sent| !sent.is_empty() && token.matches(sent))
}

/// Reads a transaction, or a ping.
pub(super) fn read(bot: &Bot, body: &[u8]) -> Incoming {
    let ack = || Ack::json(json!({}));
    let value = lenient::json(body);
    match value.get("events").and_then(Value::as_array) {
        Some(events) => {
            let read = |event| {
                let inbound = read_event(bot, event)?;
                let is_kept = matches!(inbound.kind, Kind::Quarantined(_));
                let raw = if is_kept { Bytes::from(event.to_string()) } else { Bytes::new() };
                Some((inbound, raw))
            };
            let read = events.iter().filter_map(read).collect();
            bot.known().forget_unknown_rooms();
            Incoming::Events(ack(), read)
        }
        None if text_at(&value, "transaction_id").is_some() => Incoming::Handshake(ack()),
        None => Incoming::Event(Box::new(Inbound::unreadable(ack(), body_key(body)))),
    }
}

/// Reads one event; `None` for what nobody said to anybody, and for our own messages.
fn read_event(bot: &Bot, event: &Value) -> Option<Inbound> {
    let kind = text_at(event, "type");
    let is_other = kind.is_some_and(|kind| !READ.contains(&kind));
    if is_other || event.get("state_key").is_some() {
        return None;
    }
    let ack = Ack::json(json!({}));
    let named = text_at(event, "event_id").zip(text_at(event, "room_id"));
    let (Some((id, room)), Some(sender)) = (named, text_at(event, "sender")) else {
        return Some(Inbound::unreadable(ack, body_key(event.to_string().as_bytes())));
    };
    if sender == bot.user {
        return None;
    }
    let content = &event["content"];
    let relation = Relation::of(content);
    let known = bot.known();
    let members = known.room(room).cloned().unwrap_or_default();
    let about = relation.replaces.or(relation.replies_to).and_then(|id| known.said(room, id));
    let about = about.cloned().unwrap_or_default();
    drop(known);
    let thread = relation.thread.map(str::to_owned);
    let thread = thread.or_else(|| about.thread.clone().filter(|_| relation.replaces.is_some()));
    let mut inbound = Inbound::unreadable(ack, id.to_owned());
    inbound.sender = Some(sender.to_owned());
    inbound.sender_name = name_of([members.name(sender)]);
    inbound.sent_ms = event["origin_server_ts"].as_i64();
    inbound.conversation = std::iter::once(room.to_owned()).chain(thread.clone()).collect();
    room.clone_into(&mut inbound.target.chat);
    inbound.target.thread = thread;
    inbound.target.reply_to = Some(relation.replaces.unwrap_or(id).to_owned());
    inbound.message = Some(id.to_owned()).filter(|_| relation.replaces.is_none());
    inbound.edits = relation.replaces.map(str::to_owned);
    inbound.in_group = !members.is_direct();
    if let Some(to) = relation.replies_to.filter(|_| relation.replaces.is_none()) {
        inbound.is_reply = about.sender == bot.user;
        inbound.replies_to = Some(to.to_owned()).filter(|_| inbound.is_reply);
        let by = members.name(&about.sender).unwrap_or(&about.sender).to_owned();
        let by = Some(by).filter(|name| !name.is_empty());
        let words = words::without_fallback(&about.words).to_owned();
        inbound.quoted = Some(Quoted { by, is_ours: inbound.is_reply, words });
    }
    inbound.kind = match kind {
        Some("m.room.encrypted") => Kind::Ignored(ENCRYPTED),
        Some("m.reaction") => reaction(&relation),
        Some("m.sticker") => {
            inbound.attached = vec!["a sticker".to_owned()];
            Kind::Ignored(if inbound.in_group { "not_addressed" } else { "no_text" })
        }
        _ => read_message(bot, content, &relation, &members, &mut inbound),
    };
    Some(inbound)
}

fn reaction(relation: &Relation<'_>) -> Kind {
    match relation.reaction {
        Some((message, key)) => Kind::Reaction { message: message.to_owned(), key: key.to_owned() },
        None => Kind::Ignored("not_a_message"),
    }
}

/// Reads the words and the file of a person.
fn read_message(
    bot: &Bot,
    content: &Value,
    relation: &Relation<'_>,
    members: &Room,
    inbound: &mut Inbound,
) -> Kind {
    let content = match relation.replaces {
        Some(_) if content["m.new_content"].is_object() => &content["m.new_content"],
        Some(_) => return Kind::Ignored("edit"),
        None => content,
    };
    match content["msgtype"].as_str() {
        // Programs say this, and nobody answers it, so that two of them do not talk for ever.
        Some("m.notice") => return Kind::Ignored("bot_message"),
        None | Some("m.key.verification.request") => return Kind::Ignored("not_a_message"),
        Some(_) => {}
    }
    let text = words::text(content);
    // An edit of a reply has the same lines before it.
    let is_reply = relation.replies_to.is_some() || relation.replaces.is_some();
    let text = if is_reply { words::without_fallback(text) } else { text };
    let is_mentioned = words::mentions_us(bot, content);
    let names = Names::of(bot, members.name(&bot.user), is_mentioned);
    let is_named = is_mentioned || inbound.is_reply || names.begin(text) || words::is_command(text);
    let is_open = !inbound.in_group || is_named;
    if !is_open && inbound.target.thread.is_none() {
        return Kind::Ignored("not_addressed");
    }
    inbound.attachments = files::offered(content);
    inbound.attached = words::attached(content);
    let text = names.without(text);
    // A location has words of its client only.
    if !inbound.attached.is_empty() || text.is_empty() && inbound.attachments.is_empty() {
        return Kind::Ignored("no_text");
    }
    if is_open { Kind::Message { text } } else { Kind::Overheard { text } }
}
