//! Workers KV: a cache that may be a minute old, or older for keys that were looked up and missing.

use crate::unknown;
use async_trait::async_trait;
use platform::ports::{Kv, PortError, PortErrorKind, PortResult, kv::TTL_S_MIN};
use worker::kv::KvStore;
use worker::send::SendFuture;

/// A KV namespace.
pub struct WorkersKv(pub KvStore);

#[async_trait]
impl Kv for WorkersKv {
    async fn get(&self, key: &str) -> PortResult<Option<String>> {
        SendFuture::new(async move { self.0.get(key).text().await.map_err(unknown) }).await
    }
    async fn put(&self, key: &str, text: &str, ttl_s: u64) -> PortResult<()> {
        if ttl_s < TTL_S_MIN {
            return Err(PortError::clean(
                PortErrorKind::Invalid,
                format!("a time to live below {TTL_S_MIN} s"),
            ));
        }
        SendFuture::new(async move {
            self.0
                .put(key, text)
                .map_err(unknown)?
                .expiration_ttl(ttl_s)
                .execute()
                .await
                .map_err(unknown)
        })
        .await
    }
    async fn delete(&self, key: &str) -> PortResult<()> {
        SendFuture::new(async move { self.0.delete(key).await.map_err(unknown) }).await
    }
}
