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
