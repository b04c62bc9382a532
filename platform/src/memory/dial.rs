//! WebSockets whose other side a test plays.

use crate::config::is_safe_socket_url;
use crate::ports::dial::{Dial, Frame, Socket};
use crate::ports::{PortError, PortErrorKind, PortResult};
use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Hands each opened connection to the test.
#[derive(Default)]
pub struct MemoryDial {
    peers: Mutex<Vec<Peer>>,
    refused: Mutex<usize>,
}

/// The platform's side of one connection.
#[derive(Clone)]
pub struct Peer {
    pub url: String,
    frames: UnboundedSender<Frame>,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    texts: Vec<String>,
    pings: usize,
    /// The close code of our side; 0 when it was dropped.
    closed: Option<u16>,
}

impl MemoryDial {
    /// Refuses the next connections.
    pub fn refuse_next(&self, times: usize) {
        *self.refused.lock().unwrap() = times;
    }
    /// The connections so far, oldest first.
    pub fn peers(&self) -> Vec<Peer> {
        self.peers.lock().unwrap().clone()
    }
    /// The newest connection.
    pub fn last(&self) -> Peer {
        self.peers().pop().expect("a connection")
    }
}

impl Peer {
    /// Sends a message to our side.
    pub fn says(&self, text: impl Into<String>) {
        let _ = self.frames.send(Frame::Text(text.into()));
    }
    /// Sends a ping to our side.
    pub fn pings(&self) {
        let _ = self.frames.send(Frame::Alive);
    }
    /// Ends the connection; without a code, as a cut cable does.
    pub fn closes(&self, code: Option<u16>) {
        let _ = self.frames.send(Frame::Closed { code, reason: String::new() });
    }
    /// The texts of our side.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().texts.clone()
    }
    /// The pings of our side.
    pub fn pinged(&self) -> usize {
        self.heard.lock().unwrap().pings
    }
    /// The close code of our side; 0 when it ended without one.
    pub fn closed(&self) -> Option<u16> {
        self.heard.lock().unwrap().closed
    }
}

struct MemorySocket {
    frames: UnboundedReceiver<Frame>,
    heard: Arc<Mutex<Heard>>,
}

impl MemorySocket {
    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap()
    }
    /// Nothing is sent any more once the other side has ended the connection.
    fn open(&self) -> PortResult<()> {
        if self.frames.is_closed() && self.frames.is_empty() {
            return Err(PortError::unknown(PortErrorKind::Unavailable, "the connection has ended"));
        }
        Ok(())
    }
}

impl Drop for MemorySocket {
    fn drop(&mut self) {
        self.heard().closed.get_or_insert(0);
    }
}

#[async_trait]
impl Dial for MemoryDial {
    async fn open(&self, url: &str, _: u64) -> PortResult<Box<dyn Socket>> {
        if !is_safe_socket_url(url) {
            return Err(PortError::clean(PortErrorKind::Invalid, "not a safe address"));
        }
        let mut refused = self.refused.lock().unwrap();
        if *refused > 0 {
            *refused -= 1;
            return Err(PortError::clean(PortErrorKind::Unavailable, "connection refused"));
        }
        let (frames, received) = unbounded_channel();
        let heard = Arc::<Mutex<Heard>>::default();
        let peer = Peer { url: url.to_owned(), frames, heard: heard.clone() };
        self.peers.lock().unwrap().push(peer);
        Ok(Box::new(MemorySocket { frames: received, heard }))
    }
}

#[async_trait]
impl Socket for MemorySocket {
    async fn send(&mut self, text: String) -> PortResult<()> {
        self.open()?;
        self.heard().texts.push(text);
        Ok(())
    }
    async fn ping(&mut self) -> PortResult<()> {
        self.open()?;
        self.heard().pings += 1;
        Ok(())
    }
    async fn next(&mut self) -> Frame {
        let ended = Frame::Closed { code: None, reason: "the other side is gone".to_owned() };
        let frame = self.frames.recv().await.unwrap_or(ended);
        if matches!(frame, Frame::Closed { .. }) {
            self.frames.close();
        }
        frame
    }
    async fn close(&mut self, code: u16) {
        self.heard().closed = Some(code);
    }
}
