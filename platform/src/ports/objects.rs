//! Backups and large files: R2, or a folder. Strongly consistent; a put is atomic.

use super::PortResult;
use async_trait::async_trait;
use bytes::Bytes;

/// Named objects. Names are `/`-separated words of letters, digits, `.`, `-` and `_`.
#[async_trait]
pub trait Objects: Send + Sync {
    async fn get(&self, name: &str) -> PortResult<Option<Bytes>>;
    async fn put(&self, name: &str, bytes: Bytes) -> PortResult<()>;
    async fn delete(&self, name: &str) -> PortResult<()>;
    /// Names that start with the prefix, sorted.
    async fn list(&self, prefix: &str) -> PortResult<Vec<String>>;
}

/// Whether every adapter accepts this name.
pub fn is_valid_name(name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word != "."
            && word != ".."
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
    };
    name.len() <= 512 && name.split('/').all(word)
}
