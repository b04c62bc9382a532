//! A bounded in-memory cache; every lost entry can be computed again.

use super::clock::SystemClock;
use async_trait::async_trait;
use platform::ports::{Clock, Kv, PortError, PortErrorKind, PortResult, kv::TTL_S_MIN};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Maximum entries.
const ENTRIES_MAX: usize = 10_000;
/// Maximum bytes of an entry; larger values would only duplicate what is in memory already.
const BYTES_MAX: usize = 64 << 10;

/// The cache of this process.
#[derive(Default)]
pub struct ProcessKv(Mutex<HashMap<String, (String, i64)>>);

#[async_trait]
impl Kv for ProcessKv {
    async fn get(&self, key: &str) -> PortResult<Option<String>> {
        let now = SystemClock.now_ms();
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(entries.get(key).filter(|(_, until)| *until > now).map(|(text, _)| text.clone()))
    }
    async fn put(&self, key: &str, text: &str, ttl_s: u64) -> PortResult<()> {
        if ttl_s < TTL_S_MIN {
            return Err(PortError::clean(
                PortErrorKind::Invalid,
                format!("a time to live below {TTL_S_MIN} s"),
            ));
        }
        if text.len() > BYTES_MAX {
            return Ok(());
        }
        let now = SystemClock.now_ms();
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES_MAX {
            entries.retain(|_, (_, until)| *until > now);
            if entries.len() >= ENTRIES_MAX {
                entries.clear();
            }
        }
        entries.insert(
            key.to_owned(),
            (
                text.to_owned(),
                now.saturating_add(i64::try_from(ttl_s).unwrap_or(i64::MAX).saturating_mul(1000)),
            ),
        );
        Ok(())
    }
    async fn delete(&self, key: &str) -> PortResult<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        Ok(())
    }
}
