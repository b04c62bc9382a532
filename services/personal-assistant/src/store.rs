//! Every table of this service, and the approval's row.
//!
//! | table | holds | written by |
//! | --- | --- | --- |
//! | `approvals` | one request for approval each, kept for ever | `approve`, `top_up`, `decide`, `claim`, `renew`, `settle`, `cut_off`, `halt`, `expire` |
//! | `approval_review` | the word of a model on a request | `approve` |
//! | `tool_rule` | tool calls that the owner allowed beforehand | `decide`, `tool_rules`, `posting` |
//! | `delivery`, `button` | where the owner was asked, and what the buttons there mean | `approve`, `ask` |
//! | `budget`, `budget_rule`, `hold`, `posted` | the ledger | `ledger`, `budget`, `settle`, `cut_off` |
//! | `claim` | who claimed an approval, and the cost of that run so far | `claim`, `renew` |
//! | `halt` | halts, in force while `resumed_at` is null | `halt`, `halt_check` |
//! | `person` | the names of approvers who decided | `person` |
//! | `personal_context` | the owner's rules, one row each that was set | `rulebook`, `context` |
//! | `audit`, `audit_seal` | who decided and changed what, as a chain | `audit` |
//! | `chat_message`, `chat_summary` | the owner's chat, append-only, and a summary of its older part | `chat` |
//! | `memory_fact` | facts about the owner | `memory` |
//! | `memory_doc`, `memory_term`, `memory_use` | their words and those of messages, for recall, and what an answer was made from | `memory` |
//!
//! Nothing of these has a lifetime: what ends, ends because a time in the row has passed.

use crate::halt_scope;
use crate::person;
use crate::policy::{QUESTION, TOOL_CALL, id};
use contracts::approval::{Approval, ApprovalState, Choice, MonitoringLevel};
use contracts::{AgentId, ApprovalId, ErrorCode, EventId, Micros, Shard, TaskId};
use platform::edge::{ApiError, ApiResult};
use platform::ports::{PortResult, Row, Sql, SqlExt, Statement, sql::read_row};
use platform::text::printable;
use platform::time::rfc3339;
use serde::Deserialize;

/// Maximum characters of an answer that has a button.
const LABEL_CHARS: usize = 40;

/// How long the owner may decide.
pub const DECISION_WINDOW_MS: i64 = 24 * 3_600_000;
/// How long an approval may be claimed and holds its amount.
pub const CLAIM_WINDOW_MS: i64 = 15 * 60_000;
/// Extra validity of a hold for its holder's clock skew.
pub const SKEW_MS: i64 = 5_000;

/// The name of the last change of the rules, in a statement.
pub const REVISION: &str = "(SELECT value FROM personal_context WHERE name = 'revision')";

/// The columns of an [`ApprovalRow`], with the decider's name.
pub const ROW: &str = "approvals.*, (SELECT p.name FROM person p WHERE p.actor = approvals.decided_by) AS decided_name, (SELECT COUNT(*) FROM person) AS persons";

/// Condition on a row `c` of `claim`: it is its task's newest.
pub const NEWEST_CLAIM: &str = "c.seq = (SELECT MAX(m.seq) FROM claim m WHERE m.task = c.task)";

/// A row of `approvals`. Times are milliseconds since the epoch, amounts micro-dollars.
#[derive(Clone, Debug, Deserialize)]
pub struct ApprovalRow {
    pub id: String,
    pub task: String,
    pub fingerprint: String,
    pub digest: String,
    state: String,
    pub version: u32,
    pub kind: String,
    pub agent: String,
    pub operation: Option<String>,
    pub description: String,
    pub arguments: Option<String>,
    estimated_u: i64,
    pub amount_u: i64,
    pub declared_free: i64,
    pub reason: String,
    pub code: Option<String>,
    policies: String,
    monitoring: String,
    pub requested_at: i64,
    pub requested_by: String,
    pub expires_at: i64,
    pub decided_at: Option<i64>,
    pub decided_by: Option<String>,
    pub valid_until: Option<i64>,
    pub lease_until: Option<i64>,
    pub attempt: String,
    pub channel: Option<String>,
    pub event_id: Option<String>,
    actual_u: Option<i64>,
    epoch_min: i64,
    /// JSON list of targets: where to ask about more money.
    pub ask: Option<String>,
    /// The task whose hold it adds to; none for an approval of work.
    pub tops_up: Option<String>,
    /// The task of the run that asks; none for work.
    pub run: Option<String>,
    /// For a tool call: see `tool_rules`.
    pub pattern: Option<String>,
    /// 1 for work of a sender whom only `*` lets in.
    pub public: i64,
    /// The decider's name, where [`ROW`] was read and there is one.
    #[serde(default)]
    decided_name: Option<String>,
    /// Names on record.
    #[serde(default)]
    persons: i64,
}

/// The `decided_by` of a decision of the rules.
pub const BY_RULES: &str = "policy";

impl ApprovalRow {
    /// Whether a lease with this epoch was released.
    pub fn given_up(&self, epoch: Option<u32>) -> bool {
        epoch.is_some_and(|epoch| i64::from(epoch) < self.epoch_min)
    }
    /// Whether a person decided, not the rules.
    pub fn is_decided_by_a_person(&self) -> bool {
        self.decided_by.as_deref().is_some_and(|by| by != BY_RULES)
    }
    /// Whether a model approved it, for exactly what it was shown.
    pub fn is_approved_by_a_model(&self) -> bool {
        let policies: Vec<String> = serde_json::from_str(&self.policies).unwrap_or_default();
        policies.iter().any(|policy| policy == id::MODEL_REVIEW)
    }
    /// Whether it was ever claimed.
    pub fn was_claimed(&self) -> bool {
        matches!(
            ApprovalState::parse(&self.state),
            None | Some(ApprovalState::Claimed | ApprovalState::Consumed)
        )
    }
    /// Whether its run was cut off: its lease ended, and its last known cost is posted.
    pub fn was_cut_off(&self) -> bool {
        ApprovalState::parse(&self.state) == Some(ApprovalState::Claimed)
            && self.lease_until.is_none()
    }
    /// Its state now, including expiry and lapse by time. An unknown state is unreadable, never
    /// approved.
    pub fn state_at(&self, now_ms: i64) -> ApiResult<ApprovalState> {
        let stored = ApprovalState::parse(&self.state).ok_or_else(|| unreadable("state"))?;
        let over = self.valid_until.is_none_or(|until| until <= now_ms);
        let unleased = self.lease_until.is_none_or(|until| until <= now_ms);
        Ok(match stored {
            ApprovalState::Pending if self.expires_at <= now_ms => ApprovalState::Expired,
            ApprovalState::Approved if over => ApprovalState::Lapsed,
            ApprovalState::Claimed if over && unleased => ApprovalState::Lapsed,
            state => state,
        })
    }
    /// The endpoint that its work came in by: its own event's, else that of the run that asks.
    pub fn endpoint(&self) -> Option<Shard> {
        let event = self.event_id.as_deref().map(EventId::new);
        let asker = self.run.as_deref().or(self.tops_up.as_deref());
        event.or_else(|| Some(TaskId::new(asker?).event_id()))?.shard()
    }
    /// Who decided, for people.
    pub fn decider(&self) -> Option<String> {
        let by = self.decided_by.as_deref()?;
        Some(person::shown(by, self.decided_name.as_deref(), self.persons))
    }
    /// The amount held and allowed.
    pub fn amount(&self) -> Micros {
        Micros(self.amount_u)
    }
    /// The expected cost; none for an agent without a price.
    pub fn estimate(&self) -> ApiResult<Option<Micros>> {
        if self.estimated_u > 0 {
            return Ok(Some(Micros(self.estimated_u)));
        }
        let unknown = self.policies()?.iter().any(|policy| policy == id::UNKNOWN_PRICE);
        Ok((!unknown).then_some(self.amount()))
    }
    /// The rules that determined it.
    pub fn policies(&self) -> ApiResult<Vec<String>> {
        serde_json::from_str(&self.policies).map_err(|_| unreadable("policies"))
    }
    /// How closely to watch a run.
    pub fn monitoring(&self) -> ApiResult<MonitoringLevel> {
        serde_json::from_value(serde_json::Value::String(self.monitoring.clone()))
            .map_err(|_| unreadable("monitoring"))
    }
    /// Whether the caller with this name requested it.
    pub fn was_requested_by(&self, name: &str) -> bool {
        self.requested_by == name
    }
    /// The answers that it takes.
    pub fn choice(&self) -> Choice {
        #[derive(Deserialize)]
        struct Asked {
            options: Vec<String>,
        }
        if self.tops_up.is_some() {
            return Choice::Two { labels: [format!("{} more", self.amount()), "Stop".to_owned()] };
        }
        if self.kind == TOOL_CALL && self.run.is_some() && self.pattern.is_some() {
            return Choice::ToolCall;
        }
        if self.kind != QUESTION {
            return Choice::ApproveOrReject;
        }
        let asked = self.arguments.as_deref().map(serde_json::from_str::<Asked>);
        let options = asked.and_then(Result::ok).map(|asked| asked.options).unwrap_or_default();
        let labels: Vec<String> = options.iter().map(|option| printable(option.trim())).collect();
        match <[String; 2]>::try_from(labels) {
            Ok(labels) if are_clear(&labels) => Choice::Two { labels },
            _ => Choice::Words,
        }
    }
    /// The approval on the wire.
    pub fn wire(&self, now_ms: i64) -> ApiResult<Approval> {
        let arguments = self
            .arguments
            .as_deref()
            .map(serde_json::from_str)
            .transpose()
            .map_err(|_| unreadable("arguments"))?;
        Ok(Approval {
            id: ApprovalId::new(&self.id),
            version: self.version,
            state: self.state_at(now_ms)?,
            task_id: TaskId::new(&self.task),
            kind: self.kind.clone(),
            agent_type: AgentId::new(&self.agent),
            operation: self.operation.clone(),
            description: self.description.clone(),
            arguments,
            estimated_cost: self.estimate()?,
            cost_limit: self.amount(),
            digest: self.digest.clone(),
            reason: self.reason.clone(),
            code: self.code.clone(),
            policies: self.policies()?,
            monitoring_level: self.monitoring()?,
            requested_at: rfc3339(self.requested_at),
            expires_at: rfc3339(self.expires_at),
            decided_at: self.decided_at.map(rfc3339),
            decided_by: self.decided_by.clone(),
            decided_by_name: self.decided_name.is_some().then(|| self.decider()).flatten(),
            channel: self.channel.clone(),
            event_id: self.event_id.as_deref().map(EventId::new),
            actual_cost: self.actual_u.map(Micros),
            choice: self.choice(),
            review: None,
        })
    }
}

/// Whether buttons show these answers whole, and as different ones.
fn are_clear([first, second]: &[String; 2]) -> bool {
    let is_shown = |label: &String| {
        label.chars().count() <= LABEL_CHARS && label.chars().any(char::is_alphanumeric)
    };
    is_shown(first) && is_shown(second) && first.to_lowercase() != second.to_lowercase()
}

/// An unreadable row: refused, so that nothing is approved or spent on it.
pub fn unreadable(what: &str) -> ApiError {
    tracing::error!(what, "a stored row is unreadable");
    ApiError::new(ErrorCode::Internal, "The stored data is unreadable; nothing was changed.")
}

/// The approval with this id.
pub fn approval_by_id(id: &str) -> Statement {
    Statement::new(format!("SELECT {ROW} FROM approvals WHERE id = ?1")).bind(id)
}

/// The approval of this task.
pub fn approval_by_task(task: &str) -> Statement {
    Statement::new(format!("SELECT {ROW} FROM approvals WHERE task = ?1")).bind(task)
}

/// The refusal of an unknown approval.
pub fn no_approval() -> ApiError {
    ApiError::not_found("approval with this id")
}

/// Reads one approval, or 404.
pub async fn approval(sql: &dyn Sql, id: &str) -> ApiResult<ApprovalRow> {
    sql.one(approval_by_id(id)).await?.ok_or_else(no_approval)
}

/// Whether a halt covers the task; the column is `halted`.
pub fn halted(task: &str) -> Statement {
    Statement::new(format!("SELECT {} AS halted", halt_scope::of_task())).bind(task)
}

/// The rows of a batch, in the order of its statements.
pub struct Answers(std::vec::IntoIter<Vec<Row>>);

impl Answers {
    /// Runs the batch.
    pub async fn of(sql: &dyn Sql, statements: Vec<Statement>) -> PortResult<Self> {
        Ok(Self(sql.batch(statements).await?.into_iter()))
    }
    /// Skips the next statement's rows.
    pub fn skip(&mut self) {
        self.0.next();
    }
    /// All rows of the next statement.
    pub fn all<T: serde::de::DeserializeOwned>(&mut self) -> PortResult<Vec<T>> {
        self.0.next().unwrap_or_default().into_iter().map(read_row).collect()
    }
    /// The first row of the next statement.
    pub fn one<T: serde::de::DeserializeOwned>(&mut self) -> PortResult<Option<T>> {
        self.0.next().unwrap_or_default().into_iter().next().map(read_row).transpose()
    }
    /// Whether the next statement returned a row: with `RETURNING`, whether it had an effect.
    pub fn any(&mut self) -> bool {
        self.0.next().is_some_and(|rows| !rows.is_empty())
    }
    /// The result of [`halted`].
    pub fn halted(&mut self) -> PortResult<bool> {
        #[derive(Deserialize)]
        struct Flag {
            halted: i64,
        }
        // A missing row is no answer, so treat it as halted.
        Ok(self.one::<Flag>()?.is_none_or(|flag| flag.halted != 0))
    }
}
