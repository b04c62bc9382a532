//! The ports. To add one: a file here with its contract, an adapter of the same file name in
//! `memory/` and in each runtime, a module in `suite/`, and a line below.

pub mod background;
pub mod calls;
pub mod cell;
pub mod clock;
pub mod dial;
pub mod emergency;
pub mod kv;
pub mod mail;
pub mod objects;
pub mod outbound;
pub mod programs;
pub mod signal;
pub mod sql;

pub use background::Background;
pub use calls::{CallError, Calls};
pub use cell::Cell;
pub use clock::{Clock, ClockExt};
pub use dial::{Dial, Frame, Socket};
pub use emergency::{Emergency, NoEmergency};
pub use kv::Kv;
pub use mail::{Mail, MailAccount};
pub use objects::Objects;
pub use outbound::{Outbound, OutboundRequest, OutboundResponse, OutboundStream};
pub use programs::{
    Bounds, Changes, Confinement, Exchange, InputFile, LeftFile, MCP_TOKEN, MCP_URL, ProgramEvent,
    ProgramLog, ProgramNetwork, ProgramSpec, Programs, Reach, RelayedSecret, RunLimit, Running,
    StateFolder, Surroundings, ToolAnswer, ToolCall, ToolServerAccess, Workspace, Worktree,
};
pub use signal::{Signal, begin_wait};
pub use sql::{Row, Sql, SqlExt, SqlValue, Statement, SyncSql};

use contracts::Effect;

/// The kind of a port's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortErrorKind {
    /// The other side is unreachable or overloaded; a later attempt may work.
    Unavailable,
    /// No space left to write.
    Full,
    /// A constraint or a compare-and-set refused the write.
    Conflict,
    /// The request itself is invalid; it would fail again.
    Invalid,
    /// No response in time.
    Timeout,
}

/// A port's failure. `detail` is for the log, never for a response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?} (effect {effect:?}): {detail}")]
pub struct PortError {
    pub kind: PortErrorKind,
    /// Whether the effect certainly did not happen or may have happened.
    pub effect: Effect,
    pub detail: String,
}

impl PortError {
    /// A failure that certainly changed nothing.
    pub fn clean(kind: PortErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, effect: Effect::None, detail: detail.into() }
    }
    /// A failure whose effect may have happened.
    pub fn unknown(kind: PortErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, effect: Effect::Unknown, detail: detail.into() }
    }
}

/// The result of a port.
pub type PortResult<T> = Result<T, PortError>;
