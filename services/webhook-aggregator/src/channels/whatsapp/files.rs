//! Files of WhatsApp: an id, then an address on Meta's file server; an upload, then a message.

use super::number::{Number, is_id};
use super::{outgoing, refusal};
use crate::channels::upload::{FILE_TIMEOUT_MS, form, on_platform};
use crate::channels::{Aim, Attempt, Fetch, lenient, text_at};
use bytes::Bytes;
use http::Method;
use inbox::{KeptFile, OfferedFile, OutboxRow};
use platform::ports::{OutboundRequest, OutboundResponse};
use serde_json::{Value, json};

/// Where Meta keeps the files of messages. The access token goes nowhere else.
const HOSTS: [&str; 1] = ["lookaside.fbsbx.com"];
/// A document may have this size.
pub(super) const BYTES_MAX: u64 = 100 << 20;
/// A picture above this is sent as a document.
const IMAGE_BYTES_MAX: u64 = 5 << 20;

/// The requests of an upload, in their order.
const CONTENT: &str = "content";
const SHOWN: &str = "shown";

/// The types that may be uploaded, beside text.
const TYPES: [&str; 11] = [
    "application/pdf",
    "audio/aac",
    "audio/amr",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "image/jpeg",
    "image/png",
    "image/webp",
    "video/3gpp",
    "video/mp4",
];
/// Documents that are known by the ends of their names.
const OFFICE: [(&str, &str); 6] = [
    ("doc", "application/msword"),
    ("xls", "application/vnd.ms-excel"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
];

/// The file of a message.
pub(super) fn offered(media: &Value) -> Option<OfferedFile> {
    let kind = text_at(media, "mime_type").and_then(|kind| kind.split(';').next());
    Some(OfferedFile {
        name: text_at(media, "filename").unwrap_or_default().to_owned(),
        kind: kind.map(|kind| kind.trim().to_owned()),
        bytes: None,
        source: text_at(media, "id").filter(|id| is_id(id))?.to_owned(),
        passed_on: false,
    })
}

/// First the address of the file, then the file, both by the access token.
pub(super) fn fetch(
    number: &Number,
    file: &OfferedFile,
    found: Option<&OutboundResponse>,
) -> Fetch {
    let Some(answer) = found else {
        let path = format!("{}?phone_number_id={}", file.source, number.id);
        return Fetch::Ask(number.call(Method::GET, &path, None));
    };
    let body = lenient::json(&answer.body);
    let Some(address) = text_at(&body, "url") else {
        let why = refusal::said(&body["error"]);
        return match answer.status {
            429 | 500..=599 => Fetch::Later(format!("WhatsApp answered {}", answer.status)),
            _ => Fetch::Never(format!("WhatsApp did not hand it over: {why}")),
        };
    };
    match on_platform(address, &number.api_base, &HOSTS) {
        Some(url) => Fetch::Download(OutboundRequest {
            url,
            // The file server refuses a request without one.
            headers: vec![number.authorization(), ("user-agent", "quintet".to_owned())],
            timeout_ms: FILE_TIMEOUT_MS,
            ..number.call(Method::GET, "", None)
        }),
        None => Fetch::Never("its address is not on Meta's file server".to_owned()),
    }
}

/// The type that a file is uploaded as. Everything that is text is plain text to WhatsApp.
fn kind(file: &KeptFile, content: &Bytes) -> String {
    let end = file.name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let office = OFFICE.iter().find(|(known, _)| *known == end);
    match office {
        Some((_, kind)) => (*kind).to_owned(),
        None if TYPES.contains(&file.kind.as_str()) => file.kind.clone(),
        None if std::str::from_utf8(content).is_ok() => "text/plain".to_owned(),
        None => file.kind.clone(),
    }
}

/// The next request of an upload; `None` when the file is in the chat.
pub(super) fn send(
    number: &Number,
    row: &OutboxRow,
    file: &KeptFile,
    content: &Bytes,
) -> Option<Attempt> {
    let kind = kind(file, content);
    match row.parts.as_slice() {
        [] => {
            let fields = [("messaging_product", "whatsapp".to_owned()), ("type", kind.clone())];
            let typed = KeptFile { kind, ..file.clone() };
            let (form_kind, body) = form(&fields, "file", &typed, content);
            let mut request = number.call(Method::POST, &format!("{}/media", number.id), None);
            request.headers.push(("content-type", form_kind));
            let request = OutboundRequest { body, timeout_ms: FILE_TIMEOUT_MS, ..request };
            let aim = Aim::Upload(CONTENT);
            Some(Attempt { request, aim, idempotent: true, restart: false })
        }
        [uploaded] => {
            let is_image = matches!(kind.as_str(), "image/jpeg" | "image/png")
                && file.bytes <= IMAGE_BYTES_MAX;
            let (kind, media) = if is_image {
                ("image", json!({ "id": uploaded.id, "caption": file.name }))
            } else {
                ("document", json!({ "id": uploaded.id, "filename": file.name }))
            };
            let message = json!({ "type": kind, kind: media });
            let request = outgoing::post(number, &row.target, message);
            let aim = Aim::Upload(SHOWN);
            Some(Attempt { request, aim, idempotent: false, restart: false })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_uploaded_as_a_type_that_whatsapp_takes() {
        for (name, kind_of, content, sent) in [
            ("answer.md", "text/markdown", &b"# a"[..], "text/plain"),
            ("out.csv", "application/octet-stream", b"a,b", "text/plain"),
            ("a.png", "image/png", b"\x89PNG", "image/png"),
            ("a.DOCX", "application/zip", b"PK\x03", OFFICE[3].1),
            ("a.zip", "application/zip", b"PK\xff", "application/zip"),
        ] {
            let (name, kind_of) = (name.to_owned(), kind_of.to_owned());
            let file = KeptFile { name, kind: kind_of, ..KeptFile::default() };
            assert_eq!(kind(&file, &Bytes::copy_from_slice(content)), sent, "{}", file.name);
        }
    }

    #[test]
    fn file_of_a_message_has_an_id_of_digits() {
        let media = json!({ "id": "65463453", "mime_type": "audio/ogg; codecs=opus" });
        let file = offered(&media).unwrap();
        assert_eq!((file.source.as_str(), file.kind.as_deref()), ("65463453", Some("audio/ogg")));
        for id in ["", "../x", "1/2", "12345?x=1", "https://x.y"] {
            assert!(offered(&json!({ "id": id })).is_none(), "{id}");
        }
    }
}
