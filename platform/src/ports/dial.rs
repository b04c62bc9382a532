//! WebSockets to platforms that send their messages over a connection that we open. For hosts whose
//! process keeps running; a Worker has no such port.

use super::PortResult;
use async_trait::async_trait;

/// Maximum bytes of a message.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Opens WebSockets.
#[async_trait]
pub trait Dial: Send + Sync {
    /// Opens a WebSocket within `timeout_ms`. The address is `wss`, or `ws` to a loopback address;
    /// redirects are not followed. An error never has the address, which may contain a ticket.
    async fn open(&self, url: &str, timeout_ms: u64) -> PortResult<Box<dyn Socket>>;
}

/// One open WebSocket. Dropping it ends the connection without a word.
#[async_trait]
pub trait Socket: Send {
    /// Sends a text message.
    async fn send(&mut self, text: String) -> PortResult<()>;
    /// Sends a ping, which the other side answers by a pong.
    async fn ping(&mut self) -> PortResult<()>;
    /// Waits for the next frame. Dropping the future loses nothing. After [`Frame::Closed`] there
    /// is none.
    async fn next(&mut self) -> Frame;
    /// Tells the other side that the connection ends, with this close code.
    async fn close(&mut self, code: u16);
}

/// A frame that came over a WebSocket. Pings are answered by the adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message of at most [`MESSAGE_BYTES_MAX`] bytes; bytes that are no UTF-8 are replaced.
    Text(String),
    /// A ping or a pong: the other side is there.
    Alive,
    /// The end of the connection; the other side's close code, where it sent one.
    Closed { code: Option<u16>, reason: String },
}
