//! Fake Slack and Discord servers with WebSockets, which break connections at random moments.

use serde_json::{Value, json};
use std::io::{BufReader, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, accept};

type Wire = WebSocket<TcpStream>;

/// Serves requests by `answer` and WebSockets by `talk`, each in a thread of its own; returns the
/// address.
fn listen(
    answer: impl Fn(&str, &str) -> Value + Send + Sync + 'static,
    talk: impl Fn(Wire) -> Option<()> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (answer, talk) = (Arc::new(answer), Arc::new(talk));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (answer, talk) = (answer.clone(), talk.clone());
            std::thread::spawn(move || {
                if is_upgrade(&stream) {
                    let wire = accept(stream).ok()?;
                    wire.get_ref().set_read_timeout(Some(Duration::from_millis(3))).ok()?;
                    return talk(wire);
                }
                serve(stream, &*answer)
            });
        }
    });
    address
}

/// Whether the request that begins here asks for a WebSocket.
fn is_upgrade(stream: &TcpStream) -> bool {
    let mut head = [0; 4096];
    loop {
        let Ok(read) = stream.peek(&mut head) else { return false };
        let text = String::from_utf8_lossy(&head[..read]).to_lowercase();
        if read == 0 || text.contains("\r\n\r\n") || read == head.len() {
            return text.contains("upgrade: websocket");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn serve(stream: TcpStream, answer: &dyn Fn(&str, &str) -> Value) -> Option<()> {
    let mut write = stream.try_clone().ok()?;
    let mut read = BufReader::new(stream);
    loop {
        let (call, body) = crate::fake::request(&mut read)?;
        let path = call.split_once(' ')?.1;
        let text = answer(path, &String::from_utf8_lossy(&body)).to_string();
        write!(
            write,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )
        .ok()?;
    }
}

/// The next frame, `Some(None)` when there is none yet; `None` at the end.
#[expect(clippy::option_option, reason = "the end, nothing yet, or a frame")]
fn hear(wire: &mut Wire) -> Option<Option<Value>> {
    match wire.read() {
        Ok(Message::Text(text)) => Some(serde_json::from_str(&text).ok()),
        Ok(Message::Close(_)) => None,
        Ok(_) => Some(None),
        Err(Error::Io(e)) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Some(None)
        }
        Err(_) => None,
    }
}

fn say(wire: &mut Wire, frame: &Value) -> Option<()> {
    wire.send(Message::text(frame.to_string())).ok()
}

/// Messages that were handed in, as a platform knows them.
#[derive(Default)]
struct Books {
    /// Messages 1, 2, …
    messages: Vec<Value>,
    /// Those up to this one are acknowledged (Slack), or come before the last resume (Discord).
    acknowledged: usize,
    /// Number of the newest connection.
    connection: usize,
    cuts: usize,
    /// No connection breaks any more.
    calm: bool,
    requests: Vec<String>,
    refusal: Option<&'static str>,
}

/// Slack with one direct conversation.
#[derive(Clone)]
pub struct Slack {
    pub api_base: String,
    books: Arc<Mutex<Books>>,
}

/// Envelopes that Slack sends before it has an acknowledgement.
const WINDOW: usize = 25;

impl Slack {
    pub fn start(seed: u64) -> Self {
        let books = Arc::<Mutex<Books>>::default();
        let address = Arc::new(Mutex::new(String::new()));
        let (known, talked, own) = (books.clone(), books.clone(), address.clone());
        let answer = move |path: &str, _: &str| {
            let mut books = known.lock().unwrap();
            let method = path.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
            books.requests.push(method.clone());
            match (method.as_str(), books.refusal) {
                ("auth.test", _) => {
                    json!({ "ok": true, "team_id": "T0AAAA111", "team": "Acme", "user": "quintet" })
                }
                ("users.info", _) => json!({ "ok": true, "user": { "real_name": "Ines Example" } }),
                ("apps.connections.open", Some(word)) => json!({ "ok": false, "error": word }),
                ("apps.connections.open", None) => {
                    json!({ "ok": true, "url": format!("ws://{}/link/?ticket=t", own.lock().unwrap()) })
                }
                _ => {
                    json!({ "ok": true, "channel": "D0IM00001", "ts": format!("1790000001.{:06}", books.requests.len()) })
                }
            }
        };
        let bound = listen(answer, move |wire| Self::talk(&talked, wire, seed));
        address.lock().unwrap().clone_from(&bound);
        Self { api_base: format!("http://{bound}/api"), books }
    }
    pub fn refuses(&self, word: Option<&'static str>) {
        self.books.lock().unwrap().refusal = word;
    }
    /// A direct message of this member.
    pub fn message(&self, user: &str, text: &str) {
        let mut books = self.books.lock().unwrap();
        let number = books.messages.len() + 1;
        let ts = format!("1790000000.{number:06}");
        let event = json!({ "type": "message", "channel": "D0IM00001", "channel_type": "im", "user": user, "text": text, "ts": ts });
        let payload = json!({ "type": "event_callback", "team_id": "T0AAAA111", "event_id": format!("Ev{number}"), "event": event });
        books.messages.push(json!({ "envelope_id": number.to_string(), "type": "events_api", "accepts_response_payload": false, "payload": payload }));
    }
    pub fn acknowledged(&self) -> usize {
        self.books.lock().unwrap().acknowledged
    }
    pub fn calm(&self) {
        self.books.lock().unwrap().calm = true;
    }
    pub fn cuts(&self) -> usize {
        self.books.lock().unwrap().cuts
    }
    /// Calls of this method.
    pub fn requests(&self, method: &str) -> usize {
        self.books.lock().unwrap().requests.iter().filter(|known| *known == method).count()
    }

    fn talk(books: &Mutex<Books>, mut wire: Wire, seed: u64) -> Option<()> {
        let (number, mut next) = {
            let mut books = books.lock().unwrap();
            books.connection += 1;
            (books.connection, books.acknowledged)
        };
        let mut dice = fastrand::Rng::with_seed(seed + number as u64);
        say(&mut wire, &json!({ "type": "hello", "num_connections": 1 }))?;
        let mut warned_at = None;
        for turn in 0_usize.. {
            let due: Vec<Value> = {
                let books = books.lock().unwrap();
                let end = books.messages.len().min(books.acknowledged + WINDOW);
                // The newest connection alone brings what is new.
                let due = if books.connection == number { next..end.max(next) } else { 0..0 };
                next = next.max(due.end);
                books.messages[due].to_vec()
            };
            for envelope in due {
                say(&mut wire, &envelope)?;
            }
            if let Some(frame) = hear(&mut wire)? {
                let id: usize = frame["envelope_id"].as_str().unwrap().parse().unwrap();
                let mut books = books.lock().unwrap();
                books.acknowledged = books.acknowledged.max(id);
            }
            if warned_at.is_some_and(|at| turn > at + 600) {
                return None;
            }
            if books.lock().unwrap().calm || warned_at.is_some() {
                continue;
            }
            match dice.u32(0..120) {
                0 => {
                    books.lock().unwrap().cuts += 1;
                    return None;
                }
                1 => {
                    warned_at = Some(turn);
                    say(&mut wire, &json!({ "type": "disconnect", "reason": "warning" }))?;
                }
                _ => {}
            }
        }
        None
    }
}

/// Discord with one direct channel. Message n has the sequence number n + 1.
#[derive(Clone)]
pub struct Discord {
    pub api_base: String,
    books: Arc<Mutex<Books>>,
    closes_with: Arc<Mutex<Option<u16>>>,
}

impl Discord {
    pub fn start(seed: u64) -> Self {
        let books = Arc::<Mutex<Books>>::default();
        let closes_with = Arc::<Mutex<Option<u16>>>::default();
        let address = Arc::new(Mutex::new(String::new()));
        let (known, talked, own, asked) =
            (books.clone(), books.clone(), address.clone(), address.clone());
        let answer = move |path: &str, _: &str| {
            let mut books = known.lock().unwrap();
            books.requests.push(path.to_owned());
            if path.ends_with("/gateway/bot") {
                let limit = json!({ "total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1 });
                return json!({ "url": format!("ws://{}", own.lock().unwrap()), "shards": 1, "session_start_limit": limit });
            }
            if path.ends_with("/applications/@me") {
                let owner = json!({ "id": "810000000000000001", "username": "ines" });
                return json!({ "id": "910000000000000001", "name": "Desk", "verify_key": "ab".repeat(32), "flags": 0, "owner": owner });
            }
            json!({ "id": (7_000_000 + books.requests.len()).to_string(), "channel_id": "830000000000000009" })
        };
        let refusal = closes_with.clone();
        let bound = listen(answer, move |wire| {
            let url = format!("ws://{}/resume", asked.lock().unwrap());
            Self::talk(&talked, &refusal, wire, seed, &url)
        });
        address.lock().unwrap().clone_from(&bound);
        Self { api_base: format!("http://{bound}/api/v10"), books, closes_with }
    }
    /// Ends every session that begins with this code.
    pub fn closes_with(&self, code: u16) {
        *self.closes_with.lock().unwrap() = Some(code);
    }
    pub fn message(&self, user: &str, text: &str) {
        let mut books = self.books.lock().unwrap();
        let number = books.messages.len() + 1;
        books.messages.push(json!({ "id": number.to_string(), "type": 0, "channel_id": "830000000000000009", "content": text, "author": { "id": user, "username": "ines" }, "mentions": [] }));
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
