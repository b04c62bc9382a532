//! A cache with a time to live. Never authoritative, never a counter, never for deduplication:
//! Workers KV is eventually consistent and allows one write per second per key.

use super::PortResult;
use async_trait::async_trait;

/// Minimum time to live of Workers KV; every adapter refuses less.
pub const TTL_S_MIN: u64 = 60;

/// A cache.
#[async_trait]
pub trait Kv: Send + Sync {
    /// The stored value, possibly an older one, possibly none.
    async fn get(&self, key: &str) -> PortResult<Option<String>>;
    /// Stores the text for `ttl_s` seconds (at least [`TTL_S_MIN`], otherwise `Invalid`).
    async fn put(&self, key: &str, text: &str, ttl_s: u64) -> PortResult<()>;
    /// Deletes the key, eventually.
    async fn delete(&self, key: &str) -> PortResult<()>;
}
