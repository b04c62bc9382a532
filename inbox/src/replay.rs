//! Replay: an ended event is done again under the same id, as a new run, and the history says who
//! wanted it.

use super::{Context, advance, args};
use contracts::EventId;
use contracts::event::Stage;
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// Does an ended event again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replay {
    pub event: EventId,
    /// Who wanted it, for the history.
    pub actor: String,
}

/// Result of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Replayed {
    Yes,
    NotFound,
    /// It has not ended.
    StillOpen,
    /// It was never to be worked on (Ignored, Quarantined).
    NotWork,
}

#[derive(Deserialize)]
struct Known {
    state: Stage,
    control: i64,
}

impl Replay {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Replayed> {
        let (id, actor) = (self.event.as_str(), &self.actor);
        let Some(known) =
            context.one::<Known>("SELECT state, control FROM event WHERE id = ?1", args![id])?
        else {
            return Ok(Replayed::NotFound);
        };
        if !known.state.is_final() {
            return Ok(Replayed::StillOpen);
        }
        // A button press or command is not repeated: what it was about has moved on.
        if known.control != 0 || matches!(known.state, Stage::Ignored | Stage::Quarantined) {
            return Ok(Replayed::NotWork);
        }
        context.exec(
        "UPDATE event SET state = 'received', reason = NULL, attempts = 0, runs = runs + 1, replays = replays + 1, version = version + 1,
            updated_ms = ?2,
            data = CASE WHEN data ->> '$.files' IS NULL THEN '{}' ELSE json_object('files', data -> '$.files') END
         WHERE id = ?1",
        args![id, context.now_ms],
    )?;
        advance::reopen(context, id, &format!("replayed by {actor}"))?;
        Ok(Replayed::Yes)
    }
}
