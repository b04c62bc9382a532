//! The halt control: stop everything, resume.

use super::signs;
use crate::answer::see;
use crate::refusal::PageResult;
use crate::session::Owner;
use crate::{Config, Deps, Form, owners};
use axum::extract::State;
use contracts::halt::{HaltLevel, HaltList, HaltRequest, HaltRow, ResumeRequest};
use contracts::{AgentId, Shard, TaskId};
use maud::{Markup, html};
use platform::text::{honest, printable};

const HALT: &str = "halt-all";
/// The target of a halt of everything.
const ALL: &str = "all";
/// Halts of agents, endpoints and tasks that a page shows.
const SHOWN: usize = 5;
/// The actor in the audit trail.
pub const ACTOR: &str = "dashboard";

/// The control at the top of every page: open first, then press.
pub fn lever(config: &Config, owner: &Owner) -> Markup {
    html! {
        details.lever {
            summary { "Halt all" }
            form.sheet method="post" action=(config.url("/dashboard/halt")) {
                input type="hidden" name="token" value=(owner.token(HALT));
                p { "Stops running work and starts nothing new until you resume. New messages \
                    still arrive and wait." }
                label { "Reason" input type="text" name="reason" maxlength="300" placeholder="optional"; }
                button.danger { "Halt everything" }
            }
        }
    }
}

/// The halts in force: of everything, of agents and endpoints, and of tasks that have not stopped
/// yet. One that has stopped is over, and stays in force so that it does not start again.
pub fn banners(config: &Config, owner: &Owner, halts: &HaltList) -> Markup {
    let is_shown = |row: &&HaltRow| {
        let is_over = row.target.starts_with("task:") && row.level == HaltLevel::Stopped;
        row.resumed_at.is_none() && !is_over
    };
    let mut rows: Vec<&HaltRow> = halts.halts.iter().filter(is_shown).collect();
    rows.sort_by_key(|row| row.target.starts_with("task:"));
    let is_all = |row: &&&HaltRow| row.target == ALL;
    let all = rows.iter().find(is_all).copied();
    let others = rows.iter().filter(|row| row.target != ALL);
    let hidden = others.clone().count().saturating_sub(SHOWN);
    html! {
        @if halts.all { (banner(config, owner, ALL, all)) }
        @for row in others.take(SHOWN) { (banner(config, owner, &row.target, Some(*row))) }
        @if hidden > 0 { p.note { (hidden) " more halts are in force: " code { "quintet status" } " lists them." } }
    }
}

fn banner(config: &Config, owner: &Owner, target: &str, row: Option<&HaltRow>) -> Markup {
    let name = match target.split_once(':') {
        Some((kind, name)) => format!("The {kind} {} is halted", printable(name)),
        None => "Everything is halted".to_owned(),
    };
    html! {
        section.banner role="status" {
            div {
                strong { (name) }
                @if let Some(row) = row {
                    p {
                        @if !row.reason.is_empty() { (honest(&row.reason)) " · " }
                        "by " (printable(&row.by)) " · " (signs::time(&row.at)) " · "
                        @if row.level == HaltLevel::Stopped { "all of its work has stopped" } @else { "waiting for running work to stop" }
                    }
                }
            }
            form method="post" action=(config.url("/dashboard/resume")) {
                input type="hidden" name="target" value=(target);
                input type="hidden" name="token" value=(owner.token(&resume_of(target)));
                button { "Resume" }
            }
        }
    }
}

fn resume_of(target: &str) -> String {
    format!("resume:{target}")
}

/// `POST /dashboard/halt`.
pub async fn halt(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    owner.require(&form, HALT)?;
    let reason = form.filled("reason").or_else(|| Some("stopped by hand".to_owned()));
    owners::halt(
        &deps,
        &HaltRequest { all: true, reason, actor: Some(ACTOR.to_owned()), ..HaltRequest::default() },
    )
    .await?;
    Ok(see(&deps.config.url("/dashboard")))
}

/// `POST /dashboard/resume`.
pub async fn resume(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    let target = form.filled("target").unwrap_or_else(|| ALL.to_owned());
    owner.require(&form, &resume_of(&target))?;
    let mut request = ResumeRequest { actor: Some(ACTOR.to_owned()), ..ResumeRequest::default() };
    match target.split_once(':') {
        Some(("agent", agent)) => request.agent = Some(AgentId::new(agent)),
        Some(("endpoint", shard)) => request.endpoint = Some(Shard::new(shard)),
        Some(("task", task)) => request.task_id = Some(TaskId::new(task)),
        _ => request.all = true,
    }
    owners::resume(&deps, &request).await?;
    Ok(see(&deps.config.url("/dashboard?note=resumed")))
}
