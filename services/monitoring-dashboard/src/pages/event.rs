//! One event: its stages with timings, failed tries, replies, and the replay button.

use super::dashboard::Noted;
use super::layout::{Frame, Here};
use super::prose::prose;
use super::refusal::PageResult;
use super::{see, signs, track};
use crate::session::Owner;
use crate::{Config, Deps, Form, owners};
use axum::extract::{Path, Query, State};
use contracts::Micros;
use contracts::event::{EventDetail, EventRow};
use futures_util::future::join;
use maud::{Markup, html};

/// `GET /dashboard/events/{id}`.
pub async fn show(State(deps): State<Deps>, owner: Owner, Path(id): Path<String>, Query(noted): Query<Noted>) -> PageResult {
    let (frame, detail) = join(Frame::load(&deps, &owner, &noted.note), owners::event(&deps, &id)).await;
    let detail = detail?;
    let body = html! {
        p.crumb { a href=(deps.config.url("/dashboard/events")) { "Events" } }
        div.title {
            h1 { (signs::excerpt(&detail.row.text, 80)) }
            p { (signs::stage(detail.row.state)) @if let Some(reason) = &detail.row.reason { " " span.quiet { (reason) } } }
        }
        div.two {
            div {
                section.panel { h2 { "Message" } div.prose { (prose(&detail.row.text)) } (track::steps(&detail)) }
                (replies(&detail))
                (attempts(&detail))
            }
            div {
                (facts(&deps.config, &detail.row))
                (stages(&detail))
                (replay_form(&deps.config, &owner, &detail))
            }
        }
    };
    Ok(frame.page(Here::Events, &signs::excerpt(&detail.row.text, 40), body))
}

fn facts(config: &Config, row: &EventRow) -> Markup {
    html! {
        section.panel {
            h2 { "Facts" }
            dl.facts {
                dt { "Received" } dd { (signs::time(&row.received_at)) }
                dt { "Channel" } dd { (row.channel) " · " (row.endpoint) }
                dt { "Sender" } dd { (row.sender.as_deref().unwrap_or("–")) }
                dt { "Agent" } dd { (row.agent.as_ref().map_or("–", |agent| agent.as_str())) }
                dt { "Cost" } dd { (signs::money(row.cost_micros.map(Micros))) }
                @if let Some(id) = &row.approval_id { dt { "Approval" } dd { a href=(config.url(&format!("/dashboard/approvals/{}", owners::encode(id.as_str())))) { code { (id) } } } }
                @if let Some(id) = &row.decision_id { dt { "Decision" } dd { code { (id) } } }
                dt { "Conversation" } dd { code { (row.conversation) } }
                dt { "Event" } dd { code { (row.id) } }
            }
        }
    }
}

fn stages(detail: &EventDetail) -> Markup {
    html! {
        section.panel {
            h2 { "Stages" }
            table {
                thead { tr { th scope="col" { "Stage" } th.figure scope="col" { "After" } th scope="col" { "Note" } } }
                tbody { @for entry in &detail.stages {
                    tr { td { (signs::stage_passed(entry.stage)) } td.figure title=(entry.at) { (signs::duration(entry.after_ms)) } td.wide { (entry.note.as_deref().unwrap_or_default()) } }
                } }
            }
        }
    }
}

fn replies(detail: &EventDetail) -> Markup {
    let mood = |state: &str| match state {
        "sent" => signs::Mood::Good,
        "queued" | "sending" => signs::Mood::Busy,
        "unknown" => signs::Mood::Warn,
        _ => signs::Mood::Bad,
    };
    html! {
        section.panel {
            h2 { "Replies" }
            @if detail.replies.is_empty() { p.empty { "Nothing was sent back for this event." } }
            @for reply in &detail.replies {
                article.reply {
                    p.who { (signs::sign(mood(&reply.state), &reply.state)) " " (signs::time(&reply.updated_at)) @if reply.attempts > 1 { span.quiet { " · " (reply.attempts) " tries" } } }
                    @if let Some(error) = &reply.error { p.note.bad { (error) } }
                    div.prose { (prose(&reply.text)) }
                }
            }
        }
    }
}

fn attempts(detail: &EventDetail) -> Markup {
    html! {
        @if !detail.attempts_log.is_empty() {
            section.panel {
                h2 { "Failed tries" }
                table.events {
                    thead { tr { th scope="col" { "Stage" } th scope="col" { "When" } th scope="col" { "What went wrong" } th scope="col" { "Next try" } } }
                    tbody { @for entry in &detail.attempts_log {
                        tr { td { (entry.stage.as_str()) } td { (signs::time(&entry.at)) } td.wide { (entry.error) } td data-name="next" { @match &entry.retry_at { Some(at) => (signs::time(at)), None => "none" } } }
                    } }
                }
            }
        }
    }
}

fn change(id: &str) -> String {
    format!("replay:{id}")
}

fn replay_form(config: &Config, owner: &Owner, detail: &EventDetail) -> Markup {
    let id = detail.row.id.as_str();
    html! {
        section.panel {
            h2 { "Replay" }
            @if detail.row.state.is_final() {
                p.quiet { "Sends the message through all stages again. It is routed afresh, and approved and charged afresh." @if detail.replays > 0 { " Replayed " (detail.replays) " times so far." } }
                form method="post" action=(config.url(&format!("/dashboard/events/{}/replay", owners::encode(id)))) {
                    input type="hidden" name="token" value=(owner.token(&change(id)));
                    button { "Replay this event" }
                }
            } @else { p.quiet { "It is still under way; once it is at an end it can be replayed." } }
        }
    }
}

/// `POST /dashboard/events/{id}/replay`.
pub async fn replay(State(deps): State<Deps>, owner: Owner, Path(id): Path<String>, form: Form) -> PageResult {
    owner.require(&form, &change(&id))?;
    let answer = owners::replay(&deps, &id).await?;
    // A replay may carry an id of its own.
    let shown = answer.replayed.first().map_or(id.as_str(), |id| id.as_str());
    Ok(see(&deps.config.url(&format!("/dashboard/events/{}?note=replayed", owners::encode(shown)))))
}
