//! Refuses a connection: 503 with `Retry-After`, then the end.

use super::connections::Refusal;
use contracts::{ErrorCode, Problem};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Maximum refusals being written; above that a connection is closed without a response.
const AT_ONCE: usize = 32;
/// Maximum time for one refusal.
const LIMIT: Duration = Duration::from_secs(1);
/// Maximum bytes of the request to read, so that the client sees the response instead of a reset.
const READ_MAX: u64 = 64 << 10;
const RETRY_AFTER_S: u32 = 5;

/// Sends refusals beside the accepting loop.
pub(super) struct Refuser(Arc<Semaphore>);

impl Default for Refuser {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Refuser {
    /// Tells the client to come back later, and closes the connection.
    pub(super) fn refuse(&self, stream: TcpStream, refusal: Refusal) {
        let Ok(permit) = self.0.clone().try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _ = tokio::time::timeout(LIMIT, send(stream, refusal)).await;
            drop(permit);
        });
    }
}

async fn send(mut stream: TcpStream, refusal: Refusal) -> std::io::Result<()> {
    let problem = Problem::new(ErrorCode::Unavailable, refusal.detail());
    let body = serde_json::to_string(&problem)?;
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
         content-length: {}\r\nretry-after: {RETRY_AFTER_S}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut (&mut stream).take(READ_MAX), &mut tokio::io::sink()).await.map(drop)
}
