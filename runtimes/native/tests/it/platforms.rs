//! The common parts of the fake platforms with WebSockets: how they listen, and their books. They
//! refuse calls now and then for being too many.

use crate::exchange::{Limit, Request, Response};
use crate::shelf::{Sent, Shelf};
use serde_json::Value;
use std::io::{BufReader, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, accept};

pub type Wire = WebSocket<TcpStream>;

/// A listener and its address.
pub fn bound() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Serves requests by `answer` and WebSockets by `talk`, each in a thread of its own.
pub fn listen(
    listener: TcpListener,
    answer: impl Fn(&Request) -> Response + Send + Sync + 'static,
    talk: impl Fn(Wire) -> Option<()> + Send + Sync + 'static,
) {
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

fn serve(stream: TcpStream, answer: &dyn Fn(&Request) -> Response) -> Option<()> {
    let mut write = stream.try_clone().ok()?;
    let mut read = BufReader::new(stream);
    loop {
        answer(&Request::read(&mut read)?).write(&mut write)?;
    }
}

/// The next frame, `Some(None)` when there is none yet; `None` at the end.
#[expect(clippy::option_option, reason = "the end, nothing yet, or a frame")]
pub fn hear(wire: &mut Wire) -> Option<Option<Value>> {
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

pub fn say(wire: &mut Wire, frame: &Value) -> Option<()> {
    wire.send(Message::text(frame.to_string())).ok()
}

/// Messages that were handed in, as a platform knows them.
#[derive(Default)]
pub struct Books {
    /// Messages 1, 2, …
    pub messages: Vec<Value>,
    /// Those up to this one are acknowledged (Slack), or come before the last resume (Discord).
    pub acknowledged: usize,
    /// Number of the newest connection.
    pub connection: usize,
    pub cuts: usize,
    /// No connection breaks any more.
    pub calm: bool,
    /// Calls that were not refused.
    pub requests: Vec<String>,
    pub refusal: Option<&'static str>,
    pub limit: Limit,
    pub shelf: Shelf,
    /// Announced uploads of Slack with their lengths.
    pub uploads: Vec<(usize, Sent)>,
    /// Every text that was shown in the chat.
    pub shown: Vec<String>,
}

impl Books {
    pub fn is_too_many(&mut self) -> bool {
        !self.calm && self.limit.refuses()
    }
}
