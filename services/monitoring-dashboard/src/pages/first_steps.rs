//! The first steps of an installation, on the overview until all are done.

use super::menu;
use crate::Deps;
use crate::stats::StatsSources;
use maud::{Markup, html};

/// One step: whether it is done, if that is known; its name; its page; how to do it.
struct Step {
    done: Option<bool>,
    name: &'static str,
    page: Option<&'static str>,
    how: Markup,
}

fn steps(figures: &StatsSources) -> [Step; 4] {
    let (ledger, inbox) = (figures.ledger.as_ref(), figures.inbox.as_ref());
    [
        Step {
            done: inbox.map(|inbox| inbox.chats > 0),
            name: "Connect a chat",
            page: Some(menu::CHATS.path),
            how: html! { "with its token here, or " code { "quintet setup telegram" } " in a terminal" },
        },
        Step {
            done: inbox.map(|inbox| inbox.working_agents > 0),
            name: "Give an agent a program",
            page: Some(menu::AGENTS.path),
            how: html! { code { "[agents.codegen]" } " with " code { "runner = \"claude-code\"" } " in quintet.toml; " code { "quintet doctor" } " says whether it works" },
        },
        Step {
            done: ledger.map(|ledger| ledger.own_limit),
            name: "Set a budget",
            page: Some(menu::BUDGET.path),
            how: html! { "the most that a day may cost" },
        },
        Step {
            done: ledger.map(|ledger| ledger.halt_tried),
            name: "Try a halt",
            page: None,
            how: html! { "with “Halt all” at the top, or " code { "/halt" } " in a chat; resume lifts it" },
        },
    ]
}

/// The list; nothing once every step is done.
pub fn panel(deps: &Deps, figures: &StatsSources) -> Markup {
    let steps = steps(figures);
    html! {
        // Kept when all is done: the page's script puts the parts of an update in their places.
        div #live-steps {
            @if steps.iter().any(|step| step.done != Some(true)) {
                section.panel aria-labelledby="steps-title" {
                    div.bar { h2 #steps-title { "First steps" } }
                    ol.first {
                        @for step in &steps { (line(deps, step)) }
                    }
                }
            }
        }
    }
}

fn line(deps: &Deps, step: &Step) -> Markup {
    let sign = match step.done {
        Some(true) => "Done",
        Some(false) => "To do",
        None => "Unknown",
    };
    html! {
        li data-done=(step.done == Some(true)) {
            span.sign { (sign) }
            span {
                @match step.page {
                    Some(page) => a href=(deps.config.url(page)) { (step.name) },
                    None => (step.name),
                }
                @if step.done != Some(true) { span.quiet { " – " (step.how) } }
            }
        }
    }
}
