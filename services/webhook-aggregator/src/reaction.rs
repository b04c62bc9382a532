//! A reaction to a message of ours, or an answer of one word: on a platform without buttons it is
//! a press of one.

use crate::Deps;
use crate::channels::{Inbound, Kind};
use crate::config::{Endpoint, Standing};
use contracts::outbox::{DeliveryState, Target};
use inbox::{FindButtons, InboxExt, OutboxRow, stops_alone};
use platform::ports::PortResult;

/// The reason why a reaction is recorded and nothing more.
pub(crate) const NO_BUTTON: &str = "reaction";
/// The same of a word that answers a question which is decided, or gone. Its sender is told.
pub(crate) const CLOSED: &str = "question_closed";
/// The same where a reaction stands for a button of a message that has changed since. Its sender is
/// told.
pub(crate) const TOO_EARLY: &str = "reaction_too_early";

/// Whether the person has seen the message as it is now: a question may have changed since. What
/// only stops something is safe at any time.
fn is_meant(row: &OutboxRow, sent_ms: Option<i64>) -> bool {
    let is_shown = row.state == DeliveryState::Sent;
    row.buttons.as_ref().is_some_and(stops_alone)
        || is_shown && sent_ms.is_some_and(|at| at >= shown_ms(row))
}

/// Since when a message is shown as it is: by its platform's clock, as the reaction is, where the
/// channel has asked for it.
fn shown_ms(row: &OutboxRow) -> i64 {
    let shown = row.parts.iter().filter(|part| !part.id.is_empty());
    let dates: Option<Vec<i64>> = shown.map(|part| part.shown_ms).collect();
    dates.and_then(|dates| dates.into_iter().max()).unwrap_or(row.updated_ms)
}

/// Whether the answer names the message as it was sent last, which mail never changes.
fn is_newest(row: &OutboxRow, message: &str) -> bool {
    row.state == DeliveryState::Sent && row.parts.last().is_some_and(|part| part.id == message)
}

/// The same message; a reaction or a word that stands for a button is its press. A stranger's is
/// not looked at.
pub(crate) async fn resolved(
    deps: &Deps,
    endpoint: &Endpoint,
    inbound: Inbound,
) -> PortResult<Inbound> {
    let (message, key, otherwise) = match &inbound.kind {
        Kind::Reaction { message, key } => (message, key, Kind::Ignored(NO_BUTTON)),
        Kind::Word { message, text, .. } => (message, text, Kind::Message { text: text.clone() }),
        _ => return Ok(inbound),
    };
    let is_word = matches!(inbound.kind, Kind::Word { .. });
    let standing = inbound.sender.as_deref().map_or(Standing::Stranger, |id| endpoint.standing(id));
    let connection = endpoint.connection.as_ref().filter(|_| standing != Standing::Stranger);
    let Some(connection) = connection else { return Ok(Inbound { kind: otherwise, ..inbound }) };
    let chat = inbound.target.chat.clone();
    let find = FindButtons { chat, message: message.clone() };
    let row = deps.inbox.ask(&endpoint.shard(), find).await?;
    let is_closed = row.is_none() && matches!(inbound.kind, Kind::Word { is_question: true, .. });
    let found = row.and_then(|row| Some((connection.press_of(&row, key)?, row)));
    let mut target = inbound.target.clone();
    let kind = match found {
        None if is_closed => Kind::Ignored(CLOSED),
        None => otherwise,
        Some((token, row)) if is_word && is_newest(&row, message) => {
            Kind::Press { token, callback: Some(message.clone()) }
        }
        Some(_) if is_word => Kind::Ignored(CLOSED),
        Some((token, row)) if is_meant(&row, inbound.sent_ms) => {
            Kind::Press { token, callback: Some(message.clone()) }
        }
        Some((_, row)) => {
            let (thread, reply_to) = (row.target.thread, Some(message.clone()));
            target = Target { thread, reply_to, ..target };
            Kind::Ignored(TOO_EARLY)
        }
    };
    Ok(Inbound { kind, target, ..inbound })
}
