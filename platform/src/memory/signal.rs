//! Signals within one process.

use crate::ports::{Clock, Signal};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::Notify;

/// Wakes the waiters of this process.
pub struct MemorySignal {
    clock: Arc<dyn Clock>,
    keys: Mutex<HashMap<String, Weak<Notify>>>,
}

impl MemorySignal {
    /// Without waiters.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, keys: Mutex::default() }
    }
    fn waiter(&self, key: &str) -> Arc<Notify> {
        let mut keys = self.keys.lock().unwrap();
        if let Some(notify) = keys.get(key).and_then(Weak::upgrade) {
            return notify;
        }
        // Removes keys without waiters, so the map stays as small as the number of waiters.
        keys.retain(|_, waiter| waiter.strong_count() > 0);
        let notify = Arc::new(Notify::new());
        keys.insert(key.to_owned(), Arc::downgrade(&notify));
        notify
    }
}

#[async_trait]
impl Signal for MemorySignal {
    fn notify(&self, key: &str) {
        let waiter = self.keys.lock().unwrap().get(key).and_then(Weak::upgrade);
        if let Some(waiter) = waiter {
            waiter.notify_waiters();
        }
    }
    async fn wait(&self, key: &str, until_ms: i64) {
        let waiter = self.waiter(key);
        tokio::select! {
            () = waiter.notified() => {}
            () = self.clock.sleep_until(until_ms) => {}
        }
    }
}
