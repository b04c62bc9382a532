//! What can be asked of an inbox, and what it answers: plain data, so that it can cross to a Durable Object.

use super::{
    Draft, Entry, NewEvent, NewSaid, OutboxRow, SeenGateway, SentReport, ShardStats, Step,
    StoredEvent, TaskRow,
};
use contracts::approval::Outcome;
use contracts::event::{Said, Stage};
use contracts::outbox::DeliveryStatus;
use contracts::task::LeasedTask;
use contracts::{EventId, GatewayId, TaskId};
use serde::{Deserialize, Serialize};

/// One command is one transaction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Takes a message in, once and for all. → `Accepted`
    Accept(Box<NewEvent>),
    /// Takes up to `limit` due events for a step each, for `lease_ms`. → `Events`
    Claim { limit: u32, lease_ms: i64 },
    /// Takes this event for a step if its lane is free, whatever its timer says. → `Events` (one or none)
    ClaimOne { event: EventId, lease_ms: i64 },
    /// Ends the step of a claimed event; `version` is the one that was claimed. → `Advanced`
    Advance { event: EventId, version: u32, step: Box<Step> },
    /// Makes an event due now. → `Done`
    Wake { event: EventId },
    /// After a restart: no step or sending of the process before is under way any more, nor a run of its own gateway. → `Done`
    Recover { gateway: GatewayId },
    /// When something is due next. → `Due`
    NextDue,
    /// A gateway asks for work. → `Leased`
    Lease { gateway: GatewayId, agents: Vec<String>, capacity: u32, lease_ms: i64 },
    /// Holds a lease on. → `Task` (`None`: the lease has passed on)
    Renew { task: TaskId, epoch: u32, progress: Option<String>, lease_ms: i64 },
    /// A run's end, with the step it means for its event. → `Finished`
    Finish {
        task: TaskId,
        epoch: u32,
        outcome: Outcome,
        text: String,
        event_version: u32,
        step: Box<Step>,
    },
    /// One task. → `Task`
    Task { task: TaskId },
    /// Gateways that asked for work. → `Gateways`
    Gateways,
    /// From now on a gateway gets no more tasks, or gets them again. → `Gateways`
    Drain { gateway: GatewayId, drained: bool },
    /// Lines for the transcript of a place that has no platform behind it (the web console). → `Done`
    Record(Vec<NewSaid>),
    /// Things to be said, idempotent by id and revision. → `Deliveries`
    Enqueue(Vec<Draft>),
    /// Takes what is due to be sent. → `Outbox`
    ClaimDeliveries { limit: u32, lease_ms: i64 },
    /// What became of a try to send. → `Done`
    Sent(SentReport),
    /// One event whole. → `Event`
    Get { event: EventId },
    /// Newest first, before a ULID. → `Events`
    List {
        state: Option<Stage>,
        channel: Option<String>,
        conversation: Option<String>,
        before: Option<String>,
        limit: u32,
    },
    /// The event that we answered with this message of the platform's, when it is among the newest of its conversation. → `Events` (one or none)
    AnsweredBy { conversation: String, message: String },
    /// The transcript after a `seq`. → `Said`
    Said { conversation: String, after: i64, limit: u32 },
    /// Figures. → `Stats`
    Stats { since_ms: i64, latency_since_ms: i64 },
    /// Does an ended event again. → `Replayed`
    Replay { event: EventId, actor: String },
}

/// The answer to a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Reply {
    Done,
    Accepted {
        event: EventId,
        duplicate: bool,
        state: Stage,
    },
    Events(Vec<StoredEvent>),
    /// False: the event had moved on since it was claimed, and nothing was changed.
    Advanced(bool),
    /// Milliseconds since the epoch.
    Due(Option<i64>),
    Leased(Vec<LeasedTask>),
    Task(Option<Box<TaskRow>>),
    Finished(Finish),
    Gateways(Vec<SeenGateway>),
    Deliveries(Vec<DeliveryStatus>),
    Outbox(Vec<OutboxRow>),
    Event(Option<Box<EventParts>>),
    Said(Vec<Said>, i64),
    Stats(ShardStats),
    Replayed(Replayed),
}

/// An event, its history oldest first, its replies oldest first.
pub type EventParts = (StoredEvent, Vec<Entry>, Vec<OutboxRow>);

/// What a run's end met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finish {
    /// Recorded now.
    First,
    /// The same end was recorded before.
    Again,
    /// A newer lease, or no such lease.
    Stale,
    /// The event moved while the result was on its way: read it again.
    EventMoved,
}

/// What a replay met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Replayed {
    Yes,
    NotFound,
    /// It has not ended.
    StillOpen,
    /// It was never to be worked on (Ignored, Quarantined).
    NotWork,
}
