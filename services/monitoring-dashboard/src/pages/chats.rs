//! Connecting a chat: the token, the first message, the owner. The same steps as `quintet setup`.

use super::layout::{Frame, title};
use super::menu;
use crate::answer::see;
use crate::chats::{Chats, Offered, Refused, Trial};
use crate::refusal::{Friendly, PageResult, WayOn};
use crate::session::Owner;
use crate::{Config, Deps, Form};
use axum::extract::{Query, State};
use contracts::{ChannelKind, ErrorCode};
use maud::{Markup, html};
use platform::secret::Secret;
use serde::Deserialize;

const ACTION: &str = "/dashboard/chats";
const FINISH: &str = "/dashboard/chats/finish";
const DECLINE: &str = "/dashboard/chats/decline";
const REGISTER: &str = "/dashboard/chats/register";

/// `?trial=` of a connection that waits, `?done=` of one that is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Shown {
    trial: String,
    done: String,
}

fn change(channel: ChannelKind) -> String {
    format!("chat:{channel}")
}

fn choice(trial: &str, approver: &str) -> String {
    format!("chat-approver:{trial}:{approver}")
}

fn about(path: &str, trial: &str) -> String {
    format!("{path}:{trial}")
}

impl From<Refused> for Friendly {
    fn from(refused: Refused) -> Self {
        let fix = refused.fix.replace('`', "");
        Self {
            title: "The chat is not connected".to_owned(),
            way_on: WayOn { path: ACTION, words: "Back to the chats" },
            ..Self::new(ErrorCode::InvalidField, refused.what).fix(&fix)
        }
    }
}

/// `GET /dashboard/chats`.
pub async fn show(
    State(deps): State<Deps>,
    owner: Owner,
    Query(shown): Query<Shown>,
) -> PageResult {
    let frame = Frame::load(&deps, &owner, "").await;
    let config = &deps.config;
    let about = "Connect Telegram, Slack, Discord or Matrix, without a public address.";
    let body = match &deps.chats {
        None => html! {
            (title(menu::CHATS.title, "On Workers a chat is connected from your own machine."))
            (on_workers())
        },
        Some(chats) => {
            let trial = if shown.trial.is_empty() { None } else { chats.look(&shown.trial).await };
            html! {
                (title(menu::CHATS.title, about))
                @match trial {
                    Some(trial) => (waiting(config, &owner, &trial)),
                    None => {
                        @if !shown.trial.is_empty() { p.note.bad { "That connection is no longer waiting. Try the token again." } }
                        @if !shown.done.is_empty() { p.note role="status" { "Connected: " (shown.done) ". It answers from now on." } }
                        (connected(&**chats))
                        div.cards { @for offered in chats.offered() { (card(config, &owner, &offered)) } }
                    }
                }
            }
        }
    };
    Ok(frame.page(&menu::CHATS, menu::CHATS.title, body))
}

fn connected(chats: &dyn Chats) -> Markup {
    let endpoints = chats.endpoints();
    html! {
        section.panel {
            h2 { "Connected" }
            @if endpoints.is_empty() { p.empty { "No chat yet." } }
            @else {
                p { @for (at, endpoint) in endpoints.iter().enumerate() { @if at > 0 { ", " } code { (endpoint) } } }
                p.quiet { code { "quintet doctor" } " tries each of them and says how to mend it." }
            }
        }
    }
}

/// A text whose addresses are links.
fn linked(text: &str) -> Markup {
    html! {
        @for (at, word) in text.split(' ').enumerate() {
            @if at > 0 { " " }
            @if let Some((before, address, after)) = address_in(word) {
                (before) a href=(address) target="_blank" rel="noreferrer" { (address) } (after)
            } @else { (word) }
        }
    }
}

/// The address in a word, without the marks around it.
fn address_in(word: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = word.split_at(word.find("https://")?);
    let address = rest.trim_end_matches([')', ',', '.', ':', ';']);
    Some((before, address, rest.strip_prefix(address)?))
}

/// The guide, a paragraph for each line; a line that is an address makes something, so it is a
/// button.
fn guide(text: &str) -> Markup {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    html! {
        @for line in lines {
            p {
                @if line.starts_with("https://") {
                    a.button href=(line) target="_blank" rel="noreferrer" { "Create the app" }
                } @else { (linked(line)) }
            }
        }
    }
}

fn card(config: &Config, owner: &Owner, offered: &Offered) -> Markup {
    let channel = offered.channel;
    html! {
        section.panel {
            h2 { (channel.title()) }
            (guide(&offered.guide))
            form.stack method="post" action=(config.url(ACTION)) {
                input type="hidden" name="token" value=(owner.token(&change(channel)));
                input type="hidden" name="channel" value=(channel);
                @if let Some(asked) = offered.address {
                    label { (asked)
                        input type="url" name="address" autocomplete="off" spellcheck="false" required;
                    }
                }
                @for (at, field) in offered.secrets.iter().enumerate() {
                    label { "The " (field.title) ", from: " (field.place)
                        input type="password" name={ "secret" (at) } autocomplete="off" spellcheck="false" required;
                    }
                }
                button.primary { "Try it" }
            }
        }
    }
}

fn waiting(config: &Config, owner: &Owner, trial: &Trial) -> Markup {
    let confirm = |approver: &str, label: &str| {
        html! {
            form method="post" action=(config.url(FINISH)) {
                input type="hidden" name="token" value=(owner.token(&choice(&trial.id, approver)));
                input type="hidden" name="trial" value=(trial.id);
                input type="hidden" name="approver" value=(approver);
                button.primary { (label) }
            }
        }
    };
    let step = |path: &str, label: &str| {
        html! {
            form method="post" action=(config.url(path)) {
                input type="hidden" name="token" value=(owner.token(&about(path, &trial.id)));
                input type="hidden" name="trial" value=(trial.id);
                button { (label) }
            }
        }
    };
    // Others may write before the owner does, so the page goes on looking; more slowly while there
    // is something to press.
    let again = if trial.people.is_empty() { "1500" } else { "5000" };
    html! {
        section.panel data-again=[trial.approvers.is_empty().then_some(again)] {
            h2 { "This is " (trial.title) }
            p.quiet { "It becomes " code { "[endpoints." (trial.endpoint) "]" } "." }
            @for note in &trial.notes { p { (note) } }
            @if let Some(trouble) = &trial.trouble { p.note.bad { (trouble) } }
            @if trial.in_the_way {
                p.quiet { "A webhook or a setting of the platform may be in the way of your message. Connecting changes it; this does so now." }
                (step(REGISTER, "Change it now"))
            }
            @if !trial.approvers.is_empty() {
                p { "The approvers stay: " (trial.approvers.join(", ")) "." }
                (confirm("", "Connect"))
            } @else if trial.people.is_empty() {
                p { strong { "Now " (linked(&trial.first_message)) } }
                p.empty { "Waiting for your message … This page looks by itself." }
            } @else {
                h2 { "Is this you?" }
                ul.people { @for (id, name) in &trial.people {
                    li.bar { span { @if name.is_empty() { "Without a name" } @else { (name) } " " span.quiet { "id " (id) } } (confirm(id, "This is me")) }
                } }
                (step(DECLINE, "None of these"))
                p.quiet { "The person you choose may approve, reject and halt. Anyone can write to a bot: compare the name and the id. Not there? Write again; this page looks by itself." }
            }
            p { a href=(config.url(ACTION)) { "Begin again" } }
        }
    }
}

/// A Worker cannot write its own configuration.
fn on_workers() -> Markup {
    html! {
        section.panel {
            h2 { "From your machine" }
            ol.steps {
                li { "Write the endpoint into the " code { "quintet.toml" } " that you deploy. For Telegram:"
                    pre { code { "[endpoints.telegram.main]\nmode = \"webhook\"\nsecret_token = \"1-256 characters of A-Z a-z 0-9 _ -\"\nbot_token = \"from @BotFather\"\nbot_username = \"the bot's name\"\napprovers = [\"your numeric user id\"]" } }
                }
                li { "Hand it to the Workers: " code { "cargo xtask deploy" } " writes each Worker's part as its secret. By hand, for the one that has the tokens, as JSON:"
                    pre { code { "wrangler secret put QUINTET_CONFIG --name webhook-aggregator" } }
                }
                li { "Register the webhook and the commands:"
                    pre { code { "quintet setup telegram --url https://webhook-aggregator.example.com --config quintet.toml" } }
                }
                li { "Slack and Discord: the same with " code { "quintet setup slack" } " or " code { "discord" } ", which prints what to click." }
            }
            p.quiet { "Secrets never go through this page on Workers: a Worker cannot write its own configuration." }
        }
    }
}

/// `POST /dashboard/chats`: tries the secrets.
pub async fn attempt(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    let channel = ChannelKind::parse(form.field("channel"));
    let offered = deps.chats.iter().flat_map(|chats| chats.offered());
    let offered = offered.into_iter().find(|offered| Some(offered.channel) == channel);
    let (Some(chats), Some(offered)) = (&deps.chats, offered) else {
        return Err(Friendly::new(ErrorCode::NotFound, "There is no such chat to connect.").into());
    };
    owner.require(&form, &change(offered.channel))?;
    let secrets =
        (0..offered.secrets.len()).map(|at| Secret::new(form.field(&format!("secret{at}")).trim()));
    let address = form.filled("address").filter(|_| offered.address.is_some());
    let trial = chats.attempt(offered.channel, address, secrets.collect()).await;
    let trial = trial.map_err(Friendly::from)?;
    Ok(see(&deps.config.url(&format!("{ACTION}?trial={trial}"))))
}

/// A step of a trial that waits, which leads back to it.
async fn step(deps: &Deps, owner: &Owner, form: &Form, path: &str) -> PageResult {
    let Some(chats) = &deps.chats else {
        return Err(Friendly::new(ErrorCode::NotFound, "There is no chat to connect here.").into());
    };
    let trial = form.field("trial");
    owner.require(form, &about(path, trial))?;
    let done = if path == DECLINE { chats.decline(trial) } else { chats.register(trial) };
    done.await.map_err(Friendly::from)?;
    Ok(see(&deps.config.url(&format!("{ACTION}?trial={trial}"))))
}

/// `POST /dashboard/chats/decline`: none of the people shown is the owner.
pub async fn decline(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    step(&deps, &owner, &form, DECLINE).await
}

/// `POST /dashboard/chats/register`: changes the platform before the owner is known.
pub async fn register(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    step(&deps, &owner, &form, REGISTER).await
}

/// `POST /dashboard/chats/finish`: writes the configuration.
pub async fn finish(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    let Some(chats) = &deps.chats else {
        return Err(Friendly::new(ErrorCode::NotFound, "There is no chat to connect here.").into());
    };
    let trial = form.field("trial");
    owner.require(&form, &choice(trial, form.field("approver")))?;
    let approver = form.filled("approver");
    let done = chats.finish(trial, approver.as_deref()).await.map_err(Friendly::from)?;
    Ok(see(&deps.config.url(&format!("{ACTION}?done={done}"))))
}
