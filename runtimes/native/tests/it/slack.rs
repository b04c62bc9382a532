//! A fake Slack with Socket Mode, which breaks connections at random moments.

use crate::exchange::{Request, Response};
use crate::platforms::{Books, Wire, bound, hear, listen, say};
use crate::shelf::{Given, Sent};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Slack with one direct conversation.
#[derive(Clone)]
pub struct Slack {
    pub api_base: String,
    books: Arc<Mutex<Books>>,
}

/// The member that may approve.
pub const SLACK_OWNER: &str = "U0HUMAN01";
/// Envelopes that Slack sends before it has an acknowledgement.
const WINDOW: usize = 25;

impl Slack {
    pub fn start(seed: u64) -> Self {
        let (listener, address) = bound();
        let slack = Self { api_base: format!("http://{address}/api"), books: Arc::default() };
        let (asked, talked) = (slack.clone(), slack.books.clone());
        let talk = move |wire| Self::talk(&talked, wire, seed);
        listen(listener, move |request| asked.answer(request), talk);
        slack
    }
    fn answer(&self, request: &Request) -> Response {
        let mut books = self.books.lock().unwrap();
        if books.is_too_many() {
            return Response::too_many(|_| json!({ "ok": false, "error": "ratelimited" }));
        }
        let path = request.path();
        if path.starts_with("/files-pri/") {
            // Slack shows its sign-in page where the token is missing.
            let is_ours = request.authorization == "Bearer xoxb-T";
            let found = books.shelf.file(path).filter(|_| is_ours);
            return found.map_or_else(|| Response::page("<h1>Sign in</h1>"), Response::file);
        }
        if let Some(id) = path.strip_prefix("/upload/") {
            return receive(&mut books, id, &request.body);
        }
        let method = request.method().to_owned();
        books.requests.push(method.clone());
        let host = self.api_base.trim_end_matches("/api");
        Response::json(&match (method.as_str(), books.refusal) {
            ("auth.test", _) => {
                json!({ "ok": true, "team_id": "T0AAAA111", "team": "Acme", "user": "quintet" })
            }
            ("users.info", _) => json!({ "ok": true, "user": { "real_name": "Ines Example" } }),
            ("apps.connections.open", Some(word)) => json!({ "ok": false, "error": word }),
            ("apps.connections.open", None) => {
                json!({ "ok": true, "url": format!("{}/link/?ticket=t", host.replacen("http", "ws", 1)) })
            }
            ("files.getUploadURLExternal", _) => announce(&mut books, request, host),
            ("files.completeUploadExternal", _) => complete(&mut books, request),
            _ => {
                books.shown.push(request.field("text"));
                json!({ "ok": true, "channel": "D0IM00001", "ts": format!("1790000001.{:06}", books.requests.len()) })
            }
        })
    }
    /// `[endpoints.slack.main]` with this platform and its owner.
    pub fn config(&self) -> String {
        format!(
            "[endpoints.slack.main]\napp_token = \"xapp-1-T\"\nbot_token = \"xoxb-T\"\napi_base = \"{}\"\napprovers = [\"{SLACK_OWNER}\"]\n",
            self.api_base
        )
    }
    pub fn refuses(&self, word: Option<&'static str>) {
        self.books.lock().unwrap().refusal = word;
    }
    /// A direct message of this member.
    pub fn message(&self, user: &str, text: &str) {
        self.files(user, text, &[]);
    }
    /// A direct message with files.
    pub fn files(&self, user: &str, text: &str, files: &[Given]) {
        let mut books = self.books.lock().unwrap();
        let number = books.messages.len() + 1;
        let ts = format!("1790000000.{number:06}");
        let mut event = json!({ "type": "message", "channel": "D0IM00001", "channel_type": "im", "user": user, "text": text, "ts": ts });
        if !files.is_empty() {
            let host = self.api_base.trim_end_matches("/api");
            event["subtype"] = "file_share".into();
            event["files"] = files.iter().enumerate().map(|(index, file)| {
                let id = format!("F{number}-{index}");
                books.shelf.keep(&id, &file.content);
                json!({ "id": id, "name": file.name, "mimetype": file.content_type, "size": file.content.len(), "user": user, "url_private_download": format!("{host}/files-pri/T0AAAA111/download/{id}") })
            }).collect();
        }
        let payload = json!({ "type": "event_callback", "team_id": "T0AAAA111", "event_id": format!("Ev{number}"), "event": event });
        books.messages.push(json!({ "envelope_id": number.to_string(), "type": "events_api", "accepts_response_payload": false, "payload": payload }));
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

/// `files.getUploadURLExternal`.
fn announce(books: &mut Books, request: &Request, host: &str) -> Value {
    let sent = Sent { name: request.field("filename"), ..Sent::default() };
    books.uploads.push((request.field("length").parse().unwrap(), sent));
    let id = books.uploads.len() - 1;
    json!({ "ok": true, "upload_url": format!("{host}/upload/{id}"), "file_id": format!("F{id}") })
}

/// The content of an announced upload.
fn receive(books: &mut Books, id: &str, content: &[u8]) -> Response {
    let (length, sent) = &mut books.uploads[id.parse::<usize>().unwrap()];
    if *length != content.len() {
        return Response::with(400, "", &json!({ "ok": false, "error": "wrong length" }));
    }
    content.clone_into(&mut sent.content);
    Response::page(&format!("OK - {length}"))
}

/// `files.completeUploadExternal`: a file whose content has come is in the chat.
fn complete(books: &mut Books, request: &Request) -> Value {
    let files: Value = serde_json::from_str(&request.field("files")).unwrap();
    for file in files.as_array().unwrap() {
        let id = file["id"].as_str().unwrap().trim_start_matches('F');
        let sent = &books.uploads[id.parse::<usize>().unwrap()].1;
        if sent.content.is_empty() {
            return json!({ "ok": false, "error": "file_not_found" });
        }
        books.shelf.send(Sent { chat: request.field("channel_id"), ..sent.clone() });
    }
    json!({ "ok": true, "files": files })
}
