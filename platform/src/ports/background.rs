//! Work after the response: `tokio::spawn` natively, `waitUntil` on Workers. It may be aborted, so
//! nothing essential may depend on it (the inbox has its own timer).

use futures_util::future::BoxFuture;

/// Starts work without waiting for it.
pub trait Background: Send + Sync {
    /// Runs the future to its end, unless the process ends first.
    fn spawn(&self, work: BoxFuture<'static, ()>);
}
