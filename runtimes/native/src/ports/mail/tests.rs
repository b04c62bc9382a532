//! Messages as they are read, and the adapter against servers of this machine that know the
//! commands that it uses.

use super::reader::Reader;
use super::{TlsMail, parse};
use platform::ports::mail::{Behind, FilePlace, Letter, Mail, MailAccount, Received, Sent, Server};
use platform::ports::{PortError, PortErrorKind};
use platform::secret::Secret;
use platform::suite;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const VECTORS: &str = include_str!("../../../tests/vectors/mail.json");

fn raw(case: &Value) -> Vec<u8> {
    let lines: Vec<&str> =
        case["raw"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    let text = lines.join("\r\n");
    if case["latin1"] == true {
        return text.chars().map(|ch| u8::try_from(u32::from(ch)).unwrap()).collect();
    }
    text.into_bytes()
}

#[test]
fn known_messages_are_read_as_they_are_meant() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    for case in file["cases"].as_array().unwrap() {
        let name = &case["name"];
        let read = parse::message(&raw(case), true).unwrap_or_else(|| panic!("{name} is not read"));
        let read = serde_json::to_value(read).unwrap();
        for (key, wanted) in case["read"].as_object().unwrap() {
            assert_eq!(&read[key], wanted, "{name}: {key}");
        }
    }
}

#[test]
fn every_beginning_of_a_message_is_read_or_refused() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    for case in file["cases"].as_array().unwrap() {
        let raw = raw(case);
        for end in 0..raw.len() {
            parse::message(&raw[..end], true);
            parse::file(&raw[..end], 0);
        }
    }
}

#[test]
fn message_of_20_mb_is_read_within_a_second_or_two() {
    let line = "A".repeat(76);
    let content = format!("{line}\r\n").repeat((20 << 20) / 78);
    let raw = format!(
        "From: ines@example.org\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nsee it\r\n--x\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.zip\r\n\r\n{content}--x--\r\n"
    );
    let read = parse::message(raw.as_bytes(), true).unwrap();
    assert_eq!(read.text, "see it");
    assert_eq!(
        read.files[0].bytes,
        content.lines().map(|line| line.len() as u64).sum::<u64>() / 4 * 3
    );
    // Of one that is too long the beginning alone is there.
    let read = parse::message(&raw.as_bytes()[..1000], false).unwrap();
    assert_eq!((read.text.as_str(), read.files.len()), ("see it", 0));
}

/// The servers' side.
#[derive(Default)]
struct World {
    messages: Vec<String>,
    /// Letters that were accepted: the reader and the content.
    letters: Vec<(String, String)>,
    commands: Vec<String>,
    /// It ends the connection in place of the verdict on a letter.
    cuts: bool,
    /// Its greeting.
    is_busy: bool,
}

type Shared = Arc<Mutex<World>>;

async fn imap(world: Shared) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(imap_session(stream, world.clone()));
        }
    });
    port
}

async fn imap_session(stream: TcpStream, world: Shared) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"* OK [CAPABILITY IMAP4rev1] ready\r\n").await.ok()?;
    while let Ok(Some(line)) = lines.next_line().await {
        let (tag, command) = line.split_once(' ')?;
        world.lock().unwrap().commands.push(command.to_owned());
        let messages = world.lock().unwrap().messages.clone();
        let mut out = imap_answer(command, &messages);
        let result = match out.pop().unwrap_or_default().as_str() {
            "no" => format!("{tag} NO [AUTHENTICATIONFAILED] no\r\n"),
            _ => format!("{tag} OK done\r\n"),
        };
        let out = format!("{}{result}", out.concat());
        // In pieces, as a network brings it.
        for piece in out.as_bytes().chunks(7) {
            write.write_all(piece).await.ok()?;
        }
        if command == "LOGOUT" {
            return None;
        }
    }
    None
}

/// The untagged responses, and the result.
fn imap_answer(command: &str, messages: &[String]) -> Vec<String> {
    let ok = |mut responses: Vec<String>| {
        responses.push("ok".to_owned());
        responses
    };
    let no = || vec!["no".to_owned()];
    let next = messages.len() + 1;
    if command.starts_with("LOGIN") {
        return if command == "LOGIN \"desk@example.org\" \"ri\\\"ght\"" {
            ok(vec![])
        } else {
            no()
        };
    }
    if command.starts_with("EXAMINE") {
        if command != "EXAMINE \"INBOX\"" {
            return no();
        }
        return ok(vec![
            "* FLAGS (\\Seen)\r\n".to_owned(),
            format!("* {} EXISTS\r\n", messages.len()),
            "* OK [UIDVALIDITY 7] x\r\n".to_owned(),
            format!("* OK [UIDNEXT {next}] x\r\n"),
            "* XEXTENSION (nobody asked)\r\n".to_owned(),
        ]);
    }
    if let Some(range) = command.strip_prefix("UID SEARCH UID ") {
        let from: usize = range.split(':').next().unwrap().parse().unwrap();
        let uids: Vec<String> = (from.min(next - 1)..next).map(|uid| uid.to_string()).collect();
        return ok(vec![format!("* SEARCH {}\r\n", uids.join(" "))]);
    }
    let Some(rest) = command.strip_prefix("UID FETCH ") else { return ok(vec![]) };
    let (set, what) = rest.split_once(' ').unwrap();
    let uids = set.split(',').map(|uid| uid.parse::<usize>().unwrap());
    let fetched = uids.filter_map(|uid| Some((uid, messages.get(uid - 1)?))).map(|(uid, raw)| {
        let bytes = raw.len();
        match what {
            "(UID BODY.PEEK[])" => format!("* {uid} FETCH (UID {uid} BODY[] {{{bytes}}}\r\n{raw})\r\n"),
            "(UID INTERNALDATE RFC822.SIZE)" => format!(
                "* {uid} FETCH (FLAGS ())\r\n* {uid} FETCH (UID {uid} RFC822.SIZE {bytes} INTERNALDATE \"30-Nov-2026 10:00:00 +0000\")\r\n"
            ),
            other => panic!("{other}"),
        }
    });
    ok(fetched.collect())
}

async fn smtp(world: Shared) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(smtp_session(stream, world.clone()));
        }
    });
    port
}

async fn smtp_session(stream: TcpStream, world: Shared) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let greeting = if world.lock().unwrap().is_busy { "421 busy\r\n" } else { "220 ready\r\n" };
    write.write_all(greeting.as_bytes()).await.ok()?;
    let mut reader = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        world.lock().unwrap().commands.push(line.clone());
        let answer = match line.split([' ', ':']).next()? {
            "EHLO" => "250-here\r\n250 AUTH PLAIN\r\n",
            // desk@example.org and ri"ght
            "AUTH" if line == "AUTH PLAIN AGRlc2tAZXhhbXBsZS5vcmcAcmkiZ2h0" => "235 yes\r\n",
            "AUTH" => "535 no\r\n",
            "RCPT" if line.contains("<gone@") => "550 no such user\r\n",
            "RCPT" if line.contains("<busy@") => "450 try again later\r\n",
            "RCPT" => {
                line.clone_into(&mut reader);
                "250 ok\r\n"
            }
            "DATA" => {
                write.write_all(b"354 go\r\n").await.ok()?;
                let mut content = String::new();
                while let Some(line) = lines.next_line().await.ok()?.filter(|line| line != ".") {
                    content.push_str(line.strip_prefix('.').unwrap_or(&line));
                    content.push_str("\r\n");
                }
                if world.lock().unwrap().cuts {
                    return None;
                }
                world.lock().unwrap().letters.push((reader.clone(), content));
                "250 queued\r\n"
            }
            "STARTTLS" => "502 no\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        write.write_all(answer.as_bytes()).await.ok()?;
    }
    None
}

async fn account(world: &Shared) -> MailAccount {
    let _ = rustls::crypto::ring::default_provider().install_default();
    MailAccount {
        address: "desk@example.org".to_owned(),
        imap: Server::imap(&format!("imap://127.0.0.1:{}", imap(world.clone()).await)).unwrap(),
        smtp: Server::smtp(&format!("smtp://127.0.0.1:{}", smtp(world.clone()).await)).unwrap(),
        user: "desk@example.org".to_owned(),
        password: Secret::new("ri\"ght"),
        folder: "INBOX".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mailbox_passes_the_port_suite_and_is_left_as_it_was() {
    let world = Shared::default();
    let account = account(&world).await;
    world.lock().unwrap().messages = suite::mail_messages().map(|(raw, _)| raw.to_owned()).to_vec();
    let mail = TlsMail::reading(Reader::with(None)).unwrap();
    suite::mail(&mail, &account).await;
    let letters = world.lock().unwrap().letters.clone();
    let [(reader, content)] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!(reader, "RCPT TO:<ines@example.org>");
    for line in [
        "From: <desk@example.org>",
        "To: <ines@example.org>",
        "Message-ID: <a@x>",
        "In-Reply-To: <3@x>",
        "References: <1@x> <3@x>",
        "Auto-Submitted: auto-replied",
        "X-Auto-Response-Suppress: All",
    ] {
        assert!(content.contains(&format!("{line}\r\n")), "{line}\n{content}");
    }
    let read = parse::message(content.as_bytes(), true).unwrap();
    assert_eq!((read.subject.as_str(), read.text.as_str()), ("Re: three – grün", "Done.\n.\nYes."));
    assert!(read.is_automatic, "another Quintet does not answer it");
    assert_eq!(read.files[0].name, "out.txt");
    let commands = world.lock().unwrap().commands.clone();
    let changes = ["SELECT", "STORE", "EXPUNGE", "COPY", "MOVE", "BODY["];
    assert!(
        !commands.iter().any(|line| changes.iter().any(|word| line.contains(word))),
        "{commands:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_many_messages_goes_on_behind_the_last_one() {
    let world = Shared::default();
    let account = account(&world).await;
    let message = |number| format!("From: a@b.c\r\nSubject: {number}\r\n\r\nx\r\n");
    world.lock().unwrap().messages = (0..45).map(message).collect();
    let mail = TlsMail::reading(Reader::with(None)).unwrap();
    let (mut uid, mut subjects) = (0, Vec::new());
    loop {
        let behind = Behind::Message { validity: 7, uid, since_ms: None, gives_up: false };
        let page = mail.fetch(&account, behind).await.unwrap();
        assert!(page.messages.iter().all(|message| message.received_ms == 1_796_032_800_000));
        uid = page.messages.last().map_or(uid, |last: &Received| last.uid);
        subjects.extend(page.messages.into_iter().map(|message| message.subject));
        if !page.has_more {
            break;
        }
    }
    assert_eq!(subjects, (0..45).map(|number: u32| number.to_string()).collect::<Vec<_>>());
}

async fn refused(account: &MailAccount) -> PortError {
    let letter = Letter {
        to: "ines@example.org".to_owned(),
        message_id: "a@x".to_owned(),
        ..Letter::default()
    };
    TlsMail::reading(Reader::with(None)).unwrap().send(account, &letter).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn letter_without_a_verdict_may_be_on_its_way_and_no_other() {
    let world = Shared::default();
    let mut account = account(&world).await;
    world.lock().unwrap().cuts = true;
    let error = refused(&account).await;
    assert_eq!(error.effect, contracts::Effect::Unknown, "{error}");
    world.lock().unwrap().is_busy = true;
    let error = refused(&account).await;
    assert_eq!((error.kind, error.effect), (PortErrorKind::Unavailable, contracts::Effect::None));
    world.lock().unwrap().is_busy = false;
    // No password and no letter goes to a server without TLS.
    account.smtp.security = platform::ports::mail::Security::StartTls;
    world.lock().unwrap().commands.clear();
    let error = refused(&account).await;
    assert_eq!((error.kind, error.effect), (PortErrorKind::Unavailable, contracts::Effect::None));
    let commands = world.lock().unwrap().commands.clone();
    assert!(!commands.iter().any(|line| line.starts_with("AUTH")), "{commands:?}");
    account.smtp.port = 1;
    assert_eq!(refused(&account).await.kind, PortErrorKind::Unavailable);
    account.folder = "No such".to_owned();
    let tried = TlsMail::reading(Reader::with(None))
        .unwrap()
        .fetch(&account, Behind::Newest)
        .await
        .unwrap_err();
    assert_eq!(tried.kind, PortErrorKind::Invalid, "{tried}");
}

#[tokio::test(flavor = "multi_thread")]
async fn address_with_a_command_in_it_is_never_sent() {
    let world = Shared::default();
    let account = account(&world).await;
    let to = "a@b>\r\nRCPT TO:<bo@evil.example".to_owned();
    let letter = Letter { to, ..Letter::default() };
    let error =
        TlsMail::reading(Reader::with(None)).unwrap().send(&account, &letter).await.unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Invalid);
    assert!(world.lock().unwrap().letters.is_empty());
    assert_ne!(
        TlsMail::reading(Reader::with(None))
            .unwrap()
            .send(&account, &Letter { to: "a@b".into(), ..letter })
            .await,
        Ok(Sent::Refused { is_final: true, why: String::new() })
    );
    let gone = FilePlace { validity: 7, uid: 9, number: 0 };
    assert_eq!(TlsMail::reading(Reader::with(None)).unwrap().file(&account, gone).await, Ok(None));
}

/// A server that says nothing at all is given up. (The time limit itself is not waited for.)
#[tokio::test(start_paused = true)]
async fn silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let world = Shared::default();
    let mut account = account(&world).await;
    account.imap.port = port;
    let error = TlsMail::reading(Reader::with(None))
        .unwrap()
        .fetch(&account, Behind::Newest)
        .await
        .unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Timeout, "{error}");
    silent.abort();
}
