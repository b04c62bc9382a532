//! A platform that took a message says later that it did not arrive.

use crate::config::Endpoint;
use crate::{Deps, files, pump};
use contracts::ChannelKind;
use inbox::{InboxExt, NoteUndelivered, Undelivered};
use platform::ports::{PortError, PortErrorKind, PortResult};

/// Marks the message as failed: an answer is kept and its approvers are told, as of one that was
/// refused at once.
pub(crate) async fn note(
    deps: &Deps,
    endpoint: &Endpoint,
    (chat, message): (&str, &str),
    why: &str,
) -> PortResult<()> {
    let shard = endpoint.shard();
    let (chat, error) = (chat.to_owned(), why.to_owned());
    let exact = endpoint.channel == ChannelKind::Mail;
    let command = NoteUndelivered { chat, message: message.to_owned(), error, exact };
    let row = match deps.inbox.ask(&shard, command).await? {
        Undelivered::Noted(row) => row,
        Undelivered::Unknown => return Ok(()),
        Undelivered::Sending => {
            let detail = "the message is still being sent";
            return Err(PortError::clean(PortErrorKind::Unavailable, detail));
        }
    };
    tracing::warn!(delivery = %row.id, endpoint = %endpoint.name, why, "a message did not arrive");
    if row.file.is_some() {
        files::could_not_send(deps, &row, why).await;
    }
    pump::soon(deps, shard);
    Ok(())
}
