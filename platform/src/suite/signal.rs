//! Checks of waking.

use crate::ports::{Clock, Signal, begin_wait};

/// A wake after the start of the wait ends it, even before it is awaited; so does a deadline in the
/// past.
pub async fn check(signal: &dyn Signal, clock: &dyn Clock) {
    let far = clock.now_ms() + 3_600_000;
    let waiting = begin_wait(signal, "a", far).await;
    signal.notify("a");
    waiting.await;
    signal.notify("nobody waits for this");
    begin_wait(signal, "a", clock.now_ms() - 1).await.await;
    let (first, second) = (begin_wait(signal, "b", far).await, begin_wait(signal, "b", far).await);
    signal.notify("b");
    first.await;
    second.await;
}
