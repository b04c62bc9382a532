//! Files of Slack: private addresses with the bot's token; an upload in three requests.

use super::{App, outgoing};
use crate::channels::upload::{FILE_TIMEOUT_MS, on_platform};
use crate::channels::{Aim, Attempt, Fetch, SendResult, by_status, lenient, text_at};
use bytes::Bytes;
use inbox::{KeptFile, OfferedFile, OutboxRow};
use platform::ports::{OutboundRequest, OutboundResponse};
use serde_json::{Value, json};

/// Where Slack keeps files. The bot's token goes nowhere else.
const HOSTS: [&str; 1] = ["files.slack.com"];
/// Slack takes files of up to 1 GB.
pub(super) const BYTES_MAX: u64 = 1 << 30;

/// The requests of an upload, in their order; each leaves a part in the row.
const ADDRESS: &str = "address";
const CONTENT: &str = "content";
const SHARED: &str = "shared";

/// The files of a message.
pub(super) fn offered(event: &Value) -> Vec<OfferedFile> {
    let files = event["files"].as_array().into_iter().flatten();
    let file = |file: &Value| OfferedFile {
        name: text_at(file, "name").or_else(|| text_at(file, "title")).unwrap_or("file").to_owned(),
        kind: text_at(file, "mimetype").map(str::to_owned),
        bytes: file["size"].as_u64(),
        source: text_at(file, "url_private_download")
            .or_else(|| text_at(file, "url_private"))
            .unwrap_or_default()
            .to_owned(),
        passed_on: text_at(file, "user").is_some_and(|user| Some(user) != text_at(event, "user")),
    };
    // Slack tells no address of a file that is not for the bot.
    files.map(file).filter(|file| !file.source.is_empty()).collect()
}

/// The content, by the bot's token.
pub(super) fn fetch(app: &App, file: &OfferedFile) -> Fetch {
    match on_platform(&file.source, &app.api_base, &HOSTS) {
        Some(url) => Fetch::Download(OutboundRequest {
            method: http::Method::GET,
            url,
            headers: vec![("authorization", format!("Bearer {}", app.bot_token.reveal()))],
            body: Bytes::new(),
            timeout_ms: FILE_TIMEOUT_MS,
        }),
        None => Fetch::Never("its address is not on Slack's file server".to_owned()),
    }
}

/// Slack answers a token without the right with its sign-in page.
pub(super) fn not_a_file(file: &OfferedFile, answer: &OutboundResponse) -> Option<String> {
    let is_page = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    let wants_page = file.kind.as_deref().is_some_and(|kind| kind.contains("html"));
    (is_page && !wants_page).then(|| {
        "Slack did not hand it over; add the scope files:read to the app and install it again"
            .to_owned()
    })
}

/// The next request of an upload; `None` when the file is in the chat.
pub(super) fn send(
    app: &App,
    row: &OutboxRow,
    file: &KeptFile,
    content: &Bytes,
) -> Option<Attempt> {
    let attempt = |request, step, idempotent| Attempt {
        request,
        aim: Aim::Upload(step),
        idempotent,
        restart: false,
    };
    let begun = row.parts.first();
    match row.parts.len() {
        0 => {
            let fields = [("filename", file.name.clone()), ("length", content.len().to_string())];
            let request = outgoing::call(app, "files.getUploadURLExternal", &fields);
            Some(attempt(request, ADDRESS, true))
        }
        1 => {
            // An address elsewhere gets nothing, and the upload is refused.
            let url = on_platform(&begun?.chat, &app.api_base, &HOSTS).unwrap_or_default();
            let request = OutboundRequest {
                method: http::Method::POST,
                url,
                headers: vec![("content-type", file.kind.clone())],
                body: content.clone(),
                timeout_ms: FILE_TIMEOUT_MS,
            };
            Some(attempt(request, CONTENT, true))
        }
        2 => {
            let files = json!([{ "id": begun?.id, "title": file.name }]).to_string();
            let mut fields = vec![("files", files), ("channel_id", row.target.chat.clone())];
            fields.extend(row.target.thread.clone().map(|thread| ("thread_ts", thread)));
            let request = outgoing::call(app, "files.completeUploadExternal", &fields);
            Some(attempt(request, SHARED, false))
        }
        _ => None,
    }
}

/// Reads the response to a request of an upload.
pub(super) fn judge(step: &str, answer: &OutboundResponse) -> SendResult {
    if step == CONTENT {
        return if answer.status == 200 {
            SendResult::Shown { message: String::new(), chat: String::new() }
        } else {
            by_status(answer, format!("Slack did not take the file ({})", answer.status))
        };
    }
    match outgoing::judge(&Aim::Upload(SHARED), answer) {
        SendResult::Shown { .. } => {
            let body = lenient::json(&answer.body);
            let text = |key| text_at(&body, key).unwrap_or_default().to_owned();
            SendResult::Shown { message: text("file_id"), chat: text("upload_url") }
        }
        other => other,
    }
}
