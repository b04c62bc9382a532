//! Webhooks of Meta, read: each has messages, and what became of ours, for one number or several.
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages>

use super::number::Number;
use super::{files, refusal};
use crate::channels::{Ack, Inbound, Incoming, Kind, body_key, lenient, name_of, text_at};
use bytes::Bytes;
use serde_json::Value;

/// Contacts of one card that are named.
const CONTACTS_MAX: usize = 10;
/// Members that name the sender of a message.
const SENDER: [&str; 2] = ["from", "from_user_id"];
/// Name of a message whose content no program gets.
const NOT_HANDED_OVER: &str = "something that WhatsApp does not hand to programs";

fn ack() -> Ack {
    Ack::empty(200)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Reads a webhook.
pub(super) fn read(number: &Number, body: &[u8]) -> Incoming {
    let value = lenient::json(body);
    if !value["entry"].is_array() {
        return Incoming::Event(Box::new(Inbound::unreadable(ack(), body_key(body))));
    }
    let changes = list(&value["entry"]).flat_map(|entry| list(&entry["changes"]));
    let changes = changes.filter(|change| change["field"] == "messages");
    let read = changes.flat_map(|change| read_change(number, &change["value"])).collect();
    Incoming::Events(ack(), read)
}

fn read_change(number: &Number, value: &Value) -> Vec<(Inbound, Bytes)> {
    let is_ours = text_at(&value["metadata"], "phone_number_id") == Some(&number.id);
    let messages = list(&value["messages"]).map(|message| {
        let inbound = read_message(number, value, message, is_ours);
        let is_kept = matches!(inbound.kind, Kind::Quarantined(_));
        let raw = if is_kept { Bytes::from(message.to_string()) } else { Bytes::new() };
        (inbound, raw)
    });
    let statuses =
        list(&value["statuses"]).filter(|status| is_ours && status["status"] == "failed");
    messages.chain(statuses.filter_map(|status| undelivered(number, status))).collect()
}

/// A message of ours that Meta took and could not bring to its reader.
fn undelivered(number: &Number, status: &Value) -> Option<(Inbound, Bytes)> {
    let message = text_at(status, "id")?.to_owned();
    let mut inbound = Inbound::unreadable(ack(), format!("failed:{message}"));
    let chat = number.person(status, ["recipient_id", "recipient_user_id"]);
    inbound.target.chat = chat.unwrap_or_default();
    inbound.kind = Kind::Undelivered { message, why: refusal::said(&status["errors"][0]) };
    Some((inbound, Bytes::new()))
}

fn read_message(number: &Number, value: &Value, message: &Value, is_ours: bool) -> Inbound {
    let named = text_at(message, "id").zip(number.person(message, SENDER));
    let Some((id, person)) = named else {
        return Inbound::unreadable(ack(), body_key(message.to_string().as_bytes()));
    };
    let mut inbound = Inbound::unreadable(ack(), id.to_owned());
    inbound.sender_name = name(value, message);
    inbound.sent_ms = seconds(&message["timestamp"]).map(|at| at.saturating_mul(1000));
    inbound.conversation = vec![person.clone()];
    inbound.target.chat.clone_from(&person);
    inbound.target.reply_to = Some(id.to_owned());
    inbound.sender = Some(person);
    inbound.in_group = message.get("group_id").is_some();
    let edit = &message["edit"];
    inbound.edits = text_at(edit, "original_message_id").map(str::to_owned);
    inbound.message = Some(id.to_owned()).filter(|_| inbound.edits.is_none());
    let content = if inbound.edits.is_some() { &edit["message"] } else { message };
    inbound.kind = if !is_ours {
        Kind::Ignored("another_number")
    } else if inbound.in_group {
        Kind::Ignored("group")
    } else {
        read_content(&value["metadata"], content, &mut inbound)
    };
    inbound
}

/// Reads the content of a message, by its kind.
fn read_content(own: &Value, content: &Value, inbound: &mut Inbound) -> Kind {
    let kind = text_at(content, "type").unwrap_or_default();
    let inner = &content[kind];
    let words = match kind {
        "text" => text_at(inner, "body").unwrap_or_default().to_owned(),
        "image" | "video" | "audio" | "document" | "sticker" => {
            inbound.attachments = files::offered(inner).into_iter().collect();
            text_at(inner, "caption").unwrap_or_default().to_owned()
        }
        "location" => location(inner),
        "contacts" => contacts(inner),
        // The button of a template, which has words and nothing of ours.
        "button" => text_at(inner, "text").unwrap_or_default().to_owned(),
        "interactive" => {
            let reply = text_at(inner, "type").map(|reply| &inner[reply]);
            if let Some(token) = reply.and_then(|reply| text_at(reply, "id")) {
                inbound.target.reply_to = None;
                inbound.message = None;
                let callback = text_at(&content["context"], "id").map(str::to_owned);
                return Kind::Press { token: token.to_owned(), callback };
            }
            String::new()
        }
        "reaction" => return Kind::Ignored("reaction"),
        "" | "system" | "revoke" | "request_welcome" => return Kind::Ignored("not_a_message"),
        _ => String::new(),
    };
    read_context(own, &content["context"], inbound);
    let words = words.trim().to_owned();
    if words.is_empty() && inbound.attachments.is_empty() {
        inbound.attached = vec![NOT_HANDED_OVER.to_owned()];
        return Kind::Ignored("no_text");
    }
    let is_passed_on = ["forwarded", "frequently_forwarded"]
        .iter()
        .any(|member| content["context"][member] == true);
    if !is_passed_on {
        return Kind::Message { text: words };
    }
    inbound.attachments.iter_mut().for_each(|file| file.passed_on = true);
    inbound.forwarded = Some(words).filter(|words| !words.is_empty());
    Kind::Message { text: String::new() }
}

/// The message that is replied to: its words are not told.
fn read_context(own: &Value, context: &Value, inbound: &mut Inbound) {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let from = text_at(context, "from").map(digits).filter(|from| !from.is_empty());
    inbound.is_reply = from.is_some()
        && ["display_phone_number", "phone_number_id"]
            .iter()
            .any(|member| text_at(own, member).map(digits) == from);
    inbound.replies_to = text_at(context, "id").filter(|_| inbound.is_reply).map(str::to_owned);
}

fn seconds(timestamp: &Value) -> Option<i64> {
    timestamp.as_i64().or_else(|| timestamp.as_str()?.parse().ok())
}

/// The name that the sender gave itself.
fn name(value: &Value, message: &Value) -> Option<String> {
    let is = |contact: &Value, own: &str, sender: &str| {
        text_at(contact, own).is_some_and(|id| text_at(message, sender) == Some(id))
    };
    let contact = list(&value["contacts"])
        .find(|contact| is(contact, "wa_id", "from") || is(contact, "user_id", "from_user_id"))?;
    let profile = &contact["profile"];
    name_of([text_at(profile, "name"), text_at(profile, "username")])
}

/// One visible line of what others may have written.
fn line(text: &str) -> String {
    platform::text::printable(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn location(place: &Value) -> String {
    let (Some(latitude), Some(longitude)) =
        (place["latitude"].as_f64(), place["longitude"].as_f64())
    else {
        return String::new();
    };
    let named = ["name", "address"].iter().filter_map(|member| text_at(place, member));
    let named: Vec<String> = named.map(line).collect();
    let named = if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) };
    format!("Location: {latitude}, {longitude}{named}")
}

fn contacts(cards: &Value) -> String {
    let card = |card: &Value| {
        let name = text_at(&card["name"], "formatted_name").map(line);
        let phones = list(&card["phones"]).filter_map(|phone| text_at(phone, "phone")).map(line);
        let emails = list(&card["emails"]).filter_map(|email| text_at(email, "email")).map(line);
        let parts: Vec<String> = name.into_iter().chain(phones).chain(emails).collect();
        (!parts.is_empty()).then(|| format!("Contact: {}", parts.join(", ")))
    };
    let mut lines: Vec<String> = list(cards).take(CONTACTS_MAX).filter_map(card).collect();
    let more = list(cards).count().saturating_sub(CONTACTS_MAX);
    if more > 0 {
        lines.push(format!("and {more} more contacts"));
    }
    lines.join("\n")
}
