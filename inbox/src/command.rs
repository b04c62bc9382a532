//! The commands of an inbox and their replies: plain data, so that both can cross to a Durable
//! Object. Each command is a struct beside the code that carries it out; the list below pairs it
//! with its reply.

use super::{
    Accept, Accepted, Advance, Advanced, AnswerQuestion, ClaimWork, Context, DrainGateway,
    DropSchedule, Enqueue, EventParts, FindAnswered, FindButtons, FindQuestion, Finish, FinishRun,
    FireSchedule, Fired, Forget, GetEvent, GetRun, GetTask, KeepSocket, KeptSession, LeaseTasks,
    ListEvents, ListGateways, ListOpen, ListSessions, LogRow, MakeSchedule, NextDue, NoteProgress,
    NoteUndelivered, OutboxRow, PickSession, PrepareRun, Prepared, ProgressRow, Question,
    ReadCursor, ReadLog, ReadProgress, ReadSchedules, ReadSocket, ReadStats, ReadTranscript,
    Record, RecordSent, Recover, Redeliver, Redelivered, RenewLease, Replay, Replayed, SeenGateway,
    ShardStats, StartAfresh, StopEvent, Stopping, StoredEvent, StoredSchedule, SyncSchedules,
    TaskRow, Transcript, Undelivered, Wake, Work,
};
use contracts::outbox::DeliveryStatus;
use contracts::schedule::MadeBy;
use contracts::task::LeasedTask;
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// A command with its own reply. One command is one transaction.
pub trait InboxCommand: Into<Command> + Send {
    type Reply: Send;
    /// The reply to this command; `None` when it answers another one.
    fn reply(reply: Reply) -> Option<Self::Reply>;
}

macro_rules! commands {
    (writes { $($write:ident => $written:ty,)+ } reads { $($read:ident => $found:ty,)+ }) => {
        /// Any command.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub enum Command { $($write(Box<$write>),)+ $($read(Box<$read>),)+ }

        /// The reply to the command of the same name.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub enum Reply { $($write(Box<$written>),)+ $($read(Box<$found>),)+ }

        impl Command {
            /// Whether it changes nothing, so that the time of what is due next stays.
            pub fn only_reads(&self) -> bool {
                match self { $(Self::$write(_) => false,)+ $(Self::$read(_) => true,)+ }
            }
            pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Reply> {
                Ok(match self {
                    $(Self::$write(command) => Reply::$write(Box::new(command.carry_out(context)?)),)+
                    $(Self::$read(command) => Reply::$read(Box::new(command.carry_out(context)?)),)+
                })
            }
        }

        commands!(@each $($write => $written,)+ $($read => $found,)+);
    };
    (@each $($name:ident => $reply:ty,)+) => {$(
        impl From<$name> for Command {
            fn from(command: $name) -> Self { Self::$name(Box::new(command)) }
        }
        impl InboxCommand for $name {
            type Reply = $reply;
            fn reply(reply: Reply) -> Option<$reply> {
                match reply { Reply::$name(reply) => Some(*reply), _ => None }
            }
        }
    )+};
}

commands! {
    writes {
        Accept => Accepted,
        ClaimWork => Work,
        Advance => Advanced,
        Wake => (),
        Recover => (),
        LeaseTasks => Vec<LeasedTask>,
        RenewLease => Option<TaskRow>,
        NoteProgress => bool,
        FinishRun => Finish,
        DrainGateway => Vec<SeenGateway>,
        Record => (),
        Enqueue => DeliveryStatus,
        RecordSent => (),
        NoteUndelivered => Undelivered,
        Replay => Replayed,
        Redeliver => Redelivered,
        StartAfresh => (),
        PickSession => bool,
        StopEvent => Stopping,
        KeepSocket => (),
        Forget => (),
        SyncSchedules => Vec<String>,
        MakeSchedule => Option<StoredSchedule>,
        DropSchedule => Option<MadeBy>,
        FireSchedule => Fired,
        AnswerQuestion => Fired,
    }
    reads {
        NextDue => Option<i64>,
        GetTask => Option<TaskRow>,
        ReadSocket => Option<String>,
        ReadProgress => Vec<ProgressRow>,
        ReadLog => Option<LogRow>,
        GetRun => Option<(TaskRow, StoredEvent)>,
        PrepareRun => Prepared,
        ListGateways => Vec<SeenGateway>,
        ListSessions => Vec<KeptSession>,
        ListOpen => Vec<StoredEvent>,
        GetEvent => Option<EventParts>,
        ReadCursor => Option<String>,
        ListEvents => Vec<StoredEvent>,
        FindAnswered => Option<StoredEvent>,
        FindButtons => Option<OutboxRow>,
        ReadTranscript => Transcript,
        ReadStats => ShardStats,
        ReadSchedules => Vec<StoredSchedule>,
        FindQuestion => Option<Question>,
    }
}
