//! The answer of a run that was stopped: its unfinished words, why it ended, and its cost.

use crate::board::StopReason;
use crate::runner::TEXT_BYTES_MAX;
use crate::text::clip;
use contracts::approval::Outcome;
use contracts::task::HALTED_BY_SOMEONE;
use contracts::{AgentId, Micros};

/// Marks words that the agent had not finished.
const MARK: &str = "Unfinished:";

/// Why a run ended before its end.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) why: StopReason,
    /// The server's words about it.
    pub(crate) detail: Option<String>,
}

impl Ending {
    /// The answer: the words so far, and below them the end with its cost, where that is known.
    /// The end survives the clipping of a long text.
    pub(crate) fn tell(&self, agent: &AgentId, said: &str, spent: Option<Micros>) -> String {
        let spent = spent.filter(|spent| *spent > Micros::ZERO);
        let end = match self.why {
            StopReason::Shutdown | StopReason::Stale | StopReason::LeaseLost => {
                let cost = spent.map(|spent| format!(" It had spent {spent}.")).unwrap_or_default();
                format!("{}{cost}", stop_text(self.why))
            }
            why => {
                let cost = spent.map(|spent| format!(" after spending {spent}"));
                let halted = || (why == StopReason::Halted).then(|| HALTED_BY_SOMEONE.to_owned());
                let detail = self.detail.clone().or_else(halted);
                let detail = detail.map(|detail| format!(" {detail}")).unwrap_or_default();
                format!("{agent} was stopped{}.{detail}", cost.unwrap_or_default())
            }
        };
        if said.is_empty() {
            return end;
        }
        format!("{}\n\n{end}", clip(said, TEXT_BYTES_MAX.saturating_sub(end.len() + 2)))
    }
}

/// Words with the mark that they are not finished; nothing stays nothing.
pub(crate) fn unfinished(said: &str) -> String {
    if said.trim().is_empty() { String::new() } else { format!("{MARK}\n\n{said}") }
}

pub(crate) const fn outcome_of(why: StopReason) -> Outcome {
    match why {
        StopReason::Halted
        | StopReason::Budget
        | StopReason::Stopped
        | StopReason::Declined
        | StopReason::CutOff
        | StopReason::Shutdown
        | StopReason::Stale => Outcome::Cancelled,
        StopReason::LeaseLost => Outcome::Failed,
    }
}

/// The end of a run that had done nothing.
pub(crate) const fn stop_text(why: StopReason) -> &'static str {
    match why {
        StopReason::Halted => "Stopped by the owner.",
        StopReason::Budget => "Stopped: it may not spend more.",
        StopReason::Stopped => "Stopped by a person.",
        StopReason::Declined => "Stopped: more money was declined.",
        StopReason::CutOff => "Stopped: the server lost contact with this machine.",
        StopReason::Shutdown => "Stopped because the gateway was shut down.",
        StopReason::Stale => "Stopped: another gateway has the task now.",
        StopReason::LeaseLost => "Stopped: the gateway could not reach the control plane in time.",
    }
}
