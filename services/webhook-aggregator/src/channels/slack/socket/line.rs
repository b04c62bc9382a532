//! One connection of Socket Mode: whether it brings messages, and until when.

use crate::channels::protocol::Line;

/// A quiet connection is pinged after this time, and given up after the second.
const QUIET_MS: i64 = 20_000;
const SILENT_MS: i64 = 40_000;
/// A connection that has been replaced stays for envelopes that were on their way.
const RETIRE_MS: i64 = 10_000;

/// The result of a look at a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Fine,
    /// Send a ping.
    Quiet,
    /// Nothing came, not even a pong.
    Silent,
    /// Its successor has taken over.
    Over,
}

/// One connection.
pub(super) struct Connection {
    pub(super) line: Line,
    /// The last sign of the other side; `None` until it is open, which the driver bounds.
    alive_ms: Option<i64>,
    is_pinged: bool,
    is_greeted: bool,
    /// Slack has announced its end.
    is_retiring: bool,
    over_ms: Option<i64>,
}

impl Connection {
    pub(super) const fn opening(line: Line) -> Self {
        Self {
            line,
            alive_ms: None,
            is_pinged: false,
            is_greeted: false,
            is_retiring: false,
            over_ms: None,
        }
    }
    pub(super) const fn is_ready(&self) -> bool {
        self.is_greeted
    }
    pub(super) const fn is_retiring(&self) -> bool {
        self.is_retiring
    }
    pub(super) const fn greeted(&mut self) {
        self.is_greeted = true;
    }
    pub(super) const fn retire(&mut self) {
        self.is_retiring = true;
    }
    /// Another connection has said hello.
    pub(super) fn replaced(&mut self, now_ms: i64) {
        if self.is_retiring {
            self.over_ms.get_or_insert(now_ms + RETIRE_MS);
        }
    }
    pub(super) const fn alive(&mut self, now_ms: i64) {
        (self.alive_ms, self.is_pinged) = (Some(now_ms), false);
    }
    pub(super) fn look(&mut self, now_ms: i64) -> Health {
        let Some(alive_ms) = self.alive_ms else { return Health::Fine };
        let quiet_ms = now_ms - alive_ms;
        if self.over_ms.is_some_and(|at| at <= now_ms) {
            Health::Over
        } else if quiet_ms >= SILENT_MS {
            Health::Silent
        } else if quiet_ms >= QUIET_MS && !self.is_pinged {
            self.is_pinged = true;
            Health::Quiet
        } else {
            Health::Fine
        }
    }
    pub(super) fn due_ms(&self) -> Option<i64> {
        let wait_ms = if self.is_pinged { SILENT_MS } else { QUIET_MS };
        self.alive_ms.map(|at| at + wait_ms).into_iter().chain(self.over_ms).min()
    }
}
