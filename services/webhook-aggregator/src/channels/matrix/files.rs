//! Files of Matrix: `mxc:` addresses, which our own homeserver hands over; an upload, then a
//! message with its address.

use super::bot::{Bot, segment};
use super::{outgoing, words};
use crate::channels::upload::FILE_TIMEOUT_MS;
use crate::channels::{Aim, Attempt, Fetch, text_at};
use bytes::Bytes;
use http::Method;
use inbox::{KeptFile, OfferedFile, OutboxRow};
use platform::ports::OutboundRequest;
use serde_json::{Value, json};

/// Homeservers take 50 MB and more, each with a limit of its own.
pub(super) const BYTES_MAX: u64 = 50 << 20;
/// The request of an upload whose response is an address, and the one that shows it.
const CONTENT: &str = "content";
const SHOWN: &str = "shown";

/// The file of a message.
pub(super) fn offered(content: &Value) -> Vec<OfferedFile> {
    let source = text_at(content, "url").filter(|_| words::is_file(content));
    let file = |source: &str| OfferedFile {
        passed_on: false,
        name: text_at(content, "filename")
            .or_else(|| text_at(content, "body"))
            .unwrap_or_default()
            .to_owned(),
        kind: text_at(&content["info"], "mimetype").map(str::to_owned),
        bytes: content["info"]["size"].as_u64(),
        source: source.to_owned(),
    };
    source.map(file).into_iter().collect()
}

/// Server and id of an `mxc:` address. Anybody may write an address into a message; of this one
/// only our own homeserver is asked.
fn address(source: &str) -> Option<(&str, &str)> {
    let (server, id) = source.strip_prefix("mxc://")?.split_once('/')?;
    let is_server = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let fits = !server.is_empty() && server.bytes().all(is_server) && !server.contains("..");
    (fits && !id.is_empty() && id.bytes().all(is_id)).then_some((server, id))
}

/// The content, by the token of the account.
pub(super) fn fetch(bot: &Bot, file: &OfferedFile) -> Fetch {
    let Some((server, id)) = address(&file.source) else {
        return Fetch::Never("its address is none of Matrix".to_owned());
    };
    let path = format!("client/v1/media/download/{}/{id}", segment(server));
    let request = bot.request(Method::GET, &path, None);
    Fetch::Download(OutboundRequest { timeout_ms: FILE_TIMEOUT_MS, ..request })
}

/// The next request of an upload; `None` when the file is in the chat.
pub(super) fn send(
    bot: &Bot,
    row: &OutboxRow,
    file: &KeptFile,
    content: &Bytes,
) -> Option<Attempt> {
    let attempt = |request, step| Attempt {
        request: OutboundRequest { timeout_ms: FILE_TIMEOUT_MS, ..request },
        aim: Aim::Upload(step),
        idempotent: true,
        restart: false,
    };
    match row.parts.as_slice() {
        [] => {
            let path = format!("media/v3/upload?filename={}", segment(&file.name));
            let mut request = bot.request(Method::POST, &path, None);
            request.headers.push(("content-type", file.kind.clone()));
            request.body = content.clone();
            Some(attempt(request, CONTENT))
        }
        [uploaded] => {
            let mut message = json!({
                "msgtype": kind(&file.kind), "body": file.name, "filename": file.name, "url": uploaded.id,
                "info": { "mimetype": file.kind, "size": file.bytes }, "m.mentions": {},
            });
            if let Some(relation) =
                row.target.thread.as_ref().and(outgoing::relation(&row.target, 1))
            {
                message["m.relates_to"] = relation;
            }
            let transaction = outgoing::transaction(&row.id, SHOWN);
            let request = outgoing::send(bot, &row.target.chat, &transaction, &message);
            Some(attempt(request, SHOWN))
        }
        _ => None,
    }
}

fn kind(mime: &str) -> &'static str {
    match mime.split('/').next() {
        // A picture that is a program is shown as a file.
        Some("image") if !mime.contains("svg") => "m.image",
        Some("audio") => "m.audio",
        Some("video") => "m.video",
        _ => "m.file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_of_a_file_names_a_server_and_an_id_and_nothing_else() {
        assert_eq!(address("mxc://example.org:8448/AbC_-1"), Some(("example.org:8448", "AbC_-1")));
        for bad in [
            "https://example.org/a",
            "mxc://example.org",
            "mxc:///a",
            "mxc://example.org/",
            "mxc://a/b/c",
            "mxc://../x",
            "mxc://a?x/b",
            "mxc://a/b?x=1",
            "mxc://a/..",
            "mxc://a@b/c",
            "mxc://a%2fb/c",
            "",
        ] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }
}
