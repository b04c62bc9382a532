//! Background work on tokio.

use crate::ports::Background;
use futures_util::future::BoxFuture;

/// Spawns on the current tokio runtime.
#[derive(Clone, Copy, Default)]
pub struct TokioBackground;

impl Background for TokioBackground {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        tokio::spawn(work);
    }
}
