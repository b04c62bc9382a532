//! The stages of one event in a row: passed, current, next.

use super::signs::{self, duration};
use crate::Config;
use contracts::event::{EventDetail, Stage, StageEntry};
use maud::{Markup, html};

/// The usual stages of an event.
const WAY: [Stage; 6] =
    [Stage::Received, Stage::Routed, Stage::Approved, Stage::Running, Stage::Answered, Stage::Done];

/// The word for a stage, for newcomers.
const fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Received => "Received",
        Stage::Routed => "Routed",
        Stage::Parked => "Waits for you",
        Stage::Approved => "Approved",
        Stage::Running => "Working",
        Stage::Answered => "Answered",
        Stage::Done => "Delivered",
        Stage::Failed => "Failed",
        Stage::Halted => "Halted",
        Stage::Refused => "Refused",
        Stage::Expired => "Expired",
        Stage::Dead => "Given up",
        Stage::Ignored => "Ignored",
        Stage::Quarantined => "Unreadable",
    }
}

/// The stages still to come.
fn ahead(detail: &EventDetail) -> Vec<Stage> {
    if detail.row.state.is_final() {
        return Vec::new();
    }
    let place = |stage: Stage| WAY.iter().position(|known| *known == stage);
    let here = match detail.row.state {
        // The approval follows the owner's yes.
        Stage::Parked => place(Stage::Routed),
        state => place(state),
    };
    here.and_then(|here| WAY.get(here + 1..)).unwrap_or_default().to_vec()
}

fn passed(entry: &StageEntry, detail: &EventDetail, is_last: bool) -> Markup {
    let current = is_last && !detail.row.state.is_final();
    html! {
        li class=(if current { "now" } else { "passed" }) title=[entry.note.as_deref()] {
            (signs::sign(if current || entry.stage.is_final() || entry.stage == Stage::Parked { signs::stage_mood(entry.stage) } else { signs::Mood::Good }, word(entry.stage)))
            @if entry.stage == Stage::Routed { @if let Some(agent) = &detail.row.agent { " " span.agent { (agent) } } }
            @if entry.after_ms > 0 { " " span.quiet { (duration(entry.after_ms)) } }
        }
    }
}

/// Renders the stages. A repeated stage shows once, with its last time.
pub fn steps(detail: &EventDetail) -> Markup {
    let mut entries: Vec<&StageEntry> = Vec::new();
    for entry in &detail.stages {
        entries.retain(|seen| seen.stage != entry.stage);
        entries.push(entry);
    }
    html! {
        div.track {
            ol {
                @for (i, entry) in entries.iter().enumerate() { (passed(entry, detail, i + 1 == entries.len())) }
                @for stage in ahead(detail) { li.ahead { (word(stage)) } }
            }
        }
    }
}

/// Renders the stages, the reason for the end, and the next steps.
pub fn track(config: &Config, detail: &EventDetail) -> Markup {
    html! {
        (steps(detail))
        div.track {
            @if let Some(reason) = detail.row.reason.as_deref().filter(|reason| !reason.is_empty()) { p.quiet { (reason) } }
            p.links {
                @if let Some(id) = detail.row.approval_id.as_ref().filter(|_| detail.row.state == Stage::Parked) {
                    a.button href=(config.url(&format!("/dashboard/approvals/{}", platform::percent::encode(id.as_str())))) { "Decide" }
                }
                a href=(config.url(&format!("/dashboard/events/{}", platform::percent::encode(detail.row.id.as_str())))) { "Details of this event" }
            }
        }
    }
}

/// A value that changes whenever the rendered stages would.
pub fn mark(detail: &EventDetail) -> String {
    format!("{}-{}-{}", detail.row.state.as_str(), detail.stages.len(), detail.row.attempts)
}
