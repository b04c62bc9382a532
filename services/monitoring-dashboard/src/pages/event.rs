//! One event: its stages with timings, failed attempts, replies, and the replay button.

use super::files;
use super::layout::{Frame, Noted};
use super::menu;
use super::prose::prose;
use super::{program_log, signs, track};
use crate::answer::see;
use crate::refusal::PageResult;
use crate::session::Owner;
use crate::{Config, Deps, Form, owners};
use axum::extract::{Path, Query, State};
use contracts::event::{EventDetail, EventRow};
use contracts::routing::{Feedback, PoolMember};
use contracts::{AgentId, DecisionId, Micros};
use futures_util::future::join;
use maud::{Markup, html};
use platform::text::{honest, printable};
use serde::Deserialize;

/// `?after=`: the cursor of the event that the page shows.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Followed {
    pub after: String,
}

/// `GET /dashboard/events/{id}`; with `after` once the event has changed.
pub async fn show(
    State(deps): State<Deps>,
    owner: Owner,
    Path(id): Path<String>,
    Query(noted): Query<Noted>,
    Query(followed): Query<Followed>,
) -> PageResult {
    let after = Some(followed.after).filter(|after| !after.is_empty());
    let (detail, agents) =
        join(owners::event_after(&deps, &id, after), owners::agents(&deps)).await;
    // After the wait, so that the banner of a halt is not an old one.
    let frame = Frame::load(&deps, &owner, &noted.note).await;
    let agents = agents.unwrap_or_default();
    let detail = detail?;
    let log = program_log::read(&deps, &detail).await;
    let runs = !detail.row.state.is_final();
    let body = html! {
        p.crumb { a href=(deps.config.url("/dashboard/events")) { "Events" } }
        div.title {
            h1 { (signs::excerpt(&detail.row.text, 80)) }
            p { (signs::stage(detail.row.state)) @if let Some(reason) = &detail.row.reason { " " span.quiet { (reason) } } }
        }
        // The script fetches this page again while the run goes on: after each change where the
        // server names its state, else every three seconds.
        div.two #live data-live=[runs.then(|| deps.config.url(&format!("/dashboard/events/{}", platform::percent::encode(&id))))] data-every="3000" data-cursor=[detail.cursor.as_deref().filter(|_| runs)] {
            div {
                section.panel { h2 { "Message" } div.prose { (prose(&detail.row.text)) } (track::steps(&detail)) }
                div #live-progress aria-live="polite" { (progress(&detail)) }
                div #live-log { (program_log::shown(log.as_ref())) }
                (replies(&detail))
                (files::of_event(&deps.config, &owner, &detail))
                (attempts(&detail))
            }
            div {
                (facts(&deps.config, &detail.row))
                (feedback_form(&deps.config, &owner, &detail.row, &agents))
                (stages(&detail))
                (deliver_form(&deps.config, &owner, &detail))
                (replay_form(&deps.config, &owner, &detail))
            }
        }
    };
    Ok(frame.page(&menu::EVENTS, &signs::excerpt(&detail.row.text, 40), body))
}

fn facts(config: &Config, row: &EventRow) -> Markup {
    html! {
        section.panel {
            h2 { "Facts" }
            dl.facts {
                dt { "Received" } dd { (signs::time(&row.received_at)) }
                dt { "Channel" } dd { (row.channel) " · " (row.endpoint) }
                dt { "Sender" } dd { (printable(row.sender.as_deref().unwrap_or("–"))) }
                dt { "Agent" } dd { (row.agent.as_ref().map_or("–", |agent| agent.as_str())) }
                dt { "Cost" } dd { (row.cost_text().unwrap_or_else(|| "–".to_owned())) }
                @if let Some(id) = &row.approval_id { dt { "Approval" } dd { a href=(config.url(&format!("/dashboard/approvals/{}", platform::percent::encode(id.as_str())))) { code { (id) } } } }
                @if let Some(id) = &row.decision_id { dt { "Decision" } dd { code { (id) } } }
                dt { "Conversation" } dd { code { (printable(row.conversation.as_str())) } }
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
                    tr { td { (signs::stage_passed(entry.stage)) } td.figure title=(entry.at) { (signs::duration(entry.after_ms)) } td.wide { (honest(entry.note.as_deref().unwrap_or_default())) } }
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
            @if detail.replies.is_empty() { p.empty { "This event has no reply." } }
            @for reply in &detail.replies {
                article.reply {
                    p.who { (signs::sign(mood(&reply.state), &reply.state)) " " (signs::time(&reply.updated_at)) @if reply.attempts > 1 { span.quiet { " · " (reply.attempts) " tries" } } }
                    @if let Some(error) = &reply.error { p.note.bad { (honest(error)) } }
                    div.prose { (prose(&reply.text)) }
                }
            }
        }
    }
}

/// The newest lines of the run.
fn progress(detail: &EventDetail) -> Markup {
    html! {
        @if !detail.progress.is_empty() {
            section.panel {
                h2 { "Progress" }
                table {
                    thead { tr { th scope="col" { "When" } th scope="col" { "Doing" } th.figure scope="col" { "Cost so far" } } }
                    tbody { @for line in detail.progress.iter().rev() {
                        tr { td { (signs::time(&line.at)) } td.wide { (honest(&line.text)) } td.figure { (signs::money(line.cost_micros.map(Micros))) } }
                    } }
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
                        tr { td { (entry.stage.as_str()) } td { (signs::time(&entry.at)) } td.wide { (honest(&entry.error)) } td data-name="next" { @match &entry.retry_at { Some(at) => (signs::time(at)), None => "none" } } }
                    } }
                }
            }
        }
    }
}

fn feedback_change(id: &str) -> String {
    format!("feedback:{id}")
}

/// Feedback on the chosen agent. It teaches nothing by itself: `quintet suggest` turns it into
/// examples.
fn feedback_form(config: &Config, owner: &Owner, row: &EventRow, agents: &[PoolMember]) -> Markup {
    let (Some(decision), Some(agent)) = (&row.decision_id, &row.agent) else { return html! {} };
    let others = agents.iter().filter(|other| &other.agent != agent);
    html! {
        section.panel aria-label="Feedback" {
            h2 { "Was " (agent) " right for this?" }
            form.feedback method="post" action=(config.url(&format!("/dashboard/events/{}/feedback", platform::percent::encode(row.id.as_str())))) {
                input type="hidden" name="token" value=(owner.token(&feedback_change(decision.as_str())));
                input type="hidden" name="decision" value=(decision);
                button name="correct" value="yes" { "Yes" }
                label { span.unseen { "Which agent is right for this?" } select name="agent" {
                    option value="" { "someone else" }
                    @for other in others { option value=(other.agent) { (other.agent) } }
                } }
                button.plain name="correct" value="no" { "No" }
            }
        }
    }
}

/// `POST /dashboard/events/{id}/feedback`.
pub async fn feedback(
    State(deps): State<Deps>,
    owner: Owner,
    Path(id): Path<String>,
    form: Form,
) -> PageResult {
    let decision = form.field("decision").to_owned();
    owner.require(&form, &feedback_change(&decision))?;
    let correct = form.field("correct") == "yes";
    let agent = form.filled("agent").filter(|_| !correct).map(AgentId::from);
    owners::feedback(&deps, &Feedback { decision_id: DecisionId::new(decision), correct, agent })
        .await?;
    Ok(see(&deps
        .config
        .url(&format!("/dashboard/events/{}?note=feedback", platform::percent::encode(&id)))))
}

fn change(id: &str) -> String {
    format!("replay:{id}")
}

fn delivery(id: &str) -> String {
    format!("deliver:{id}")
}

/// A finished answer that its chat did not get can be sent again without a run.
fn deliver_form(config: &Config, owner: &Owner, detail: &EventDetail) -> Markup {
    let id = detail.row.id.as_str();
    html! {
        @if detail.row.keeps_an_answer() {
            section.panel {
                h2 { "Send the answer again" }
                p.quiet { "The agent has finished, and the chat did not take its answer. It is kept; sending it again runs nothing and costs nothing." }
                form method="post" action=(config.url(&format!("/dashboard/events/{}/deliver", platform::percent::encode(id)))) {
                    input type="hidden" name="token" value=(owner.token(&delivery(id)));
                    button { "Send the answer again" }
                }
            }
        }
    }
}

/// `POST /dashboard/events/{id}/deliver`.
pub async fn deliver(
    State(deps): State<Deps>,
    owner: Owner,
    Path(id): Path<String>,
    form: Form,
) -> PageResult {
    owner.require(&form, &delivery(&id))?;
    owners::deliver(&deps, &id).await?;
    Ok(see(&deps
        .config
        .url(&format!("/dashboard/events/{}?note=delivered", platform::percent::encode(&id)))))
}

fn replay_form(config: &Config, owner: &Owner, detail: &EventDetail) -> Markup {
    let id = detail.row.id.as_str();
    html! {
        section.panel {
            h2 { "Replay" }
            @if detail.row.state.is_final() {
                p.quiet { "Sends the message through all stages again. It is routed afresh, and approved and charged afresh." @if detail.replays > 0 { " Replayed " (detail.replays) " times so far." } }
                form method="post" action=(config.url(&format!("/dashboard/events/{}/replay", platform::percent::encode(id)))) {
                    input type="hidden" name="token" value=(owner.token(&change(id)));
                    button { "Replay this event" }
                }
            } @else { p.quiet { "It is still running. You can replay it when it has ended." } }
        }
    }
}

/// `POST /dashboard/events/{id}/replay`.
pub async fn replay(
    State(deps): State<Deps>,
    owner: Owner,
    Path(id): Path<String>,
    form: Form,
) -> PageResult {
    owner.require(&form, &change(&id))?;
    let answer = owners::replay(&deps, &id).await?;
    // A replay may have its own id.
    let shown = answer.replayed.first().map_or(id.as_str(), |id| id.as_str());
    Ok(see(&deps
        .config
        .url(&format!("/dashboard/events/{}?note=replayed", platform::percent::encode(shown)))))
}
