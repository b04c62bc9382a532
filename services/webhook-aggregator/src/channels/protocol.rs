//! A platform's protocol over WebSockets that we open, as a machine without IO: it is given what
//! happened and the clock, and says what to do. `sockets.rs` is the driver.

use super::inbound::{Ack, Inbound};
use super::link::Link;
use platform::config::{is_loopback, is_safe_socket_url};
use platform::ports::{Clock, OutboundRequest, OutboundResponse};

/// Maximum time to open a connection, in milliseconds.
pub const OPEN_MS: u64 = 10_000;

/// Names one connection of a machine; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line(pub u32);

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// The process has started; the state that the machine kept.
    Started(Option<String>),
    /// The time of [`Protocol::due_ms`] has come.
    Due,
    /// The response to [`Action::Ask`].
    Answered(OutboundResponse),
    /// No response to it; the reason.
    Unanswered(String),
    Opened(Line),
    /// The connection could not be opened; the reason.
    NotOpened(Line, String),
    Text(Line, String),
    /// The platform sent a ping or a pong.
    Alive(Line),
    /// The connection is gone; the platform's close code, where it gave one.
    Closed(Line, Option<u16>),
    /// The message of [`Action::Take`] is stored; its acknowledgement.
    Taken(Line, Ack),
    /// It is not stored.
    NotTaken(Line),
}

/// Something to do.
#[derive(Debug)]
pub enum Action {
    /// Ask the platform's API; one at a time.
    Ask(OutboundRequest),
    Open(Line, String),
    Say(Line, String),
    Ping(Line),
    Close(Line, u16),
    /// Store a message. The machine gets no other input before the result.
    Take(Line, Taking),
    /// After [`Input::Taken`]: acknowledge by a request, before the work on the message begins.
    Acknowledge(OutboundRequest),
    /// Keep this state over a restart; `None` forgets it.
    Keep(Option<String>),
    /// The connection's state, for people.
    Report(Link),
}

/// A message to store.
#[derive(Debug)]
pub enum Taking {
    /// The body that the platform's webhook would have posted; its parser reads it.
    Webhook(bytes::Bytes),
    /// A message that no webhook brings, and its body as it came.
    Plain(Box<Inbound>, bytes::Bytes),
}

/// A platform's protocol. Pure: no IO, time and chance by the clock that each step is given.
pub trait Protocol: Send {
    /// Takes one input; the actions are done in order.
    fn step(&mut self, input: Input, clock: &dyn Clock) -> Vec<Action>;
    /// When [`Input::Due`] is wanted, in milliseconds since the epoch.
    fn due_ms(&self) -> Option<i64>;
}

/// Whether an address that the API at `api_base` gave may be opened: this machine only where the
/// API itself is on it.
pub(super) fn may_open(api_base: &str, url: &str) -> bool {
    let host = |url: &str| {
        let uri = url.parse::<http::Uri>().ok();
        uri.and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default()
    };
    let bare = host(url).trim_matches(['[', ']']).to_owned();
    let by_name = bare.parse::<std::net::IpAddr>().is_err() && !is_loopback(&bare);
    is_safe_socket_url(url) && (by_name || is_loopback(&host(api_base)))
}

/// The wait that a response asks for by `Retry-After`, in milliseconds.
pub(super) fn retry_after_ms(answer: &OutboundResponse) -> Option<i64> {
    let seconds: i64 = answer.header("retry-after")?.trim().parse().ok()?;
    Some(seconds.clamp(1, 3600).saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_of_this_machine_is_opened_only_for_an_api_on_it() {
        let (slack, here) = ("https://slack.com/api", "http://127.0.0.1:9/slack");
        assert!(may_open(slack, "wss://wss-primary.slack.com/link/?ticket=1"));
        assert!(may_open(here, "ws://127.0.0.1:9/link"));
        for bad in [
            "ws://127.0.0.1:9/link",
            "ws://slack.com/",
            "wss://10.0.0.1/",
            "wss://[::1]/",
            "wss://localhost/",
            "",
        ] {
            assert!(!may_open(slack, bad), "{bad}");
        }
        assert!(!may_open(here, "ws://example.com/"));
    }
}
