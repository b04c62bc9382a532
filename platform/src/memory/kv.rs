//! A cache in a map. It respects the time to live; tests can order stale reads.

use super::Faults;
use crate::ports::{Clock, Kv, PortError, PortErrorKind, PortResult, kv::TTL_S_MIN};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A cache of this process.
pub struct MemoryKv {
    clock: Arc<dyn Clock>,
    entries: Mutex<HashMap<String, (String, i64)>>,
    pub faults: Faults,
}

impl MemoryKv {
    /// An empty cache.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, entries: Mutex::default(), faults: Faults::default() }
    }
}

#[async_trait]
impl Kv for MemoryKv {
    async fn get(&self, key: &str) -> PortResult<Option<String>> {
        let now = self.clock.now_ms();
        self.faults.around(|| {
            Ok(self
                .entries
                .lock()
                .unwrap()
                .get(key)
                .filter(|(_, until)| *until > now)
                .map(|(text, _)| text.clone()))
        })
    }
    async fn put(&self, key: &str, text: &str, ttl_s: u64) -> PortResult<()> {
        if ttl_s < TTL_S_MIN {
            return Err(PortError::clean(
                PortErrorKind::Invalid,
                format!("a time to live below {TTL_S_MIN} s"),
            ));
        }
        let until = self.clock.now_ms() + i64::try_from(ttl_s).unwrap_or(i64::MAX / 2000) * 1000;
        self.faults.around(|| {
            self.entries.lock().unwrap().insert(key.to_owned(), (text.to_owned(), until));
            Ok(())
        })
    }
    async fn delete(&self, key: &str) -> PortResult<()> {
        self.faults.around(|| {
            self.entries.lock().unwrap().remove(key);
            Ok(())
        })
    }
}
