//! Reads a message. Whatever it is, it is read as far as it goes.

use super::{html, words};
use bytes::Bytes;
use mail_parser::{
    Address, HeaderName, HeaderValue, Message, MessageParser, MessagePart, MimeHeaders, PartType,
};
use platform::ports::mail::{Bounce, OfferedFile, Received};

/// Maximum ids of a thread that are kept: the first one, and the last ones.
const REFERENCES_MAX: usize = 20;
/// Maximum files of a message that are looked at.
const FILES_MAX: usize = 64;
/// Maximum addresses of a message that are looked at.
const READERS_MAX: usize = 200;
/// Maximum bytes of an id, of an address and of the header with the server's word (a longer one
/// counts as none): what is handed to the server must not grow with the message.
const ID_BYTES_MAX: usize = 250;
const ADDRESS_BYTES_MAX: usize = 254;
const HEADER_BYTES_MAX: usize = 8_192;
/// Maximum characters of a text.
const TEXT_CHARS_MAX: usize = 100_000;
/// Values of `Precedence` by which programs and lists name themselves.
const PRECEDENCES: [&str; 4] = ["bulk", "list", "junk", "auto_reply"];
/// Headers that programs and lists alone have.
const AUTOMATIC: [&str; 6] = [
    "list-id",
    "list-unsubscribe",
    "x-autoreply",
    "x-autorespond",
    "x-auto-reply",
    "x-failed-recipients",
];
const ROBOTS: [&str; 2] = ["mailer-daemon", "postmaster"];

/// The message, without its place and digest; `None` where it has no headers.
pub(super) fn message(raw: &[u8], is_whole: bool) -> Option<Received> {
    let message = MessageParser::default().parse(raw)?;
    let (from, from_name) = sender(&message);
    let subject = message.subject().map(line).unwrap_or_default();
    let is_passed_on = words::is_forward(&subject);
    let words = words::split(&text(&message), is_passed_on);
    let files = if is_whole { files(&message) } else { Vec::new() };
    let all = if is_whole { message.attachment_count() } else { 0 };
    let bounce = bounce(&message);
    Some(Received {
        message_id: ids(message.header(HeaderName::MessageId)).into_iter().next(),
        in_reply_to: ids(message.header(HeaderName::InReplyTo)).pop(),
        references: references(&message),
        is_automatic: bounce.is_some() || is_automatic(&message, from.as_deref()),
        from,
        from_name,
        to: readers(&message),
        subject,
        authentication: raw_header(&message, "authentication-results")
            .filter(|header| header.len() <= HEADER_BYTES_MAX),
        bounce,
        text: words.own,
        quoted: words.quoted,
        forwarded: words.forwarded,
        forwarded_by: words.forwarded_by,
        more_files: u32::try_from(all.saturating_sub(files.len())).unwrap_or(u32::MAX),
        files,
        ..Received::default()
    })
}

/// The content of the file of this number.
pub(super) fn file(raw: &[u8], number: usize) -> Option<Bytes> {
    let message = MessageParser::default().parse(raw)?;
    message.attachments().take(FILES_MAX).nth(number).map(|part| Bytes::from(content(part)))
}

fn line(text: &str) -> String {
    platform::text::short(platform::text::printable(text).trim(), 300)
}

/// The one address of the one header `From`. Of several, a reader and a server that checks them may
/// look at different ones.
fn sender(message: &Message<'_>) -> (Option<String>, Option<String>) {
    let headers: Vec<_> = message.header_values(HeaderName::From).collect();
    let [HeaderValue::Address(Address::List(addresses))] = headers.as_slice() else {
        return (None, None);
    };
    let [address] = addresses.as_slice() else { return (None, None) };
    let name = address.name.as_deref().map(line).filter(|name| !name.is_empty());
    let address = address.address.as_deref().map(|address| address.trim().to_lowercase());
    (address.filter(|address| address.len() <= ADDRESS_BYTES_MAX), name)
}

/// The addresses of its one header `To`.
fn readers(message: &Message<'_>) -> Vec<String> {
    let headers: Vec<_> = message.header_values(HeaderName::To).collect();
    let [HeaderValue::Address(addresses)] = headers.as_slice() else { return Vec::new() };
    let named = addresses.iter().filter_map(|one| one.address.as_deref());
    let named = named.map(|address| address.trim().to_lowercase());
    named.filter(|address| address.len() <= ADDRESS_BYTES_MAX).take(READERS_MAX).collect()
}

/// The ids of a header.
fn ids(header: Option<&HeaderValue<'_>>) -> Vec<String> {
    let ids: Vec<&str> = match header {
        Some(HeaderValue::Text(id)) => vec![id],
        Some(HeaderValue::TextList(ids)) => ids.iter().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    };
    ids.into_iter().filter(|id| id.len() <= ID_BYTES_MAX).map(str::to_owned).collect()
}

fn references(message: &Message<'_>) -> Vec<String> {
    let mut ids = ids(message.header(HeaderName::References));
    if ids.len() > REFERENCES_MAX {
        let end = ids.split_off(ids.len() - (REFERENCES_MAX - 1));
        ids.truncate(1);
        ids.extend(end);
    }
    ids
}

/// The first header of this name, which is the last one written, on one line. Bytes that are no
/// text do not hide it: the one below might be the sender's own.
fn raw_header(message: &Message<'_>, name: &str) -> Option<String> {
    let header =
        message.headers().iter().find(|header| header.name.as_str().eq_ignore_ascii_case(name))?;
    let (start, end) = (header.offset_start as usize, header.offset_end as usize);
    let value = String::from_utf8_lossy(message.raw_message().get(start..end)?);
    Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn is_automatic(message: &Message<'_>, from: Option<&str>) -> bool {
    let value = |name| raw_header(message, name).map(|value| value.to_ascii_lowercase());
    let submitted = value("auto-submitted");
    let submitted = submitted.as_deref().and_then(|value| value.split([';', ' ', '(']).next());
    let local = from.and_then(|from| from.split('@').next()).unwrap_or_default();
    submitted.is_some_and(|submitted| submitted != "no")
        || value("precedence").is_some_and(|value| PRECEDENCES.contains(&value.as_str()))
        || value("return-path").is_some_and(|value| value == "<>")
        || AUTOMATIC.iter().any(|name| value(name).is_some())
        || ROBOTS.contains(&local)
        || message.is_content_type("multipart", "report")
}

/// The plain text; else the HTML as text.
fn text(message: &Message<'_>) -> String {
    let bodies = (0..message.text_body_count()).filter_map(|at| {
        let part = message.text_part(u32::try_from(at).ok()?)?;
        match &part.body {
            PartType::Text(text) => Some(text.to_string()),
            PartType::Html(html) => Some(html::text(html)),
            // A picture within the text stands among the bodies too.
            _ => None,
        }
    });
    let text = bodies.map(|body| body.trim_end().to_owned()).collect::<Vec<_>>().join("\n\n");
    text.chars().take(TEXT_CHARS_MAX).collect()
}

fn files(message: &Message<'_>) -> Vec<OfferedFile> {
    let file = |part: &MessagePart<'_>| OfferedFile {
        name: name(part),
        kind: kind(part),
        bytes: content(part).len() as u64,
    };
    message.attachments().take(FILES_MAX).map(file).collect()
}

fn name(part: &MessagePart<'_>) -> String {
    if let PartType::Message(inner) = &part.body {
        return format!("{}.eml", inner.subject().map_or_else(|| "message".to_owned(), line));
    }
    part.attachment_name().map(line).unwrap_or_default()
}

fn kind(part: &MessagePart<'_>) -> String {
    let Some(kind) = part.content_type() else { return "text/plain".to_owned() };
    let subtype = kind.subtype().unwrap_or("plain");
    format!("{}/{subtype}", kind.ctype()).to_ascii_lowercase()
}

fn content(part: &MessagePart<'_>) -> Vec<u8> {
    match &part.body {
        PartType::Message(inner) => inner.raw_message().to_vec(),
        _ => part.contents().to_vec(),
    }
}

/// The report on a message that did not arrive and never will (RFC 3464).
fn bounce(message: &Message<'_>) -> Option<Bounce> {
    if !message.is_content_type("multipart", "report") {
        return None;
    }
    let status =
        message.parts.iter().find(|part| part.is_content_type("message", "delivery-status"))?;
    let status = String::from_utf8_lossy(status.contents()).into_owned();
    let field = |name: &str| field(&status, name);
    if !field("action")?.eq_ignore_ascii_case("failed") {
        return None;
    }
    let recipient = field("final-recipient").or_else(|| field("original-recipient"))?;
    let recipient = recipient.rsplit(';').next().unwrap_or_default().trim().to_lowercase();
    let why = field("diagnostic-code").or_else(|| field("status")).unwrap_or_default();
    let why = why.split_once(';').map_or(why.as_str(), |(_, why)| why).trim().to_owned();
    let message_id = message.parts.iter().find_map(|part| match &part.body {
        PartType::Message(inner) => inner.message_id().map(str::to_owned),
        _ if part.is_content_type("text", "rfc822-headers") => {
            let headers = String::from_utf8_lossy(part.contents()).into_owned();
            let id = self::field(&headers, "message-id")?;
            Some(id.trim_matches(['<', '>']).to_owned())
        }
        _ => None,
    })?;
    let is_sane = message_id.len() <= ID_BYTES_MAX && recipient.len() <= ADDRESS_BYTES_MAX;
    is_sane.then(|| Bounce { message_id, recipient, why: line(&why) })
}

/// The first field of this name, on one line.
fn field(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines().skip_while(|line| {
        line.split_once(':').is_none_or(|(known, _)| !known.trim().eq_ignore_ascii_case(name))
    });
    let (_, first) = lines.next()?.split_once(':')?;
    let rest = lines.take_while(|line| line.starts_with([' ', '\t']));
    let whole: Vec<&str> = std::iter::once(first).chain(rest).map(str::trim).collect();
    Some(whole.join(" ")).filter(|value| !value.is_empty())
}
