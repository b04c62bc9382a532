//! A cache with a time to live. Never truth, never a counter, never dedup: Workers KV is eventually consistent and
//! takes one write a second a key.

use super::PortResult;
use async_trait::async_trait;

/// The shortest time to live that Workers KV takes; every adapter refuses less.
pub const TTL_S_MIN: u64 = 60;

/// A cache.
#[async_trait]
pub trait Kv: Send + Sync {
    /// What was put, perhaps an older value, perhaps nothing.
    async fn get(&self, key: &str) -> PortResult<Option<String>>;
    /// Keeps the text for `ttl_s` seconds (at least [`TTL_S_MIN`], else `Invalid`).
    async fn put(&self, key: &str, text: &str, ttl_s: u64) -> PortResult<()>;
    /// Forgets the key, sooner or later.
    async fn delete(&self, key: &str) -> PortResult<()>;
}
