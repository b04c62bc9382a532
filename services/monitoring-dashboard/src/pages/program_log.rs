//! The log of the program of an event's newest run.

use crate::{Deps, owners};
use contracts::event::EventDetail;
use contracts::run_log::KeptLog;
use maud::{Markup, html};
use platform::text::honest;

/// Reads it once the run has ended. The page shows itself without it where it cannot be read.
pub async fn read(deps: &Deps, detail: &EventDetail) -> Option<KeptLog> {
    let row = &detail.row;
    if row.task_id.is_none() || row.state.holds_lane() {
        return None;
    }
    match owners::log(deps, &row.id).await {
        Ok(answer) => answer.log,
        Err(error) => {
            tracing::warn!(%error, event = %row.id, "a program's log could not be read");
            None
        }
    }
}

/// The log, closed at first: it is for the person who looks for a fault.
pub fn shown(log: Option<&KeptLog>) -> Markup {
    html! {
        @if let Some(KeptLog { log, .. }) = log {
            section.panel {
                details.log {
                    summary { "Program’s log" }
                    @if let Some(left_out) = log.left_out() { p.quiet { (left_out) } }
                    pre tabindex="0" { (honest(&log.text)) }
                }
            }
        }
    }
}
