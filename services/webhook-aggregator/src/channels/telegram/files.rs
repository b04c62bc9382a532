//! Files of Telegram: `getFile` and the content behind it; `sendDocument`.

use super::{Bot, outgoing};
use crate::channels::upload::{FILE_TIMEOUT_MS, form};
use crate::channels::{Aim, Attempt, Fetch, lenient};
use bytes::Bytes;
use inbox::{KeptFile, OfferedFile, OutboxRow};
use platform::ports::{OutboundRequest, OutboundResponse};
use serde_json::{Value, json};

/// A bot may send files of this size.
pub(super) const BYTES_MAX: u64 = 50 << 20;

/// The files of a message. An animation is a document too.
pub(super) fn offered(message: &Value) -> Vec<OfferedFile> {
    let largest = |sizes: &Value| {
        let sizes = sizes.as_array().into_iter().flatten();
        sizes.max_by_key(|size| size["width"].as_i64().unwrap_or(0)).cloned()
    };
    let photo = largest(&message["photo"]).map(|photo| file(&photo, Some("image/jpeg")));
    let others = [
        ("document", None),
        ("voice", Some("audio/ogg")),
        ("audio", Some("audio/mpeg")),
        ("video", Some("video/mp4")),
        ("video_note", Some("video/mp4")),
    ];
    let others = others.into_iter().filter_map(|(key, kind)| Some(file(message.get(key)?, kind)));
    photo.into_iter().chain(others).filter(|file| !file.source.is_empty()).collect()
}

fn file(file: &Value, usual: Option<&str>) -> OfferedFile {
    OfferedFile {
        name: file["file_name"].as_str().unwrap_or_default().to_owned(),
        kind: file["mime_type"].as_str().or(usual).map(str::to_owned),
        bytes: file["file_size"].as_u64(),
        source: file["file_id"].as_str().unwrap_or_default().to_owned(),
        passed_on: false,
    }
}

/// First the path of the file, then the file. Telegram hands a bot files of up to 20 MB.
pub(super) fn fetch(bot: &Bot, file: &OfferedFile, found: Option<&OutboundResponse>) -> Fetch {
    let Some(answer) = found else {
        return Fetch::Ask(outgoing::call(bot, "getFile", &json!({ "file_id": file.source })));
    };
    let body = lenient::json(&answer.body);
    let why = body["description"].as_str().unwrap_or("no answer");
    match body["result"]["file_path"].as_str().filter(|path| is_path(path)) {
        Some(path) => Fetch::Download(OutboundRequest {
            method: http::Method::GET,
            url: format!("{}/file/bot{}/{path}", bot.api_base, bot.bot_token.reveal()),
            headers: Vec::new(),
            body: Bytes::new(),
            timeout_ms: FILE_TIMEOUT_MS,
        }),
        None if answer.status == 429 || answer.status >= 500 => {
            Fetch::Later(format!("Telegram answered {}", answer.status))
        }
        None if why.contains("too big") => {
            Fetch::Never("Telegram hands bots files of up to 20 MB".to_owned())
        }
        None => Fetch::Never(format!("Telegram did not hand it over: {why}")),
    }
}

/// A path below the bot's own folder.
fn is_path(path: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    path.bytes().all(fits) && !path.starts_with('/') && !path.contains("..")
}

/// The request that sends a file.
pub(super) fn send(bot: &Bot, row: &OutboxRow, file: &KeptFile, content: &Bytes) -> Attempt {
    let mut fields = vec![
        ("chat_id", row.target.chat.clone()),
        ("disable_content_type_detection", "true".to_owned()),
    ];
    fields.extend(row.target.thread.clone().map(|thread| ("message_thread_id", thread)));
    let (kind, body) = form(&fields, "document", file, content);
    let request = OutboundRequest {
        headers: vec![("content-type", kind)],
        body,
        timeout_ms: FILE_TIMEOUT_MS,
        ..outgoing::call(bot, "sendDocument", &Value::Null)
    };
    Attempt { request, aim: Aim::Upload("sent"), idempotent: false, restart: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_message_are_read_with_their_largest_photo() {
        let message = json!({
            "photo": [
                { "file_id": "small", "width": 90, "file_size": 10 },
                { "file_id": "large", "width": 1280, "file_size": 99 },
            ],
            "document": { "file_id": "d", "file_name": "a.pdf", "mime_type": "application/pdf" },
            "voice": { "file_id": "v", "duration": 3 },
            "animation": { "file_id": "d" },
        });
        let found = offered(&message);
        let sources: Vec<_> = found.iter().map(|file| file.source.as_str()).collect();
        assert_eq!(sources, ["large", "d", "v"]);
        assert_eq!(found[0].bytes, Some(99));
        assert_eq!(found[2].kind.as_deref(), Some("audio/ogg"));
    }

    #[test]
    fn path_of_a_file_stays_below_the_bot() {
        assert!(is_path("photos/file_1.jpg"));
        for path in ["../x", "/x", "a?b", "a#b", "a/../b", "a b", "http://x"] {
            assert!(!is_path(path), "{path}");
        }
    }
}
