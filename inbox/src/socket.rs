//! The state of a platform's connection that outlives the process, such as the point from which
//! Discord repeats its events.

use super::{Context, args};
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// Keeps the state of this inbox's connection, in the platform's own words; `None` forgets it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeepSocket {
    pub state: Option<String>,
}

/// The kept state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadSocket;

impl KeepSocket {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<()> {
        let shard = context.shard.as_str();
        match self.state {
            Some(state) => context.exec(
                "INSERT INTO socket (shard, state) VALUES (?1, ?2)
                 ON CONFLICT (shard) DO UPDATE SET state = excluded.state",
                args![shard, state],
            )?,
            None => context.exec("DELETE FROM socket WHERE shard = ?1", args![shard])?,
        };
        Ok(())
    }
}

impl ReadSocket {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Option<String>> {
        #[derive(Deserialize)]
        struct Kept {
            state: String,
        }
        let kept = context.one::<Kept>(
            "SELECT state FROM socket WHERE shard = ?1",
            args![context.shard.as_str()],
        )?;
        Ok(kept.map(|kept| kept.state))
    }
}
