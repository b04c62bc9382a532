//! One named serial state: a mutex natively, a Durable Object on Workers. For shared state that may
//! be lost (the router's pool, sign-in limits), never for money or messages.

use super::PortResult;
use async_trait::async_trait;

/// Small named texts with compare-and-set.
#[async_trait]
pub trait Cell: Send + Sync {
    /// The text and its version; version 0 and an empty text if nothing was stored.
    async fn load(&self, name: &str) -> PortResult<(String, u64)>;
    /// Stores if the version is still the loaded one; false if another writer was faster.
    async fn store(&self, name: &str, text: &str, version: u64) -> PortResult<bool>;
}
