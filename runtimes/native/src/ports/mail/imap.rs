//! IMAP (RFC 3501), as far as reading a folder takes it. The folder is opened to be read only.

use super::line::{Line, invalid, unavailable, within};
use super::reader::Reader;
use bytes::Bytes;
use imap_proto::{AttributeValue, MailboxDatum, Response, ResponseCode, Status};
use jiff::Timestamp;
use platform::ports::PortResult;
use platform::ports::mail::{
    Behind, FilePlace, MESSAGE_BYTES_MAX, PAGE_MESSAGES_MAX, Page, Received,
};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Maximum time between two pieces of a response.
const SILENCE: Duration = Duration::from_secs(30);
const GOODBYE: Duration = Duration::from_secs(2);
/// Bytes of a message that is too long.
const BEGINNING_BYTES: u32 = 256 << 10;
/// Bytes of all messages of a page, at least one message in any case.
const PAGE_BYTES_MAX: u64 = MESSAGE_BYTES_MAX as u64;
/// A response beside its message.
const RESPONSE_BYTES_MAX: usize = 8 << 20;
const DAY_MS: i64 = 24 * 3_600_000;

/// A connection to a server.
pub(super) struct Session {
    line: Line,
    buffer: Vec<u8>,
    commands: u32,
    reader: Reader,
}

/// The state of an opened folder.
#[derive(Default)]
pub(super) struct Folder {
    validity: u32,
    /// The number that the next message gets.
    next: Option<u32>,
}

/// The content of a message.
enum Content {
    Here(Vec<u8>),
    /// It is not in the folder any more.
    Gone,
    /// The server does not hand it over, for this reason.
    Kept(String),
}

/// A message in a list.
#[derive(Default)]
struct Listed {
    uid: u32,
    bytes: u32,
    received_ms: i64,
}

impl Session {
    /// After the greeting of the server.
    pub(super) async fn greeted(line: Line, reader: Reader) -> PortResult<Self> {
        let mut session = Self { line, buffer: Vec::new(), commands: 0, reader };
        let mut is_welcome = false;
        session
            .response(&mut |response| {
                let status = if let Response::Data { status, .. } = response {
                    status
                } else {
                    &Status::Bad
                };
                is_welcome = matches!(status, Status::Ok | Status::PreAuth);
            })
            .await?;
        if is_welcome { Ok(session) } else { Err(unavailable("the server takes no connections")) }
    }
    /// Signs in.
    pub(super) async fn sign_in(&mut self, user: &str, password: &str) -> PortResult<()> {
        let (user, password) = (quoted(user)?, quoted(password)?);
        let answer = self.ask(&format!("LOGIN {user} {password}"), &mut |_| {}).await?;
        answer.map_err(|why| invalid(format!("the server refuses the sign-in: {why}")))
    }
    /// Says goodbye, to whom it may concern.
    pub(super) async fn end(mut self) {
        let _ = within(GOODBYE, self.ask("LOGOUT", &mut |_| {})).await;
    }
    /// Opens a folder.
    pub(super) async fn look(&mut self, folder: &str) -> PortResult<Folder> {
        let mut found = Folder::default();
        let answer = self
            .ask(&format!("EXAMINE {}", quoted(folder)?), &mut |response| {
                if let Response::Data { outcome, .. } = response {
                    match outcome.code {
                        Some(ResponseCode::UidValidity(validity)) => found.validity = validity,
                        Some(ResponseCode::UidNext(next)) => found.next = Some(next),
                        _ => {}
                    }
                }
            })
            .await?;
        answer.map_err(|why| invalid(format!("the server does not open {folder}: {why}")))?;
        Ok(found)
    }
    /// The messages behind a place.
    pub(super) async fn page(&mut self, folder: &str, behind: Behind) -> PortResult<Page> {
        let folder = self.look(folder).await?;
        let newest = match folder.next {
            Some(next) => next.saturating_sub(1),
            None => self.search("UID SEARCH UID *").await?.into_iter().max().unwrap_or(0),
        };
        let mut page = Page { validity: folder.validity, newest, ..Page::default() };
        let (uid, since_ms, gives_up) = match behind {
            Behind::Message { validity, uid, since_ms, gives_up }
                if validity == folder.validity && uid < newest =>
            {
                (uid, since_ms, gives_up)
            }
            _ => return Ok(page),
        };
        let from = uid.saturating_add(1);
        let since = since_ms.map(|at| format!(" SINCE {}", day(at))).unwrap_or_default();
        let mut uids = self.search(&format!("UID SEARCH UID {from}:*{since}")).await?;
        // A range up to `*` always has the last message.
        uids.retain(|found| *found > uid);
        uids.sort_unstable();
        let has_more = uids.len() > PAGE_MESSAGES_MAX;
        uids.truncate(PAGE_MESSAGES_MAX);
        page.has_more = has_more;
        self.filled(page, &uids, gives_up).await
    }
    /// The page with these messages, as many as have room and the server hands over. The look fails
    /// where it hands over none, unless that is given up.
    async fn filled(&mut self, mut page: Page, uids: &[u32], gives_up: bool) -> PortResult<Page> {
        let mut room = PAGE_BYTES_MAX;
        for listed in self.list(uids).await? {
            let bytes = u64::from(listed.bytes);
            if bytes > room && !page.messages.is_empty() && listed.bytes <= MESSAGE_BYTES_MAX {
                page.has_more = true;
                break;
            }
            room = room.saturating_sub(bytes);
            let is_whole = listed.bytes <= MESSAGE_BYTES_MAX;
            let read = match self.content(listed.uid, is_whole).await? {
                // It is gone by now.
                Content::Gone => continue,
                Content::Here(raw) => match read(&self.reader, raw, is_whole).await {
                    Ok(read) => read,
                    // As one that the server keeps back: those before it are taken first.
                    Err(_) if !page.messages.is_empty() => {
                        page.has_more = true;
                        break;
                    }
                    Err(error) if gives_up => kept(&page, listed.uid, &error.detail),
                    Err(error) => return Err(error),
                },
                Content::Kept(_) if !page.messages.is_empty() => {
                    page.has_more = true;
                    break;
                }
                Content::Kept(why) if gives_up => kept(&page, listed.uid, &why),
                Content::Kept(why) => {
                    return Err(unavailable(format!("the server keeps a message back: {why}")));
                }
            };
            page.messages.push(Received {
                validity: page.validity,
                uid: listed.uid,
                received_ms: listed.received_ms,
                too_long: Some(bytes).filter(|_| !is_whole),
                ..read
            });
        }
        Ok(page)
    }
    /// The content of a file.
    pub(super) async fn file(
        &mut self,
        folder: &str,
        file: FilePlace,
    ) -> PortResult<Option<Bytes>> {
        if self.look(folder).await?.validity != file.validity {
            return Ok(None);
        }
        let listed = self.list(&[file.uid]).await?;
        if listed.iter().all(|listed| listed.bytes > MESSAGE_BYTES_MAX) {
            return Ok(None);
        }
        let raw = match self.content(file.uid, true).await? {
            Content::Here(raw) => raw,
            Content::Gone => return Ok(None),
            Content::Kept(why) => {
                return Err(unavailable(format!("the server keeps a message back: {why}")));
            }
        };
        self.reader.file(raw, file.number).await
    }

    async fn search(&mut self, command: &str) -> PortResult<Vec<u32>> {
        let mut found = Vec::new();
        let answer = self
            .ask(command, &mut |response| {
                if let Response::MailboxData(MailboxDatum::Search(uids)) = response {
                    found.extend_from_slice(uids);
                }
            })
            .await?;
        answer.map_err(|why| unavailable(format!("the server does not search: {why}")))?;
        Ok(found)
    }
    async fn list(&mut self, uids: &[u32]) -> PortResult<Vec<Listed>> {
        let mut found = Vec::new();
        if uids.is_empty() {
            return Ok(found);
        }
        let set = uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let command = format!("UID FETCH {set} (UID INTERNALDATE RFC822.SIZE)");
        let answer = self
            .ask(&command, &mut |response| {
                let Response::Fetch(_, attributes) = response else { return };
                let mut listed = Listed::default();
                for attribute in attributes {
                    match attribute {
                        AttributeValue::Uid(uid) => listed.uid = *uid,
                        AttributeValue::Rfc822Size(bytes) => listed.bytes = *bytes,
                        AttributeValue::InternalDate(date) => listed.received_ms = time(date),
                        _ => {}
                    }
                }
                if uids.contains(&listed.uid) {
                    found.push(listed);
                }
            })
            .await?;
        answer.map_err(|why| unavailable(format!("the server does not list messages: {why}")))?;
        found.sort_unstable_by_key(|listed| listed.uid);
        found.dedup_by_key(|listed| listed.uid);
        Ok(found)
    }
    async fn content(&mut self, uid: u32, is_whole: bool) -> PortResult<Content> {
        let part = if is_whole { String::new() } else { format!("<0.{BEGINNING_BYTES}>") };
        let command = format!("UID FETCH {uid} (UID BODY.PEEK[]{part})");
        let mut content = Content::Gone;
        let answer = self
            .ask(&command, &mut |response| {
                let Response::Fetch(_, attributes) = response else { return };
                if !attributes.contains(&AttributeValue::Uid(uid)) {
                    return;
                }
                for attribute in attributes {
                    if let AttributeValue::BodySection { data, .. } = attribute {
                        content = match data {
                            Some(data) => Content::Here(data.to_vec()),
                            None => Content::Kept("it has no content there".to_owned()),
                        };
                    }
                }
            })
            .await?;
        Ok(answer.map_or_else(Content::Kept, |()| content))
    }

    /// Sends a command and reads up to its result; the reason of a refusal.
    async fn ask(
        &mut self,
        command: &str,
        each: &mut (dyn FnMut(&Response<'_>) + Send),
    ) -> PortResult<Result<(), String>> {
        self.commands += 1;
        let tag = format!("q{}", self.commands);
        let sending = async {
            self.line.write_all(format!("{tag} {command}\r\n").as_bytes()).await?;
            self.line.flush().await
        };
        within(SILENCE, async { sending.await.map_err(unavailable) }).await?;
        loop {
            let mut result = None;
            self.response(&mut |response| match response {
                Response::Done { tag: of, status, outcome } if of.as_bytes() == tag.as_bytes() => {
                    let said = outcome.information.as_deref().unwrap_or("no reason");
                    let said = platform::text::short(&platform::text::printable(said), 200);
                    result = Some(if *status == Status::Ok { Ok(()) } else { Err(said) });
                }
                response => each(response),
            })
            .await?;
            if let Some(result) = result {
                return Ok(result);
            }
        }
    }

    /// Reads one response.
    async fn response(&mut self, take: &mut (dyn FnMut(&Response<'_>) + Send)) -> PortResult<()> {
        loop {
            match Response::parse(&self.buffer) {
                Ok((rest, response)) => {
                    let used = self.buffer.len() - rest.len();
                    take(&response);
                    drop(response);
                    self.buffer.drain(..used);
                    return Ok(());
                }
                Err(error) if error.is_incomplete() => {}
                Err(_) => {
                    // A response that nobody asked for, of an extension.
                    let end = self.buffer.windows(2).position(|two| two == b"\r\n");
                    if let Some(end) = end {
                        self.buffer.drain(..end + 2);
                        continue;
                    }
                }
            }
            self.more().await?;
        }
    }
    async fn more(&mut self) -> PortResult<()> {
        if self.buffer.len() > MESSAGE_BYTES_MAX as usize + RESPONSE_BYTES_MAX {
            return Err(unavailable("the server's response is too long"));
        }
        let reading = async { self.line.read_buf(&mut self.buffer).await.map_err(unavailable) };
        match within(SILENCE, reading).await? {
            0 => Err(unavailable("the server ended the connection")),
            _ => Ok(()),
        }
    }
}

/// A message that the server does not hand over, so that those behind it are read.
fn kept(page: &Page, uid: u32, why: &str) -> Received {
    let digest = platform::secret::digest_hex(format!("{}.{uid}", page.validity).as_bytes());
    let broken = Some(format!("This message was not to be had: {why}"));
    Received { digest, broken, ..Received::default() }
}

/// Reads a message apart from the others: one that cannot be read must not hold up those behind it.
async fn read(reader: &Reader, raw: Vec<u8>, is_whole: bool) -> PortResult<Received> {
    let beginning = String::from_utf8_lossy(raw.get(..4096).unwrap_or(&raw)).into_owned();
    let digest = platform::secret::digest_hex(&raw);
    let read = reader.message(raw, is_whole).await?;
    let broken = Received { broken: Some(beginning), ..Received::default() };
    Ok(Received { digest, ..read.unwrap_or(broken) })
}

/// A text between quotation marks, as a command takes it.
fn quoted(text: &str) -> PortResult<String> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")));
    }
    Err(invalid("`user`, `password` and `folder` are written in ASCII"))
}

/// `17-Jul-1996 02:44:25 -0700`; 0 where it is no date.
fn time(date: &str) -> i64 {
    let read = jiff::fmt::strtime::parse("%d-%b-%Y %H:%M:%S %z", date.trim());
    let time = read.and_then(|read| read.to_timestamp());
    time.map_or(0, Timestamp::as_millisecond)
}

/// The day before, as `SINCE` takes it: the server counts days in its own zone.
fn day(at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms.saturating_sub(DAY_MS)).unwrap_or_default();
    at.strftime("%-d-%b-%Y").to_string()
}

#[cfg(test)]
mod dates {
    use super::*;

    #[test]
    fn dates_of_imap_are_read_and_written() {
        assert_eq!(time("17-Jul-1996 02:44:25 -0700"), 837_596_665_000);
        assert_eq!(time(" 7-Jul-1996 02:44:25 +0000"), 836_707_465_000);
        assert_eq!(time("yesterday"), 0);
        assert_eq!(day(837_596_665_000), "16-Jul-1996");
        assert_eq!(quoted("a\"b\\").unwrap(), "\"a\\\"b\\\\\"");
        assert!(quoted("a\r\nb").is_err());
    }
}
