//! The assistant: the owner's chat with it, and what it remembers.

use super::layout::{Frame, Noted, gap, title};
use super::menu;
use super::prose::prose;
use super::signs;
use crate::answer::see;
use crate::refusal::{Friendly, PageResult};
use crate::session::Owner;
use crate::{Config, Deps, Form, owners};
use axum::extract::{Query, State};
use contracts::ErrorCode;
use contracts::chat::{ChatHistory, ChatLine};
use contracts::memory::{Fact, FactMaker};
use futures_util::future::join;
use maud::{Markup, html};
use platform::text::honest;

/// The conversation of this page.
const SESSION: &str = "dashboard";
/// Maximum length of a message, equal to personal-assistant's.
const LETTERS_MAX: usize = 8_000;
const SAY: &str = "assistant";

/// `GET /dashboard/assistant`.
pub async fn show(
    State(deps): State<Deps>,
    owner: Owner,
    Query(noted): Query<Noted>,
) -> PageResult {
    let frame = Frame::load(&deps, &owner, &noted.note).await;
    let (said, facts) = join(owners::chat_history(&deps, SESSION), owners::facts(&deps)).await;
    let body = html! {
        (title("Assistant", "Ask about your budget, approvals, messages or skill graph. It changes \
            nothing: halts and decisions stay with you."))
        section.panel.console aria-label="Chat" {
            @match &said {
                Err(_) => (gap("personal-assistant")),
                Ok(said) => (chat(said)),
            }
            form.say method="post" action=(deps.config.url("/dashboard/assistant/say")) {
                input type="hidden" name="token" value=(owner.token(SAY));
                label.unseen for="text" { "Message" }
                textarea #text name="text" rows="2" maxlength=(LETTERS_MAX) placeholder="What waits for me?" required {}
                button.primary { "Send" }
            }
        }
        section.panel aria-label="Memory" {
            h2 { "What it remembers about you" }
            @match &facts {
                Err(_) => (gap("personal-assistant")),
                Ok(facts) if facts.is_empty() => p.empty { "Nothing yet. Tell it your name, where you work, or what you prefer." },
                Ok(facts) => (memory(&deps.config, &owner, facts)),
            }
            p.quiet { "No agent and no group chat is told any of this. A model sees it only here, \
                where you chat with the assistant." }
        }
    };
    Ok(frame.page(&menu::ASSISTANT, menu::ASSISTANT.title, body))
}

fn chat(said: &ChatHistory) -> Markup {
    html! {
        @if said.messages.is_empty() { p.empty { "Nothing was said here yet." } }
        ol.said tabindex="0" aria-label="Conversation" {
            @for line in &said.messages { (spoken(line)) }
        }
    }
}

fn spoken(line: &ChatLine) -> Markup {
    let (class, who) = if line.by_owner { ("user", "You") } else { ("agent", "Assistant") };
    html! {
        li class=(class) {
            p.who { strong { (who) } " " (signs::time(&line.at)) }
            div.prose { (prose(&line.text)) }
        }
    }
}

fn memory(config: &Config, owner: &Owner, facts: &[Fact]) -> Markup {
    html! {
        table.events {
            thead { tr { th scope="col" { "Fact" } th scope="col" { "About" } th scope="col" { "Since" } th scope="col" { "From" } th scope="col" { "" } } }
            tbody { @for fact in facts { (row(config, owner, fact)) } }
        }
    }
}

fn row(config: &Config, owner: &Owner, fact: &Fact) -> Markup {
    let from = match fact.made_by {
        FactMaker::Owner => "your hand",
        FactMaker::Words => "your words",
        FactMaker::Model => "a model",
    };
    let pins = !fact.pinned;
    html! {
        tr {
            td.wide { (honest(&fact.text)) @if fact.pinned { " " span.quiet { "(pinned)" } } }
            td { (honest(&fact.subject)) }
            td { (signs::time(&fact.valid_from)) }
            td { (from) }
            td {
                form.inline method="post" action=(config.url("/dashboard/assistant/pin")) {
                    input type="hidden" name="fact" value=(fact.id);
                    input type="hidden" name="pinned" value=(pins);
                    input type="hidden" name="token" value=(owner.token(&pin_change(&fact.id, pins)));
                    button.plain { @if pins { "Pin" } @else { "Unpin" } }
                }
                form.inline method="post" action=(config.url("/dashboard/assistant/forget")) {
                    input type="hidden" name="fact" value=(fact.id);
                    input type="hidden" name="token" value=(owner.token(&forget_change(&fact.id)));
                    button.plain { "Forget" }
                }
            }
        }
    }
}

fn pin_change(fact: &str, pinned: bool) -> String {
    format!("pin:{fact}:{pinned}")
}

fn forget_change(fact: &str) -> String {
    format!("forget:{fact}")
}

/// `POST /dashboard/assistant/say`. The page waits for the answer.
pub async fn say(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    owner.require(&form, SAY)?;
    let text = form.filled("text").ok_or_else(|| {
        Friendly::new(ErrorCode::InvalidField, "The message is empty.").fix("Type something first.")
    })?;
    owners::chat(&deps, SESSION, text).await?;
    Ok(see(&deps.config.url("/dashboard/assistant")))
}

/// `POST /dashboard/assistant/pin`.
pub async fn pin(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    let (fact, pinned) = (form.field("fact").to_owned(), form.field("pinned") == "true");
    owner.require(&form, &pin_change(&fact, pinned))?;
    owners::pin_fact(&deps, &fact, pinned).await?;
    Ok(see(&deps.config.url("/dashboard/assistant?note=remembered")))
}

/// `POST /dashboard/assistant/forget`.
pub async fn forget(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    let fact = form.field("fact").to_owned();
    owner.require(&form, &forget_change(&fact))?;
    owners::forget_fact(&deps, &fact).await?;
    Ok(see(&deps.config.url("/dashboard/assistant?note=forgotten")))
}
