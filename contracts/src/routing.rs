//! Routing: the chosen agent, the confidence, and the reasons.

use crate::graph::Complexity;
use crate::{AgentId, DecisionId, EventId, GatewayId, GraphVersion, Micros, Tokens};
use serde::{Deserialize, Serialize};

/// `POST /api/route` and `/api/analyze`; also `/internal/route` with the members below `context`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// The agent that answered last in this conversation, which keeps short follow-ups. Internal
    /// callers only.
    #[serde(default)]
    pub sticky_agent: Option<AgentId>,
    /// Agents that just failed on this message. Internal callers only.
    #[serde(default)]
    pub exclude: Vec<AgentId>,
    /// Restricts the choice to agents with `public: true`. Internal callers only.
    #[serde(default)]
    pub public_only: bool,
    /// The agent bound to this chat, for messages that name no other. Internal callers only.
    #[serde(default)]
    pub bound_agent: Option<AgentId>,
    /// Whether the message replies to the sticky agent. Internal callers only.
    #[serde(default)]
    pub is_reply: bool,
    /// Whether the last answer of the sticky agent ended in a question. Internal callers only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
    /// Other persons read the chat, so `@name` may be one of them. Internal callers only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_group: bool,
    /// A program posted it: its words are content, which names no agent and corrects nothing.
    /// Internal callers only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub posted: bool,
    /// The sender's previous message here, so that it can be reassigned. Internal callers only.
    #[serde(default)]
    pub previous: Option<Previous>,
    /// Agents that the sender ruled out. Internal callers only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken_back_from: Vec<AgentId>,
    /// The event of this decision; the same event and exclude list always get the same decision.
    /// Internal callers only.
    #[serde(default)]
    pub event_id: Option<EventId>,
}

/// An earlier routed message, with its agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Previous {
    pub decision_id: DecisionId,
    pub agent: AgentId,
    pub message: String,
    /// Agents ruled out before it went to `agent`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken_back_from: Vec<AgentId>,
}

/// Response of `POST /api/route`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RouteAnswer {
    /// The agent that gets the message; always present.
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
    /// Whether `agent` replaces the best agent, which was down or excluded.
    pub fallback: bool,
    pub out_of_scope: bool,
    /// Whether two agents are too close to call, so that the sender should choose.
    pub needs_choice: bool,
    /// The estimated cost, if known: the configured cost per run, or the expected tokens at the
    /// configured prices.
    pub estimated_cost: Option<Micros>,
    pub decision_id: DecisionId,
    pub graph_version: Option<GraphVersion>,
    pub cached: bool,
    /// RFC 3339 UTC.
    pub timestamp: String,
    /// For the dispatcher: no agent is open to this sender, so none may get the message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
    /// For the dispatcher: the sender corrected the previous decision, and this decision is about
    /// that message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_back: bool,
    /// For the dispatcher: the message only follows up on an earlier one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows_up: bool,
    /// The message begins with `@name`, and no agent has this name: a chat refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_agent: Option<UnknownAgent>,
}

/// A name that no agent has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UnknownAgent {
    /// As it was written, without its mark.
    pub name: String,
    /// Agents with a like name, the likest first.
    pub nearest: Vec<AgentId>,
    /// Some of the agents that the sender may address.
    pub agents: Vec<AgentId>,
}

impl UnknownAgent {
    /// The refusal, for people.
    pub fn text(&self) -> String {
        let list = |agents: &[AgentId], last: &str| {
            let names: Vec<String> = agents.iter().map(|agent| format!("@{agent}")).collect();
            match names.split_last() {
                Some((end, rest)) if !rest.is_empty() => {
                    format!("{} {last} {end}", rest.join(", "))
                }
                _ => names.concat(),
            }
        };
        let known = if self.nearest.is_empty() {
            format!("The agents are {}.", list(&self.agents, "and"))
        } else {
            format!("Did you mean {}?", list(&self.nearest, "or"))
        };
        format!(
            "No agent is called “{}”. {known} Nothing was started. Send the message again with the \
             right name, or without a name.",
            self.name
        )
    }
}

/// Answer of `POST /api/analyze`: a route that nobody recorded, with the steps that led to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    pub agent: AgentId,
    pub confidence: f64,
    pub skill_files_used: Vec<String>,
    pub routing_latency: f64,
    pub complexity: Complexity,
    pub reason: String,
    pub matched_keywords: Vec<String>,
    pub alternatives: Vec<Alternative>,
    pub fallback: bool,
    pub out_of_scope: bool,
    pub needs_choice: bool,
    pub estimated_cost: Option<Micros>,
    pub graph_version: Option<GraphVersion>,
    pub cached: bool,
    pub timestamp: String,
    /// One sentence a step.
    pub steps: Vec<String>,
    /// Every agent the model knows, the likeliest first.
    pub probabilities: Vec<Alternative>,
    /// Probability that any agent fits; null where no model was asked.
    pub in_scope: Option<f64>,
    /// Share of the words that the model has never seen.
    pub unknown_words: Option<f64>,
    pub complexity_reasons: Vec<String>,
    /// Null for an agent without a model.
    pub estimated_tokens: Option<Tokens>,
    pub spoke_for_winner: Vec<WeighedTerm>,
    pub spoke_for_runner_up: Vec<WeighedTerm>,
}

/// A term of a message and how much it speaks for an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WeighedTerm {
    pub term: String,
    pub weight: f64,
}

/// Another considered agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Alternative {
    pub agent: AgentId,
    pub confidence: f64,
}

/// A row of `GET /api/decisions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// The feedback: true, false, or none yet.
    pub correct: Option<bool>,
    /// The right agent according to the feedback.
    pub correct_agent: Option<AgentId>,
}

/// The query of `GET /api/decisions`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DecisionsQuery {
    /// 1 to 200, 50 when it is left out.
    #[serde(default)]
    pub limit: Option<u32>,
    /// The `cursor` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
}

/// `GET /api/decisions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DecisionList {
    pub decisions: Vec<DecisionRow>,
    pub cursor: Option<String>,
}

/// `POST /api/feedback`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Feedback {
    pub decision_id: DecisionId,
    pub correct: bool,
    #[serde(default)]
    pub agent: Option<AgentId>,
}

/// State of an agent's circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Breaker {
    Closed,
    Open,
    HalfOpen,
}

/// A row of `GET /api/agents` of the router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PoolMember {
    pub agent: AgentId,
    pub title: String,
    /// False while its breaker is open or it is reported down.
    pub available: bool,
    pub breaker: Breaker,
    /// Tasks started and not yet reported.
    pub in_flight: u32,
    /// Smoothed run time.
    pub latency_ms: Option<f64>,
    pub failures: u32,
    /// When an open breaker lets a trial run through, RFC 3339 UTC.
    pub retry_at: Option<String>,
    /// Its instances of the last day: one per gateway.
    #[serde(default)]
    pub instances: Vec<PoolInstance>,
}

/// An agent on one gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PoolInstance {
    pub gateway: GatewayId,
    pub available: bool,
    pub breaker: Breaker,
    pub in_flight: u32,
    /// Smoothed run time.
    pub latency_ms: Option<f64>,
    pub failures: u32,
    /// When an open breaker lets a trial run through, RFC 3339 UTC.
    pub retry_at: Option<String>,
}

/// `GET /api/agents` of the router.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PoolList {
    pub agents: Vec<PoolMember>,
}

/// A gateway that could run an agent now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    pub gateway: GatewayId,
    /// Its leased and reserved tasks, as far as the caller knows.
    pub in_hand: u32,
}

/// Chooses the gateway to run an agent: `POST /internal/instances/choose`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InstanceRequest {
    pub agent: AgentId,
    pub among: Vec<Candidate>,
}

/// Response of `POST /internal/instances/choose`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InstanceAnswer {
    /// None only without candidates.
    pub gateway: Option<GatewayId>,
}

/// The outcome of a run, for the router's pool: `POST /internal/outcomes`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OutcomeReport {
    pub agent: AgentId,
    /// The gateway that ran it.
    #[serde(default)]
    pub gateway: Option<GatewayId>,
    /// `started` increments the running count, the others decrement it.
    pub outcome: PoolOutcome,
    #[serde(default)]
    pub latency_ms: Option<f64>,
    /// The message's complexity and the tokens used, if known.
    #[serde(default)]
    pub complexity: Option<Complexity>,
    #[serde(default)]
    pub tokens: Option<Tokens>,
    /// When the limit ends at which it failed, RFC 3339 UTC: it gets no work before.
    #[serde(default)]
    pub rest_until: Option<String>,
}

/// Answer of `POST /internal/outcomes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OutcomeRecorded {
    pub recorded: bool,
}

/// The pool's view of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum PoolOutcome {
    Started,
    Succeeded,
    /// The agent failed: counts against its breaker.
    Failed,
    /// Stopped by the owner or the budget: says nothing about the agent.
    Cancelled,
}

/// Asks personal-assistant to break a tie between two agents (`POST /internal/tie-break`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TieRequest {
    pub event_id: EventId,
    pub message: String,
    pub agents: [AgentId; 2],
}

/// Response of `POST /internal/tie-break`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TieAnswer {
    /// None if no model may or could choose, so the sender is asked.
    pub agent: Option<AgentId>,
}

/// `GET /api/routing-stats?since=`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RoutingStats {
    /// Decisions since `since`.
    pub decisions: u64,
    /// Decisions requested directly, without a received message.
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

/// The loader asks the router to train a model for this graph (`POST /internal/train`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TrainRequest {
    pub graph: crate::graph::Graph,
}

/// The trained model, to store beside the graph.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TrainAnswer {
    /// The model's bytes in standard base64.
    pub model_base64: String,
    pub train_ms: f64,
    /// Findings, such as agents with too few examples.
    pub findings: Vec<crate::graph::Finding>,
}
