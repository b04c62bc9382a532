//! Requests and responses as fake platforms read and write them.
#![allow(dead_code, reason = "each test file uses its own part")]

use serde_json::Value;
use std::io::{BufRead, Write};

/// A request that a platform was sent.
#[derive(Default)]
pub struct Request {
    /// `POST /path`.
    pub call: String,
    pub authorization: String,
    pub content_type: String,
    pub body: Vec<u8>,
}

/// One part of a `multipart/form-data` body.
pub struct Part {
    pub name: String,
    pub file_name: Option<String>,
    pub content: Vec<u8>,
}

impl Request {
    /// The next request; `None` at the end, also for one that breaks off.
    pub fn read(from: &mut impl BufRead) -> Option<Self> {
        let mut first = String::new();
        from.read_line(&mut first).ok().filter(|bytes| *bytes > 0)?;
        let mut request = Self { call: first.rsplit_once(' ')?.0.to_owned(), ..Self::default() };
        let mut length = 0;
        loop {
            let mut line = String::new();
            from.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
            if line.trim().is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            match (name.to_ascii_lowercase().as_str(), value.trim()) {
                ("content-length", value) => length = value.parse().ok()?,
                ("content-type", value) => value.clone_into(&mut request.content_type),
                ("authorization", value) => value.clone_into(&mut request.authorization),
                _ => {}
            }
        }
        request.body = vec![0; length];
        from.read_exact(&mut request.body).ok()?;
        Some(request)
    }
    /// The path without its query.
    pub fn path(&self) -> &str {
        let target = self.call.split_once(' ').map_or("", |(_, target)| target);
        target.split('?').next().unwrap()
    }
    /// The last part of the path: a method of Telegram and Slack.
    pub fn method(&self) -> &str {
        self.path().rsplit('/').next().unwrap()
    }
    /// The body; null when it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
    /// A field of the form in the body; empty without one.
    pub fn field(&self, name: &str) -> String {
        let form = format!("http://form/?{}", String::from_utf8_lossy(&self.body));
        let url: reqwest::Url = form.parse().unwrap();
        let found = url.query_pairs().find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    }
    /// The parts of a `multipart/form-data` body; none for another one.
    pub fn parts(&self) -> Vec<Part> {
        let Some((_, boundary)) = self.content_type.split_once("boundary=") else {
            return Vec::new();
        };
        // A character a byte, so that the content stays what it is.
        let text: String = self.body.iter().copied().map(char::from).collect();
        let mark = format!("--{boundary}");
        let parts = text.split(&mark).filter_map(|part| {
            let (head, content) = part.strip_prefix("\r\n")?.split_once("\r\n\r\n")?;
            let quoted = |name: &str| {
                let (_, rest) = head.split_once(&format!(" {name}=\""))?;
                rest.split_once('"').map(|(value, _)| value.to_owned())
            };
            let content = content.strip_suffix("\r\n")?.chars();
            Some(Part {
                name: quoted("name")?,
                file_name: quoted("filename"),
                content: content.map(|char| u8::try_from(char).unwrap()).collect(),
            })
        });
        parts.collect()
    }
}

/// The answer of a platform.
pub struct Response {
    pub status: u16,
    /// One more header, empty for none.
    pub header: String,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

/// The seconds after which a platform that was sent too many requests takes the next one.
const RETRY_AFTER_S: u64 = 1;

impl Response {
    pub fn json(value: &Value) -> Self {
        Self::with(200, "", value)
    }
    pub fn with(status: u16, header: &str, value: &Value) -> Self {
        let body = value.to_string().into_bytes();
        Self { status, header: header.to_owned(), content_type: "application/json", body }
    }
    pub fn file(body: Vec<u8>) -> Self {
        let content_type = "application/octet-stream";
        Self { status: 200, header: String::new(), content_type, body }
    }
    pub fn page(text: &str) -> Self {
        let content_type = "text/html; charset=utf-8";
        Self { content_type, ..Self::file(text.as_bytes().to_vec()) }
    }
    /// 429 with the time after which to ask again, in the header and where the platform has it in
    /// its body.
    pub fn too_many(body: impl Fn(u64) -> Value) -> Self {
        Self::with(429, &format!("Retry-After: {RETRY_AFTER_S}"), &body(RETRY_AFTER_S))
    }
    pub fn write(&self, to: &mut impl Write) -> Option<()> {
        let more = if self.header.is_empty() { "" } else { "\r\n" };
        let head = format!(
            "HTTP/1.1 {} x\r\n{}{more}Content-Type: {}\r\nContent-Length: {}\r\n\r\n",
            self.status,
            self.header,
            self.content_type,
            self.body.len()
        );
        to.write_all(&[head.as_bytes(), &self.body].concat()).ok()
    }
}

/// Refuses a request now and then, as a platform does that was sent too many.
#[derive(Default)]
pub struct Limit {
    asked: usize,
    refused: usize,
}

/// One of this many requests is refused.
const REFUSED_EACH: usize = 30;

impl Limit {
    /// Whether the next request is refused.
    pub fn refuses(&mut self) -> bool {
        self.asked += 1;
        let refuses = self.asked.is_multiple_of(REFUSED_EACH);
        self.refused += usize::from(refuses);
        refuses
    }
    /// Requests that were refused.
    pub const fn refused(&self) -> usize {
        self.refused
    }
}
