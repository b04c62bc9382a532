//! A fake Telegram: accepts every call as Telegram does and records what its users see. On request
//! it breaks connections at random moments and refuses calls for being too many.
#![allow(dead_code, reason = "each test file uses its own part")]

use crate::exchange::{Limit, Request, Response};
use crate::shelf::{Sent, Shelf};
use serde_json::{Value, json};
use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One message in a chat.
#[derive(Clone, Debug)]
pub struct Shown {
    pub chat: u64,
    /// The message it replies to.
    pub answers: Option<u64>,
    /// Every text it had, oldest first.
    pub texts: Vec<String>,
    /// Increases with every change of any message.
    pub changed: usize,
}

#[derive(Default)]
struct Seen {
    messages: Vec<Shown>,
    changes: usize,
    other: Vec<String>,
    /// Updates until an `offset` confirms them.
    updates: Vec<Value>,
    shelf: Shelf,
    /// Until it is calm again.
    trouble: Option<Trouble>,
    cuts: usize,
}

struct Trouble {
    dice: fastrand::Rng,
    limit: Limit,
}

/// How a connection breaks.
#[derive(PartialEq)]
enum Cut {
    /// The request is lost.
    Before,
    /// It is taken, and the response is lost.
    After,
}

impl Trouble {
    fn cut(&mut self) -> Option<Cut> {
        match self.dice.u32(0..20) {
            0 => Some(Cut::Before),
            1 => Some(Cut::After),
            _ => None,
        }
    }
}

/// The fake platform; it listens until the test ends.
#[derive(Clone)]
pub struct Recorder {
    pub api_base: String,
    seen: Arc<Mutex<Seen>>,
}

impl Recorder {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let recorder = Self {
            api_base: format!("http://{}", listener.local_addr().unwrap()),
            seen: Arc::default(),
        };
        let taking = recorder.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let recorder = taking.clone();
                std::thread::spawn(move || recorder.serve(stream));
            }
        });
        recorder
    }
    /// Its connections break and its calls are refused now and then.
    pub fn unsteady(seed: u64) -> Self {
        let recorder = Self::start();
        let trouble = Trouble { dice: fastrand::Rng::with_seed(seed), limit: Limit::default() };
        recorder.seen.lock().unwrap().trouble = Some(trouble);
        recorder
    }
    pub fn cuts(&self) -> usize {
        self.seen.lock().unwrap().cuts
    }
    /// Calls that were refused for being too many.
    pub fn refused(&self) -> usize {
        self.seen.lock().unwrap().trouble.as_ref().map_or(0, |trouble| trouble.limit.refused())
    }
    /// Every message, oldest first.
    pub fn messages(&self) -> Vec<Shown> {
        self.seen.lock().unwrap().messages.clone()
    }
    /// Whether a reply to this message shows a text that `fits` accepts.
    pub fn shows(&self, answers: u64, fits: impl Fn(&str) -> bool) -> bool {
        let seen = self.seen.lock().unwrap();
        seen.messages
            .iter()
            .rev()
            .filter(|message| message.answers == Some(answers))
            .any(|message| message.texts.last().is_some_and(|text| fits(text)))
    }
    /// Hands this update over when it is asked for updates.
    pub fn hands_over(&self, update: &str) {
        self.seen.lock().unwrap().updates.push(serde_json::from_str(update).unwrap());
    }
    /// Has a file of this id, which is its path too.
    pub fn keeps(&self, id: &str, content: &[u8]) {
        self.seen.lock().unwrap().shelf.keep(id, content);
    }
    /// The files that came for the chats.
    pub fn uploads(&self) -> Vec<Sent> {
        self.seen.lock().unwrap().shelf.sent()
    }
    /// Updates that were not confirmed.
    pub fn unconfirmed(&self) -> usize {
        self.seen.lock().unwrap().updates.len()
    }
    /// Methods called other than `sendMessage` and `editMessageText`.
    pub fn other(&self) -> Vec<String> {
        self.seen.lock().unwrap().other.clone()
    }
    /// Serves one connection to its end; a truncated request does not count.
    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut write = stream.try_clone().ok()?;
        let mut read = BufReader::new(stream);
        loop {
            let request = Request::read(&mut read)?;
            let cut = self.cut();
            if cut == Some(Cut::Before) {
                return None;
            }
            let response = self.answer(&request);
            if cut == Some(Cut::After) {
                return None;
            }
            response.write(&mut write)?;
        }
    }
    fn cut(&self) -> Option<Cut> {
        let mut seen = self.seen.lock().unwrap();
        let cut = seen.trouble.as_mut()?.cut()?;
        seen.cuts += 1;
        Some(cut)
    }
    fn answer(&self, request: &Request) -> Response {
        let mut seen = self.seen.lock().unwrap();
        if seen.trouble.as_mut().is_some_and(|trouble| trouble.limit.refuses()) {
            return Response::too_many(|after| {
                let why = format!("Too Many Requests: retry after {after}");
                json!({ "ok": false, "error_code": 429, "description": why, "parameters": { "retry_after": after } })
            });
        }
        if request.path().starts_with("/file/") {
            return Response::file(seen.shelf.file(request.path()).unwrap_or_default());
        }
        if request.method() == "sendDocument" {
            seen.shelf.send(document(request));
        }
        drop(seen);
        let answer = self.take(request.method(), &request.json());
        let status = if answer["ok"] == true { 200 } else { 400 };
        Response::with(status, "", &answer)
    }
    fn take(&self, method: &str, body: &Value) -> Value {
        let mut seen = self.seen.lock().unwrap();
        let text = body["text"].as_str().unwrap_or_default().to_owned();
        seen.changes += 1;
        let changed = seen.changes;
        match method {
            "sendMessage" => {
                let chat = body["chat_id"].as_u64().unwrap_or_default();
                seen.messages.push(Shown {
                    chat,
                    answers: body["reply_parameters"]["message_id"].as_u64(),
                    texts: vec![text],
                    changed,
                });
                json!({ "ok": true, "result": { "message_id": id_of(seen.messages.len() - 1), "chat": { "id": chat } } })
            }
            "editMessageText" => {
                let index = body["message_id"].as_u64().and_then(index_of);
                match index.and_then(|index| seen.messages.get_mut(index)) {
                    None => {
                        json!({ "ok": false, "description": "Bad Request: message to edit not found" })
                    }
                    Some(message) if message.texts.last() == Some(&text) => {
                        json!({ "ok": false, "description": "Bad Request: message is not modified" })
                    }
                    Some(message) => {
                        message.texts.push(text);
                        message.changed = changed;
                        json!({ "ok": true, "result": { "message_id": body["message_id"], "chat": { "id": message.chat } } })
                    }
                }
            }
            "getUpdates" => {
                if let Some(offset) = body["offset"].as_i64() {
                    let is_new = |update: &Value| {
                        update["update_id"].as_i64().is_some_and(|id| id >= offset)
                    };
                    seen.updates.retain(is_new);
                }
                let limit = body["limit"].as_u64().map_or(100, |limit| limit.min(100));
                let batch: Vec<_> = seen.updates.iter().take(limit as usize).collect();
                json!({ "ok": true, "result": batch })
            }
            "getFile" => {
                json!({ "ok": true, "result": { "file_path": body["file_id"] } })
            }
            "getMe" => {
                json!({ "ok": true, "result": { "id": 5_550_001, "is_bot": true, "first_name": "Desk", "username": "desk_bot", "can_join_groups": true, "can_read_all_group_messages": false } })
            }
            "getWebhookInfo" => {
                json!({ "ok": true, "result": { "url": "", "pending_update_count": seen.updates.len() } })
            }
            other => {
                seen.other.push(other.to_owned());
                json!({ "ok": true, "result": true })
            }
        }
    }
}

/// The file of a `sendDocument`.
fn document(request: &Request) -> Sent {
    let mut sent = Sent::default();
    for part in request.parts() {
        match (part.name.as_str(), part.file_name) {
            ("chat_id", _) => sent.chat = String::from_utf8(part.content).unwrap(),
            ("document", Some(name)) => (sent.name, sent.content) = (name, part.content),
            _ => {}
        }
    }
    sent
}

/// First message id, above every update number.
const FIRST_ID: u64 = 9_000_000_000;

fn id_of(index: usize) -> u64 {
    FIRST_ID + index as u64
}

fn index_of(id: u64) -> Option<usize> {
    usize::try_from(id.checked_sub(FIRST_ID)?).ok()
}
