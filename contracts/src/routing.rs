//! Routing: who gets a message, how sure the router is, and why.

use crate::graph::Complexity;
use crate::{AgentId, DecisionId, EventId, GatewayId, GraphVersion, Micros, Tokens};
use serde::{Deserialize, Serialize};

/// `POST /api/route` and `/api/analyze`; also `/internal/route` with the members below `context`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteRequest {
    pub message: String,
    #[serde(default)]
    pub channel: Option<String>,
    #[serde(default)]
    pub complexity: Option<Complexity>,
    #[serde(default)]
    pub user_id: Option<String>,
    /// Free JSON of the caller; data, never instructions.
    #[serde(default)]
    pub context: Option<serde_json::Value>,
    /// The agent that answered last in this conversation: a short follow-up stays with it. Internal callers only.
    #[serde(default)]
    pub sticky_agent: Option<AgentId>,
    /// Agents that have just failed on this message. Internal callers only.
    #[serde(default)]
    pub exclude: Vec<AgentId>,
    /// Only agents with `public: true` may be chosen. Internal callers only.
    #[serde(default)]
    pub public_only: bool,
    /// The agent that this chat is bound to: it gets what names nobody else. Internal callers only.
    #[serde(default)]
    pub bound_agent: Option<AgentId>,
    /// The message replies to what the sticky agent said. Internal callers only.
    #[serde(default)]
    pub is_reply: bool,
    /// What the same person said before here, so that it can be given to somebody else. Internal callers only.
    #[serde(default)]
    pub previous: Option<Previous>,
    /// The sender said that it is not for these agents. Internal callers only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken_back_from: Vec<AgentId>,
    /// The event this is decided for; asked twice for one event (and one exclude list) the same decision comes back. Internal callers only.
    #[serde(default)]
    pub event_id: Option<EventId>,
}

/// A message that was routed before, and to whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Previous {
    pub decision_id: DecisionId,
    pub agent: AgentId,
    pub message: String,
    /// Whom it was taken back from before it came to `agent`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken_back_from: Vec<AgentId>,
}

/// Answer of `POST /api/route`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteAnswer {
    /// Who gets the message, always.
    pub agent: AgentId,
    /// Probability that `agent` is right, 0–1.
    pub confidence: f64,
    pub skill_files_used: Vec<String>,
    /// Milliseconds spent routing.
    pub routing_latency: f64,
    pub complexity: Complexity,
    pub reason: String,
    pub matched_keywords: Vec<String>,
    pub alternatives: Vec<Alternative>,
    /// The best agent was down or excluded and `agent` stands in for it.
    pub fallback: bool,
    pub out_of_scope: bool,
    /// Two agents are too close to call; a person should choose.
    pub needs_choice: bool,
    /// Price of the configured runner where it is known: what it says a run costs, or the tokens that are expected at its prices.
    pub estimated_cost: Option<Micros>,
    pub decision_id: DecisionId,
    pub graph_version: Option<GraphVersion>,
    pub cached: bool,
    /// RFC 3339 UTC.
    pub timestamp: String,
    /// For the conductor: nobody is open to this sender, so nobody may be given the message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
    /// For the conductor: the sender took the decision before back, and its message is meant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_back: bool,
    /// For the conductor: the message goes on with what was said before and says nothing by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows_up: bool,
}

/// Another agent that was considered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alternative {
    pub agent: AgentId,
    pub confidence: f64,
}

/// A row of `GET /api/decisions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionRow {
    pub id: DecisionId,
    pub at: String,
    pub agent: AgentId,
    pub confidence: f64,
    pub channel: Option<String>,
    pub user_id: Option<String>,
    pub event_id: Option<EventId>,
    pub message: String,
    pub reason: String,
    pub complexity: Complexity,
    pub fallback: bool,
    pub out_of_scope: bool,
    pub graph_version: Option<GraphVersion>,
    pub latency_ms: f64,
    /// What feedback said: true, false, or nothing yet.
    pub correct: Option<bool>,
    /// The agent feedback named instead.
    pub correct_agent: Option<AgentId>,
}

/// `GET /api/decisions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionList {
    pub decisions: Vec<DecisionRow>,
    pub cursor: Option<String>,
}

/// `POST /api/feedback`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Feedback {
    pub decision_id: DecisionId,
    pub correct: bool,
    #[serde(default)]
    pub agent: Option<AgentId>,
}

/// State of an agent's circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Breaker {
    Closed,
    Open,
    HalfOpen,
}

/// A row of `GET /api/agents` of the router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolMember {
    pub agent: AgentId,
    pub title: String,
    /// False while its breaker is open or it is reported down.
    pub available: bool,
    pub breaker: Breaker,
    /// Tasks handed out and not reported back.
    pub in_flight: u32,
    /// Smoothed run time.
    pub latency_ms: Option<f64>,
    pub failures: u32,
    /// When an open breaker lets a probe through, RFC 3339 UTC.
    pub retry_at: Option<String>,
    /// Where it ran within the last day: one for each gateway.
    #[serde(default)]
    pub instances: Vec<PoolInstance>,
}

/// An agent on one gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolInstance {
    pub gateway: GatewayId,
    pub available: bool,
    pub breaker: Breaker,
    pub in_flight: u32,
    /// Smoothed run time.
    pub latency_ms: Option<f64>,
    pub failures: u32,
    /// When an open breaker lets a probe through, RFC 3339 UTC.
    pub retry_at: Option<String>,
}

/// A gateway that could run an agent now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    pub gateway: GatewayId,
    /// Tasks it has or that wait for it, as far as the asker knows.
    pub in_hand: u32,
}

/// Which of these gateways should run an agent: `POST /internal/instances/choose`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceRequest {
    pub agent: AgentId,
    pub among: Vec<Candidate>,
}

/// Answer of `POST /internal/instances/choose`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceAnswer {
    /// None only where there was nobody to choose from.
    pub gateway: Option<GatewayId>,
}

/// What became of a run, told to the router's pool: `POST /internal/outcomes`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeReport {
    pub agent: AgentId,
    /// The gateway that ran it.
    #[serde(default)]
    pub gateway: Option<GatewayId>,
    /// `started` counts up, the others count down.
    pub outcome: PoolOutcome,
    #[serde(default)]
    pub latency_ms: Option<f64>,
    /// How much work the message asked for, and the tokens it took, where they are known.
    #[serde(default)]
    pub complexity: Option<Complexity>,
    #[serde(default)]
    pub tokens: Option<Tokens>,
}

/// What the pool needs to know of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PoolOutcome {
    Started,
    Succeeded,
    /// The agent could not do its work: counts against its breaker.
    Failed,
    /// Ended by the owner or the budget: says nothing about the agent.
    Cancelled,
}

/// Conductor to personal-assistant: which of two agents should get a message (`POST /internal/tie-break`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TieRequest {
    pub event_id: EventId,
    pub message: String,
    pub agents: [AgentId; 2],
}

/// Answer of `POST /internal/tie-break`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TieAnswer {
    /// None: no model may or could choose, so the person is asked.
    pub agent: Option<AgentId>,
}

/// `GET /api/routing-stats?since=`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutingStats {
    /// Decisions since `since`.
    pub decisions: u64,
    /// Those of them that were asked for directly, not for a message that came in.
    #[serde(default)]
    pub direct: u64,
    pub avg_latency_ms: Option<f64>,
    pub p50_latency_ms: Option<f64>,
    pub p95_latency_ms: Option<f64>,
    pub p99_latency_ms: Option<f64>,
    pub out_of_scope: u64,
    pub fallbacks: u64,
    pub by_agent: std::collections::BTreeMap<String, u64>,
    /// Labelled correct ÷ labelled, last 7 days; null without labels.
    pub accuracy: Option<f64>,
    pub labelled: u64,
}

/// Loader to router: train a model for this graph (`POST /internal/train`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainRequest {
    pub graph: crate::graph::Graph,
}

/// The trained model, ready to be stored beside the graph.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainAnswer {
    /// The model's bytes in standard base64.
    pub model_base64: String,
    pub train_ms: f64,
    /// Agents whose examples are too few to be sure of, and the like.
    pub findings: Vec<crate::graph::Finding>,
}
