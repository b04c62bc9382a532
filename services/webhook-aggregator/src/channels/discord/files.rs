//! Files of Discord: addresses of its file servers; a message with a file in it.

use super::{Application, outgoing};
use crate::channels::upload::{FILE_TIMEOUT_MS, form, on_platform};
use crate::channels::{Aim, Attempt, Fetch, text_at};
use bytes::Bytes;
use inbox::{KeptFile, OfferedFile, OutboxRow};
use platform::ports::OutboundRequest;
use serde_json::{Value, json};

/// Where Discord keeps files.
const HOSTS: [&str; 2] = ["cdn.discordapp.com", "media.discordapp.net"];
/// A bot may send files of this size everywhere.
pub(super) const BYTES_MAX: u64 = 10 << 20;

/// The files of a message, and of messages that it passes on.
pub(super) fn of_message(message: &Value) -> Vec<OfferedFile> {
    let snapshots = message["message_snapshots"].as_array().into_iter().flatten();
    let passed_on = snapshots.flat_map(|snapshot| attached(&snapshot["message"], true));
    attached(message, false).chain(passed_on).collect()
}

fn attached(message: &Value, passed_on: bool) -> impl Iterator<Item = OfferedFile> {
    let all = message["attachments"].as_array().into_iter().flatten();
    all.map(move |one| OfferedFile { passed_on, ..file(one) })
}

/// The files of a command: its own options, and those of a message that it was used on.
pub(super) fn of_command(data: &Value) -> Vec<OfferedFile> {
    let resolved = &data["resolved"];
    let own = resolved["attachments"].as_object().into_iter().flatten().map(|(_, one)| file(one));
    let messages = resolved["messages"].as_object().into_iter().flatten();
    let theirs = messages.flat_map(|(_, message)| of_message(message));
    own.chain(theirs.map(|file| OfferedFile { passed_on: true, ..file })).collect()
}

fn file(file: &Value) -> OfferedFile {
    OfferedFile {
        name: text_at(file, "filename").unwrap_or("file").to_owned(),
        kind: text_at(file, "content_type")
            .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_owned()),
        bytes: file["size"].as_u64(),
        source: text_at(file, "url").unwrap_or_default().to_owned(),
        passed_on: false,
    }
}

/// The content. The address is signed by Discord and needs no token.
pub(super) fn fetch(application: &Application, file: &OfferedFile) -> Fetch {
    match on_platform(&file.source, &application.api_base, &HOSTS) {
        Some(url) => Fetch::Download(OutboundRequest {
            method: http::Method::GET,
            url,
            headers: Vec::new(),
            body: Bytes::new(),
            timeout_ms: FILE_TIMEOUT_MS,
        }),
        None => Fetch::Never("its address is not on Discord's file servers".to_owned()),
    }
}

/// The request that sends a file: by the token of the interaction while it lives, else by the bot,
/// whose nonce makes Discord drop a repetition.
pub(super) fn send(
    application: &Application,
    row: &OutboxRow,
    file: &KeptFile,
    content: &Bytes,
    now_ms: i64,
) -> Attempt {
    let mut message = json!({
        "allowed_mentions": { "parse": [] },
        "attachments": [{ "id": 0, "filename": file.name }],
    });
    let token = row.target.interaction.as_ref().filter(|token| token.until_ms > now_ms);
    let empty = Value::Null;
    let request = match token {
        Some(token) => outgoing::by_token(application, token, http::Method::POST, "", &empty),
        None => {
            message["nonce"] = outgoing::nonce(&row.id, 0).into();
            message["enforce_nonce"] = true.into();
            let path = format!("/channels/{}/messages", row.target.chat);
            outgoing::by_bot(application, http::Method::POST, &path, &empty)
        }
    };
    let fields = [("payload_json", message.to_string())];
    let (kind, body) = form(&fields, "files[0]", file, content);
    let mut headers = request.headers;
    headers.retain(|(name, _)| *name != "content-type");
    headers.push(("content-type", kind));
    let request = OutboundRequest { headers, body, timeout_ms: FILE_TIMEOUT_MS, ..request };
    Attempt { request, aim: Aim::Upload("sent"), idempotent: token.is_none(), restart: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_persons_are_known_as_such() {
        let one = json!([{ "filename": "voice.ogg", "url": "https://cdn.discordapp.com/v" }]);
        let snapshot = json!({ "message": { "content": "", "attachments": one } });
        let forward = json!({ "attachments": one, "message_snapshots": [snapshot] });
        let passed_on =
            |files: Vec<OfferedFile>| files.iter().map(|file| file.passed_on).collect::<Vec<_>>();
        assert_eq!(passed_on(of_message(&forward)), [false, true]);
        let command = json!({ "resolved": { "attachments": { "1": one[0] }, "messages": { "2": { "attachments": one } } } });
        assert_eq!(passed_on(of_command(&command)), [false, true]);
    }
}
