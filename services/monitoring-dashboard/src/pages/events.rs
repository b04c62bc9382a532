//! Events: a list by state and channel, with pages.

use super::layout::{Frame, gap, title};
use super::menu;
use super::signs;
use crate::owners::{self, EventFilter};
use crate::refusal::PageResult;
use crate::session::Owner;
use crate::{Config, Deps};
use axum::extract::{Query, State};
use contracts::ChannelKind;
use contracts::event::{EventList, EventRow, Stage};
use futures_util::future::join;
use maud::{Markup, html};

const PAGE: u32 = 50;

/// `GET /dashboard/events`.
pub async fn show(
    State(deps): State<Deps>,
    owner: Owner,
    Query(filter): Query<EventFilter>,
) -> PageResult {
    let (frame, list) =
        join(Frame::load(&deps, &owner, ""), owners::events(&deps, &filter, PAGE)).await;
    let body = html! {
        (title("Events", "All messages from the chats and this console, newest first."))
        (chooser(&deps.config, &filter))
        section.panel aria-label="Events" {
            @match list {
                Ok(list) if list.events.is_empty() => (nothing(&filter)),
                Ok(list) => { (table(&deps.config, &list.events)) (pager(&deps.config, &filter, &list)) }
                Err(_) => (gap("webhook-aggregator")),
            }
        }
    };
    Ok(frame.page(&menu::EVENTS, menu::EVENTS.title, body))
}

fn chooser(config: &Config, filter: &EventFilter) -> Markup {
    html! {
        form.chooser method="get" action=(config.url("/dashboard/events")) data-autosend {
            label { "State"
                select name="state" {
                    option value="" { "any" }
                    @for stage in Stage::ALL { option value=(stage.as_str()) selected[filter.state == stage.as_str()] { (stage.as_str()) } }
                }
            }
            label { "Channel"
                select name="channel" {
                    option value="" { "any" }
                    @for channel in ChannelKind::ALL { option value=(channel) selected[filter.channel == channel.as_str()] { (channel) } }
                }
            }
            button { "Show" }
            @if !filter.state.is_empty() || !filter.channel.is_empty() { a href=(config.url("/dashboard/events")) { "Clear" } }
        }
    }
}

fn nothing(filter: &EventFilter) -> Markup {
    html! {
        p.empty {
            @if filter.state.is_empty() && filter.channel.is_empty() {
                "No messages yet. Send the first one from a terminal: " code { "quintet send telegram \"Plan the next sprint\"" }
            } @else { "No event matches this filter." }
        }
    }
}

fn pager(config: &Config, filter: &EventFilter, list: &EventList) -> Markup {
    let address = |cursor: &str| {
        config.url(&format!(
            "/dashboard/events{}",
            owners::query(&[
                ("state", &filter.state),
                ("channel", &filter.channel),
                ("cursor", cursor)
            ])
        ))
    };
    html! {
        @if list.cursor.is_some() || !filter.cursor.is_empty() {
            p.pager {
                @if !filter.cursor.is_empty() { a href=(address("")) { "Newest" } }
                @if let Some(cursor) = &list.cursor { a.button href=(address(cursor)) rel="next" { "Older" } }
            }
        }
    }
}

/// Renders events as rows.
pub fn table(config: &Config, events: &[EventRow]) -> Markup {
    html! {
        table.events {
            thead { tr { th scope="col" { "State" } th scope="col" { "Message" } th scope="col" { "Agent" } th scope="col" { "Channel" } th.figure scope="col" { "Cost" } th scope="col" { "Received" } } }
            tbody { @for row in events { (line(config, row)) } }
        }
    }
}

fn line(config: &Config, row: &EventRow) -> Markup {
    let excerpt = signs::excerpt(&row.text, 110);
    html! {
        tr {
            td { (signs::stage(row.state)) }
            td.wide {
                a href=(config.url(&format!("/dashboard/events/{}", platform::percent::encode(row.id.as_str())))) { @if excerpt.is_empty() { "(no text)" } @else { (excerpt) } }
                @if let Some(reason) = row.reason.as_deref().filter(|reason| !reason.is_empty()) { span.quiet.detail { (reason) } }
            }
            td.nil[row.agent.is_none()] { (row.agent.as_ref().map_or("–", |agent| agent.as_str())) }
            td { (row.channel) }
            (signs::cell("", &row.cost_text().unwrap_or_else(|| "–".to_owned())))
            td { (signs::time(&row.received_at)) }
        }
    }
}
