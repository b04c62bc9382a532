//! A fake Telegram: accepts every call as Telegram does and records what its users see.
#![allow(dead_code, reason = "each test file uses its own part")]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
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
    /// Methods called other than `sendMessage` and `editMessageText`.
    pub fn other(&self) -> Vec<String> {
        self.seen.lock().unwrap().other.clone()
    }
    /// Serves one connection to its end; a truncated request does not count.
    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut write = stream.try_clone().ok()?;
        let mut read = BufReader::new(stream);
        loop {
            let (method, body) = request(&mut read)?;
            let answer = self.take(&method, &body);
            let (status, text) = (
                if answer["ok"] == true { "200 OK" } else { "400 Bad Request" },
                answer.to_string(),
            );
            write!(write, "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}", text.len()).ok()?;
        }
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
            other => {
                seen.other.push(other.to_owned());
                json!({ "ok": true, "result": true })
            }
        }
    }
}

/// First message id, above every update number.
const FIRST_ID: u64 = 9_000_000_000;

fn id_of(index: usize) -> u64 {
    FIRST_ID + index as u64
}

fn index_of(id: u64) -> Option<usize> {
    usize::try_from(id.checked_sub(FIRST_ID)?).ok()
}

/// The Bot API method and the body.
fn request(read: &mut impl BufRead) -> Option<(String, Value)> {
    let mut first = String::new();
    read.read_line(&mut first).ok().filter(|bytes| *bytes > 0)?;
    let method = first.split_whitespace().nth(1)?.rsplit('/').next()?.to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        read.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    read.read_exact(&mut body).ok()?;
    Some((method, serde_json::from_slice(&body).ok()?))
}
