//! The aggregator's domain: events accepted once, their stages, lanes and leases, and the outbox.
//! The state machine runs over a synchronous SQL, so that SQLite and a Durable Object share it.
//!
//! [`handle`] carries out one [`Command`] and must run inside one transaction: natively a writer
//! thread commits many of them together, in a Durable Object `transactionSync` holds one. Neither
//! shell knows what a command does.
//!
//! Tables (`schema.rs`): `event` is the log and the dedup memory, `queue` the small hot set of
//! events that still move, `task` what a gateway may lease, `place` and `drained` which one,
//! `outbox` what is to be said, `said` the transcript, `session` and `fresh` what a run takes up of
//! it, `stop` the runs that a person ended, `run_log` the logs of programs, `socket` where a
//! platform goes on, `rate` the limits, `forgotten` the keys of deleted events, `schedule` what
//! comes by itself and when.

mod accept;
mod advance;
mod aliases;
mod claim;
mod command;
mod context;
mod edits;
mod finish;
mod forget;
mod limits;
#[cfg(feature = "memory")]
pub mod memory;
mod new_task;
mod outbox;
mod port;
mod progress;
mod read;
mod redeliver;
mod remembered;
mod replay;
mod run_log;
mod schedule_rows;
mod schedules;
mod schema;
mod sessions;
mod socket;
mod stops;
mod stored;
#[cfg(feature = "suite")]
pub mod suite;
mod tasks;
#[cfg(all(test, feature = "memory"))]
mod tests;
mod transcript;
mod undelivered;

pub use accept::{Accept, Accepted};
pub use advance::{Advance, Advanced, Patch, Step};
pub use claim::{ClaimWork, NextDue, Recover, Wake, Work};
pub use command::{Command, InboxCommand, Reply};
pub use context::Context;
pub use finish::{Finish, FinishRun};
pub use forget::{Forget, Outdated, outdated_before};
pub use limits::{Gcra, Limit, SENDER, STRANGER, sender_key};
pub use new_task::{NewTask, Placement};
pub use outbox::{Enqueue, FindButtons, RecordSent};
pub use port::{Inbox, InboxExt};
pub use progress::{NoteProgress, ProgressRow, ReadProgress};
pub use read::{EventParts, FindAnswered, GetEvent, ListEvents, ReadCursor, ReadStats};
pub use redeliver::{Redeliver, Redelivered};
pub use remembered::{
    Answered, Choice, EventData, EventOrigin, KeptFile, KeptWork, OfferedFile, Press,
};
pub use replay::{Replay, Replayed};
pub use run_log::{LogRow, ReadLog};
pub use schedule_rows::{AHEAD_MS as SCHEDULE_AHEAD_MS, ScheduleSpec, StoredSchedule};
pub use schedules::{
    AnswerQuestion, DropSchedule, FindQuestion, FireSchedule, Fired, Firing, MakeSchedule,
    NewQuestion, Question, ReadSchedules, SyncSchedules,
};
pub use schema::SCHEMA;
pub use sessions::{KeptSession, ListSessions, PickSession, StartAfresh};
pub use socket::{KeepSocket, ReadSocket};
pub use stops::{
    ListOpen, StopEvent, StopPress, Stopping, Waiting, only_stops, pressed_to_stop, stop_button,
    stops_alone,
};
pub use stored::{
    BEGINNING, Draft, Entry, NewEvent, NewSaid, OutboxRow, Part, SeenGateway, SentReport,
    ShardStats, StoredEvent, TaskRow, TaskState, line_id, reply_id,
};
pub use tasks::{
    DrainGateway, GetRun, GetTask, LeaseTasks, ListGateways, PrepareRun, Prepared, RenewLease,
};
pub use transcript::{ReadTranscript, Record, Transcript};
pub use undelivered::{NoteUndelivered, Undelivered};

use context::{args, json};
use platform::ports::PortResult;

/// Carries out a command. Run it in a transaction, and roll that back when it fails.
///
/// # Errors
/// The command's own refusal, or an error of the tables; nothing of it may be kept then.
pub fn handle(context: &Context<'_>, command: Command) -> PortResult<Reply> {
    command.carry_out(context)
}
