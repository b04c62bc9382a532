//! Albums: Telegram delivers each file of one as a message of its own. The first of them waits a
//! moment for the others and takes over their files.

use crate::Deps;
use crate::steps::{AT_ONCE, Stop, port, to};
use contracts::EventId;
use contracts::event::Stage;
use inbox::{Advance, InboxExt, ListOpen, Patch, Step, StoredEvent};

/// How long after the first of an album the others count.
const GATHER_MS: i64 = 1_500;

/// The step that gathers the rest of an album; `None` where there is none, or all of it is here.
pub(super) async fn gather(deps: &Deps, event: &StoredEvent) -> Result<Option<Step>, Stop> {
    let Some(album) = &event.origin.album else { return Ok(None) };
    let until_ms = event.received_ms + GATHER_MS;
    if deps.clock.now_ms() < until_ms {
        return Ok(Some(Step::Wait { due_ms: until_ms }));
    }
    if !event.data.album.is_empty() {
        close(deps, event).await?;
        return Ok(None);
    }
    let list = ListOpen { conversation: event.conversation.0.clone(), with_threads: false };
    let mut others = port(deps.inbox.ask(&event.shard, list).await)?;
    others.retain(|other| {
        other.seq > event.seq
            && other.state == Stage::Received
            && other.sender == event.sender
            && other.origin.album.as_ref() == Some(album)
    });
    if others.is_empty() {
        return Ok(None);
    }
    let mut data = event.data.clone();
    let words = others.iter().find(|other| !other.origin.wordless).map(|other| other.text.clone());
    data.message = data.message.or(words.filter(|_| event.origin.wordless));
    data.album = others.iter().map(|other| other.id.clone()).collect();
    data.more = others.into_iter().flat_map(|other| other.origin.attachments).collect();
    let note = Some(format!("with {} more of its album", data.album.len()));
    let patch = Patch { data: Some(data), ..Patch::default() };
    Ok(Some(to(Stage::Received, note, patch, AT_ONCE)))
}

/// Ends the others, whose files this message has by now. They wait behind it in its lane.
async fn close(deps: &Deps, event: &StoredEvent) -> Result<(), Stop> {
    for id in &event.data.album {
        port(close_one(deps, id).await)?;
    }
    Ok(())
}

async fn close_one(deps: &Deps, id: &EventId) -> platform::ports::PortResult<()> {
    let Some((other, ..)) = deps.event(id).await? else { return Ok(()) };
    if other.state != Stage::Received {
        return Ok(());
    }
    let reason = Some("part_of_an_album".to_owned());
    let step = to(Stage::Ignored, None, Patch { reason, ..Patch::default() }, 0);
    let (event, version) = (id.clone(), other.version);
    deps.inbox.ask(&other.shard, Advance { event, version, step, keep_ms: None }).await?;
    Ok(())
}
