//! The Gateway: Discord sends messages and interactions over a WebSocket that we open, so that no
//! public address is needed. <https://discord.com/developers/docs/events/gateway>
//!
//! The sequence number from which a resumed session goes on is kept only once its event is stored,
//! so that events that a kill cut off come again. There is one shard.

mod closing;
mod session;
mod start;

use super::application::Application;
use super::plain;
use crate::channels::lenient;
use crate::channels::protocol::{Action, Input, Line, Protocol, Taking};
use crate::channels::{Ack, Link, SEND_TIMEOUT_MS, text_at};
use bytes::Bytes;
use closing::Closing;
use platform::backoff::Exponential;
use platform::ports::{Clock, ClockExt, OutboundRequest, OutboundResponse};
use serde_json::{Value, json};
use session::Session;
use start::Start;

/// Between attempts after a failure.
const BACKOFF: Exponential = Exponential { first_ms: 1_000, max_ms: 60_000 };
/// After a refusal that only the owner can end. Discord resets the token of a bot that begins 1,000
/// sessions a day.
const REFUSED_MS: i64 = 300_000;
/// Wait before another session after Discord refused one: 1 to 5 s.
const AFRESH_MS: Exponential = Exponential { first_ms: 5_000, max_ms: 5_000 };
/// Failures in a row after which the session's own address is asked for no more.
const RESUMES_MAX: u32 = 3;
/// Discord's first word must come within this time.
const HELLO_MS: i64 = 20_000;
/// Any code but 1000 and 1001 leaves the session resumable.
const RESUMABLE: u16 = 4900;
/// A callback must reach Discord within 3 s.
const CALLBACK_MS: u64 = 2_500;

/// The beat of one connection.
struct Beat {
    every_ms: i64,
    next_ms: i64,
    is_answered: bool,
}

/// The machine of one bot.
pub(super) struct Gateway<'a> {
    application: &'a Application,
    session: Option<Session>,
    line: Option<Line>,
    next_line: u32,
    /// `None` until Discord's hello.
    beat: Option<Beat>,
    hello_by_ms: Option<i64>,
    /// The last sequence number that came over this connection.
    received: Option<i64>,
    /// Failed attempts since messages last arrived.
    failures: u32,
    again_ms: Option<i64>,
    /// The sequence number and the callback of the event that is being stored.
    open: Option<(i64, Option<String>)>,
}

impl<'a> Gateway<'a> {
    pub(super) const fn new(application: &'a Application) -> Self {
        Self {
            application,
            session: None,
            line: None,
            next_line: 0,
            beat: None,
            hello_by_ms: None,
            received: None,
            failures: 0,
            again_ms: None,
            open: None,
        }
    }

    /// A session goes on at its own address; after some failures, at the one for new sessions.
    fn begin(&mut self) -> Vec<Action> {
        self.again_ms = None;
        match self.session.as_ref().filter(|_| self.failures <= RESUMES_MAX) {
            Some(session) => {
                let url = session.url.clone();
                vec![self.open_line(&url)]
            }
            None => vec![Action::Ask(start::request(self.application))],
        }
    }

    fn open_line(&mut self, url: &str) -> Action {
        let line = Line(self.next_line);
        self.next_line += 1;
        (self.line, self.beat, self.hello_by_ms, self.received) = (Some(line), None, None, None);
        Action::Open(line, start::address(url))
    }

    fn answered(&mut self, answer: &OutboundResponse, clock: &dyn Clock) -> Vec<Action> {
        match start::read(self.application, answer, self.session.is_some()) {
            Start::Open { url, shards } => {
                if shards > 1 {
                    tracing::warn!(
                        shards,
                        "Discord recommends several connections; Quintet has one, which is for at most 2,500 servers"
                    );
                }
                vec![self.open_line(&url)]
            }
            Start::Refused(why, fix) => {
                self.later(REFUSED_MS, Link::refused(why, Some(fix)), clock)
            }
            Start::Later { after_ms, why } => match after_ms {
                Some(wait_ms) => self.later(wait_ms, Link::reconnecting(why), clock),
                None => self.failed(why, clock),
            },
        }
    }

    fn failed(&mut self, why: String, clock: &dyn Clock) -> Vec<Action> {
        self.failures += 1;
        let wait_ms = BACKOFF.wait_ms(self.failures, clock);
        self.later(wait_ms, Link::reconnecting(why), clock)
    }

    fn later(&mut self, wait_ms: i64, link: Link, clock: &dyn Clock) -> Vec<Action> {
        (self.line, self.beat, self.hello_by_ms) = (None, None, None);
        self.again_ms = Some(clock.now_ms() + wait_ms);
        vec![Action::Report(link)]
    }

    /// Ends the connection and goes on with the session over another.
    fn renew(&mut self, line: Line, why: &str, clock: &dyn Clock) -> Vec<Action> {
        let mut actions = vec![Action::Close(line, RESUMABLE)];
        actions.extend(self.failed(why.to_owned(), clock));
        actions
    }

    /// Another session has to begin.
    fn forget(&mut self) -> Action {
        if self.session.take().is_some() {
            tracing::warn!(
                "Discord did not resume the session; messages of the pause may be missing"
            );
        }
        Action::Keep(None)
    }

    fn closed(&mut self, code: Option<u16>, clock: &dyn Clock) -> Vec<Action> {
        match closing::read(code, self.application.hears_all) {
            Closing::Resume => {
                let why = code.map_or_else(
                    || "The connection to Discord broke.".to_owned(),
                    |code| format!("Discord ended the connection ({code})."),
                );
                self.failed(why, clock)
            }
            Closing::Afresh(why) => {
                let mut actions = vec![self.forget()];
                actions.extend(self.failed(why.to_owned(), clock));
                actions
            }
            Closing::Refused { why, fix } => {
                let mut actions = vec![self.forget()];
                actions.extend(self.later(REFUSED_MS, Link::refused(why, Some(fix)), clock));
                actions
            }
        }
    }

    fn due(&mut self, clock: &dyn Clock) -> Vec<Action> {
        let now_ms = clock.now_ms();
        if let Some(line) = self.line {
            if self.hello_by_ms.is_some_and(|at| at <= now_ms) {
                return self.renew(line, "Discord opened a connection and said nothing.", clock);
            }
            if let Some(beat) = self.beat.as_mut().filter(|beat| beat.next_ms <= now_ms) {
                if !beat.is_answered {
                    return self.renew(line, "Discord did not answer a heartbeat.", clock);
                }
                (beat.next_ms, beat.is_answered) = (now_ms + beat.every_ms, false);
                return vec![self.heartbeat(line)];
            }
        }
        if self.again_ms.is_some_and(|at| at <= now_ms) { self.begin() } else { Vec::new() }
    }

    fn heartbeat(&self, line: Line) -> Action {
        let known = self.session.as_ref().map(|session| session.seq);
        Action::Say(line, json!({ "op": 1, "d": self.received.or(known) }).to_string())
    }

    fn text(&mut self, line: Line, text: &str, clock: &dyn Clock) -> Vec<Action> {
        let frame = lenient::json(text.as_bytes());
        match frame["op"].as_i64() {
            Some(0) => self.dispatch(line, &frame),
            Some(1) => vec![self.heartbeat(line)],
            Some(7) => self.renew(line, "Discord asked for another connection.", clock),
            Some(9) => {
                let mut actions = vec![Action::Close(line, RESUMABLE)];
                if frame["d"] != true {
                    actions.push(self.forget());
                }
                let why = "Discord refused the session; another begins.";
                let wait_ms = AFRESH_MS.wait_ms(1, clock);
                actions.extend(self.later(wait_ms, Link::reconnecting(why), clock));
                actions
            }
            Some(10) => self.hello(line, &frame["d"], clock),
            Some(11) => {
                if let Some(beat) = &mut self.beat {
                    beat.is_answered = true;
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// The first heartbeat comes after a random part of the interval.
    fn hello(&mut self, line: Line, hello: &Value, clock: &dyn Clock) -> Vec<Action> {
        let every_ms = hello["heartbeat_interval"].as_i64().unwrap_or(41_250).max(1_000);
        let first_ms = (every_ms as f64 * clock.uniform()) as i64;
        let next_ms = clock.now_ms() + first_ms;
        self.beat = Some(Beat { every_ms, next_ms, is_answered: true });
        self.hello_by_ms = None;
        let greeting = match &self.session {
            Some(session) => session.resume(self.application),
            None => session::identify(self.application),
        };
        vec![Action::Say(line, greeting)]
    }

    fn dispatch(&mut self, line: Line, frame: &Value) -> Vec<Action> {
        let Some(seq) = frame["s"].as_i64() else { return Vec::new() };
        self.received = Some(seq);
        let data = &frame["d"];
        let inbound = match text_at(frame, "t") {
            Some("READY") => return self.ready(data, seq),
            Some("RESUMED") => {
                self.failures = 0;
                self.passed(seq);
                return vec![Action::Report(Link::connected())];
            }
            Some("INTERACTION_CREATE") => {
                let taking = Taking::Webhook(Bytes::from(data.to_string()));
                return self.take(line, seq, taking, callback_path(data));
            }
            Some("MESSAGE_CREATE") => plain::read(&self.hearer(), data),
            Some("MESSAGE_UPDATE") => plain::read_edit(&self.hearer(), data),
            _ => None,
        };
        match inbound {
            Some(inbound) => {
                let taking = Taking::Plain(Box::new(inbound), Bytes::from(data.to_string()));
                self.take(line, seq, taking, None)
            }
            None => {
                self.passed(seq);
                Vec::new()
            }
        }
    }

    fn hearer(&self) -> plain::Hearer<'_> {
        plain::Hearer {
            own: self.session.as_ref().map_or(&self.application.id, |session| &session.user),
            hears_all: self.application.hears_all,
        }
    }

    fn ready(&mut self, data: &Value, seq: i64) -> Vec<Action> {
        self.failures = 0;
        self.session = Session::read(self.application, data, seq);
        let kept = self.kept();
        vec![Action::Keep(kept), Action::Report(Link::connected())]
    }

    fn take(
        &mut self,
        line: Line,
        seq: i64,
        taking: Taking,
        callback: Option<String>,
    ) -> Vec<Action> {
        self.open = Some((seq, callback));
        vec![Action::Take(line, taking)]
    }

    fn kept(&self) -> Option<String> {
        self.session.as_ref().map(|session| session.kept(self.application))
    }

    /// Everything up to this event is stored, or needs no storing.
    fn passed(&mut self, seq: i64) {
        if let Some(session) = &mut self.session {
            session.seq = seq;
        }
    }

    fn taken(&mut self, ack: &Ack) -> Vec<Action> {
        let Some((seq, callback)) = self.open.take() else { return Vec::new() };
        self.passed(seq);
        let callback = callback.zip(ack.body.as_ref());
        let callback = callback.map(|(path, body)| {
            Action::Acknowledge(OutboundRequest {
                method: http::Method::POST,
                url: format!("{}{path}", self.application.api_base),
                headers: vec![("content-type", "application/json".to_owned()), start::agent()],
                body: Bytes::from(body.to_string()),
                timeout_ms: CALLBACK_MS,
            })
        });
        let kept = self.kept();
        callback.into_iter().chain(kept.map(|kept| Action::Keep(Some(kept)))).collect()
    }
}

/// Where an interaction is answered; `None` for one whose ids are no part of a path.
fn callback_path(interaction: &Value) -> Option<String> {
    let (id, token) = (text_at(interaction, "id")?, text_at(interaction, "token")?);
    let fits = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    (fits(id) && fits(token)).then(|| format!("/interactions/{id}/{token}/callback"))
}

impl Protocol for Gateway<'_> {
    fn step(&mut self, input: Input, clock: &dyn Clock) -> Vec<Action> {
        let is_current = |line: Line| self.line == Some(line);
        match input {
            Input::Started(kept) => {
                self.session = kept.and_then(|kept| Session::of_kept(self.application, &kept));
                self.begin()
            }
            Input::Due => self.due(clock),
            Input::Answered(answer) => self.answered(&answer, clock),
            Input::Unanswered(why) => {
                self.failed(format!("Discord does not answer ({why})."), clock)
            }
            Input::Opened(line) if is_current(line) => {
                self.hello_by_ms = Some(clock.now_ms() + HELLO_MS);
                Vec::new()
            }
            Input::NotOpened(line, why) if is_current(line) => {
                self.failed(format!("The connection to Discord cannot be opened ({why})."), clock)
            }
            Input::Text(line, text) if is_current(line) => self.text(line, &text, clock),
            Input::Closed(line, code) if is_current(line) => self.closed(code, clock),
            Input::Taken(_, ack) => self.taken(&ack),
            Input::NotTaken(line) => {
                self.open = None;
                self.renew(line, "Messages cannot be stored here.", clock)
            }
            _ => Vec::new(),
        }
    }

    fn due_ms(&self) -> Option<i64> {
        let beat = self.beat.as_ref().map(|beat| beat.next_ms);
        [self.again_ms, self.hello_by_ms, beat].into_iter().flatten().min()
    }
}
