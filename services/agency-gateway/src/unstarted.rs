//! The run of a program that could not be started: it has ended, and its log has the reason.

use crate::program_log::Log;
use crate::runner::{Ended, Finish, Run, RunEvent, Stopped};
use crate::text::clip;
use async_trait::async_trait;
use contracts::run_log::RunLog;
use platform::ports::{PortError, PortErrorKind, ProgramLog};

/// Maximum bytes of the reason.
const WHY_BYTES_MAX: usize = 400;

pub(crate) fn unstarted(error: &PortError, agent: &str, program: &str, log: &Log) -> Box<dyn Run> {
    let text = if error.kind == PortErrorKind::Invalid {
        // The owner can mend it.
        let why = clip(error.detail.trim_end_matches('.'), WHY_BYTES_MAX);
        format!("{agent} is not available: {why}.")
    } else {
        format!("{agent} is not available: its program {program} could not be started just now.")
    };
    log.line(&error.detail, 0);
    let ended = Ended(Finish::unavailable(text));
    Box::new(Unstarted { ended, log: log.read(true) })
}

struct Unstarted {
    ended: Ended,
    log: Option<RunLog>,
}

#[async_trait]
impl Run for Unstarted {
    async fn next(&mut self) -> RunEvent {
        self.ended.next().await
    }
    async fn stop(&mut self) -> Stopped {
        self.ended.stop().await
    }
    fn log(&self) -> Option<RunLog> {
        self.log.clone()
    }
}
