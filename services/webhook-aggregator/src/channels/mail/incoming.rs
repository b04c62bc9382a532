//! A message of the mailbox, read: whether it is from the person that it names, its thread, and its
//! words.

use super::desk::{Desk, domain_of, is_address, is_id};
use super::{proof, words};
use crate::channels::{Ack, Inbound, Kind, name_of};
use crate::pointed::Quoted;
use contracts::outbox::Target;
use inbox::OfferedFile;
use platform::files::size;
use platform::ports::mail::{FORWARD_MARKS, FilePlace, Received};
use platform::secret::digest_hex;
use platform::text::printable;

/// Nobody has proven to be the sender.
const UNPROVEN: &str = "unproven_sender";
/// A program wrote it, a list passed it on, or we wrote it ourselves.
const AUTOMATIC: &str = "automatic";
/// It is written to others: anybody who has a letter of a sender could hand it in here.
const NOT_ADDRESSED: &str = "not_addressed";
/// Files that sign a message, which are no part of what it says.
const SIGNATURES: [&str; 3] =
    ["application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"];
const SUBJECT_CHARS_MAX: usize = 200;
/// Beginnings of the subject of a reply.
const REPLY_MARKS: [&str; 3] = ["re:", "aw:", "sv:"];
/// Stands in a target for the first message of a thread, where none has an id.
const NO_ROOT: &str = "-";

/// Reads a message.
pub(super) fn read(desk: &Desk, mail: &Received) -> Inbound {
    let named = mail.from.as_deref().filter(|from| is_address(from));
    let sender = named.filter(|from| is_proven(desk, mail, from));
    let mut inbound = Inbound::unreadable(Ack::with_event(), key(mail, sender));
    inbound.sent_ms = Some(mail.received_ms).filter(|at| *at > 0);
    if mail.broken.is_some() {
        return inbound;
    }
    if let Some(bounce) = mail.bounce.as_ref().filter(|bounce| desk.is_ours(&bounce.message_id)) {
        inbound.target.chat.clone_from(&bounce.recipient);
        let (message, why) = (bounce.message_id.clone(), bounce.why.clone());
        inbound.kind = Kind::Undelivered { message, why };
        return inbound;
    }
    if mail.is_automatic || named == Some(&desk.address) {
        inbound.kind = Kind::Ignored(AUTOMATIC);
        return inbound;
    }
    let Some(sender) = sender else {
        inbound.kind = Kind::Ignored(UNPROVEN);
        return inbound;
    };
    // A proof stays true wherever the letter goes, so it counts with the address alone.
    if desk.trusts.is_some() && !mail.to.iter().any(|reader| desk.is_me(reader)) {
        inbound.kind = Kind::Ignored(NOT_ADDRESSED);
        return inbound;
    }
    place_of(mail, sender, &mut inbound);
    read_content(desk, mail, &mut inbound);
    inbound
}

/// Whether the server that the owner trusts says that a message is from this address. Without one
/// nobody is proven, and the configuration has no approvers.
fn is_proven(desk: &Desk, mail: &Received, from: &str) -> bool {
    let Some(trusts) = &desk.trusts else { return true };
    let header = mail.authentication.as_deref().unwrap_or_default();
    proof::proves(header, trusts, &domain_of(from).to_lowercase())
}

/// The key has the proven sender in it, so that nobody takes the id of another's message first.
fn key(mail: &Received, sender: Option<&str>) -> String {
    match mail.message_id.as_deref().filter(|id| is_id(id)) {
        Some(id) => format!("{} {id}", sender.unwrap_or("unproven")),
        None => format!("sha256:{}", mail.digest),
    }
}

/// The person, the thread, and where the answer goes: never to another address than the sender's.
fn place_of(mail: &Received, sender: &str, inbound: &mut Inbound) {
    let id = mail.message_id.as_deref().filter(|id| is_id(id));
    let named = mail.references.iter().chain(&mail.in_reply_to).map(String::as_str);
    let root = named.filter(|id| is_id(id)).chain(id).next();
    let (subject, _) = without_marks(&mail.subject);
    let thread = root.map_or_else(|| format!("subject:{}", subject.to_lowercase()), str::to_owned);
    let digest: String = digest_hex(thread.as_bytes()).chars().take(16).collect();
    // A thread of another person cannot be joined by naming it.
    inbound.conversation = vec![sender.to_owned(), digest];
    inbound.sender = Some(sender.to_owned());
    inbound.sender_name = name_of([mail.from_name.as_deref()]);
    inbound.message = id.map(str::to_owned);
    inbound.target = Target {
        chat: sender.to_owned(),
        thread: Some(format!("{} {subject}", root.unwrap_or(NO_ROOT))),
        reply_to: id.map(str::to_owned),
        ..Target::default()
    };
}

/// The first message of a thread and its subject, as a target names them.
pub(super) fn thread_of(target: &Target) -> Option<(Option<&str>, &str)> {
    let (root, subject) = target.thread.as_deref()?.split_once(' ')?;
    Some((Some(root).filter(|root| *root != NO_ROOT), subject))
}

fn read_content(desk: &Desk, mail: &Received, inbound: &mut Inbound) {
    let ours = mail.in_reply_to.as_deref().filter(|id| desk.is_ours(id));
    inbound.is_reply = ours.is_some();
    inbound.replies_to = ours.map(str::to_owned);
    inbound.quoted =
        mail.quoted.clone().map(|words| Quoted { by: None, is_ours: ours.is_some(), words });
    inbound.attachments = files(mail);
    if let Some(bytes) = mail.too_long {
        let what = format!("the files of a message of {}", size(bytes));
        inbound.attached.push(what);
    }
    if mail.more_files > 0 {
        inbound.attached.push(format!("{} more files, which are too many", mail.more_files));
    }
    let forwarded = forwarded(mail);
    let is_passed_on = forwarded.is_some();
    inbound.attachments.iter_mut().for_each(|file| file.passed_on = is_passed_on);
    inbound.forwarded = forwarded;
    inbound.forwarded_by = name_of([mail.forwarded_by.as_deref()]);
    let text = text(mail, ours.is_some());
    let is_empty = text.is_empty() && !is_passed_on && inbound.attachments.is_empty();
    inbound.kind = match ours {
        _ if is_empty => Kind::Ignored("no_text"),
        Some(id) if words::is_answer(&text) && !is_passed_on && inbound.attachments.is_empty() => {
            let is_question = desk.is_question(id);
            Kind::Word { message: id.to_owned(), text, is_question }
        }
        _ => Kind::Message { text },
    };
}

/// The words of others that are passed on. The subject of a forward is theirs, too: it stands above
/// them, and the writer of the letter often adds nothing.
fn forwarded(mail: &Received) -> Option<String> {
    let (subject, is_forward) = without_marks(&mail.subject);
    let subject = Some(subject).filter(|subject| is_forward && !subject.is_empty());
    let parts: Vec<String> = subject.into_iter().chain(mail.forwarded.clone()).collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

/// The writer's words; below the subject where a thread begins, unless they are a command. The
/// subject of a forward is another person's.
fn text(mail: &Received, is_reply: bool) -> String {
    let own = mail.text.trim();
    let (subject, is_forward) = without_marks(&mail.subject);
    let is_first = !is_reply && mail.in_reply_to.is_none() && mail.references.is_empty();
    if !is_first || is_forward || subject.is_empty() || own.starts_with(['/', '@']) {
        return own.to_owned();
    }
    if own.is_empty() { subject } else { format!("{subject}\n\n{own}") }
}

/// A subject without the marks of replies and forwards, on one line; whether one was a forward's.
fn without_marks(subject: &str) -> (String, bool) {
    let line = printable(subject);
    let (mut rest, mut is_forward) = (line.trim(), false);
    let begins = |rest: &str, mark: &str| {
        rest.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark))
    };
    let marks = || REPLY_MARKS.iter().chain(&FORWARD_MARKS);
    while let Some(mark) = marks().find(|mark| begins(rest, mark)) {
        is_forward |= FORWARD_MARKS.contains(mark);
        rest = rest.get(mark.len()..).unwrap_or_default().trim_start();
    }
    (platform::text::short(rest, SUBJECT_CHARS_MAX), is_forward)
}

fn files(mail: &Received) -> Vec<OfferedFile> {
    let files = mail.files.iter().enumerate();
    let files = files.filter(|(_, file)| !SIGNATURES.contains(&file.kind.as_str()));
    files
        .map(|(number, file)| OfferedFile {
            name: file.name.clone(),
            // It says nothing about the content.
            kind: Some(file.kind.clone()).filter(|kind| kind != "application/octet-stream"),
            bytes: Some(file.bytes),
            source: format!("{}.{}.{number}", mail.validity, mail.uid),
            passed_on: false,
        })
        .collect()
}

/// The place of a file, as its source names it.
pub(super) fn place(source: &str) -> Option<FilePlace> {
    let mut parts = source.split('.');
    let validity = parts.next()?.parse().ok()?;
    let uid = parts.next()?.parse().ok()?;
    let number = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some(FilePlace { validity, uid, number })
}
