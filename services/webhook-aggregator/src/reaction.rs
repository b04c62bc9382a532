//! A reaction to a message of ours: on a platform without buttons it is a press of one.

use crate::Deps;
use crate::channels::{Inbound, Kind};
use crate::config::{Endpoint, Standing};
use contracts::outbox::DeliveryState;
use inbox::{FindButtons, InboxExt, OutboxRow};
use platform::ports::PortResult;

/// The reason why a reaction is recorded and nothing more.
pub(crate) const NO_BUTTON: &str = "reaction";

/// Whether the person has seen the message as it is now: a question may have changed since. Where
/// there is one button alone, it stops something, which is safe at any time.
fn is_meant(row: &OutboxRow, sent_ms: Option<i64>) -> bool {
    let buttons = row.buttons.as_ref();
    let is_alone = buttons.is_some_and(|all| all.two().len() + all.rest().count() == 1);
    let is_shown =
        row.state == DeliveryState::Sent && sent_ms.is_some_and(|at| at >= row.updated_ms);
    is_alone || is_shown
}

/// The same message; a reaction that stands for a button is its press. A stranger's is not looked
/// at.
pub(crate) async fn resolved(
    deps: &Deps,
    endpoint: &Endpoint,
    inbound: Inbound,
) -> PortResult<Inbound> {
    let Kind::Reaction { message, key } = &inbound.kind else { return Ok(inbound) };
    let standing = inbound.sender.as_deref().map_or(Standing::Stranger, |id| endpoint.standing(id));
    let connection = endpoint.connection.as_ref().filter(|_| standing != Standing::Stranger);
    let kind = match connection {
        None => Kind::Ignored(NO_BUTTON),
        Some(connection) => {
            let chat = inbound.target.chat.clone();
            let find = FindButtons { chat, message: message.clone() };
            let found = deps.inbox.ask(&endpoint.shard(), find).await?;
            let found = found.filter(|row| is_meant(row, inbound.sent_ms));
            match found.and_then(|row| connection.press_of(&row, key)) {
                Some(token) => Kind::Press { token, callback: Some(message.clone()) },
                None => Kind::Ignored(NO_BUTTON),
            }
        }
    };
    Ok(Inbound { kind, ..inbound })
}
