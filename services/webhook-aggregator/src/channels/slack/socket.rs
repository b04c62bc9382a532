//! Socket Mode: Slack sends its events over WebSockets that we open, so that no public address is
//! needed. <https://docs.slack.dev/apis/events-api/using-socket-mode>

mod envelope;
mod line;

use super::app::App;
use crate::channels::lenient;
use crate::channels::protocol::{Action, Input, Line, Protocol, Taking, may_open, retry_after_ms};
use crate::channels::{Ack, Link, SEND_TIMEOUT_MS, text_at};
use envelope::Envelope;
use line::{Connection, Health};
use platform::backoff::Exponential;
use platform::ports::{Clock, OutboundRequest, OutboundResponse};
use platform::secret::Secret;
use serde_json::Value;

/// Between attempts after a failure.
const BACKOFF: Exponential = Exponential { first_ms: 500, max_ms: 60_000 };
/// After a refusal that only the owner can end.
const REFUSED_MS: i64 = 60_000;
/// Close codes: done with it, and going away.
const NORMAL: u16 = 1000;
const LOST: u16 = 1001;
const TOKEN_FIX: &str = "Make an app-level token with the scope connections:write (Basic Information → App-Level Tokens), and copy it to app_token.";
const SWITCH_FIX: &str = "Switch on Socket Mode in the app's settings.";

/// The machine of one app.
pub(super) struct SocketMode<'a> {
    app: &'a App,
    token: &'a Secret,
    lines: Vec<Connection>,
    next_line: u32,
    asking: bool,
    /// Failed attempts since the last `hello`.
    failures: u32,
    /// Time of the next attempt.
    again_ms: Option<i64>,
    /// The envelope whose message is being stored.
    open: Option<Envelope>,
}

impl<'a> SocketMode<'a> {
    pub(super) const fn new(app: &'a App, token: &'a Secret) -> Self {
        Self {
            app,
            token,
            lines: Vec::new(),
            next_line: 0,
            asking: false,
            failures: 0,
            again_ms: None,
            open: None,
        }
    }

    fn ask(&mut self) -> Action {
        (self.asking, self.again_ms) = (true, None);
        Action::Ask(OutboundRequest {
            method: http::Method::POST,
            url: format!("{}/apps.connections.open", self.app.api_base),
            headers: vec![
                ("authorization", format!("Bearer {}", self.token.reveal())),
                ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ],
            body: bytes::Bytes::new(),
            timeout_ms: SEND_TIMEOUT_MS,
        })
    }

    /// Slack's response with the address of a connection.
    fn answered(&mut self, answer: &OutboundResponse, clock: &dyn Clock) -> Vec<Action> {
        self.asking = false;
        let body = lenient::json(&answer.body);
        let word = text_at(&body, "error").unwrap_or_default();
        let url = text_at(&body, "url").filter(|_| body["ok"] == true);
        match (url, word) {
            (Some(url), _) if may_open(&self.app.api_base, url) => {
                let line = Line(self.next_line);
                self.next_line += 1;
                self.lines.push(Connection::opening(line));
                vec![Action::Open(line, url.to_owned())]
            }
            (Some(_), _) => {
                let why = "Slack gave an address that is not opened: neither wss nor of this machine's own API.";
                self.later(REFUSED_MS, Link::reconnecting(why), clock)
            }
            (None, "ratelimited") => self.limited(answer, clock),
            (None, _) if answer.status == 429 => self.limited(answer, clock),
            (None, word) if is_final(word) => {
                let why = format!("Slack refuses app_token: {word}.");
                self.later(REFUSED_MS, Link::refused(why, Some(TOKEN_FIX)), clock)
            }
            (None, word) => {
                let why = format!(
                    "Slack {}: {}.",
                    answer.status,
                    if word.is_empty() { "no address" } else { word }
                );
                self.failed(why, clock)
            }
        }
    }

    fn limited(&mut self, answer: &OutboundResponse, clock: &dyn Clock) -> Vec<Action> {
        let wait_ms = retry_after_ms(answer).unwrap_or(BACKOFF.max_ms);
        self.later(wait_ms, Link::reconnecting("Slack asks for fewer connections."), clock)
    }

    fn failed(&mut self, why: String, clock: &dyn Clock) -> Vec<Action> {
        self.failures += 1;
        let wait_ms = BACKOFF.wait_ms(self.failures, clock);
        self.later(wait_ms, Link::reconnecting(why), clock)
    }

    /// Tries again then. The state is told only where no other connection brings messages.
    fn later(&mut self, wait_ms: i64, link: Link, clock: &dyn Clock) -> Vec<Action> {
        self.again_ms = Some(clock.now_ms() + wait_ms);
        if self.lines.iter().any(Connection::is_ready) {
            return Vec::new();
        }
        vec![Action::Report(link)]
    }

    /// Whether a connection that stays is there or being made.
    fn is_provided(&self) -> bool {
        self.asking || self.again_ms.is_some() || self.lines.iter().any(|line| !line.is_retiring())
    }

    fn lost(&mut self, line: Line, why: &str, clock: &dyn Clock) -> Vec<Action> {
        self.lines.retain(|known| known.line != line);
        if self.is_provided() {
            return Vec::new();
        }
        self.failed(why.to_owned(), clock)
    }

    fn due(&mut self, clock: &dyn Clock) -> Vec<Action> {
        let now_ms = clock.now_ms();
        let mut actions = Vec::new();
        let mut lost = Vec::new();
        for known in &mut self.lines {
            match known.look(now_ms) {
                Health::Fine => {}
                Health::Quiet => actions.push(Action::Ping(known.line)),
                Health::Silent => lost.push((known.line, LOST)),
                Health::Over => lost.push((known.line, NORMAL)),
            }
        }
        for (line, code) in lost {
            actions.push(Action::Close(line, code));
            actions.extend(self.lost(line, "Slack is silent on this connection.", clock));
        }
        if self.again_ms.is_some_and(|at| at <= now_ms) {
            actions.push(self.ask());
        }
        actions
    }

    fn text(&mut self, line: Line, text: &str, clock: &dyn Clock) -> Vec<Action> {
        self.alive(line, clock);
        let frame = lenient::json(text.as_bytes());
        match text_at(&frame, "type") {
            Some("hello") => self.hello(line, clock),
            Some("disconnect") => self.disconnect(line, &frame, clock),
            _ => match Envelope::read(&frame, text) {
                Some((envelope, body)) => {
                    self.open = Some(envelope);
                    vec![Action::Take(line, Taking::Webhook(body))]
                }
                None => Vec::new(),
            },
        }
    }

    fn hello(&mut self, line: Line, clock: &dyn Clock) -> Vec<Action> {
        self.failures = 0;
        for known in &mut self.lines {
            if known.line == line {
                known.greeted();
            } else {
                known.replaced(clock.now_ms());
            }
        }
        vec![Action::Report(Link::connected())]
    }

    /// Slack ends this connection soon: the next one is opened first.
    fn disconnect(&mut self, line: Line, frame: &Value, clock: &dyn Clock) -> Vec<Action> {
        if text_at(frame, "reason") == Some("link_disabled") {
            self.lines.retain(|known| known.line != line);
            let why = "Socket Mode is switched off in the app's settings.";
            let mut actions = vec![Action::Close(line, NORMAL)];
            if !self.is_provided() {
                actions.extend(self.later(REFUSED_MS, Link::refused(why, Some(SWITCH_FIX)), clock));
            }
            return actions;
        }
        let is_ready = self.lines.iter().any(|known| known.line == line && known.is_ready());
        if !is_ready {
            // Such as `too_many_websockets`: another one at once would end the same way.
            let reason = text_at(frame, "reason").unwrap_or("no reason");
            let mut actions = vec![Action::Close(line, NORMAL)];
            actions.extend(self.lost(
                line,
                &format!("Slack ended a new connection: {reason}."),
                clock,
            ));
            return actions;
        }
        for known in self.lines.iter_mut().filter(|known| known.line == line) {
            known.retire();
        }
        if self.is_provided() { Vec::new() } else { vec![self.ask()] }
    }

    fn alive(&mut self, line: Line, clock: &dyn Clock) {
        for known in self.lines.iter_mut().filter(|known| known.line == line) {
            known.alive(clock.now_ms());
        }
    }

    fn taken(&mut self, line: Line, ack: &Ack) -> Vec<Action> {
        let envelope = self.open.take();
        let said = envelope.and_then(|envelope| envelope.acknowledgement(ack));
        said.map(|said| Action::Say(line, said)).into_iter().collect()
    }
}

/// Words that no repetition changes.
fn is_final(word: &str) -> bool {
    matches!(
        word,
        "invalid_auth"
            | "not_authed"
            | "account_inactive"
            | "token_revoked"
            | "token_expired"
            | "invalid_token"
            | "not_allowed_token_type"
            | "missing_scope"
            | "no_permission"
            | "access_denied"
            | "forbidden_team"
            | "user_removed_from_team"
            | "team_disabled"
    )
}

impl Protocol for SocketMode<'_> {
    fn step(&mut self, input: Input, clock: &dyn Clock) -> Vec<Action> {
        match input {
            Input::Started(_) => vec![self.ask()],
            Input::Due => self.due(clock),
            Input::Answered(answer) => self.answered(&answer, clock),
            Input::Unanswered(why) => {
                self.asking = false;
                self.failed(format!("Slack does not answer ({why})."), clock)
            }
            Input::Opened(line) => {
                self.alive(line, clock);
                Vec::new()
            }
            Input::NotOpened(line, why) => {
                self.lost(line, &format!("The connection cannot be opened ({why})."), clock)
            }
            Input::Text(line, text) => self.text(line, &text, clock),
            Input::Alive(line) => {
                self.alive(line, clock);
                Vec::new()
            }
            Input::Closed(line, _) => self.lost(line, "Slack ended the connection.", clock),
            Input::Taken(line, ack) => self.taken(line, &ack),
            Input::NotTaken(line) => {
                // Slack sends again whatever has no acknowledgement.
                self.open = None;
                let mut actions = vec![Action::Close(line, LOST)];
                actions.extend(self.lost(line, "Messages cannot be stored here.", clock));
                actions
            }
        }
    }

    fn due_ms(&self) -> Option<i64> {
        let lines = self.lines.iter().filter_map(Connection::due_ms);
        lines.chain(self.again_ms).min()
    }
}
