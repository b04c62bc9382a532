//! Checks of background work.

use crate::ports::{Background, Clock};
use futures_util::FutureExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Each piece of work starts without being awaited, and runs to its end.
pub async fn check(background: &dyn Background, clock: Arc<dyn Clock>) {
    let ended = Arc::new(AtomicU32::new(0));
    for pause_ms in [0, 5] {
        let (ended, clock) = (ended.clone(), clock.clone());
        let work = async move {
            clock.sleep_until(clock.now_ms() + pause_ms).await;
            ended.fetch_add(1, Ordering::SeqCst);
        };
        background.spawn(work.boxed());
    }
    for _ in 0..400 {
        if ended.load(Ordering::SeqCst) == 2 {
            return;
        }
        clock.sleep_until(clock.now_ms() + 5).await;
    }
    panic!("after two seconds {} of 2 pieces of work had ended", ended.load(Ordering::SeqCst));
}
