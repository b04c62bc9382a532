//! The calls of personal-assistant.

use super::Access;
use crate::Scope::{Agent, Gateway, Operator, Viewer};
use crate::approval::{
    Approval, ApprovalList, ApprovalsQuery, ApprovalsText, ApprovalsTextRequest, ApproveAnswer,
    ApproveRequest, ClaimAnswer, ClaimRequest, DecideRequest, GivenUpAnswer, GivenUpRequest,
    PressAnswer, PressRequest, SettleAnswer, SettleRequest, WaitQuery,
};
use crate::audit::{AuditList, AuditQuery, AuditVerdict};
use crate::backup::{Backup, BackupList, RestoreRequest, Restored};
use crate::budget::{BudgetAnswer, BudgetText, BudgetTextRequest, BudgetUpdate};
use crate::chat::{
    ChatAnswer, ChatHistory, ChatQuery, ChatRequest, OwnerContext, OwnerContextUpdate,
};
use crate::files::Transcription;
use crate::halt::{
    HaltAnswer, HaltCheck, HaltCheckAnswer, HaltList, HaltRequest, ResumeAnswer, ResumeRequest,
    StoppedRequest,
};
use crate::memory::{Fact, FactList, FactOrigin, FactUpdate, MemoryQuery, NewFact};
use crate::monitoring::{AssistantStatus, LedgerStats, SinceQuery};
use crate::policy::{Policy, PolicyChange, PolicyTrial, PolicyUpdate, ReplayRequest};
use crate::review::{Review, ReviewRequest};
use crate::routing::{TieAnswer, TieRequest};
use crate::schedule::{PlanAnswer, PlanRequest};
use crate::task::{RenewAnswer, RenewClaimRequest, RenewedRequest};
use crate::tool_rule::ToolRuleList;
use crate::{ApprovalId, FactId, FileId, TaskId};

const OWNER: Access = Access::Scopes(&[Operator]);
const READERS: Access = Access::Scopes(&[Operator, Viewer]);
const REQUESTERS: Access = Access::Scopes(&[Operator, Agent]);
const LIST_READERS: Access = Access::Scopes(&[Operator, Viewer, Agent]);
const REQUEST_READERS: Access = Access::Scopes(&[Operator, Viewer, Agent, Gateway]);
/// A gateway that runs tasks for other programs looks for halts itself.
const HALT_READERS: Access = Access::Scopes(&[Operator, Viewer, Gateway]);
const GATEWAY: Access = Access::Scopes(&[Gateway]);

calls! { PersonalAssistant:
    /// Read what an owner wants to know at a glance.
    Get ReadStatus "/api/status" {
        access: READERS,
        reply: AssistantStatus,
    }
    /// Ask for approval; the same task and content again give the state as it is now.
    Post Approve "/api/approve" {
        access: REQUESTERS,
        callers: [WebhookAggregator],
        idempotent: true,
        refusals: [Conflict, RateLimited],
        request: ApproveRequest,
        reply: ApproveAnswer,
        example: r#"{"taskId": "deploy-42", "type": "codegen", "description": "Deploy version 42", "estimatedCost": 0.5, "agentType": "codegen", "operation": "deploy"}"#,
    }
    /// Ask the model that looks at requests about one that is not made; nothing is approved.
    Post TryReview "/api/reviews" {
        access: OWNER,
        refusals: [Unavailable, InvalidField],
        request: ReviewRequest,
        reply: Review,
        example: r#"{"type": "codegen", "agentType": "codegen", "description": "Fix the failing test", "estimatedCost": 3.0, "operation": "run"}"#,
    }
    /// List approvals, the newest first; an agent sees its own.
    Get ListApprovals "/api/approvals" {
        access: LIST_READERS,
        callers: [MonitoringDashboard],
        refusals: [InvalidField],
        request: ApprovalsQuery,
        reply: ApprovalList,
    }
    /// Read one approval; with `wait`, once it is decided or the time is over.
    Get ReadApproval "/api/approvals/{id}" {
        access: REQUEST_READERS,
        callers: [WebhookAggregator, MonitoringDashboard],
        refusals: [NotFound, InvalidField],
        params: ApprovalId,
        request: WaitQuery,
        reply: Approval,
    }
    /// Approve or reject; the first decision stands.
    Post Decide "/api/approvals/{id}/decide" {
        access: OWNER,
        callers: [WebhookAggregator, MonitoringDashboard],
        refusals: [NotFound, Conflict, AlreadyDecided, Halted, BudgetExhausted],
        params: ApprovalId,
        request: DecideRequest,
        reply: Approval,
        example: r#"{"decision": "approve", "reason": "Looks right."}"#,
    }
    /// List the tool calls that the owner allowed for a task or always.
    Get ListToolRules "/api/tool-rules" {
        access: READERS,
        reply: ToolRuleList,
    }
    /// Remove such a rule; the rest are answered.
    Delete RemoveToolRule "/api/tool-rules/{id}" {
        access: OWNER,
        refusals: [NotFound],
        params: String,
        reply: ToolRuleList,
    }
    /// Begin approved work: the token that settles it comes once.
    Post Claim "/api/approvals/{id}/claim" {
        access: GATEWAY,
        refusals: [NotFound, Conflict, StaleEpoch, Halted, NotApproved, BudgetExhausted],
        params: ApprovalId,
        request: ClaimRequest,
        reply: ClaimAnswer,
        example: r#"{"digest": "5f2c1d0a9be84f7733f1a80c6d1f0b5e4a39c2d8e7b6a5948372615049382716"}"#,
    }
    /// Report the cost of a run; the same again is answered the same.
    Post Settle "/api/tasks/{id}/settle" {
        access: GATEWAY,
        idempotent: true,
        refusals: [Conflict],
        params: TaskId,
        request: SettleRequest,
        reply: SettleAnswer,
        example: r#"{"claimToken": "9d1c", "actualCost": 0.12, "outcome": "success"}"#,
    }
    /// Renew the claim of a run without a lease, with its cost so far; learn whether it goes on.
    Post RenewClaim "/api/tasks/{id}/renew" {
        access: GATEWAY,
        idempotent: true,
        params: TaskId,
        request: RenewClaimRequest,
        reply: RenewAnswer,
        example: r#"{"claimToken": "9d1c", "costMicros": 120000}"#,
    }
    /// Halt one task, an agent, an endpoint, or everything.
    Post Halt "/api/halt" {
        access: OWNER,
        callers: [WebhookAggregator, MonitoringDashboard],
        idempotent: true,
        statuses: [200, 202],
        refusals: [NotFound],
        request: HaltRequest,
        reply: HaltAnswer,
        example: r#"{"taskId": "deploy-42", "reason": "Wrong version."}"#,
    }
    /// End the halt of a task, an agent or an endpoint, or that of everything.
    Post Resume "/api/resume" {
        access: OWNER,
        callers: [WebhookAggregator, MonitoringDashboard],
        idempotent: true,
        refusals: [NotFound],
        request: ResumeRequest,
        reply: ResumeAnswer,
        example: r#"{"taskId": "deploy-42"}"#,
    }
    /// List halts: those in force first, then the newest.
    Get ListHalts "/api/halts" {
        access: HALT_READERS,
        callers: [MonitoringDashboard],
        reply: HaltList,
    }
    /// Read the owner's preferences and rules.
    Get ReadContext "/api/context" {
        access: READERS,
        reply: OwnerContext,
    }
    /// Change the owner's preferences and rules; members that are left out stay.
    Put UpdateContext "/api/context" {
        access: OWNER,
        request: OwnerContextUpdate,
        reply: OwnerContext,
        example: r#"{"costThreshold": 10, "riskTolerance": "balanced", "timeZone": "Europe/Berlin"}"#,
    }
    /// Read the rules that decide about requests.
    Get ReadPolicy "/api/policy" {
        access: READERS,
        callers: [MonitoringDashboard],
        reply: Policy,
    }
    /// Change the rules; members that are left out stay. With `?dryRun=true` nothing is stored, and
    /// the answer says what the requests of the last 30 days would have become.
    Put UpdatePolicy "/api/policy" {
        access: OWNER,
        callers: [MonitoringDashboard],
        refusals: [Conflict],
        request: PolicyUpdate,
        reply: PolicyChange,
        example: r#"{"costThreshold": 5, "rules": [{"effect": "allow", "agents": ["codegen"], "upTo": 3, "until": "2027-01-31T00:00:00Z"}]}"#,
    }
    /// Decide the requests of the last days again, by the rules in force or by a change to try;
    /// nothing is stored.
    Post ReplayPolicy "/api/policy/replay" {
        access: OWNER,
        callers: [MonitoringDashboard],
        idempotent: true,
        request: ReplayRequest,
        reply: PolicyTrial,
        example: r#"{"days": 30, "policy": {"riskTolerance": "conservative"}}"#,
    }
    /// List who decided and changed what, the newest first.
    Get ListAudit "/api/audit" {
        access: OWNER,
        callers: [MonitoringDashboard],
        refusals: [InvalidField],
        request: AuditQuery,
        reply: AuditList,
    }
    /// Check that the log is as it was written.
    Get VerifyAudit "/api/audit/verify" {
        access: READERS,
        callers: [MonitoringDashboard],
        reply: AuditVerdict,
    }
    /// Read limits, spending and holds.
    Get ReadBudget "/api/budget" {
        access: READERS,
        callers: [MonitoringDashboard],
        reply: BudgetAnswer,
    }
    /// Set limits, or go back to those of the configuration.
    Put UpdateBudget "/api/budget" {
        access: OWNER,
        callers: [MonitoringDashboard],
        request: BudgetUpdate,
        reply: BudgetAnswer,
        example: r#"{"daily": 50, "monthly": 500}"#,
    }
    /// Ask the assistant; with `Accept: text/event-stream` the answer is streamed.
    Post Chat "/api/chat" {
        access: OWNER,
        callers: [MonitoringDashboard],
        refusals: [BudgetExhausted],
        request: ChatRequest,
        reply: ChatAnswer,
        example: r#"{"message": "What waits for me?", "sessionKey": "morning"}"#,
    }
    /// Read a conversation with the assistant.
    Get ReadChat "/api/chat" {
        access: OWNER,
        callers: [MonitoringDashboard],
        refusals: [InvalidField],
        request: ChatQuery,
        reply: ChatHistory,
    }
    /// Search or list what the assistant remembers about the owner.
    Get ListFacts "/api/memory" {
        access: OWNER,
        callers: [MonitoringDashboard],
        refusals: [InvalidField],
        request: MemoryQuery,
        reply: FactList,
    }
    /// Read one fact with the message that states it and the facts before it.
    Get ReadFact "/api/memory/{id}" {
        access: OWNER,
        refusals: [NotFound],
        params: FactId,
        reply: FactOrigin,
    }
    /// Write a fact by hand; one of the same subject is superseded.
    Post AddFact "/api/memory" {
        access: OWNER,
        statuses: [201],
        request: NewFact,
        reply: Fact,
        example: r#"{"subject": "name", "text": "My name is Ana", "pinned": true}"#,
    }
    /// Correct a fact, or pin it; a correction supersedes it.
    Put EditFact "/api/memory/{id}" {
        access: OWNER,
        callers: [MonitoringDashboard],
        refusals: [NotFound],
        params: FactId,
        request: FactUpdate,
        reply: Fact,
        example: r#"{"pinned": true}"#,
    }
    /// Forget a fact and those it superseded, and hide the messages that state them from models.
    Delete ForgetFact "/api/memory/{id}" {
        access: OWNER,
        callers: [MonitoringDashboard],
        refusals: [NotFound],
        params: FactId,
        reply: Fact,
    }
    /// List the backups, the newest first.
    Get ListBackups "/api/backups" {
        access: OWNER,
        reply: BackupList,
    }
    /// Make one more backup now.
    Post MakeBackup "/api/backups" {
        access: OWNER,
        statuses: [201],
        reply: Backup,
    }
    /// Put the rows of a backup back.
    Post Restore "/api/restore" {
        access: OWNER,
        idempotent: true,
        refusals: [NotFound],
        request: RestoreRequest,
        reply: Restored,
        example: r#"{"backup": "2026-11-27T03-00-00Z"}"#,
    }
    /// Read in a sentence what a person may know of the budget.
    Post TellBudget "/internal/budget" {
        access: Access::Internal,
        callers: [WebhookAggregator],
        idempotent: true,
        request: BudgetTextRequest,
        reply: BudgetText,
    }
    /// Read in a few lines which requests a person may decide.
    Post TellApprovals "/internal/approvals" {
        access: Access::Internal,
        callers: [WebhookAggregator],
        idempotent: true,
        request: ApprovalsTextRequest,
        reply: ApprovalsText,
    }
    /// Hand on a button press that the aggregator has checked.
    Post Press "/internal/press" {
        access: Access::Internal,
        callers: [WebhookAggregator],
        idempotent: true,
        request: PressRequest,
        reply: PressAnswer,
    }
    /// Have a model choose between two agents.
    Post BreakTie "/internal/tie-break" {
        access: Access::Internal,
        callers: [WebhookAggregator],
        request: TieRequest,
        reply: TieAnswer,
    }
    /// Compute the due times of a schedule around the present, in its time zone or the owner's.
    Post PlanSchedule "/internal/schedules/plan" {
        access: Access::Internal,
        callers: [WebhookAggregator],
        idempotent: true,
        refusals: [InvalidField],
        request: PlanRequest,
        reply: PlanAnswer,
    }
    /// Have a recording transcribed; the body is its content.
    Post Transcribe "/internal/transcriptions/{id}" {
        access: Access::Internal,
        callers: [WebhookAggregator],
        refusals: [TooLarge],
        params: FileId,
        reply: Transcription,
    }
    /// Ask which of these tasks must stop.
    Post CheckHalts "/internal/halts/check" {
        access: Access::Internal,
        callers: [WebhookAggregator],
        idempotent: true,
        request: HaltCheck,
        reply: HaltCheckAnswer,
    }
    /// Report that nothing of a halted task runs any more.
    Post ReportStopped "/internal/stopped" {
        access: Access::Internal,
        callers: [WebhookAggregator],
        idempotent: true,
        request: StoppedRequest,
        reply: HaltAnswer,
    }
    /// Report that a gateway has renewed its lease: hold and claim live on with it.
    Post ReportRenewed "/internal/renewed" {
        access: Access::Internal,
        callers: [WebhookAggregator],
        idempotent: true,
        request: RenewedRequest,
        reply: RenewAnswer,
    }
    /// Report that a lease ended without a result, and learn how far its run had come.
    Post ReportGivenUp "/internal/given-up" {
        access: Access::Internal,
        callers: [WebhookAggregator],
        idempotent: true,
        request: GivenUpRequest,
        reply: GivenUpAnswer,
    }
    /// Read the ledger's figures.
    Get ReadLedgerStats "/internal/ledger-stats" {
        access: Access::Internal,
        callers: [MonitoringDashboard],
        request: SinceQuery,
        reply: LedgerStats,
    }
}
