//! Wakes long-polls within the process.

use super::clock::SystemClock;
use async_trait::async_trait;
use platform::ports::{Clock, Signal};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Notify;

/// Keys with waiting polls.
#[derive(Default)]
pub struct ProcessSignal(Mutex<HashMap<String, Weak<Notify>>>);

impl ProcessSignal {
    fn waiter(&self, key: &str) -> Arc<Notify> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = keys.get(key).and_then(Weak::upgrade) {
            return notify;
        }
        keys.retain(|_, waiter| waiter.strong_count() > 0);
        let notify = Arc::new(Notify::new());
        keys.insert(key.to_owned(), Arc::downgrade(&notify));
        notify
    }
}

#[async_trait]
impl Signal for ProcessSignal {
    fn notify(&self, key: &str) {
        let waiter =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).and_then(Weak::upgrade);
        if let Some(waiter) = waiter {
            waiter.notify_waiters();
        }
    }
    async fn wait(&self, key: &str, until_ms: i64) {
        let waiter = self.waiter(key);
        tokio::select! {
            () = waiter.notified() => {}
            () = SystemClock.sleep_until(until_ms) => {}
        }
    }
}
