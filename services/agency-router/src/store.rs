//! The table `routing_decisions` (migration 0002): the audit trail of every decision, with
//! feedback.

use crate::route::follow_up::is_follow_up;
use contracts::graph::Complexity;
use contracts::routing::{Alternative, DecisionRow, Feedback, RouteAnswer, RoutingStats};
use contracts::{AgentId, DecisionId, EventId, GraphVersion, Micros};
use platform::ports::{PortResult, Sql, SqlExt, SqlValue, Statement};
use platform::sql;
use platform::time::rfc3339;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Data recorded besides the response.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub source: &'static str,
    pub at_ms: i64,
    pub event_id: Option<EventId>,
    pub exclude_key: String,
    pub channel: Option<String>,
    pub user_id: Option<String>,
    pub message: String,
    pub sticky_agent: Option<AgentId>,
    pub public_only: bool,
    pub in_scope: Option<f64>,
    pub unknown_words: Option<f64>,
}

/// The excluded agents as one text, independent of their order.
pub fn exclude_key(exclude: &[AgentId]) -> String {
    let mut ids: Vec<&str> = exclude.iter().map(AgentId::as_str).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.join(",")
}

/// A database row.
#[derive(Debug, Deserialize)]
struct Stored {
    id: DecisionId,
    at_ms: i64,
    event_id: Option<EventId>,
    channel: Option<String>,
    user_id: Option<String>,
    message: String,
    agent: AgentId,
    confidence: f64,
    reason: String,
    complexity: Complexity,
    matched_keywords: String,
    alternatives: String,
    skill_files: String,
    fallback: i64,
    out_of_scope: i64,
    needs_choice: i64,
    estimated_cost: Option<i64>,
    graph_version: Option<GraphVersion>,
    latency_ms: f64,
    correct: Option<i64>,
    correct_agent: Option<AgentId>,
}

impl Stored {
    fn into_row(self) -> DecisionRow {
        DecisionRow {
            at: rfc3339(self.at_ms),
            id: self.id,
            agent: self.agent,
            confidence: self.confidence,
            channel: self.channel,
            user_id: self.user_id,
            event_id: self.event_id,
            message: self.message,
            reason: self.reason,
            complexity: self.complexity,
            fallback: self.fallback != 0,
            out_of_scope: self.out_of_scope != 0,
            graph_version: self.graph_version,
            latency_ms: self.latency_ms,
            correct: self.correct.map(|correct| correct != 0),
            correct_agent: self.correct_agent,
        }
    }
    fn into_answer(self) -> RouteAnswer {
        RouteAnswer {
            follows_up: is_follow_up(&self.message),
            takes_back: self.reason.starts_with(crate::route::TAKEN_BACK),
            agent: self.agent,
            confidence: self.confidence,
            skill_files_used: list(&self.skill_files),
            routing_latency: self.latency_ms,
            complexity: self.complexity,
            reason: self.reason,
            matched_keywords: list(&self.matched_keywords),
            alternatives: list::<Alternative>(&self.alternatives),
            fallback: self.fallback != 0,
            out_of_scope: self.out_of_scope != 0,
            needs_choice: self.needs_choice != 0,
            estimated_cost: self.estimated_cost.map(Micros),
            decision_id: self.id,
            graph_version: self.graph_version,
            cached: true,
            timestamp: rfc3339(self.at_ms),
            closed: false,
            unknown_agent: None,
        }
    }
}

fn list<T: DeserializeOwned>(json: &str) -> Vec<T> {
    serde_json::from_str(json).unwrap_or_default()
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "[]".to_owned())
}

/// Records a decision. If the same event and exclude list already has one, that one stands and
/// nothing is written.
pub async fn record(db: &dyn Sql, asked: &Asked, answer: &RouteAnswer) -> PortResult<()> {
    db.query(insert(asked, answer)).await.map(|_| ())
}

fn insert(asked: &Asked, answer: &RouteAnswer) -> Statement {
    sql!(
        "INSERT INTO routing_decisions (id, at_ms, source, event_id, exclude_key, channel, \
         user_id, message, sticky_agent, public_only, agent,
            confidence, reason, complexity, matched_keywords, alternatives, skill_files, fallback, out_of_scope, needs_choice, in_scope,
            unknown_words, estimated_cost, graph_version, latency_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)
         ON CONFLICT DO NOTHING",
        answer.decision_id.as_str(),
        asked.at_ms,
        asked.source,
        asked.event_id.as_ref().map(EventId::as_str),
        &asked.exclude_key,
        asked.channel.as_deref(),
        asked.user_id.as_deref(),
        &asked.message,
        asked.sticky_agent.as_ref().map(AgentId::as_str),
        asked.public_only,
        answer.agent.as_str(),
        answer.confidence,
        &answer.reason,
        answer.complexity.as_str(),
        json(&answer.matched_keywords),
        json(&answer.alternatives),
        json(&answer.skill_files_used),
        answer.fallback,
        answer.out_of_scope,
        answer.needs_choice,
        asked.in_scope,
        asked.unknown_words,
        answer.estimated_cost,
        answer.graph_version.as_ref().map(GraphVersion::as_str),
        answer.routing_latency,
    )
}

/// The decision for this event and exclude list.
pub async fn of_event(
    db: &dyn Sql,
    event: &EventId,
    exclude_key: &str,
) -> PortResult<Option<RouteAnswer>> {
    let statement = sql!(
        "SELECT * FROM routing_decisions WHERE event_id = ?1 AND exclude_key = ?2",
        event.as_str(),
        exclude_key
    );
    Ok(db.one::<Stored>(statement).await?.map(Stored::into_answer))
}

/// One decision.
pub async fn one(db: &dyn Sql, id: &DecisionId) -> PortResult<Option<DecisionRow>> {
    Ok(db
        .one::<Stored>(sql!("SELECT * FROM routing_decisions WHERE id = ?1", id.as_str()))
        .await?
        .map(Stored::into_row))
}

/// At most `limit` decisions older than `before`, newest first.
pub async fn page(db: &dyn Sql, before: Option<&str>, limit: u32) -> PortResult<Vec<DecisionRow>> {
    let statement = match before {
        Some(before) => sql!(
            "SELECT * FROM routing_decisions WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
            before,
            limit
        ),
        None => sql!("SELECT * FROM routing_decisions ORDER BY id DESC LIMIT ?1", limit),
    };
    Ok(db.all::<Stored>(statement).await?.into_iter().map(Stored::into_row).collect())
}

/// Stores feedback; the last one counts. `None` when the decision does not exist.
pub async fn feedback(
    db: &dyn Sql,
    feedback: &Feedback,
    by: &str,
    now_ms: i64,
) -> PortResult<Option<DecisionRow>> {
    let statement = sql!(
        "UPDATE routing_decisions SET correct = ?2, correct_agent = ?3, feedback_at_ms = ?4, \
         feedback_by = ?5 WHERE id = ?1 RETURNING *",
        feedback.decision_id.as_str(),
        feedback.correct,
        feedback.agent.as_ref().map(AgentId::as_str),
        now_ms,
        by,
    );
    Ok(db.one::<Stored>(statement).await?.map(Stored::into_row))
}

#[derive(Default, Deserialize)]
struct Totals {
    decisions: u64,
    avg_latency_ms: Option<f64>,
    out_of_scope: Option<u64>,
    fallbacks: Option<u64>,
    direct: Option<u64>,
}

#[derive(Deserialize)]
struct OfAgent {
    agent: String,
    decisions: u64,
}

#[derive(Default, Deserialize)]
struct Labelled {
    labelled: u64,
    right: Option<u64>,
}

#[derive(Deserialize)]
struct Latency {
    latency_ms: f64,
}

/// Metrics since `day_start_ms`, and the accuracy of decisions with feedback since `week_start_ms`.
pub async fn stats(
    db: &dyn Sql,
    day_start_ms: i64,
    week_start_ms: i64,
) -> PortResult<RoutingStats> {
    let totals = sql!(
        "SELECT COUNT(*) AS decisions, AVG(latency_ms) AS avg_latency_ms, SUM(out_of_scope) AS \
         out_of_scope, SUM(fallback) AS fallbacks, SUM(event_id IS NULL) AS direct
         FROM routing_decisions WHERE at_ms >= ?1",
        day_start_ms
    );
    let totals: Totals = db.one(totals).await?.unwrap_or_default();
    let by_agent = sql!(
        "SELECT agent, COUNT(*) AS decisions FROM routing_decisions WHERE at_ms >= ?1 GROUP BY \
         agent",
        day_start_ms
    );
    let by_agent = db
        .all::<OfAgent>(by_agent)
        .await?
        .into_iter()
        .map(|row| (row.agent, row.decisions))
        .collect();
    let labelled = sql!(
        "SELECT COUNT(*) AS labelled, SUM(correct) AS right FROM routing_decisions WHERE \
         feedback_at_ms >= ?1 AND correct IS NOT NULL",
        week_start_ms
    );
    let labelled: Labelled = db.one(labelled).await?.unwrap_or_default();
    Ok(RoutingStats {
        decisions: totals.decisions,
        direct: totals.direct.unwrap_or(0),
        avg_latency_ms: totals.avg_latency_ms,
        p50_latency_ms: percentile(db, day_start_ms, totals.decisions, 0.5).await?,
        p95_latency_ms: percentile(db, day_start_ms, totals.decisions, 0.95).await?,
        p99_latency_ms: percentile(db, day_start_ms, totals.decisions, 0.99).await?,
        out_of_scope: totals.out_of_scope.unwrap_or(0),
        fallbacks: totals.fallbacks.unwrap_or(0),
        by_agent,
        accuracy: (labelled.labelled > 0)
            .then(|| labelled.right.unwrap_or(0) as f64 / labelled.labelled as f64),
        labelled: labelled.labelled,
    })
}

async fn percentile(
    db: &dyn Sql,
    day_start_ms: i64,
    count: u64,
    share: f64,
) -> PortResult<Option<f64>> {
    let place = (count as f64 * share) as i64;
    let statement = sql!(
        "SELECT latency_ms FROM routing_decisions WHERE at_ms >= ?1 ORDER BY latency_ms LIMIT 1 \
         OFFSET ?2",
        day_start_ms,
        SqlValue::Int(place.min(i64::try_from(count).unwrap_or(i64::MAX) - 1).max(0)),
    );
    Ok(db.one::<Latency>(statement).await?.map(|row| row.latency_ms))
}
