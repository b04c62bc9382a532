//! `/sync`: the homeserver asked for messages, which needs no public address. The place reached is
//! kept only when everything before it is stored.
//! <https://spec.matrix.org/latest/client-server-api/#syncing>

mod batch;
mod place;

use super::bot::{Bot, segment, server_of, wait_ms};
use super::known::Invitation;
use crate::channels::protocol::{Action, Input, Line, Protocol, Taking};
use crate::channels::{Link, lenient, text_at};
use batch::{Batch, Room};
use bytes::Bytes;
use http::Method;
use place::Place;
use platform::backoff::Exponential;
use platform::ports::{Clock, OutboundRequest, OutboundResponse};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Between attempts after a failure.
const BACKOFF: Exponential = Exponential { first_ms: 1_000, max_ms: 60_000 };
/// After a refusal that only the owner can end.
const REFUSED_MS: i64 = 60_000;
/// Milliseconds that the homeserver waits for a message, and that we wait for its answer.
const WAIT_MS: u64 = 25_000;
const TIMEOUT_MS: u64 = 40_000;
/// Least time between two requests that bring nothing, for a homeserver that does not wait.
const EMPTY_MS: i64 = 1_000;
/// Messages of a room at a time. An answer above the limit of outbound requests would come again
/// for ever, so after a failure it is fewer; the others are then asked for room by room.
const MESSAGES_MAX: usize = 20;
/// Requests for the messages of a room that one answer left out.
const PAGES_MAX: usize = 50;
/// Refusals of a place after which it is given up.
const REFUSALS_MAX: u32 = 2;
const PLACE_LOST: &str =
    "The homeserver does not know the last place any more; messages since then are not read.";
/// There is one stream of messages.
const LINE: Line = Line(0);
const TOKEN_FIX: &str =
    "Sign the bot in again, and run `quintet setup matrix` with its new access token.";
const USER_FIX: &str = "Run `quintet setup matrix`, which writes `user`.";

/// The request whose answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// Whose token it is.
    Who,
    /// The newest messages.
    Sync,
    /// Messages that an answer left out.
    Gap,
}

/// A room of which messages are missing.
struct Gap {
    room: Room,
    from: String,
    pages: usize,
    /// The oldest of the messages so far that are all dated before the last place.
    old: usize,
}

/// The machine of one account.
pub(super) struct Sync<'a> {
    bot: &'a Bot,
    asked: Asked,
    is_known: bool,
    place: Place,
    /// The place behind everything that waits.
    next: Option<String>,
    /// Something was stored since the place before.
    has_news: bool,
    gaps: VecDeque<Gap>,
    /// Messages that are still to be stored, oldest first.
    waiting: VecDeque<Bytes>,
    /// The last request, when it was sent.
    asked_ms: i64,
    /// Not before this time is it asked again what is new.
    rest_ms: i64,
    failures: u32,
    /// Refusals of the place, in a row.
    refusals: u32,
    /// Time of the next attempt.
    again_ms: Option<i64>,
}

impl<'a> Sync<'a> {
    pub(super) fn new(bot: &'a Bot) -> Self {
        Self {
            bot,
            asked: Asked::Nothing,
            is_known: false,
            place: Place::default(),
            next: None,
            has_news: false,
            gaps: VecDeque::new(),
            waiting: VecDeque::new(),
            asked_ms: 0,
            rest_ms: 0,
            failures: 0,
            refusals: 0,
            again_ms: None,
        }
    }

    /// The next thing to do.
    fn go_on(&mut self, clock: &dyn Clock) -> Vec<Action> {
        self.again_ms = None;
        if !self.is_known {
            let request = self.bot.call(Method::GET, "account/whoami", None);
            return self.ask(Asked::Who, request, clock);
        }
        if let Some(gap) = self.gaps.front() {
            let request = self.older(gap);
            return self.ask(Asked::Gap, request, clock);
        }
        if let Some(body) = self.waiting.front() {
            return vec![Action::Take(LINE, Taking::Webhook(body.clone()))];
        }
        let mut actions = Vec::new();
        if let Some(next) = self.next.take() {
            actions.extend(self.reach(next, clock));
        }
        // The homeserver tells of an invitation once; a body without events has it tried again.
        if self.bot.known().has_invitation(clock.now_ms()) {
            let body = Bytes::from_static(b"{\"events\":[]}");
            self.waiting.push_back(body.clone());
            actions.push(Action::Take(LINE, Taking::Webhook(body)));
            return actions;
        }
        if clock.now_ms() < self.rest_ms {
            self.again_ms = Some(self.rest_ms);
            return actions;
        }
        let request = self.newest();
        actions.extend(self.ask(Asked::Sync, request, clock));
        actions
    }

    fn reach(&mut self, next: String, clock: &dyn Clock) -> Option<Action> {
        let has_news = std::mem::take(&mut self.has_news);
        let invited = self.bot.known().invitations();
        let state = self.place.reach(&self.bot.user, &invited, next, has_news, clock)?;
        Some(Action::Keep(Some(state)))
    }

    fn ask(&mut self, asked: Asked, request: OutboundRequest, clock: &dyn Clock) -> Vec<Action> {
        (self.asked, self.asked_ms) = (asked, clock.now_ms());
        vec![Action::Ask(request)]
    }

    fn limit(&self) -> usize {
        MESSAGES_MAX.checked_shr(self.failures).unwrap_or(0).max(1)
    }

    fn newest(&self) -> OutboundRequest {
        let nothing = json!({ "types": [], "not_types": ["*"] });
        let mut messages = kinds();
        messages["limit"] = self.limit().into();
        let filter = json!({
            "presence": nothing, "account_data": nothing,
            "room": { "timeline": messages, "state": nothing, "ephemeral": nothing, "account_data": nothing },
        });
        let since = self.place.token();
        // The first answer is history, for which nobody waits.
        let wait_ms = if since.is_some() { WAIT_MS } else { 0 };
        let since = since.map(|token| format!("&since={}", segment(token))).unwrap_or_default();
        let filter = segment(&filter.to_string());
        let path = format!("sync?filter={filter}&timeout={wait_ms}{since}");
        OutboundRequest { timeout_ms: TIMEOUT_MS, ..self.bot.call(Method::GET, &path, None) }
    }

    fn older(&self, gap: &Gap) -> OutboundRequest {
        let filter = segment(&kinds().to_string());
        let to = self.place.token().map(|to| format!("&to={}", segment(to))).unwrap_or_default();
        let path = format!(
            "rooms/{}/messages?dir=b&from={}{to}&limit={}&filter={filter}",
            segment(&gap.room.id),
            segment(&gap.from),
            self.limit()
        );
        OutboundRequest { timeout_ms: TIMEOUT_MS, ..self.bot.call(Method::GET, &path, None) }
    }

    fn answered(&mut self, answer: &OutboundResponse, clock: &dyn Clock) -> Vec<Action> {
        let asked = std::mem::replace(&mut self.asked, Asked::Nothing);
        let body = lenient::json(&answer.body);
        if asked == Asked::Sync && answer.status != 400 {
            self.refusals = 0;
        }
        match (asked, answer.status) {
            (Asked::Nothing, _) => Vec::new(),
            (Asked::Who, 200) => self.known_as(&body, clock),
            (Asked::Sync, 200) => self.took(&body, clock),
            (Asked::Gap, 200) => self.filled(&body, clock),
            (Asked::Gap, 400 | 403 | 404) => {
                if let Some(gap) = self.gaps.pop_front() {
                    tracing::warn!(
                        room = gap.room.id,
                        status = answer.status,
                        "messages of a room were left out and are not to be had"
                    );
                    self.wait_for(&gap.room);
                }
                self.go_on(clock)
            }
            (Asked::Sync, 400) if self.refuses_place(&body) => self.begin_anew(clock),
            _ => self.refused(answer, &body, clock),
        }
    }

    /// Whether the homeserver has refused the place, and nothing else of the request, twice in a
    /// row. A proxy answers 400 too.
    fn refuses_place(&mut self, body: &Value) -> bool {
        let code = text_at(body, "errcode").unwrap_or_default();
        let is_refusal = ["M_UNKNOWN_POS", "M_INVALID_PARAM", "M_UNKNOWN"].contains(&code);
        let counts = is_refusal && self.place.token().is_some();
        self.refusals = if counts { self.refusals + 1 } else { 0 };
        self.refusals >= REFUSALS_MAX
    }

    /// Goes on from now. A homeserver that lost its data would refuse the place for ever.
    fn begin_anew(&mut self, clock: &dyn Clock) -> Vec<Action> {
        tracing::error!("{PLACE_LOST}");
        (self.place, self.refusals) = (Place::default(), 0);
        let mut actions = vec![Action::Keep(None)];
        actions.extend(self.failed(PLACE_LOST, clock));
        actions
    }

    /// The token is of an account: ours, or answers to our own messages would never end.
    fn known_as(&mut self, body: &Value, clock: &dyn Clock) -> Vec<Action> {
        let user = text_at(body, "user_id").unwrap_or_default();
        if user == self.bot.user {
            self.is_known = true;
            return self.go_on(clock);
        }
        let why = format!("`bot_token` is of {user}, and `user` is {}.", self.bot.user);
        self.later(REFUSED_MS, Link::refused(why, Some(USER_FIX)), clock)
    }

    fn took(&mut self, body: &Value, clock: &dyn Clock) -> Vec<Action> {
        let is_first = self.place.token().is_none();
        let Some(Batch { next, rooms, invitations }) = Batch::read(self.bot, body, is_first) else {
            return self.failed("The homeserver's answer cannot be read.", clock);
        };
        self.failures = 0;
        self.next = Some(next);
        self.waiting.extend(invitations);
        let is_empty = rooms.is_empty() && !is_first;
        self.rest_ms = if is_empty { self.asked_ms + EMPTY_MS } else { 0 };
        for room in rooms {
            match &room.gap {
                Some(from) => {
                    // Members who came or went meanwhile are in the part that is missing.
                    self.bot.known().forget_room(&room.id);
                    self.gaps.push_back(Gap { from: from.clone(), pages: 0, old: 0, room });
                }
                None => self.wait_for(&room),
            }
        }
        let mut actions = vec![Action::Report(Link::connected())];
        actions.extend(self.go_on(clock));
        actions
    }

    fn wait_for(&mut self, room: &Room) {
        self.waiting.extend(room.bodies(self.bot));
    }

    /// Older messages of a room, newest first.
    fn filled(&mut self, answer: &Value, clock: &dyn Clock) -> Vec<Action> {
        self.failures = 0;
        let Some(mut gap) = self.gaps.pop_front() else { return self.go_on(clock) };
        let found = answer["chunk"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_new = |event: &&Value| self.place.is_behind(event);
        let (news, old): (Vec<_>, Vec<_>) = found.iter().partition(is_new);
        if !old.is_empty() {
            tracing::warn!(
                room = gap.room.id,
                events = old.len(),
                "events that were left out are dated before the last place; they are not read"
            );
        }
        // Only events that our own homeserver has dated end the filling.
        let own = server_of(&self.bot.user);
        for event in found {
            let is_dated = text_at(event, "sender").is_some_and(|sender| server_of(sender) == own);
            if is_new(&event) {
                gap.old = 0;
            } else if is_dated {
                gap.old += 1;
            }
        }
        gap.room.events.splice(0..0, news.into_iter().rev().cloned());
        gap.pages += 1;
        // A homeserver that does not stop at our place would hand over all that was ever said. One
        // event alone may have a wrong date.
        let is_over = gap.old >= MESSAGES_MAX || gap.room.has_invitation(self.bot);
        match text_at(answer, "end").filter(|end| !is_over && *end != gap.from) {
            Some(_) if gap.pages >= PAGES_MAX => {
                tracing::warn!(
                    room = gap.room.id,
                    "more messages were left out than are asked for; the oldest are not read"
                );
                self.wait_for(&gap.room);
            }
            Some(end) => {
                end.clone_into(&mut gap.from);
                self.gaps.push_front(gap);
            }
            None => self.wait_for(&gap.room),
        }
        self.go_on(clock)
    }

    fn refused(
        &mut self,
        answer: &OutboundResponse,
        body: &Value,
        clock: &dyn Clock,
    ) -> Vec<Action> {
        let code = text_at(body, "errcode").unwrap_or("no reason");
        match answer.status {
            401 | 403 => {
                self.is_known = false;
                let why = format!("The homeserver refuses `bot_token` ({code}).");
                self.later(REFUSED_MS, Link::refused(why, Some(TOKEN_FIX)), clock)
            }
            404 => {
                let why = "There is no Matrix homeserver at the address of `api_base`.";
                self.later(REFUSED_MS, Link::refused(why, None), clock)
            }
            429 => {
                let wait_ms = wait_ms(answer, body).unwrap_or(BACKOFF.max_ms);
                let why = "The homeserver asks for fewer requests.";
                self.later(wait_ms.max(1_000), Link::reconnecting(why), clock)
            }
            status => self.failed(&format!("The homeserver answered {status} ({code})."), clock),
        }
    }

    fn failed(&mut self, why: &str, clock: &dyn Clock) -> Vec<Action> {
        self.failures += 1;
        let wait_ms = BACKOFF.wait_ms(self.failures, clock);
        self.later(wait_ms, Link::reconnecting(why), clock)
    }

    fn later(&mut self, wait_ms: i64, link: Link, clock: &dyn Clock) -> Vec<Action> {
        self.again_ms = Some(clock.now_ms() + wait_ms);
        vec![Action::Report(link)]
    }
}

/// The kinds of events that we read, and those that tell who is in a room.
fn kinds() -> Value {
    json!({ "types": [
        "m.room.message", "m.sticker", "m.room.encrypted", "m.reaction", "m.room.member",
    ] })
}

impl Protocol for Sync<'_> {
    fn step(&mut self, input: Input, clock: &dyn Clock) -> Vec<Action> {
        match input {
            Input::Started(kept) => {
                self.place = Place::read(kept.as_deref(), &self.bot.user);
                if self.place.token().is_some() {
                    let rooms = place::invited(kept.as_deref());
                    rooms.iter().for_each(|room| self.bot.known().invited(Invitation::new(room)));
                }
                self.go_on(clock)
            }
            Input::Due if self.again_ms.is_some_and(|at| at <= clock.now_ms()) => self.go_on(clock),
            Input::Answered(answer) => self.answered(&answer, clock),
            Input::Unanswered(why) => {
                self.asked = Asked::Nothing;
                self.failed(&format!("The homeserver does not answer ({why})."), clock)
            }
            Input::Taken(..) => {
                self.failures = 0;
                self.waiting.pop_front();
                self.has_news = true;
                self.go_on(clock)
            }
            Input::NotTaken(_) => self.failed("A message cannot be stored here now.", clock),
            // There are no connections.
            _ => Vec::new(),
        }
    }

    fn due_ms(&self) -> Option<i64> {
        self.again_ms
    }
}
