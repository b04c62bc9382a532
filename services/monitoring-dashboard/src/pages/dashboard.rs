//! The overview: the console, then today's metrics, the services, pending approvals, and the newest
//! events.

use super::console::Console;
use super::first_steps;
use super::layout::{Frame, Noted, gap};
use super::menu;
use super::{events, signs};
use crate::answer::{html as answer, see};
use crate::refusal::PageResult;
use crate::session::Owner;
use crate::stats::{self, StatsSources};
use crate::{Deps, owners};
use axum::extract::{Query, State};
use axum::response::Response;
use contracts::ServiceName;
use contracts::event::EventList;
use contracts::event::Stage;
use contracts::halt::HaltList;
use futures_util::future::{join, join3};
use http::StatusCode;
use maud::{Markup, Render, html};

/// Number of events on the overview.
const EVENTS: u32 = 8;

/// `GET /`.
pub async fn lead_there(State(deps): State<Deps>) -> Response {
    see(&deps.config.url("/dashboard"))
}

/// The parts that update themselves.
struct Live {
    figures: StatsSources,
    halts: Option<HaltList>,
    events: Option<EventList>,
}

impl Live {
    async fn load(deps: &Deps) -> Self {
        let filter = owners::EventFilter::default();
        let (figures, halts, events) = join3(
            StatsSources::gather(deps),
            owners::halts(deps),
            owners::events(deps, &filter, EVENTS),
        )
        .await;
        Self { figures, halts: halts.ok(), events: events.ok() }
    }
    fn frame<'a>(&self, deps: &'a Deps, owner: &'a Owner, note: &str) -> Frame<'a> {
        Frame::of(deps, owner, self.figures.ledger.as_ref(), self.halts.clone(), note)
    }
}

/// `GET /dashboard`.
pub async fn show(
    State(deps): State<Deps>,
    owner: Owner,
    Query(noted): Query<Noted>,
) -> PageResult {
    let (live, console) = join(Live::load(&deps), Console::load(&deps, &owner)).await;
    let body = html! {
        h1.unseen { "Overview" }
        div.overview #live data-live=(deps.config.url("/dashboard/live")) {
            (console.panel(&deps.config, &owner))
            div.side { (first_steps::panel(&deps, &live.figures)) (tiles(&deps, &live)) (services(&deps, &live.figures)) }
        }
        (last_events(&deps, &live))
    };
    Ok(live.frame(&deps, &owner, &noted.note).page(&menu::OVERVIEW, menu::OVERVIEW.title, body))
}

/// `GET /dashboard/live`: the parts that update themselves, for the script to replace.
pub async fn live(State(deps): State<Deps>, owner: Owner) -> PageResult {
    let live = Live::load(&deps).await;
    let frame = live.frame(&deps, &owner, "");
    let parts = html! { (frame.banner()) (frame.pending_count()) (first_steps::panel(&deps, &live.figures)) (tiles(&deps, &live)) (services(&deps, &live.figures)) (last_events(&deps, &live)) };
    Ok(answer(StatusCode::OK, parts))
}

fn tile(name: &str, value: impl Render, about: Markup) -> Markup {
    html! { div.tile { dt { (name) } dd { strong { (value) } span.quiet { (about) } } } }
}

/// Today's metrics.
fn tiles(deps: &Deps, live: &Live) -> Markup {
    let figures = &live.figures;
    let (ledger, inbox, routing) =
        (figures.ledger.as_ref(), figures.inbox.as_ref(), figures.routing.as_ref());
    let number =
        |value: Option<u64>| value.map_or_else(|| "–".to_owned(), |value| value.to_string());
    html! {
        section.panel #live-tiles aria-labelledby="tiles-title" {
            div.bar {
                h2 #tiles-title { "Today" }
                @if let Some(ledger) = ledger { span.quiet { (ledger.today) " · " (ledger.time_zone) } }
            }
            dl.tiles {
                (tile("Requests", number(inbox.map(|i| i.requests)), html! { @if let Some(inbox) = inbox { (inbox.open) " in progress" @if let Some(failed) = inbox.by_state.get(Stage::Failed.as_str()) { ", " a href=(deps.config.url("/dashboard/events?state=failed")) { (failed) " failed" } } @if inbox.dead > 0 { ", " (inbox.dead) " dead" } } }))
                (tile("Spent", ledger.map_or_else(|| "–".to_owned(), |l| stats::cents(l.cost_today)), html! { @if let Some(l) = ledger { "of " (stats::cents(l.limit)) @if l.held.0 > 0 { ", " (stats::cents(l.held)) " held" } } }))
                (tile("Approval rate", signs::percent(ledger.and_then(stats::approval_rate)), html! { @if let Some(l) = ledger { (l.approved) " of " (l.approved + l.rejected + l.expired) " decided" } }))
                (tile("Waiting for you", html! { a href=(deps.config.url("/dashboard/approvals")) { (number(ledger.map(|l| l.pending))) } }, html! { @if let Some(ms) = ledger.and_then(|l| l.median_decision_ms) { "usually decided in " (signs::duration(ms as i64)) } }))
                (tile("Routing", signs::latency(routing.and_then(|r| r.avg_latency_ms)), html! { @if let Some(r) = routing { "p95 " (signs::latency(r.p95_latency_ms)) } }))
                (tile("Answer time", signs::latency(inbox.and_then(|i| i.avg_latency_ms)), html! { @if let Some(i) = inbox { "p90 " (signs::latency(i.p90_latency_ms)) ", 7 days" } }))
            }
        }
    }
}

/// The five services and the gateway.
fn services(deps: &Deps, figures: &StatsSources) -> Markup {
    html! {
        section.panel #live-services aria-labelledby="services-title" {
            div.bar { h2 #services-title { "Services" } a href=(deps.config.url("/dashboard/health")) { "Health" } }
            ul.services {
                @for service in ServiceName::ALL {
                    @let row = figures.probe(service);
                    @let detail = row.and_then(|row| row.detail.as_deref());
                    li {
                        span { (service) @if let Some(detail) = detail { span.quiet.detail { (detail) } } }
                        (signs::status(&figures.status(deps, service)))
                    }
                }
            }
        }
    }
}

fn last_events(deps: &Deps, live: &Live) -> Markup {
    html! {
        section.panel #live-events aria-labelledby="events-title" {
            div.bar { h2 #events-title { "Last events" } a href=(deps.config.url("/dashboard/events")) { "All events" } }
            @match &live.events {
                None => (gap("webhook-aggregator")),
                Some(list) if list.events.is_empty() => p.empty { "No messages yet. Type one above, or run in a terminal: " code { "quintet send telegram \"How do I review a pull request?\"" } },
                Some(list) => (events::table(&deps.config, &list.events)),
            }
        }
    }
}
