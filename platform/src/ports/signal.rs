//! Wakes long polls by key. A hint, not a message: a woken poll reads the state again, and any
//! other poll reads it at its deadline.

use async_trait::async_trait;

/// Wakes waiters.
#[async_trait]
pub trait Signal: Send + Sync {
    /// Wakes everyone who waits for the key now.
    fn notify(&self, key: &str);
    /// Returns when the key is notified or the clock reaches `until_ms`. May return early.
    async fn wait(&self, key: &str, until_ms: i64);
}

/// A wait that has started: any later notification ends it. Start it, read the state, then await
/// it, so that no wake is lost in between.
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
