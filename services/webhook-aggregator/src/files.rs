//! Files of messages: fetched after the acknowledgement, one a step, checked, and kept beside the
//! event. Files of answers are stored by the gateway and sent after the answer.

mod album;
mod answer;
mod fetch;
mod serve;
mod whole;
mod words;

pub(crate) use answer::{attach, could_not_send, fits};
pub(crate) use fetch::{next, placeholder_text};
pub(crate) use serve::{read, store};
pub(crate) use whole::put_whole;

use crate::Deps;
use contracts::files::{Attachment, FileOf};
use contracts::{EventId, FileId};
use inbox::{KeptFile, OfferedFile, StoredEvent};
use platform::files::{FOLDER_IN, size};
use platform::ports::PortResult;

/// The folder of an event's files among the objects.
fn folder(event: &EventId) -> String {
    format!("files/{event}/")
}

/// Where the content with this digest lies.
fn object(event: &EventId, sha256: &str) -> String {
    format!("{}{sha256}", folder(event))
}

/// Deletes the files of an event.
pub(crate) async fn delete(deps: &Deps, event: &EventId) -> PortResult<()> {
    for name in deps.objects.list(&folder(event)).await? {
        deps.objects.delete(&name).await?;
    }
    Ok(())
}

/// The line in place of a message that has files and no words.
pub(crate) fn in_place_of_words<'a>(names: impl Iterator<Item = &'a str>) -> String {
    format!("[Sent without words: {}]", names.collect::<Vec<_>>().join(", "))
}

/// The files that came with the message, then those of its album.
fn offered(event: &StoredEvent) -> impl Iterator<Item = &OfferedFile> {
    event.origin.attachments.iter().chain(&event.data.more)
}

/// The kept files of a message, as the contract shows them.
pub(crate) fn of_message(event: &StoredEvent) -> Vec<Attachment> {
    shown(&event.id, &event.data.files, FileOf::Message)
}

/// The files of its answer.
pub(crate) fn of_answer(event: &StoredEvent) -> Vec<Attachment> {
    shown(&event.id, &event.data.answer_files, FileOf::Answer)
}

fn shown(event: &EventId, files: &[KeptFile], place: fn(usize) -> FileOf) -> Vec<Attachment> {
    let kept = files.iter().enumerate().filter(|(_, file)| file.refused.is_none());
    kept.map(|(at, file)| Attachment {
        id: FileId::of(event, place(at)),
        name: file.name.clone(),
        kind: file.kind.clone(),
        bytes: file.bytes,
        sha256: file.sha256.clone(),
    })
    .collect()
}

/// A message with its files below its words, as an approver and the agent read it.
pub(crate) fn with_files(text: &str, event: &StoredEvent) -> String {
    let files = &event.data.files;
    if files.is_empty() {
        return text.to_owned();
    }
    let line = |file: &KeptFile| match &file.refused {
        None => {
            let words =
                if file.transcribed { "; the words above were transcribed from it" } else { "" };
            format!("{FOLDER_IN}/{} ({}, {}{words})", file.name, file.kind, size(file.bytes))
        }
        Some(why) => format!("not taken: {}, {why}", file.name),
    };
    let lines: Vec<String> = files.iter().map(line).collect();
    format!("{text}\n\n[Files of this message]\n{}", lines.join("\n"))
}

/// The one line for the person about files that were not taken.
fn not_taken(files: &[KeptFile]) -> Option<String> {
    let refused = files.iter().filter_map(|file| Some((file, file.refused.as_ref()?)));
    let each: Vec<String> = refused.map(|(file, why)| format!("{}: {why}", file.name)).collect();
    (!each.is_empty()).then(|| format!("Not taken: {}.", each.join("; ")))
}

/// Whether its answers are only in the transcript.
fn is_console(event: &StoredEvent) -> bool {
    event.origin.target.is_transcript()
}

/// The content of a kept file; `None` where it is gone or is not what was kept.
pub(crate) async fn content(deps: &Deps, file: &KeptFile) -> PortResult<Option<bytes::Bytes>> {
    if file.object.is_empty() {
        return Ok(None);
    }
    let found = deps.objects.get(&file.object).await?;
    Ok(found.filter(|bytes| platform::secret::digest_hex(bytes) == file.sha256))
}
