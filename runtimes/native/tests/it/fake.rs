//! A fake platform that answers as a test says.
#![allow(dead_code, reason = "each test file uses its own part")]

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Status, one more header (empty for none), body.
pub type Reply = (u16, &'static str, Value);
type Script = dyn Fn(&str, &Value) -> Reply + Send + Sync;

/// A platform's API on this machine; it listens until the test ends.
pub struct Fake {
    pub api_base: String,
    calls: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Fake {
    /// Answers `GET /path` and the body by this function.
    pub fn start(script: impl Fn(&str, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api_base = format!("http://{}", listener.local_addr().unwrap());
        let (script, calls): (Arc<Script>, _) = (Arc::new(script), Arc::default());
        let fake = Self { api_base, calls: Arc::clone(&calls) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, calls) = (script.clone(), calls.clone());
                std::thread::spawn(move || serve(stream, &*script, &calls));
            }
        });
        fake
    }
    /// The calls so far: `POST /path` and the body.
    pub fn calls(&self) -> Vec<(String, Value)> {
        self.calls.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, script: &Script, calls: &Mutex<Vec<(String, Value)>>) -> Option<()> {
    let mut write = stream.try_clone().ok()?;
    let mut read = BufReader::new(stream);
    loop {
        let (call, body) = request(&mut read)?;
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        calls.lock().unwrap().push((call.clone(), body.clone()));
        let (status, header, answer) = script(&call, &body);
        let (text, header) = (
            answer.to_string(),
            if header.is_empty() { String::new() } else { format!("{header}\r\n") },
        );
        write!(write, "HTTP/1.1 {status} x\r\n{header}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}", text.len()).ok()?;
    }
}

/// The next request: `POST /path`, and its body.
pub fn request(read: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut first = String::new();
    read.read_line(&mut first).ok().filter(|bytes| *bytes > 0)?;
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
    Some((first.rsplit_once(' ')?.0.to_owned(), body))
}
