//! A fake Discord with its Gateway, which breaks connections at random moments.

use crate::exchange::{Request, Response};
use crate::platforms::{Books, Wire, bound, hear, listen, say};
use crate::shelf::{Given, Sent};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// The user that may approve.
pub const DISCORD_OWNER: &str = "810000000000000001";

/// Discord with one direct channel. Message n has the sequence number n + 1.
#[derive(Clone)]
pub struct Discord {
    pub api_base: String,
    books: Arc<Mutex<Books>>,
    closes_with: Arc<Mutex<Option<u16>>>,
}

impl Discord {
    pub fn start(seed: u64) -> Self {
        let (listener, address) = bound();
        let api_base = format!("http://{address}/api/v10");
        let discord = Self { api_base, books: Arc::default(), closes_with: Arc::default() };
        let (asked, talked) = (discord.clone(), discord.clone());
        let url = format!("ws://{address}/resume");
        let talk = move |wire| Self::talk(&talked.books, &talked.closes_with, wire, seed, &url);
        listen(listener, move |request| asked.answer(request), talk);
        discord
    }
    fn answer(&self, request: &Request) -> Response {
        let mut books = self.books.lock().unwrap();
        let path = request.path();
        if books.is_too_many() {
            return Response::too_many(
                |after| json!({ "message": "You are being rate limited.", "retry_after": after, "global": false }),
            );
        }
        if path.starts_with("/attachments/") {
            // The address is signed. The token is for the API alone.
            let is_signed = request.call.ends_with("?ex=6&is=5&hm=abc");
            let found = books.shelf.file(path);
            return match found.filter(|_| is_signed && request.authorization.is_empty()) {
                Some(content) => Response::file(content),
                None => Response::with(404, "", &json!({ "message": "404: Not Found" })),
            };
        }
        books.requests.push(path.to_owned());
        if path.ends_with("/gateway/bot") {
            let limit =
                json!({ "total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1 });
            let url = self.api_base.replacen("http", "ws", 1).replace("/api/v10", "");
            return Response::json(
                &json!({ "url": url, "shards": 1, "session_start_limit": limit }),
            );
        }
        if path.ends_with("/applications/@me") {
            let owner = json!({ "id": "810000000000000001", "username": "ines" });
            return Response::json(
                &json!({ "id": "910000000000000001", "name": "Desk", "verify_key": "ab".repeat(32), "flags": 0, "owner": owner }),
            );
        }
        show(&mut books, request);
        Response::json(
            &json!({ "id": (7_000_000 + books.requests.len()).to_string(), "channel_id": "830000000000000009" }),
        )
    }
    /// `[endpoints.discord.main]` with this platform and its owner.
    pub fn config(&self) -> String {
        format!(
            "[endpoints.discord.main]\napplication_id = \"910000000000000001\"\nbot_token = \"b0t\"\napi_base = \"{}\"\napprovers = [\"{DISCORD_OWNER}\"]\n",
            self.api_base
        )
    }
    /// Ends every session that begins with this code.
    pub fn closes_with(&self, code: u16) {
        *self.closes_with.lock().unwrap() = Some(code);
    }
    /// A direct message of this user.
    pub fn message(&self, user: &str, text: &str) {
        self.files(user, text, &[]);
    }
    /// A direct message with files.
    pub fn files(&self, user: &str, text: &str, files: &[Given]) {
        let mut books = self.books.lock().unwrap();
        let number = books.messages.len() + 1;
        let host = self.api_base.trim_end_matches("/api/v10");
        let attachments: Vec<Value> = files.iter().enumerate().map(|(index, file)| {
            let path = format!("830000000000000009/{number}-{index}/{}", file.name.replace('/', "_"));
            books.shelf.keep(&path, &file.content);
            json!({ "id": index.to_string(), "filename": file.name, "content_type": file.content_type, "size": file.content.len(), "url": format!("{host}/attachments/{path}?ex=6&is=5&hm=abc") })
        }).collect();
        books.messages.push(json!({ "id": number.to_string(), "type": 0, "channel_id": "830000000000000009", "content": text, "author": { "id": user, "username": "ines" }, "mentions": [], "attachments": attachments }));
    }
    /// The files that came for the chat.
    pub fn uploads(&self) -> Vec<Sent> {
        self.books.lock().unwrap().shelf.sent()
    }
    /// Every text that was shown in the chat.
    pub fn shown(&self) -> Vec<String> {
        self.books.lock().unwrap().shown.clone()
    }
    /// Calls that were refused for being too many.
    pub fn refused(&self) -> usize {
        self.books.lock().unwrap().limit.refused()
    }
    /// Messages that were stored before the last resume.
    pub fn resumed_after(&self) -> usize {
        self.books.lock().unwrap().acknowledged
    }
    pub fn calm(&self) {
        self.books.lock().unwrap().calm = true;
    }
    pub fn cuts(&self) -> usize {
        self.books.lock().unwrap().cuts
    }
    pub fn requests(&self, end: &str) -> usize {
        self.books.lock().unwrap().requests.iter().filter(|path| path.ends_with(end)).count()
    }

    fn talk(
        books: &Mutex<Books>,
        closes_with: &Mutex<Option<u16>>,
        mut wire: Wire,
        seed: u64,
        resume_url: &str,
    ) -> Option<()> {
        let number = {
            let mut books = books.lock().unwrap();
            books.connection += 1;
            books.connection
        };
        let mut dice = fastrand::Rng::with_seed(seed + number as u64);
        say(&mut wire, &json!({ "op": 10, "d": { "heartbeat_interval": 2_000 } }))?;
        let mut next = None;
        loop {
            match hear(&mut wire)? {
                None => {}
                Some(frame) if frame["op"] == 1 => say(&mut wire, &json!({ "op": 11 }))?,
                Some(frame) if frame["op"] == 2 => {
                    assert_eq!(frame["d"]["token"], "b0t");
                    if let Some(code) = *closes_with.lock().unwrap() {
                        let closing = CloseFrame { code: code.into(), reason: "no".into() };
                        wire.close(Some(closing)).ok()?;
                        while hear(&mut wire).is_some() {}
                        return None;
                    }
                    let user = json!({ "id": "910000000000000001", "bot": true });
                    let ready = json!({ "session_id": "s1", "resume_gateway_url": resume_url, "user": user });
                    say(&mut wire, &json!({ "op": 0, "t": "READY", "s": 1, "d": ready }))?;
                    next = Some(0);
                }
                Some(frame) if frame["op"] == 6 => {
                    assert_eq!(frame["d"]["session_id"], "s1");
                    let known = usize::try_from(frame["d"]["seq"].as_u64().unwrap()).unwrap() - 1;
                    let mut books = books.lock().unwrap();
                    books.acknowledged = known;
                    next = Some(known);
                    // As the last of what is repeated; here it is the first.
                    say(&mut wire, &json!({ "op": 0, "t": "RESUMED", "s": known + 1, "d": {} }))?;
                }
                Some(frame) => panic!("{frame}"),
            }
            let Some(from) = next else { continue };
            // A few at a time, so that cuts fall between them.
            let due: Vec<(usize, Value)> = {
                let books = books.lock().unwrap();
                let end = books.messages.len().min(from + dice.usize(1..8)).max(from);
                (from..end).map(|index| (index, books.messages[index].clone())).collect()
            };
            for (index, message) in due {
                say(
                    &mut wire,
                    &json!({ "op": 0, "t": "MESSAGE_CREATE", "s": index + 2, "d": message }),
                )?;
                next = Some(index + 1);
            }
            if next != Some(from) && !books.lock().unwrap().calm {
                Self::trouble(books, &mut wire, &mut dice)?;
            }
        }
    }

    /// Sometimes ends the connection: without a word, with a code, or by a request.
    fn trouble(books: &Mutex<Books>, wire: &mut Wire, dice: &mut fastrand::Rng) -> Option<()> {
        let kind = dice.u32(0..60);
        if kind < 3 {
            books.lock().unwrap().cuts += 1;
        }
        match kind {
            0 => None,
            1 => {
                let _ = wire.close(Some(CloseFrame { code: 4000.into(), reason: "".into() }));
                while hear(wire).is_some() {}
                None
            }
            2 => say(wire, &json!({ "op": 7, "d": null })),
            _ => Some(()),
        }
    }
}

/// A message of Discord, or an edit of one: its text and its file.
fn show(books: &mut Books, request: &Request) {
    let mut message = request.json();
    for part in request.parts() {
        match part.file_name {
            Some(name) => {
                let chat = request.path().split('/').nth(4).unwrap_or_default().to_owned();
                books.shelf.send(Sent { name, chat, content: part.content });
            }
            None => message = serde_json::from_slice(&part.content).unwrap(),
        }
    }
    books.shown.extend(message["content"].as_str().map(str::to_owned));
}
