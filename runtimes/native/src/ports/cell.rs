//! Named serial states under a mutex, for the life of the process.

use async_trait::async_trait;
use platform::ports::{Cell, PortResult};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// States of this process.
#[derive(Default)]
pub struct ProcessCell(Mutex<HashMap<String, (String, u64)>>);

#[async_trait]
impl Cell for ProcessCell {
    async fn load(&self, name: &str) -> PortResult<(String, u64)> {
        Ok(self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
            .unwrap_or_default())
    }
    async fn store(&self, name: &str, text: &str, version: u64) -> PortResult<bool> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = states.entry(name.to_owned()).or_default();
        if entry.1 != version {
            return Ok(false);
        }
        *entry = (text.to_owned(), version + 1);
        Ok(true)
    }
}
