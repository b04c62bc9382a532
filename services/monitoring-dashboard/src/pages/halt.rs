//! The halt control: stop everything, resume.

use super::signs;
use crate::answer::see;
use crate::refusal::PageResult;
use crate::session::Owner;
use crate::{Config, Deps, Form, owners};
use axum::extract::State;
use contracts::halt::{HaltList, HaltRequest, ResumeRequest};
use maud::{Markup, html};

const HALT: &str = "halt-all";
const RESUME: &str = "resume-all";
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

/// The banner during a halt of everything.
pub fn banner(config: &Config, owner: &Owner, halts: &HaltList) -> Markup {
    let row = halts.halts.iter().find(|row| row.target == "all" && row.resumed_at.is_none());
    html! {
        section.banner role="status" {
            div {
                strong { "Everything is halted" }
                @if let Some(row) = row {
                    p {
                        @if !row.reason.is_empty() { (row.reason) " · " }
                        "by " (row.by) " · " (signs::time(&row.at)) " · "
                        @if row.level == contracts::halt::HaltLevel::Stopped { "all work has stopped" } @else { "waiting for running work to stop" }
                    }
                }
            }
            form method="post" action=(config.url("/dashboard/resume")) {
                input type="hidden" name="token" value=(owner.token(RESUME));
                button { "Resume" }
            }
        }
    }
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
    owner.require(&form, RESUME)?;
    owners::resume(
        &deps,
        &ResumeRequest { all: true, actor: Some(ACTOR.to_owned()), ..ResumeRequest::default() },
    )
    .await?;
    Ok(see(&deps.config.url("/dashboard?note=resumed")))
}
