//! A message without words, such as a sticker or a bare mention, and a reaction that came too
//! early: its sender is told instead of waiting for an answer.

use crate::Deps;
use crate::channels::ENCRYPTED;
use crate::reaction::{CLOSED, TOO_EARLY};
use contracts::Shard;
use contracts::outbox::Target;
use inbox::{Draft, Enqueue, InboxExt, NewEvent};

/// At most one notice per conversation in this time, milliseconds.
const EVERY_MS: i64 = 60_000;

const CANNOT_READ: &str = "This room is encrypted, and I cannot read encrypted messages. Make a room without encryption (in Element: New room, switch off “Enable end-to-end encryption”, which cannot be done later) and invite me there.";

const NO_LONGER_OPEN: &str = "That question is no longer open, so nothing was changed. Write a new message if you need more.";

const REACT_AGAIN: &str = "The question has changed since. Read it, and react again.";

/// Said once per chat: the outbox has a message of one name once.
fn encrypted(event: &NewEvent) -> Draft {
    let target = event.origin.target.clone();
    Draft {
        id: format!("encrypted:{}:{}:{}", target.channel, target.endpoint, target.chat),
        revision: 1,
        target: Target { reply_to: None, thread: None, ..target },
        text: CANNOT_READ.to_owned(),
        buttons: None,
        event_id: None,
        kind: "notice".to_owned(),
        file: None,
        expires_ms: None,
    }
}

/// The notice for such a message of a person who is heard and meant us. `came` names what it has
/// instead of words.
pub(crate) fn notice(event: &NewEvent, came: &[String], now_ms: i64) -> Option<Draft> {
    let is_heard = event.sender.is_some() && !event.unrecorded_over_limit;
    if !is_heard || event.edits.is_some() {
        return None;
    }
    match event.reason.as_deref() {
        Some("no_text") => {}
        Some(ENCRYPTED) => return Some(encrypted(event)),
        Some(CLOSED) => return Some(said(event, "closed", NO_LONGER_OPEN.to_owned(), now_ms)),
        Some(TOO_EARLY) => return Some(said(event, "early", REACT_AGAIN.to_owned(), now_ms)),
        _ => return None,
    }
    let came = came.join(" and ");
    let mut letters = came.chars();
    let text = match letters.next() {
        Some(first) => {
            let what = format!("{}{}", first.to_uppercase(), letters.as_str());
            format!("{what} came without words; write what you need.")
        }
        None => "Your message came without words; write what you need.".to_owned(),
    };
    Some(said(event, "wordless", text, now_ms))
}

fn said(event: &NewEvent, kind: &str, text: String, now_ms: i64) -> Draft {
    Draft {
        id: format!("{kind}:{}:{}", event.conversation, now_ms.div_euclid(EVERY_MS)),
        revision: 1,
        target: event.origin.target.clone(),
        text,
        buttons: None,
        event_id: None,
        kind: "notice".to_owned(),
        file: None,
        expires_ms: Some(now_ms + EVERY_MS),
    }
}

/// Queues it. The message itself is stored: a notice that cannot be is left out.
pub(crate) async fn tell(deps: &Deps, shard: &Shard, notice: Draft) {
    if let Err(error) = deps.inbox.ask(shard, Enqueue(notice)).await {
        tracing::warn!(%error, "the sender of a message that is not taken could not be told");
    }
}
