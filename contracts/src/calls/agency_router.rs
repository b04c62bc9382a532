//! The calls of agency-router.

use super::Access;
use crate::DecisionId;
use crate::Scope::{Operator, Viewer};
use crate::monitoring::SinceQuery;
use crate::routing::{
    Analysis, DecisionList, DecisionRow, DecisionsQuery, Feedback, InstanceAnswer, InstanceRequest,
    OutcomeRecorded, OutcomeReport, PoolList, RouteAnswer, RouteRequest, RoutingStats, TrainAnswer,
    TrainRequest,
};

const OPERATOR: Access = Access::Scopes(&[Operator]);
const READERS: Access = Access::Scopes(&[Operator, Viewer]);

calls! { AgencyRouter:
    /// Choose the agent for a message, and record the decision.
    Post Route "/api/route" {
        access: OPERATOR,
        request: RouteRequest,
        reply: RouteAnswer,
        example: r#"{"message": "fix the failing build", "channel": "telegram"}"#,
    }
    /// Score a message as a route would, with all steps; nothing is recorded.
    Post Analyze "/api/analyze" {
        access: READERS,
        callers: [PersonalAssistant],
        idempotent: true,
        request: RouteRequest,
        reply: Analysis,
        example: r#"{"message": "fix the failing build"}"#,
    }
    /// Say whether a decision was right, and which agent should have had the message.
    Post GiveFeedback "/api/feedback" {
        access: OPERATOR,
        callers: [WebhookAggregator, MonitoringDashboard],
        idempotent: true,
        refusals: [NotFound],
        request: Feedback,
        reply: DecisionRow,
        example: r#"{"decisionId": "dec_01ARZ3NDEKTSV4RRFFQ69G5FAV", "correct": true}"#,
    }
    /// List the agents with health, load and breaker.
    Get ReadPool "/api/agents" {
        access: READERS,
        callers: [WebhookAggregator, MonitoringDashboard],
        reply: PoolList,
    }
    /// List decisions, the newest first.
    Get ListDecisions "/api/decisions" {
        access: READERS,
        refusals: [InvalidField],
        request: DecisionsQuery,
        reply: DecisionList,
    }
    /// Read one decision.
    Get ReadDecision "/api/decisions/{id}" {
        access: READERS,
        refusals: [NotFound],
        params: DecisionId,
        reply: DecisionRow,
    }
    /// Read the figures of routing.
    Get ReadRoutingStats "/api/routing-stats" {
        access: READERS,
        callers: [MonitoringDashboard],
        refusals: [InvalidField],
        request: SinceQuery,
        reply: RoutingStats,
    }
    /// Route an accepted message: one event is decided once.
    Post RouteEvent "/internal/route" {
        access: Access::Internal,
        callers: [WebhookAggregator],
        idempotent: true,
        request: RouteRequest,
        reply: RouteAnswer,
    }
    /// Report what became of a run.
    Post ReportOutcome "/internal/outcomes" {
        access: Access::Internal,
        callers: [WebhookAggregator],
        request: OutcomeReport,
        reply: OutcomeRecorded,
    }
    /// Choose the gateway for an agent's next run.
    Post ChooseInstance "/internal/instances/choose" {
        access: Access::Internal,
        callers: [WebhookAggregator],
        idempotent: true,
        request: InstanceRequest,
        reply: InstanceAnswer,
    }
    /// Train a model for a graph.
    Post Train "/internal/train" {
        access: Access::Internal,
        callers: [SkillGraphLoader],
        idempotent: true,
        request: TrainRequest,
        reply: TrainAnswer,
    }
    /// Report that a version was published.
    Post ReportPublished "/internal/published" {
        access: Access::Internal,
        callers: [SkillGraphLoader],
        idempotent: true,
        statuses: [204],
    }
}
