//! The calls that wait for the owner's answer. Each holds a connection of the server, so they are
//! counted: too many of them would leave none for anybody else.

use platform::edge::Principal;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum calls of one token or service that wait at the same time.
const PER_PRINCIPAL_MAX: u32 = 64;
/// Maximum calls of one run that wait at the same time.
const PER_RUN_MAX: u32 = 4;
/// Maximum calls that wait for the same answer: one, and its repetition after a lost connection.
const PER_QUESTION_MAX: u32 = 2;

/// The subject of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Counted {
    Principal(&'static str),
    Run(String),
    Question(String),
}

impl Counted {
    const fn max(&self) -> u32 {
        match self {
            Self::Principal(_) => PER_PRINCIPAL_MAX,
            Self::Run(_) => PER_RUN_MAX,
            Self::Question(_) => PER_QUESTION_MAX,
        }
    }
    /// The limit in words, after its number.
    pub(crate) fn says(&self) -> String {
        let max = self.max();
        match self {
            Self::Principal(_) => format!("{max} calls with this token already wait"),
            Self::Run(_) => format!("{max} calls of this run already wait"),
            Self::Question(_) => format!("{max} calls already wait for this answer"),
        }
    }
}

/// The waiting calls of this process. Clones share them.
#[derive(Clone, Default)]
pub struct OpenCalls(Arc<Mutex<HashMap<Counted, u32>>>);

impl OpenCalls {
    fn lock(&self) -> MutexGuard<'_, HashMap<Counted, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Counts a call until the answer is dropped; or the limit that it meets.
    pub(crate) fn enter(
        &self,
        who: Principal,
        run: Option<&str>,
        question: &str,
    ) -> Result<OpenCall, Counted> {
        let counted: Vec<Counted> = [Counted::Question(question.to_owned())]
            .into_iter()
            .chain(run.map(|run| Counted::Run(run.to_owned())))
            .chain([Counted::Principal(who.as_str())])
            .collect();
        let mut open = self.lock();
        let is_full = |what: &&Counted| open.get(*what).is_some_and(|open| *open >= what.max());
        if let Some(full) = counted.iter().find(is_full) {
            return Err(full.clone());
        }
        for what in &counted {
            *open.entry(what.clone()).or_default() += 1;
        }
        drop(open);
        Ok(OpenCall { calls: self.clone(), counted })
    }
}

/// One waiting call.
pub(crate) struct OpenCall {
    calls: OpenCalls,
    counted: Vec<Counted>,
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let mut open = self.calls.lock();
        for what in &self.counted {
            if let Some(count) = open.get_mut(what) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    open.remove(what);
                }
            }
        }
    }
}
