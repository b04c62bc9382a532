//! Wakes those who long-poll a key. A hint, not a message: whoever is woken looks at the truth again, and whoever is
//! not woken looks at the deadline.

use async_trait::async_trait;

/// Wakes waiters.
#[async_trait]
pub trait Signal: Send + Sync {
    /// Wakes everybody who waits for the key now.
    fn notify(&self, key: &str);
    /// Returns when the key is notified or the clock reaches `until_ms`. May return early.
    async fn wait(&self, key: &str, until_ms: i64);
}

/// A wait that has begun: whatever is notified from now on ends it. Begin it, look at the truth, then await it;
/// so no wake falls between the look and the wait.
pub async fn begin_wait<'a>(
    signal: &'a dyn Signal,
    key: &'a str,
    until_ms: i64,
) -> futures_util::future::BoxFuture<'a, ()> {
    let mut wait = signal.wait(key, until_ms);
    match futures_util::future::poll_immediate(&mut wait).await {
        Some(()) => Box::pin(std::future::ready(())),
        None => wait,
    }
}
