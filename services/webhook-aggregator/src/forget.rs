//! Deletes outdated events of senders who are not known: the files first, then the rows, so that no
//! file is left that nothing names.

use crate::{Deps, files};
use contracts::Shard;
use inbox::{Forget, InboxExt, Outdated, outdated_before};
use platform::ports::PortResult;

pub(crate) async fn forget(deps: &Deps, shard: &Shard, outdated: Vec<Outdated>) -> PortResult<()> {
    if outdated.is_empty() {
        return Ok(());
    }
    let (mut events, mut later) = (Vec::new(), Vec::new());
    for Outdated { event, ran } in outdated {
        let deleted = if ran { files::delete(deps, &event).await } else { Ok(()) };
        match deleted {
            Ok(()) => events.push(event),
            Err(error) => {
                tracing::warn!("event.id" = %event, %error, "the files of an event could not be deleted; it is tried again in an hour");
                later.push(event);
            }
        }
    }
    let ended_before_ms = outdated_before(deps.clock.now_ms());
    deps.inbox.ask(shard, Forget { events, later, ended_before_ms }).await
}
