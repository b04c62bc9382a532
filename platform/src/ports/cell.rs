//! One named serial state: a mutex natively, a Durable Object on Workers. For what must be shared and may be lost
//! (the router's pool, sign-in limits), never for money or messages.

use super::PortResult;
use async_trait::async_trait;

/// Small named texts with compare-and-set.
#[async_trait]
pub trait Cell: Send + Sync {
    /// The text and its version; version 0 and an empty text where nothing was stored.
    async fn load(&self, name: &str) -> PortResult<(String, u64)>;
    /// Stores when the version is still the one that was loaded; false when somebody was faster.
    async fn store(&self, name: &str, text: &str, version: u64) -> PortResult<bool>;
}
