//! One program that posts, as it is configured.

use super::signature::{Key, Scheme};
use super::words::Words;
use contracts::outbox::Target;

/// One program that posts.
#[derive(Debug)]
pub(super) struct Poster {
    pub(super) scheme: Scheme,
    /// The present secret, and the one before it while that is still in use.
    pub(super) keys: Vec<Key>,
    /// The name of the program, as the sender of its messages.
    pub(super) sender: String,
    pub(super) words: Words,
    /// Where in the body its conversation is named, as a JSON pointer.
    pub(super) conversation: Option<String>,
    pub(super) reply_to: Option<Target>,
}
