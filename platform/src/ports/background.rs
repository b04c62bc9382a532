//! Work after the answer: `tokio::spawn` natively, `waitUntil` on Workers. It may be cut off; nothing that must
//! happen may depend on it (the inbox's own timer looks again).

use futures_util::future::BoxFuture;

/// Starts work that nobody waits for.
pub trait Background: Send + Sync {
    /// Runs the future to its end, unless the process ends first.
    fn spawn(&self, work: BoxFuture<'static, ()>);
}
