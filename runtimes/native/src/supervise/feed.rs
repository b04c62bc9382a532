//! The standard input of a program: written on a thread of its own, so that a program that does not
//! read holds up nothing else.

use std::io::Write;
use std::process::ChildStdin;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

/// Maximum parts that a program may leave unread.
const UNREAD_MAX: usize = 256;

/// The way to an input that stays open; none once it is to end.
pub(super) struct Feed(Option<SyncSender<Vec<u8>>>);

impl Feed {
    /// Writes the first part. The input ends after it unless it stays open.
    pub(super) fn begin(stdin: Option<ChildStdin>, first: Vec<u8>, stays_open: bool) -> Self {
        let (parts, more) = sync_channel(UNREAD_MAX);
        if let Some(mut stdin) = stdin {
            std::thread::spawn(move || {
                let mut parts = std::iter::once(first).chain(more);
                parts.try_for_each(|part| stdin.write_all(&part))
            });
        }
        Self(stays_open.then_some(parts))
    }
    /// False when the program leaves too much unread.
    pub(super) fn give(&self, part: Vec<u8>) -> bool {
        let Some(parts) = &self.0 else { return true };
        // An input that the program has closed takes nothing more, which is its own affair.
        !matches!(parts.try_send(part), Err(TrySendError::Full(_)))
    }
    /// Closes the input after everything that was given.
    pub(super) fn end(&mut self) {
        self.0 = None;
    }
}
