//! Approvals: pending ones first, then decided ones; one alone; and the decision.

use super::approval_card::{self, Desk, change};
use super::layout::{Frame, Noted, gap, title};
use super::menu;
use super::signs;
use crate::answer::see;
use crate::owners;
use crate::refusal::{Friendly, PageResult};
use crate::session::Owner;
use crate::{Config, Deps, Form};
use axum::extract::{Path, Query, State};
use contracts::approval::{Approval, ApprovalState, DecideRequest, Decision, Extent};
use contracts::monitoring::LedgerStats;
use contracts::{ErrorCode, Micros};
use futures_util::future::{join, join4};
use maud::{Markup, html};
use platform::ports::CallError;

/// Maximum decided approvals listed.
const DECIDED_MAX: usize = 50;

fn remaining(ledger: &LedgerStats) -> Micros {
    ledger.limit.minus(ledger.cost_today).minus(ledger.held)
}

/// `GET /dashboard/approvals`.
pub async fn show(
    State(deps): State<Deps>,
    owner: Owner,
    Query(noted): Query<Noted>,
) -> PageResult {
    let (ledger, halts, waiting, all) = join4(
        owners::ledger(&deps),
        owners::halts(&deps),
        owners::approvals(&deps, "pending"),
        owners::approvals(&deps, ""),
    )
    .await;
    let ledger = ledger.ok();
    let mut frame = Frame::of(&deps, &owner, ledger.as_ref(), halts.ok(), &noted.note);
    if let Ok(waiting) = &waiting {
        frame.pending = Some(waiting.len() as u64);
    }
    let desk = Desk {
        config: &deps.config,
        owner: &owner,
        now: deps.clock.now_ms(),
        remaining: ledger.as_ref().map(remaining),
    };
    let body = html! {
        (title("Approvals", "Work that needs your approval. The first decision counts; the chats \
            show the outcome too."))
        @match &waiting {
            Err(_) => section.panel { (gap("personal-assistant")) },
            Ok(list) if list.is_empty() => section.panel { (nothing_waits()) },
            Ok(list) => div.cards { @for (i, approval) in by_urgency(list).into_iter().enumerate() { (desk.card(approval, i == 0)) } },
        }
        (decided(&deps.config, &all.unwrap_or_default()))
    };
    let name = match frame.pending {
        Some(count) if count > 0 => format!("Approvals ({count} waiting)"),
        _ => "Approvals".to_owned(),
    };
    Ok(frame.page(&menu::APPROVALS, &name, body))
}

fn by_urgency(list: &[Approval]) -> Vec<&Approval> {
    let mut list: Vec<_> =
        list.iter().filter(|approval| approval.state == ApprovalState::Pending).collect();
    list.sort_by(|a, b| a.expires_at.cmp(&b.expires_at));
    list
}

fn nothing_waits() -> Markup {
    html! {
        p.empty { "Nothing is waiting for you." }
        p.quiet { "Work above your cost threshold, of unknown price, or named in " code { "requiresHumanApproval" } " waits here and in your chats." }
    }
}

/// The name, with the id for the record.
fn decider(approval: &Approval) -> Markup {
    html! {
        @match &approval.decided_by {
            Some(id) => td title=(id) { (approval.decider()) },
            None => td.nil { "–" },
        }
    }
}

fn decided(config: &Config, all: &[Approval]) -> Markup {
    let decided: Vec<_> = all
        .iter()
        .filter(|approval| approval.state != ApprovalState::Pending)
        .take(DECIDED_MAX)
        .collect();
    html! {
        @if !decided.is_empty() {
            section.panel aria-labelledby="decided-title" {
                h2 #decided-title { "Decided" }
                table.events {
                    thead { tr { th scope="col" { "State" } th scope="col" { "Request" } th scope="col" { "Agent" } th.figure scope="col" { "Cost" } th scope="col" { "By" } th scope="col" { "When" } } }
                    tbody { @for approval in decided {
                        tr {
                            td { (signs::approval(approval.state)) }
                            td.wide { a href=(approval_card::address(config, approval)) { (signs::excerpt(&approval.description, 100)) } span.quiet.detail { (signs::excerpt(&approval.reason, 120)) } }
                            td { (approval.agent_type) }
                            (signs::cell("", &signs::money(approval.actual_cost.or(approval.estimated_cost))))
                            (decider(approval))
                            td { (signs::time(approval.decided_at.as_ref().unwrap_or(&approval.requested_at))) }
                        }
                    } }
                }
            }
        }
    }
}

/// `GET /dashboard/approvals/{id}`.
pub async fn show_one(
    State(deps): State<Deps>,
    owner: Owner,
    Path(id): Path<String>,
    Query(noted): Query<Noted>,
) -> PageResult {
    let ((ledger, halts), approval) =
        join(join(owners::ledger(&deps), owners::halts(&deps)), owners::approval(&deps, &id)).await;
    let (approval, ledger) = (approval?, ledger.ok());
    let desk = Desk {
        config: &deps.config,
        owner: &owner,
        now: deps.clock.now_ms(),
        remaining: ledger.as_ref().map(remaining),
    };
    let body = html! {
        p.crumb { a href=(deps.config.url("/dashboard/approvals")) { "Approvals" } }
        h1.unseen { "Approval" }
        @if noted.note == "late" { p.note { "It was decided before your answer came; that decision stands." } }
        div.cards { (desk.card(&approval, true)) }
        section.panel { h2 { "Facts" } dl.facts {
            dt { "Approval" } dd { code { (approval.id) } " · version " (approval.version) }
            dt { "Task" } dd { code { (approval.task_id) } }
            dt { "Expires" } dd { (signs::time(&approval.expires_at)) }
        } }
    };
    let frame = Frame::of(&deps, &owner, ledger.as_ref(), halts.ok(), &noted.note);
    Ok(frame.page(&menu::APPROVALS, &signs::excerpt(&approval.description, 40), body))
}

/// `POST /dashboard/approvals/{id}/decide`.
pub async fn decide(
    State(deps): State<Deps>,
    owner: Owner,
    Path(id): Path<String>,
    form: Form,
) -> PageResult {
    let (decision, note) = match form.field("decision") {
        "approve" => (Decision::Approve, "approved"),
        "reject" => (Decision::Reject, "rejected"),
        _ => {
            return Err(Friendly::new(ErrorCode::Malformed, "The form has no decision.").into());
        }
    };
    let extents = [Extent::Task, Extent::Always];
    let extent = match form.field("extent") {
        "" => Extent::Once,
        word => {
            *extents.iter().find(|extent| approval_card::extent_word(**extent) == word).ok_or_else(
                || Friendly::new(ErrorCode::Malformed, "The form has an unknown extent."),
            )?
        }
    };
    owner.require(&form, &change(&id, form.field("version"), decision, extent))?;
    let version = form.field("version").parse().ok();
    let request = DecideRequest {
        extent,
        answer: form.filled("answer"),
        decision,
        reason: form.filled("reason"),
        version,
        actor: Some(super::halt::ACTOR.to_owned()),
        name: None,
    };
    match owners::decide(&deps, &id, &request).await {
        Ok(_) => Ok(see(&deps.config.url(&format!("/dashboard/approvals?note={note}")))),
        Err(CallError::Refused(problem)) if problem.code == ErrorCode::AlreadyDecided => Ok(see(
            &deps
                .config
                .url(&format!("/dashboard/approvals/{}?note=late", platform::percent::encode(&id))),
        )),
        Err(error) => Err(error.into()),
    }
}
