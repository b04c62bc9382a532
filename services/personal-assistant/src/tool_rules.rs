//! Tool calls that the owner allowed beforehand, by "Yes, for this task" or "Always" under a
//! question: `GET /api/tool-rules`, `DELETE /api/tool-rules/{id}`.
//!
//! A rule holds for one agent, one tool and exactly the same arguments, up to the cost that was
//! approved. It saves the question alone: what the owner's other rules forbid, ask about or cannot
//! pay stays so, and nothing is allowed during a halt. One for a task ends with its task, and with
//! a halt of the task or of everything; the others end after [`ALWAYS_DAYS`]. An approver's rule
//! holds for runs of his endpoint.

use crate::authority::Authority;
use crate::store::{self, Answers, ApprovalRow};
use crate::{Deps, actor, audit, digests};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use contracts::approval::Extent;
use contracts::tool_rule::{ToolRule, ToolRuleList};
use contracts::{AgentId, ApprovalId, EventId, Micros, Problem, TaskId};
use platform::edge::{ApiError, ApiResult, Principal};
use platform::ports::{ClockExt, SqlExt, Statement};
use platform::sql;
use platform::time::rfc3339;
use serde::Deserialize;
use serde_json::{Value, json};

/// Days that "Always" lasts: nobody remembers for longer what was allowed.
pub const ALWAYS_DAYS: i64 = 90;
const ALWAYS_MS: i64 = ALWAYS_DAYS * 86_400_000;
/// Maximum rules of a list.
const LIST_MAX: u32 = 500;
/// Claude Code's tool for commands, and its argument that only comments on the command: the model
/// words it anew each time.
const COMMENTED: (&str, &str) = ("Bash", "description");

/// The arguments that a rule and a refusal compare: all of them, but for the comment of a command.
fn compared(tool: &str, arguments: &Value) -> Value {
    let mut compared = arguments.clone();
    let (commented, comment) = COMMENTED;
    if let Some(members) = compared.as_object_mut().filter(|_| tool == commented) {
        members.remove(comment);
    }
    compared
}

/// The digest of a tool and of the arguments that are compared.
pub fn pattern(tool: &str, arguments: &Value) -> ApiResult<String> {
    digests::canonical_digest(&json!([tool, compared(tool, arguments)]))
}

/// A rule that allows a call.
#[derive(Debug, Deserialize)]
pub struct Found {
    pub id: String,
}

/// Reads the rule that allows this call of a run, a [`Found`]; no row without one. A lasting rule
/// does not hold for runs of senders whom only `*` lets in.
pub fn find(run: &ApprovalRow, pattern: &str, cost: Micros, now_ms: i64) -> Statement {
    let shard = run.event_id.as_deref().and_then(|event| EventId::new(event).shard());
    sql!(
        "SELECT r.id FROM tool_rule r
         WHERE r.pattern = ?1 AND r.agent = ?2 AND r.removed_at IS NULL AND r.most_u >= ?3
           AND r.endpoint IN ('', ?4) AND (?6 = 0 OR r.task IS NOT NULL)
           AND (r.task IS NOT NULL OR r.at > ?7)
           AND (r.task IS NULL OR (r.task = ?5 AND NOT EXISTS (
             SELECT 1 FROM halt t WHERE t.target IN ('all', 'task:' || ?5) AND t.at >= r.at)))
         ORDER BY r.at LIMIT 1",
        pattern,
        &run.agent,
        cost,
        shard.as_ref().map_or("", |shard| shard.as_str()),
        &run.task,
        run.public,
        now_ms - ALWAYS_MS
    )
}

/// Writes the rule of a decision; belongs in its batch, and takes effect only if the decision does.
/// None if the decision is for one call.
pub fn write(
    deps: &Deps,
    asked: &ApprovalRow,
    extent: Extent,
    by: (&str, &Authority),
    attempt: &str,
) -> Option<Statement> {
    if extent == Extent::Once {
        return None;
    }
    let tool = asked.operation.as_deref()?;
    let arguments: Value = serde_json::from_str(asked.arguments.as_deref()?).ok()?;
    let (actor, authority) = by;
    let statement = sql!(
        "INSERT INTO tool_rule (id, agent, task, tool, pattern, arguments, most_u, approval, endpoint, made_by, at)
         SELECT ?1, a.agent, CASE WHEN ?2 THEN a.run END, a.operation, a.pattern, ?3, a.amount_u, a.id, ?4, ?5, ?6
         FROM approvals a WHERE a.id = ?7 AND a.attempt = ?8 AND a.state = 'approved' AND a.run IS NOT NULL AND a.pattern IS NOT NULL",
        format!("rul_{}", deps.clock.ulid()),
        extent == Extent::Task,
        compared(tool, &arguments).to_string(),
        authority.halts_as(),
        actor,
        deps.clock.now_ms(),
        &asked.id,
        attempt
    );
    Some(statement)
}

#[derive(Deserialize)]
struct Stored {
    id: String,
    agent: String,
    task: Option<String>,
    tool: String,
    arguments: String,
    most_u: i64,
    approval: String,
    endpoint: String,
    made_by: String,
    at: i64,
}

/// `GET /api/tool-rules`: those that are in force, the newest first.
pub async fn list(State(deps): State<Deps>) -> ApiResult<Json<ToolRuleList>> {
    let read = sql!(
        "SELECT r.* FROM tool_rule r
         WHERE r.removed_at IS NULL AND (r.task IS NULL AND r.at > ?2 OR (r.task IS NOT NULL AND
           EXISTS (SELECT 1 FROM approvals a WHERE a.task = r.task AND a.state = 'claimed' AND a.lease_until IS NOT NULL)
           AND NOT EXISTS (SELECT 1 FROM halt t WHERE t.target IN ('all', 'task:' || r.task) AND t.at >= r.at)))
         ORDER BY r.at DESC, r.id DESC LIMIT ?1",
        LIST_MAX,
        deps.clock.now_ms() - ALWAYS_MS
    );
    let rows: Vec<Stored> = deps.sql.all(read).await?;
    let rules = rows.into_iter().map(|row| {
        Ok(ToolRule {
            id: row.id,
            agent: AgentId::new(row.agent),
            until: row.task.is_none().then(|| rfc3339(row.at + ALWAYS_MS)),
            task_id: row.task.map(TaskId::new),
            tool: row.tool,
            arguments: serde_json::from_str(&row.arguments)
                .map_err(|_| store::unreadable("tool rule"))?,
            cost_limit: Micros(row.most_u),
            endpoint: Some(row.endpoint).filter(|endpoint| !endpoint.is_empty()),
            approval_id: ApprovalId::new(row.approval),
            made_by: row.made_by,
            made_at: rfc3339(row.at),
        })
    });
    Ok(Json(ToolRuleList { rules: rules.collect::<ApiResult<_>>()? }))
}

/// `DELETE /api/tool-rules/{id}`: the same call is asked about again.
pub async fn remove(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> ApiResult<Json<ToolRuleList>> {
    let by = actor::actor(who, None);
    let remove = sql!(
        "UPDATE tool_rule SET removed_at = ?2, removed_by = ?3 WHERE id = ?1 AND removed_at IS NULL RETURNING id",
        &id,
        deps.clock.now_ms(),
        &by
    );
    let told = (by.as_str(), "toolRule.removed", id.as_str());
    let is_there = "EXISTS (SELECT 1 FROM tool_rule r WHERE r.id = ?5 AND r.removed_at IS NULL)";
    // Before the removal, so that only a rule that is in force has an entry.
    let entry = audit::entry_where(&deps, told, &json!({}), is_there);
    let mut answers = Answers::of(&*deps.sql, vec![entry, remove]).await?;
    answers.skip();
    if !answers.any() {
        return Err(ApiError::not_found("rule with this id"));
    }
    list(State(deps)).await
}

/// Refuses an answer for more than one call to anything but a tool call of a run.
pub fn refuse_extent() -> ApiError {
    let detail = "Only a tool call of a run can be allowed for its task or always.";
    Problem::field("extent", detail, "Leave `extent` out.").into()
}
