//! Named states in a map.

use super::Faults;
use crate::ports::{Cell, PortResult};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::Mutex;

/// Named states of this process.
#[derive(Default)]
pub struct MemoryCell {
    states: Mutex<HashMap<String, (String, u64)>>,
    pub faults: Faults,
}

#[async_trait]
impl Cell for MemoryCell {
    async fn load(&self, name: &str) -> PortResult<(String, u64)> {
        self.faults
            .around(|| Ok(self.states.lock().unwrap().get(name).cloned().unwrap_or_default()))
    }
    async fn store(&self, name: &str, text: &str, version: u64) -> PortResult<bool> {
        self.faults.around(|| {
            let mut states = self.states.lock().unwrap();
            let entry = states.entry(name.to_owned()).or_default();
            if entry.1 != version {
                return Ok(false);
            }
            *entry = (text.to_owned(), version + 1);
            Ok(true)
        })
    }
}
