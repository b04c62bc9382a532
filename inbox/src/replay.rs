//! Replay: an ended event is done again under the same id, as a new run, and the history says who wanted it.

use super::command::Replayed;
use super::{Context, Reply, args};
use contracts::EventId;
use contracts::event::Stage;
use platform::ports::PortResult;
use serde::Deserialize;

#[derive(Deserialize)]
struct Known {
    state: Stage,
    control: i64,
}

pub(super) fn replay(context: &Context<'_>, event: &EventId, actor: &str) -> PortResult<Reply> {
    let id = event.as_str();
    let Some(known) =
        context.one::<Known>("SELECT state, control FROM event WHERE id = ?1", args![id])?
    else {
        return Ok(Reply::Replayed(Replayed::NotFound));
    };
    if !known.state.is_final() {
        return Ok(Reply::Replayed(Replayed::StillOpen));
    }
    // A button press or command is not repeated: what it was about has moved on.
    if known.control != 0 || matches!(known.state, Stage::Ignored | Stage::Quarantined) {
        return Ok(Reply::Replayed(Replayed::NotWork));
    }
    context.exec(
        "UPDATE event SET state = 'received', reason = NULL, attempts = 0, runs = runs + 1, replays = replays + 1, version = version + 1,
            updated_ms = ?2, data = '{}' WHERE id = ?1",
        args![id, context.now_ms],
    )?;
    context.exec(
        "INSERT OR REPLACE INTO queue (event_id, seq, shard, lane, control, state, due_ms)
         SELECT id, seq, shard, conversation, control, state, ?2 FROM event WHERE id = ?1",
        args![id, context.now_ms],
    )?;
    context.exec(
        "INSERT INTO stage (event_id, at_ms, stage, note) VALUES (?1, ?2, 'received', ?3)",
        args![id, context.now_ms, format!("replayed by {actor}")],
    )?;
    Ok(Reply::Replayed(Replayed::Yes))
}
