//! A platform that took a message says later that it did not arrive.

use crate::config::Endpoint;
use crate::{Deps, files, pump};
use inbox::{InboxExt, NoteUndelivered};
use platform::ports::PortResult;

/// Marks the message as failed: an answer is kept and its approvers are told, as of one that was
/// refused at once.
pub(crate) async fn note(
    deps: &Deps,
    endpoint: &Endpoint,
    message: &str,
    why: &str,
) -> PortResult<()> {
    let shard = endpoint.shard();
    let command = NoteUndelivered { message: message.to_owned(), error: why.to_owned() };
    let Some(row) = deps.inbox.ask(&shard, command).await? else { return Ok(()) };
    tracing::warn!(delivery = %row.id, endpoint = %endpoint.name, why, "a message did not arrive");
    if row.file.is_some() {
        files::could_not_send(deps, &row, why).await;
    }
    pump::soon(deps, shard);
    Ok(())
}
