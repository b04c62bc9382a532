//! Schedules: what comes by itself, and when.

use super::layout::{Frame, Noted, gap, title};
use super::menu;
use super::signs::{self, Mood};
use crate::answer::see;
use crate::refusal::PageResult;
use crate::session::Owner;
use crate::{Config, Deps, Form, owners};
use axum::extract::{Query, State};
use contracts::schedule::{MadeBy, ScheduleView};
use maud::{Markup, html};
use platform::text::printable;

/// Maximum characters of a message in the list.
const MESSAGE_LETTERS: usize = 80;

/// `GET /dashboard/schedules`.
pub async fn show(
    State(deps): State<Deps>,
    owner: Owner,
    Query(noted): Query<Noted>,
) -> PageResult {
    let schedules = owners::schedules(&deps).await;
    let frame = Frame::load(&deps, &owner, &noted.note).await;
    let body = html! {
        (title("Schedules", "Messages that come to your agents by themselves. Each needs the same \
            approval as a message of the chat's approver."))
        section.panel aria-label="Schedules" {
            @match schedules {
                Err(_) => (gap("webhook-aggregator")),
                Ok(list) if list.schedules.is_empty() => p.empty { "Nothing is scheduled. " code { "quintet schedules add --help" } " shows how to make one." },
                Ok(list) => table.events {
                    thead { tr { th scope="col" { "State" } th scope="col" { "Schedule" } th scope="col" { "Next" } th scope="col" { "Made by" } th scope="col" { "" } } }
                    tbody { @for view in &list.schedules { (line(&deps.config, &owner, view)) } }
                },
            }
        }
    };
    Ok(frame.page(&menu::SCHEDULES, menu::SCHEDULES.title, body))
}

fn line(config: &Config, owner: &Owner, view: &ScheduleView) -> Markup {
    let (mood, word) = match view {
        ScheduleView { asked_about: Some(_), .. } => (Mood::Warn, "asks you"),
        ScheduleView { ended: true, .. } => (Mood::Quiet, "ended"),
        ScheduleView { next_due: None, .. } => (Mood::Warn, "not planned"),
        _ => (Mood::Good, "planned"),
    };
    html! {
        tr {
            td { (signs::sign(mood, word)) }
            td.wide {
                strong { (view.name) }
                span.quiet.detail { (signs::excerpt(&view.message, MESSAGE_LETTERS)) }
                span.quiet.detail { (printable(&view.timing.words())) " · " (printable(&view.conversation)) }
                @if let Some(note) = &view.note { span.quiet.detail { (printable(note)) } }
                @if let Some(event) = &view.last_event {
                    a.detail href=(config.url(&format!("/dashboard/events/{event}"))) { "Last run" }
                }
            }
            td {
                @match (&view.next_due, &view.next_due_local) {
                    (Some(due), Some(local)) => time datetime=(due) { (local) },
                    _ => "–",
                }
            }
            td { @match view.made_by { MadeBy::File => "configuration", MadeBy::Api => "you" } }
            td { @if view.made_by == MadeBy::Api { (remove_form(config, owner, &view.name)) } }
        }
    }
}

fn remove_form(config: &Config, owner: &Owner, name: &str) -> Markup {
    html! {
        form.inline method="post" action=(config.url("/dashboard/schedules/remove")) {
            input type="hidden" name="schedule" value=(name);
            input type="hidden" name="token" value=(owner.token(&change(name)));
            button.plain { "Remove" }
        }
    }
}

fn change(name: &str) -> String {
    format!("schedule:{name}")
}

/// `POST /dashboard/schedules/remove`.
pub async fn remove(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    let name = form.field("schedule").to_owned();
    owner.require(&form, &change(&name))?;
    owners::remove_schedule(&deps, &name).await?;
    Ok(see(&deps.config.url("/dashboard/schedules?note=unscheduled")))
}
