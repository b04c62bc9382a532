//! The calls of webhook-aggregator. Webhooks are not among them: each platform defines its own.

use super::{Access, Binary};
use crate::Scope::{Gateway, Operator, Viewer};
use crate::endpoint::EndpointList;
use crate::event::{
    DeliverAnswer, EventDetail, EventList, EventQuery, EventsQuery, MessageAccepted, MessageList,
    MessageListQuery, MessageRequest, ReplayAnswer, ReplayFilter, Woken,
};
use crate::files::StoredFile;
use crate::monitoring::{InboxStats, SinceQuery};
use crate::outbox::{Approvers, OutboxAnswer, OutboxRequest};
use crate::run_log::EventLog;
use crate::schedule::{ScheduleList, ScheduleRequest, ScheduleRun, ScheduleView};
use crate::task::{
    DrainRequest, GatewayList, GatewayRow, LeaseRequest, LeasedTask, RenewAnswer, RenewRequest,
    ResultAnswer, ResultRequest, SessionList,
};
use crate::{ConversationId, EventId, FileId, GatewayId, TaskId};

const READERS: Access = Access::Scopes(&[Operator, Viewer]);
const OPERATOR: Access = Access::Scopes(&[Operator]);
const GATEWAY: Access = Access::Scopes(&[Gateway]);
const FILES: Access = Access::Scopes(&[Operator, Gateway]);

calls! { WebhookAggregator:
    /// Send a message as the web console does.
    Post SendMessage "/api/messages" {
        access: OPERATOR,
        callers: [MonitoringDashboard],
        statuses: [202],
        request: MessageRequest,
        reply: MessageAccepted,
        example: r#"{"text": "fix the failing build"}"#,
    }
    /// Read what was said in a conversation; with `wait`, as soon as there is something new.
    Get ReadConversation "/api/conversations/{id}/messages" {
        access: OPERATOR,
        callers: [MonitoringDashboard],
        refusals: [NotFound, InvalidField],
        params: ConversationId,
        request: MessageListQuery,
        reply: MessageList,
    }
    /// List the sessions that agents' programs keep of a conversation.
    Get ListSessions "/api/conversations/{id}/sessions" {
        access: OPERATOR,
        refusals: [NotFound],
        params: ConversationId,
        reply: SessionList,
    }
    /// List the endpoints, and whether their messages arrive.
    Get ListEndpoints "/api/endpoints" {
        access: READERS,
        callers: [PersonalAssistant],
        reply: EndpointList,
    }
    /// List events, the newest first.
    Get ListEvents "/api/events" {
        access: READERS,
        callers: [PersonalAssistant, MonitoringDashboard],
        refusals: [InvalidField],
        request: EventsQuery,
        reply: EventList,
    }
    /// Read one event; with `wait`, once it is settled; with `after`, once it has changed.
    Get ReadEvent "/api/events/{id}" {
        access: READERS,
        callers: [PersonalAssistant, MonitoringDashboard],
        refusals: [NotFound, InvalidField],
        params: EventId,
        request: EventQuery,
        reply: EventDetail,
    }
    /// Read the end of the log that the program of an event's newest run wrote.
    Get ReadLog "/api/events/{id}/log" {
        access: OPERATOR,
        callers: [MonitoringDashboard],
        refusals: [NotFound],
        params: EventId,
        reply: EventLog,
    }
    /// Read a file of a message or of its answer.
    Get ReadFile "/api/files/{id}" {
        access: FILES,
        callers: [MonitoringDashboard],
        refusals: [NotFound],
        params: FileId,
        reply: Binary,
    }
    /// Do one event again.
    Post ReplayEvent "/api/events/{id}/replay" {
        access: OPERATOR,
        callers: [MonitoringDashboard],
        refusals: [NotFound, Conflict],
        params: EventId,
        reply: ReplayAnswer,
    }
    /// Send the kept answer of an ended event again, without running its agent again.
    Post DeliverEvent "/api/events/{id}/deliver" {
        access: OPERATOR,
        callers: [MonitoringDashboard],
        refusals: [NotFound, Conflict],
        params: EventId,
        reply: DeliverAnswer,
    }
    /// Do many events again; a dry run unless `dryRun` is false.
    Post Replay "/api/replay" {
        access: OPERATOR,
        request: ReplayFilter,
        reply: ReplayAnswer,
        example: r#"{"state": "dead", "dryRun": true}"#,
    }
    /// List the gateways that asked for work.
    Get ListGateways "/api/gateways" {
        access: READERS,
        callers: [MonitoringDashboard],
        reply: GatewayList,
    }
    /// Take a gateway out of service, or put it back.
    Post DrainGateway "/api/gateways/{id}/drain" {
        access: OPERATOR,
        callers: [MonitoringDashboard],
        idempotent: true,
        refusals: [NotFound],
        params: GatewayId,
        request: DrainRequest,
        reply: GatewayRow,
        example: r#"{"drained": true}"#,
    }
    /// List the schedules, the next due first.
    Get ListSchedules "/api/schedules" {
        access: OPERATOR,
        callers: [PersonalAssistant, MonitoringDashboard],
        reply: ScheduleList,
    }
    /// Make a schedule; the same again is answered the same.
    Post AddSchedule "/api/schedules" {
        access: OPERATOR,
        callers: [PersonalAssistant],
        statuses: [201],
        refusals: [Conflict, InvalidField, Upstream],
        request: ScheduleRequest,
        reply: ScheduleView,
        example: r#"{"name": "digest", "cron": "0 8 * * 1-5", "timeZone": "Europe/Berlin", "conversation": "telegram:main:700100200", "message": "summarise my open tickets", "onMissed": "ask"}"#,
    }
    /// Remove a schedule that was made by the API; the rest are answered.
    Delete RemoveSchedule "/api/schedules/{name}" {
        access: OPERATOR,
        callers: [PersonalAssistant, MonitoringDashboard],
        refusals: [NotFound, Conflict],
        params: String,
        reply: ScheduleList,
    }
    /// Run a schedule now: the missed time that it asked about, if there is one, or once more.
    Post RunSchedule "/api/schedules/{name}/run" {
        access: OPERATOR,
        callers: [MonitoringDashboard],
        refusals: [NotFound, Conflict],
        params: String,
        reply: ScheduleRun,
    }
    /// Lease tasks; waits for work.
    Post LeaseTasks "/api/tasks/lease" {
        access: GATEWAY,
        request: LeaseRequest,
        reply: Vec<LeasedTask>,
        example: r#"{"gatewayId": "workshop", "agents": ["codegen"], "capacity": 1, "wait": 0}"#,
    }
    /// Renew a lease, and learn whether to stop.
    Post RenewTask "/api/tasks/{id}/renew" {
        access: GATEWAY,
        idempotent: true,
        refusals: [NotFound, StaleEpoch, Upstream],
        params: TaskId,
        request: RenewRequest,
        reply: RenewAnswer,
        example: r#"{"epoch": 1, "progress": "half of the tests pass", "costMicros": 120000}"#,
    }
    /// Store a file of a running task for its result; the body is its content. The same again is
    /// stored once.
    Put StoreFile "/api/tasks/{id}/files" {
        access: GATEWAY,
        refusals: [NotFound, StaleEpoch, TooLarge, InvalidField],
        params: TaskId,
        reply: StoredFile,
    }
    /// Report the result of a run; the same again is answered the same.
    Post FinishTask "/api/tasks/{id}/result" {
        access: GATEWAY,
        idempotent: true,
        refusals: [NotFound, StaleEpoch],
        params: TaskId,
        request: ResultRequest,
        reply: ResultAnswer,
        example: r#"{"epoch": 1, "outcome": "success", "text": "The build is green.", "actualCost": 0.12}"#,
    }
    /// Have messages sent to chats; the same id and revision is sent once.
    Post Deliver "/internal/outbox" {
        access: Access::Internal,
        callers: [PersonalAssistant],
        idempotent: true,
        request: OutboxRequest,
        reply: OutboxAnswer,
    }
    /// List where each approver is reached directly.
    Get ListApprovers "/internal/approvers" {
        access: Access::Internal,
        callers: [PersonalAssistant],
        reply: Approvers,
    }
    /// Wake a parked event: something it waits for has changed.
    Post WakeEvent "/internal/events/{id}/wake" {
        access: Access::Internal,
        callers: [PersonalAssistant],
        idempotent: true,
        refusals: [NotFound],
        params: EventId,
        reply: Woken,
    }
    /// Read the inboxes' figures.
    Get ReadInboxStats "/internal/inbox-stats" {
        access: Access::Internal,
        callers: [MonitoringDashboard],
        request: SinceQuery,
        reply: InboxStats,
    }
}
