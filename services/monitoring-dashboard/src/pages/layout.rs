//! The frame of every page: head, navigation, halt control, notices.

use super::halt;
use super::menu::{self, Entry};
use crate::answer::html as answer;
use crate::session::{BIND, Owner};
use crate::{Config, Deps, assets, owners};
use axum::response::Response;
use contracts::halt::HaltList;
use contracts::monitoring::LedgerStats;
use futures_util::future::join;
use http::StatusCode;
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

/// `?note=`: the notice above a page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Noted {
    pub note: String,
}

/// Data of the frame: pending approvals, and whether everything is halted.
pub struct Frame<'a> {
    pub deps: &'a Deps,
    pub owner: &'a Owner,
    pub pending: Option<u64>,
    pub halts: Option<HaltList>,
    /// The notice above the page, chosen by `?note=`.
    pub note: Option<&'static str>,
}

impl<'a> Frame<'a> {
    /// Loads the data of the frame.
    pub async fn load(deps: &'a Deps, owner: &'a Owner, note: &str) -> Self {
        let (ledger, halts) = join(owners::ledger(deps), owners::halts(deps)).await;
        Self::of(deps, owner, ledger.ok().as_ref(), halts.ok(), note)
    }
    /// From data that is already loaded.
    pub fn of(
        deps: &'a Deps,
        owner: &'a Owner,
        ledger: Option<&LedgerStats>,
        halts: Option<HaltList>,
        note: &str,
    ) -> Self {
        Self {
            deps,
            owner,
            pending: ledger.map(|ledger| ledger.pending),
            halts,
            note: notice(note),
        }
    }
    /// The whole page.
    pub fn page(&self, here: &Entry, title: &str, body: Markup) -> Response {
        let config = &self.deps.config;
        let markup = html! {
            (head(config, title))
            body data-bind=[self.bind()] data-token=[self.bind().map(|_| self.owner.token(BIND))] {
                a.skip href="#main" { "Skip to the content" }
                (self.top(here))
                main #main {
                    (self.banner())
                    @if let Some(note) = self.note { p.note role="status" { (note) } }
                    (body)
                }
                footer { p { "Quintet " (env!("CARGO_PKG_VERSION")) " · times are yours, UTC on hover" } }
            }
        };
        answer(StatusCode::OK, document(markup))
    }
    /// Where the script binds the session to its key, if it is not bound yet.
    fn bind(&self) -> Option<String> {
        (!self.owner.is_bound()).then(|| self.deps.config.url("/dashboard/session-key"))
    }
    fn top(&self, here: &Entry) -> Markup {
        let config = &self.deps.config;
        html! {
            header.top {
                a.brand href=(config.url("/dashboard")) { img src=(assets::icon(config)) alt="" width="24" height="24"; "Quintet" }
                nav aria-label="Pages" {
                    @for entry in menu::ALL {
                        a href=(config.url(entry.path)) aria-current=[(entry == here).then_some("page")] {
                            (entry.name)
                            @if *entry == menu::APPROVALS { (self.pending_count()) }
                        }
                    }
                }
                div.levers {
                    @if !self.halts.as_ref().is_some_and(|halts| halts.all) { (halt::lever(config, self.owner)) }
                    form method="post" action=(config.url("/sign-out")) {
                        input type="hidden" name="token" value=(self.owner.token("sign-out"));
                        button.plain { "Sign out" }
                    }
                }
            }
        }
    }
    /// The count beside "Approvals".
    pub fn pending_count(&self) -> Markup {
        html! {
            span #live-pending aria-live="polite" {
                @if let Some(count) = self.pending.filter(|count| *count > 0) { span.count { (count) span.unseen { " waiting" } } }
            }
        }
    }
    /// The halts in force.
    pub fn banner(&self) -> Markup {
        html! { div #live-banner { @if let Some(halts) = &self.halts { (halt::banners(&self.deps.config, self.owner, halts)) } } }
    }
}

fn notice(name: &str) -> Option<&'static str> {
    Some(match name {
        "approved" => "Approved. The work starts as soon as a machine is free.",
        "rejected" => "Rejected. The sender has been told.",
        "agent_halted" => "Halted. Its runs stop, and its new messages wait until you resume it.",
        "resumed" => "Resumed. Waiting work continues.",
        "rolled_back" => "That version is now served.",
        "feedback" => "Noted. Run `quintet suggest` to turn it into an example.",
        "drained" => "It gets no new tasks and finishes its own.",
        "restored" => "It gets tasks again.",
        "remembered" => "Changed. It holds from the next message on.",
        "forgotten" => "Forgotten. No model sees it, nor the message that said it, again.",
        "ruled" => "Saved. It holds from the next request on.",
        "budgeted" => "Saved. A lower limit refuses new work only.",
        "unscheduled" => "Removed. It comes no more.",
        "delivered" => "Sent again. The agent does not run again.",
        "replayed" => "Replayed. The event goes through all stages again.",
        _ => return None,
    })
}

fn document(markup: Markup) -> Markup {
    html! { (DOCTYPE) html lang="en" { (markup) } }
}

fn head(config: &Config, title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="robots" content="noindex";
            title { (title) " · Quintet" }
            link rel="icon" href=(assets::icon(config)) type="image/svg+xml";
            link rel="stylesheet" href=(assets::style(config));
            script src=(assets::script(config)) defer {}
        }
    }
}

/// A small page without navigation: sign-in and refusals.
pub fn bare(config: &Config, title: &str, body: Markup) -> Markup {
    bare_with(config, title, None, body)
}

/// The same, with an automatic redirect to another page.
pub fn bare_with(config: &Config, title: &str, goes_to: Option<&str>, body: Markup) -> Markup {
    document(html! {
        (head(config, title))
        @if let Some(address) = goes_to { meta http-equiv="refresh" content={ "0; url=" (address) }; }
        body.bare {
            main #main {
                p.brand { img src=(assets::icon(config)) alt="" width="28" height="28"; "Quintet" }
                (body)
            }
        }
    })
}

/// A heading with a line below it.
pub fn title(name: &str, about: &str) -> Markup {
    html! { div.title { h1 { (name) } p.quiet { (about) } } }
}

/// The text in place of a part that cannot be shown.
pub fn gap(service: &str) -> Markup {
    html! { p.empty { (service) " does not answer right now, so this part is missing. It returns \
    automatically; the Health page shows more." } }
}
