//! Fetches the files of a message from its platform: one a step, so that a restart goes on with the
//! next one.

use super::words;
use super::{album, in_place_of_words, is_console, not_taken, object, offered};
use crate::Deps;
use crate::channels::{Connection, Fetch, Mailbox};
use crate::steps::{AT_ONCE, Stop, reply_id, say, to};
use contracts::event::Stage;
use inbox::{Draft, EventData, KeptFile, OfferedFile, Patch, Step, StoredEvent};
use platform::files::{safe_name, size, true_type, unique};
use platform::ports::mail::FilePlace;
use platform::ports::{OutboundResponse, PortErrorKind};
use platform::secret::digest_hex;
use platform::text::as_code;

/// A file is given up after this many failed tries, about a minute and a half.
const TRIES_MAX: u32 = 5;
/// Maximum characters of the quoted words of a recording.
const HEARD_CHARS_SHOWN: usize = 300;
/// Requests for one file: the address, then the content.
const REQUESTS_MAX: usize = 3;

/// The step that fetches the next file of a received message; `None` when all have been looked at.
pub(crate) async fn next(deps: &Deps, event: &StoredEvent) -> Result<Option<Step>, Stop> {
    if let Some(step) = album::gather(deps, event).await? {
        return Ok(Some(step));
    }
    let place = event.data.files.len();
    if let Some(heard) = words::of_last(deps, event).await? {
        return Ok(Some(step(event, heard.data, heard.note)));
    }
    let Some(offered) = offered(event).nth(place) else { return Ok(None) };
    let taken = event.data.files.iter().map(|file| file.name.as_str());
    let name = unique(&name_of(offered), taken);
    let limits = &deps.config.files;
    let file = if event.origin.public_only {
        // Anyone may write to this endpoint, and files are kept before anybody decides.
        refused(name, offered, "files are taken from known senders only".to_owned())
    } else if place >= limits.per_message_max {
        let why = format!("a message may bring {} files at most", limits.per_message_max);
        refused(name, offered, why)
    } else {
        match fetched(deps, event, offered).await {
            Ok(bytes) => kept(deps, event, offered, name, bytes).await?,
            Err(Missed::Never(why)) => refused(name, offered, why),
            Err(Missed::Later(why)) if event.attempts + 1 >= TRIES_MAX => {
                refused(name, offered, format!("it could not be fetched ({why})"))
            }
            Err(Missed::Later(why)) => return Err(Stop::Again(why)),
        }
    };
    let note = match &file.refused {
        None => format!("fetched {} ({}, {})", file.name, file.kind, size(file.bytes)),
        Some(why) => format!("not taken: {}, {why}", file.name),
    };
    let mut data = event.data.clone();
    data.files.push(file);
    Ok(Some(step(event, data, note)))
}

/// On to the next file, or after the last one on with the message.
fn step(event: &StoredEvent, data: EventData, note: String) -> Step {
    let is_last =
        data.files.len() >= offered(event).count() && !words::waits_for_its_words(event, &data);
    let told = not_taken(&data.files).into_iter().chain(heard_as(&data)).collect::<Vec<_>>();
    let told = Some(told.join("\n")).filter(|text| is_last && !text.is_empty());
    let is_empty = event.origin.wordless
        && data.message.is_none()
        && data.files.iter().all(|file| file.refused.is_some());
    if let Some(text) = told.as_ref().filter(|_| is_empty) {
        let reason = Some("no_file_taken".to_owned());
        let patch = Patch { reason, data: Some(data), ..say(event, None, text, true) };
        return to(Stage::Refused, Some(note), patch, 0);
    }
    let say = told.filter(|_| !is_console(event)).map(|text| notice(event, text));
    let said = words::spoken(event, &data);
    let patch = Patch {
        say: say.into_iter().collect(),
        said: said.into_iter().collect(),
        data: Some(data),
        ..Patch::default()
    };
    to(Stage::Received, Some(note), patch, AT_ONCE)
}

/// The line that quotes what a recording was heard as, so that a mistake is noticed.
fn heard_as(data: &EventData) -> Option<String> {
    let is_heard = data.files.iter().any(|file| file.transcribed);
    let words = data.message.as_deref().filter(|_| is_heard)?;
    Some(format!("I heard: {}", as_code(words, HEARD_CHARS_SHOWN)))
}

/// Beside the reply, which the answer replaces. Its name is that of the message: said once.
fn notice(event: &StoredEvent, text: String) -> Draft {
    Draft {
        id: format!("files:{}", reply_id(event)),
        revision: 1,
        target: event.origin.target.clone(),
        text,
        buttons: None,
        event_id: Some(event.id.clone()),
        kind: "reply".to_owned(),
        file: None,
        expires_ms: None,
    }
}

/// The names of offered files for the line in place of words.
pub(crate) fn placeholder_text(files: &[OfferedFile]) -> String {
    let names: Vec<String> = files.iter().map(name_of).collect();
    in_place_of_words(names.iter().map(String::as_str))
}

fn name_of(offered: &OfferedFile) -> String {
    if !offered.name.trim().is_empty() {
        return safe_name(&offered.name);
    }
    let kind = offered.kind.as_deref().unwrap_or_default();
    let name = match kind {
        "image/jpeg" => "photo.jpg",
        "image/png" => "photo.png",
        "image/webp" => "sticker.webp",
        "audio/ogg" => "voice.ogg",
        "audio/mpeg" => "audio.mp3",
        "audio/mp4" => "audio.m4a",
        "video/mp4" => "video.mp4",
        "application/pdf" => "document.pdf",
        _ => "file",
    };
    name.to_owned()
}

fn refused(name: String, offered: &OfferedFile, why: String) -> KeptFile {
    KeptFile {
        name,
        kind: offered.kind.clone().unwrap_or_default(),
        bytes: offered.bytes.unwrap_or(0),
        refused: Some(why),
        ..KeptFile::default()
    }
}

/// Why there is no content.
enum Missed {
    Never(String),
    Later(String),
}

fn too_large(deps: &Deps, bytes: Option<u64>) -> Missed {
    let has = bytes.map(|bytes| format!("it has {}, and ", size(bytes))).unwrap_or_default();
    Missed::Never(format!("{has}a file may have {} at most", size(deps.config.files.bytes_max)))
}

/// The content, within the limit of bytes.
async fn fetched(
    deps: &Deps,
    event: &StoredEvent,
    offered: &OfferedFile,
) -> Result<bytes::Bytes, Missed> {
    let limits = &deps.config.files;
    if let Some(bytes) = offered.bytes.filter(|bytes| *bytes > limits.bytes_max) {
        return Err(too_large(deps, Some(bytes)));
    }
    if let Some(kind) = offered.kind.as_deref().filter(|kind| !limits.takes(kind)) {
        return Err(Missed::Never(format!("files of the type {kind} are not taken here")));
    }
    let connection = deps
        .config
        .endpoint(&event.channel, &event.endpoint)
        .and_then(|endpoint| endpoint.connection.clone());
    let Some(connection) = connection else {
        return Err(Missed::Never("its endpoint is not configured any more".to_owned()));
    };
    requests(deps, connection.as_ref(), offered).await
}

async fn requests(
    deps: &Deps,
    connection: &dyn Connection,
    offered: &OfferedFile,
) -> Result<bytes::Bytes, Missed> {
    let mut found: Option<OutboundResponse> = None;
    for _ in 0..REQUESTS_MAX {
        match connection.fetch(offered, found.as_ref()) {
            Fetch::Ask(request) => found = Some(deps.outbound.send(request).await.map_err(later)?),
            Fetch::Download(request) => {
                let bytes_max = usize::try_from(deps.config.files.bytes_max).unwrap_or(usize::MAX);
                let sent = deps.outbound.send_within(request, bytes_max).await;
                let is_long = |kind| kind == PortErrorKind::Invalid;
                let answer = match sent {
                    Err(error) if is_long(error.kind) => return Err(too_large(deps, None)),
                    other => other.map_err(later)?,
                };
                return downloaded(connection, offered, answer);
            }
            Fetch::Mailbox(place) => return from_mailbox(deps, connection, place).await,
            Fetch::Never(why) => return Err(Missed::Never(why)),
            Fetch::Later(why) => return Err(Missed::Later(why)),
        }
    }
    Err(Missed::Never("its platform did not hand it over".to_owned()))
}

/// The file of a message that lies in the mailbox.
async fn from_mailbox(
    deps: &Deps,
    connection: &dyn Connection,
    place: FilePlace,
) -> Result<bytes::Bytes, Missed> {
    let account = connection.mailbox().and_then(Mailbox::account);
    let (Some(account), Some(mail)) = (account, &deps.mail) else {
        return Err(Missed::Never("there is no mailbox here".to_owned()));
    };
    let content = mail.file(account, place).await.map_err(later)?;
    let Some(content) = content else {
        return Err(Missed::Never("its message is no longer in the mailbox".to_owned()));
    };
    let bytes = content.len() as u64;
    if bytes > deps.config.files.bytes_max {
        return Err(too_large(deps, Some(bytes)));
    }
    Ok(content)
}

/// The platform's address may hold a token, so its words are left out.
fn later(_: platform::ports::PortError) -> Missed {
    Missed::Later("its platform did not answer".to_owned())
}

fn downloaded(
    connection: &dyn Connection,
    offered: &OfferedFile,
    answer: OutboundResponse,
) -> Result<bytes::Bytes, Missed> {
    match answer.status {
        200 => match connection.not_a_file(offered, &answer) {
            Some(why) => Err(Missed::Never(why)),
            None => Ok(answer.body),
        },
        408 | 425 | 429 | 500..=599 => {
            Err(Missed::Later(format!("its platform answered {}", answer.status)))
        }
        status => Err(Missed::Never(format!("its platform did not hand it over ({status})"))),
    }
}

/// Checks the content and keeps it.
async fn kept(
    deps: &Deps,
    event: &StoredEvent,
    offered: &OfferedFile,
    name: String,
    bytes: bytes::Bytes,
) -> Result<KeptFile, Stop> {
    let named = offered.kind.as_deref().unwrap_or_default();
    let Some(kind) = true_type(named, &bytes) else {
        return Ok(refused(name, offered, format!("its content is no {named}")));
    };
    if !deps.config.files.takes(&kind) {
        let why = format!("files of the type {kind} are not taken here");
        return Ok(refused(name, offered, why));
    }
    let sha256 = digest_hex(&bytes);
    let (object, length) = (object(&event.id, &sha256), bytes.len() as u64);
    let put = deps.objects.put(&object, bytes).await;
    if let Err(error) = put {
        tracing::warn!("event.id" = %event.id, %error, "a file could not be stored");
        if event.attempts + 1 < TRIES_MAX {
            return Err(Stop::Again("a file could not be stored".to_owned()));
        }
        return Ok(refused(name, offered, "it could not be stored".to_owned()));
    }
    Ok(KeptFile { name, kind, bytes: length, sha256, object, ..KeptFile::default() })
}
