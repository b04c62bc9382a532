//! A clock that only moves when a test moves it, and seeded random numbers.

use crate::ports::Clock;
use async_trait::async_trait;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// A manual clock.
pub struct ManualClock {
    now_ms: AtomicI64,
    dice: Mutex<fastrand::Rng>,
    moved: Notify,
}

impl ManualClock {
    /// A clock at this time, which is also the seed of the random numbers.
    pub fn at(now_ms: i64) -> Self {
        Self {
            now_ms: AtomicI64::new(now_ms),
            dice: Mutex::new(fastrand::Rng::with_seed(now_ms.unsigned_abs())),
            moved: Notify::new(),
        }
    }
    /// Advances the time and wakes sleepers that are due.
    pub fn advance(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
        self.moved.notify_waiters();
    }
    /// Sets the time, also backwards.
    pub fn set(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
        self.moved.notify_waiters();
    }
}

impl Default for ManualClock {
    /// The vectors' time: 2026-09-21T14:13:22Z.
    fn default() -> Self {
        Self::at(1_790_000_002_000)
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }
    fn random(&self, bytes: &mut [u8]) {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes);
    }
    async fn sleep_until(&self, at_ms: i64) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if self.now_ms() >= at_ms {
                return;
            }
            moved.await;
        }
    }
}
