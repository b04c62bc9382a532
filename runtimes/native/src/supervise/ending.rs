//! The end of a program: how it ended, how long it may take, and what asks for it.

use super::feed::Feed;
use super::orders::read_part;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::Read;

/// Milliseconds a program has to stop after SIGTERM.
pub(super) const GRACE_MS: u64 = 5_000;
/// Milliseconds for processes left by a program that ended; shorter, because the answer waits for
/// them.
pub(super) const LEFTOVER_GRACE_MS: u64 = 1_000;
pub(super) const LOOK_EVERY_MS: u64 = 20;
/// Exit code when the program could not start.
pub(super) const NOT_STARTED: i32 = 127;

/// How the program ended.
#[derive(Clone, Copy)]
pub(super) enum End {
    Code(i32),
    Signal(i32),
}

impl End {
    /// Its line to the gateway.
    pub(super) fn line(self) -> String {
        match self {
            Self::Code(code) => format!("exited code {code}"),
            Self::Signal(signal) => format!("exited signal {signal}"),
        }
    }
    /// The exit code a shell would give.
    pub(super) fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

/// The signals that wake the process that waits for a program.
pub(super) fn stop_signals() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD].into_iter().collect()
}

/// The gateway's words after the first input, one byte each: everything of the program rests, or
/// goes on; more input comes as a part; the input ends.
pub const FREEZE: u8 = b'f';
pub const THAW: u8 = b't';
pub const INPUT: u8 = b'i';
pub const END_OF_INPUT: u8 = b'e';

/// Reads the gateway's words, and has `rest` freeze (true) or thaw everything of the program. Sends
/// SIGTERM to the main thread when the gateway closes its end, or when the program leaves too much
/// of its input unread.
pub(super) fn stop_at_end(mut control: File, mut feed: Feed, rest: impl Fn(bool)) {
    let mut word = [0_u8; 1];
    while matches!(control.read(&mut word), Ok(n) if n > 0) {
        match word {
            [FREEZE] => rest(true),
            [THAW] => rest(false),
            [INPUT] => match read_part(&mut control).map(|part| feed.give(part)) {
                Some(true) => {}
                Some(false) | None => break,
            },
            [END_OF_INPUT] => feed.end(),
            _ => {}
        }
    }
    let _ = kill(Pid::this(), Signal::SIGTERM);
}
