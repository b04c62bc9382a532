//! The tasks of one process: all of them end with it, wherever they are.

use futures_util::future::BoxFuture;
use platform::ports::Background;
use std::sync::Mutex;
use tokio::task::JoinSet;

/// The tasks that run.
#[derive(Default)]
pub struct Crew(Mutex<JoinSet<()>>);

impl Crew {
    /// Ends every task in the middle of what it does; returns when all are gone.
    pub async fn crash(&self) {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap());
        tasks.shutdown().await;
    }
}

impl Background for Crew {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        let mut tasks = self.0.lock().unwrap();
        while tasks.try_join_next().is_some_and(|ended| ended.map_err(|error| assert!(!error.is_panic(), "a background task panicked: {error}")).is_ok()) {}
        tasks.spawn(work);
    }
}
