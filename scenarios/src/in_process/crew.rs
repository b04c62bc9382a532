//! The tasks of one process, which all end with it.

use futures_util::future::BoxFuture;
use platform::ports::Background;
use std::sync::Mutex;
use tokio::task::{JoinError, JoinSet};

/// The running tasks.
#[derive(Default)]
pub struct Crew(Mutex<JoinSet<()>>);

impl Crew {
    /// Aborts every task and returns when all have ended. A panicked task fails the test.
    pub async fn crash(&self) {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap());
        tasks.abort_all();
        while let Some(ended) = tasks.join_next().await {
            unharmed(ended);
        }
    }
}

fn unharmed(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

impl Background for Crew {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        let mut tasks = self.0.lock().unwrap();
        while let Some(ended) = tasks.try_join_next() {
            unharmed(ended);
        }
        tasks.spawn(work);
    }
}
