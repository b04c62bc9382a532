//! Background work as tokio tasks.

use futures_util::future::BoxFuture;
use platform::ports::Background;

/// Spawns on the process's tokio runtime.
pub struct TokioBackground;

impl Background for TokioBackground {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        tokio::spawn(work);
    }
}
