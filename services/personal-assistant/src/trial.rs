//! Requests of the last days, decided again by other rules; nothing is stored.
//!
//! Only the word of the rules is compared: a budget, a halt, a model or a person may have decided
//! otherwise. A request has the amount that it had then.

use crate::Deps;
use crate::policy::{self, Ask, Rules, Ruling, Verdict, id};
use crate::store::{self, Answers};
use contracts::policy::{PolicyDifference, PolicyTrial, RuleWord, WordCounts};
use contracts::{AgentId, ApprovalId, ErrorCode, EventId, Micros, Shard};
use platform::agents::Price;
use platform::edge::ApiResult;
use platform::ports::Statement;
use platform::sql;
use platform::time::rfc3339;
use serde::Deserialize;

const DAY_MS: i64 = 24 * 3_600_000;
/// Maximum requests that are decided again, the newest.
const REQUESTS_MAX: u32 = 5_000;
const DIFFERENCES_MAX: usize = 100;

#[derive(Deserialize)]
struct Request {
    id: String,
    agent: String,
    kind: String,
    operation: Option<String>,
    amount_u: i64,
    state: String,
    code: Option<String>,
    policies: String,
    requested_at: i64,
    decided_by: Option<String>,
    public: i64,
    /// The event of the work, or of the run that asked.
    event: Option<String>,
}

/// Compares rules with others, or with what was decided.
pub async fn trial(
    deps: &Deps,
    before: Option<&Rules>,
    after: &Rules,
    days: u32,
) -> ApiResult<PolicyTrial> {
    let now_ms = deps.clock.now_ms();
    let mut answers =
        Answers::of(&*deps.sql, vec![newest(now_ms - i64::from(days) * DAY_MS)]).await?;
    let mut rows: Vec<Request> = answers.all()?;
    let is_cut = rows.len() > REQUESTS_MAX as usize;
    rows.truncate(REQUESTS_MAX as usize);
    let mut trial = PolicyTrial {
        days,
        requests: 0,
        is_cut,
        changed: 0,
        before: WordCounts::default(),
        after: WordCounts::default(),
        differences: Vec::new(),
    };
    for row in &rows {
        let policies: Vec<String> =
            serde_json::from_str(&row.policies).map_err(|_| store::unreadable("policies"))?;
        let old = match before {
            Some(rules) => Some(word(&row.again(&policies, rules, now_ms))),
            None => row.word_then(&policies),
        };
        let Some(old) = old else { continue };
        let ruling = row.again(&policies, after, now_ms);
        let new = word(&ruling);
        trial.requests += 1;
        trial.before.add(old);
        trial.after.add(new);
        if old == new {
            continue;
        }
        trial.changed += 1;
        if trial.differences.len() < DIFFERENCES_MAX {
            trial.differences.push(row.difference(old, new, ruling));
        }
    }
    Ok(trial)
}

/// The newest requests since a time. Questions of agents and questions for more money are left out:
/// no rule decides about them.
fn newest(since_ms: i64) -> Statement {
    sql!(
        "SELECT a.id, a.agent, a.kind, a.operation, a.amount_u, a.state, a.code, a.policies, a.requested_at, a.decided_by, a.public,
                COALESCE(a.event_id, (SELECT r.event_id FROM approvals r WHERE r.task = a.run)) AS event
         FROM approvals a WHERE a.requested_at >= ?1 AND a.tops_up IS NULL AND a.kind <> ?2
         ORDER BY a.requested_at DESC LIMIT ?3",
        since_ms,
        policy::QUESTION,
        REQUESTS_MAX + 1
    )
}

fn word(ruling: &Ruling) -> RuleWord {
    match ruling.verdict {
        Verdict::Approve => RuleWord::Approve,
        Verdict::AskOwner => RuleWord::Ask,
        Verdict::Reject(_) => RuleWord::Reject,
    }
}

impl Request {
    /// The rules' word on it now.
    fn again(&self, policies: &[String], rules: &Rules, now_ms: i64) -> Ruling {
        let has = |name: &str| policies.iter().any(|policy| policy == name);
        let amount = Micros(self.amount_u);
        let endpoint = self.event.as_deref().and_then(|event| EventId::new(event).shard());
        let is_unpriced = has(id::UNKNOWN_PRICE);
        let ask = Ask {
            agent: &self.agent,
            kind: &self.kind,
            operation: self.operation.as_deref(),
            estimated: if is_unpriced { Micros::ZERO } else { amount },
            estimate_is_ours: true,
            price: if is_unpriced { Price::Unknown } else { Price::Known(Micros::ZERO) },
            flat: amount,
            max_cost: None,
            is_allowed: has(id::TOOL_RULE),
            endpoint: endpoint.as_ref().map(Shard::as_str),
            public: self.public != 0,
            now_ms,
        };
        policy::rule(&ask, rules)
    }
    /// The rules' word on it then; none where a halt, the budget or a missing program came first.
    fn word_then(&self, policies: &[String]) -> Option<RuleWord> {
        // Only what waited for an answer is cancelled.
        if self.state == "cancelled" {
            return Some(RuleWord::Ask);
        }
        let is_by_rules = self.decided_by.as_deref() == Some(store::BY_RULES);
        if !is_by_rules || policies.iter().any(|policy| policy == id::MODEL_REVIEW) {
            return Some(RuleWord::Ask);
        }
        if self.state != "rejected" {
            return Some(RuleWord::Approve);
        }
        let not_by_rules = [
            ErrorCode::Halted.as_str(),
            ErrorCode::BudgetExhausted.as_str(),
            ErrorCode::RateLimited.as_str(),
            contracts::approval::CANNOT_START,
        ];
        let code = self.code.as_deref().unwrap_or_default();
        (!not_by_rules.contains(&code)).then_some(RuleWord::Reject)
    }
    fn difference(&self, before: RuleWord, after: RuleWord, ruling: Ruling) -> PolicyDifference {
        PolicyDifference {
            approval_id: ApprovalId::new(&self.id),
            agent_type: AgentId::new(&self.agent),
            operation: self.operation.clone().unwrap_or_else(|| self.kind.clone()),
            requested_at: rfc3339(self.requested_at),
            amount: Micros(self.amount_u),
            before,
            after,
            policies: ruling.policies.into_iter().map(Into::into).collect(),
            reason: ruling.reason,
        }
    }
}
