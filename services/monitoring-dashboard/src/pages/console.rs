//! The live console: send a message, watch its stages, read the answer. Without a script the form
//! posts and the page shows the conversation; with a script, updates arrive by long poll.

use super::prose::prose;
use super::{signs, track};
use crate::answer::{see, wants_json};
use crate::refusal::{Friendly, PageResult};
use crate::session::Owner;
use crate::{Config, Deps, Form, owners, store};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use contracts::ErrorCode;
use contracts::event::{EventDetail, MessageList, MessageRequest, Speaker, TranscriptLine};
use http::HeaderMap;
use maud::{Markup, html};
use platform::edge::ApiError;
use platform::ports::{CallError, ClockExt};
use serde::{Deserialize, Serialize};

const CHANGE: &str = "console";
/// The initial conversation of a browser, in webhook-aggregator's full form.
const FIRST: &str = "web:console:dashboard";
/// Maximum length of a message, equal to webhook-aggregator's.
const LETTERS_MAX: usize = 16_000;
/// Maximum time a feed request stays open.
const HOLD_MS: i64 = 15_000;
const HOLD_S: u32 = 20;
/// Poll interval for the stages of a running event: short at first, then longer.
const LOOK_MS: i64 = 120;
const LOOK_LATER_MS: i64 = 1_500;
const QUICK_MS: i64 = 4_000;

/// The initial state of the console.
pub struct Console {
    pub said: MessageList,
    pub newest: Option<EventDetail>,
    pub reachable: bool,
}

/// The conversation shown by this session's console.
fn conversation(owner: &Owner) -> &str {
    owner.conversation.as_deref().unwrap_or(FIRST)
}

impl Console {
    /// Reads the conversation and the newest event's stages.
    pub async fn load(deps: &Deps, owner: &Owner) -> Self {
        let answer = owners::said(deps, conversation(owner), 0, 0).await;
        let reachable = !matches!(answer, Err(CallError::Port(_)));
        let said = answer.unwrap_or_default();
        let newest =
            latest(&said.messages).into_iter().rev().find_map(|line| line.event_id.clone());
        let newest = match newest {
            Some(id) => owners::event(deps, id.as_str()).await.ok(),
            None => None,
        };
        Self { said, newest, reachable }
    }
    /// Renders the whole panel.
    pub fn panel(&self, config: &Config, owner: &Owner) -> Markup {
        let under_way = self.newest.as_ref().filter(|detail| !detail.row.state.is_final());
        let event = under_way.map(|detail| detail.row.id.as_str());
        let mark = under_way.map(track::mark);
        html! {
            section.panel.console aria-labelledby="console-title" {
                div.bar {
                    h2 #console-title { "Console" }
                    form method="post" action=(config.url("/dashboard/console")) {
                        input type="hidden" name="token" value=(owner.token(CHANGE));
                        button.plain name="fresh" value="1" { "New conversation" }
                    }
                }
                ol.said #said tabindex="0" aria-label="Conversation" aria-live="polite" aria-relevant="additions text" data-feed=(config.url("/dashboard/console/feed")) data-last=(self.said.last) data-event=[event] data-mark=[mark] {
                    @for line in latest(&self.said.messages) { (spoken(line)) }
                }
                @if !self.reachable { p.empty { "webhook-aggregator does not answer right now. \
                    Your messages are safe and reappear when it does." } }
                @else if self.said.messages.is_empty() { (welcome(config, owner)) }
                div #track { @if let Some(detail) = &self.newest { (track::track(config, detail)) } }
                @if event.is_some() { noscript { p.quiet { "Without scripts this page does not \
                    update itself. Reload it to see the progress." } } }
                form.say #say method="post" action=(config.url("/dashboard/console")) {
                    input type="hidden" name="token" value=(owner.token(CHANGE));
                    label.unseen for="text" { "Message" }
                    textarea #text name="text" rows="2" maxlength=(LETTERS_MAX) placeholder="Type a question or a task…" required {}
                    button.primary { "Send" }
                }
                p.note.bad #say-trouble role="alert" hidden {}
            }
        }
    }
}

/// Example messages.
const EXAMPLES: [&str; 3] =
    ["How do I review a pull request?", "Plan the next sprint", "Is this dependency safe to use?"];

fn welcome(config: &Config, owner: &Owner) -> Markup {
    html! {
        div.welcome #welcome {
            p.quiet { "Type what you need. The router picks the agent, your rules decide whether \
                it may run, and the answer appears here." }
            form method="post" action=(config.url("/dashboard/console")) {
                input type="hidden" name="token" value=(owner.token(CHANGE));
                @for example in EXAMPLES { button name="text" value=(example) { (example) } }
            }
        }
    }
}

/// The latest version of each message, in order of first appearance, at most fifty.
fn latest(messages: &[TranscriptLine]) -> Vec<&TranscriptLine> {
    let mut lines: Vec<&TranscriptLine> = Vec::new();
    for line in messages {
        match lines.iter_mut().find(|seen| seen.id == line.id) {
            Some(seen) => *seen = line,
            None => lines.push(line),
        }
    }
    // An edited answer stays below its question.
    lines.sort_by(|a, b| a.at.cmp(&b.at));
    lines.split_off(lines.len().saturating_sub(50))
}

/// Renders one message.
fn spoken(line: &TranscriptLine) -> Markup {
    let (class, who) = match line.speaker {
        Speaker::User => ("user", "You"),
        Speaker::Agent => ("agent", line.agent.as_ref().map_or("Agent", |agent| agent.as_str())),
        Speaker::System => ("system", "Quintet"),
    };
    html! {
        li class={ (class) @if !line.settled { " open" } } id={ "m-" (line.id) } {
            p.who { strong { (who) } " " (signs::time(&line.at)) }
            div.prose { (prose(&line.text)) }
        }
    }
}

/// The response to the script after a message.
#[derive(Serialize)]
struct Accepted {
    event: String,
}

/// `POST /dashboard/console`.
pub async fn say(
    State(deps): State<Deps>,
    owner: Owner,
    headers: HeaderMap,
    form: Form,
) -> PageResult {
    let by_script = wants_json(&headers);
    let answer = accept(&deps, &owner, &form).await;
    if !by_script {
        answer?;
        return Ok(see(&deps.config.url("/dashboard")));
    }
    Ok(match answer {
        Ok(event) => axum::Json(Accepted { event }).into_response(),
        Err(friendly) => ApiError::new(friendly.code, friendly.detail).into_response(),
    })
}

async fn accept(deps: &Deps, owner: &Owner, form: &Form) -> Result<String, Friendly> {
    owner.require(form, CHANGE)?;
    let port_trouble = |error| Friendly::from(*ApiError::from(error).0);
    if form.filled("fresh").is_some() {
        let name = format!("{FIRST}-{}", deps.clock.ulid().to_ascii_lowercase());
        store::keep_conversation(&*deps.sql, owner.id_hash(), &name).await.map_err(port_trouble)?;
        return Ok(String::new());
    }
    let Some(text) = form.filled("text") else {
        return Err(Friendly::new(ErrorCode::InvalidField, "There is nothing to send yet.")
            .fix("Type a message first."));
    };
    if text.chars().count() > LETTERS_MAX {
        return Err(Friendly::new(ErrorCode::TooLarge, "The message is too long.")
            .fix("Send less than 16,000 letters at once."));
    }
    let request = MessageRequest { text, conversation: Some(conversation(owner).to_owned()) };
    let accepted = owners::say(deps, &request)
        .await
        .map_err(|error| Friendly::from(*ApiError::from(error).0))?;
    if owner.conversation.as_deref() != Some(accepted.conversation.as_str()) {
        store::keep_conversation(&*deps.sql, owner.id_hash(), &accepted.conversation)
            .await
            .map_err(port_trouble)?;
    }
    Ok(accepted.event_id.0)
}

/// The script's current position.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    after: i64,
    /// The event whose stages it shows.
    event: String,
    /// The last [`track::mark`].
    mark: String,
    /// `0` answers immediately.
    hold: Option<u8>,
}

#[derive(Serialize)]
struct Line {
    id: String,
    html: String,
}

#[derive(Serialize)]
struct News {
    last: i64,
    lines: Vec<Line>,
    mark: String,
    /// The new row of stages, if it changed.
    track: Option<String>,
    /// Whether the event has ended.
    over: bool,
}

/// `GET /dashboard/console/feed`: everything new since `after` and `mark`, as soon as there is any.
pub async fn feed(State(deps): State<Deps>, owner: Owner, Query(asked): Query<Asked>) -> Response {
    match news(&deps, &owner, &asked).await {
        Ok(news) => axum::Json(news).into_response(),
        Err(error) => ApiError::from(error).into_response(),
    }
}

async fn news(deps: &Deps, owner: &Owner, asked: &Asked) -> Result<News, CallError> {
    let started = deps.clock.now_ms();
    let hold = asked.hold != Some(0);
    loop {
        // Without a running event the aggregator itself holds the request open.
        let watching = !asked.event.is_empty();
        let said = owners::said(
            deps,
            conversation(owner),
            asked.after,
            if watching || !hold { 0 } else { HOLD_S },
        )
        .await?;
        let detail = if watching { owners::event(deps, &asked.event).await.ok() } else { None };
        let mark = detail.as_ref().map(track::mark).unwrap_or_default();
        let changed = !said.messages.is_empty() || mark != asked.mark;
        let passed = deps.clock.now_ms() - started;
        if changed || !hold || !watching || passed >= HOLD_MS {
            let track = detail
                .as_ref()
                .filter(|_| mark != asked.mark)
                .map(|detail| track::track(&deps.config, detail).into_string());
            let lines = latest(&said.messages)
                .into_iter()
                .map(|line| Line { id: format!("m-{}", line.id), html: spoken(line).into_string() })
                .collect();
            let over = detail.is_none_or(|detail| detail.row.state.is_final());
            return Ok(News { last: said.last.max(asked.after), lines, mark, track, over });
        }
        let pause = if passed < QUICK_MS { LOOK_MS } else { LOOK_LATER_MS };
        deps.clock.sleep_until(deps.clock.now_ms() + pause).await;
    }
}
