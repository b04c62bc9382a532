//! More money for a run that has cost more than it may: the rules that would have judged the amount
//! before the run grant it, ask the owner, or end the run. The question is an approval like any
//! other, with its own hold; the hold passes over to the run when the owner says yes.

use crate::ask::{self, Answer, Placed};
use crate::ledger::{self, TopUp};
use crate::policy::{self, Ask, MORE_MONEY, MoreMoney};
use crate::store::{Answers, ApprovalRow, ROW};
use crate::{Deps, audit, digests, owner};
use contracts::approval::ApprovalState;
use contracts::task::StopCause;
use contracts::{AgentId, Micros, Shard};
use platform::edge::ApiResult;
use platform::ports::{ClockExt, SqlExt, Statement};
use platform::sql;
use serde::Deserialize;
use serde_json::json;

/// How long the owner may decide while the run rests.
const WINDOW_MS: i64 = 3_600_000;

/// Whether a run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    GoOn,
    /// It rests until the owner has decided.
    Pause,
    Stop(StopCause, Option<String>),
}

impl Word {
    /// Why it must stop, if it must.
    pub fn cause(&self) -> (Option<StopCause>, Option<String>) {
        match self {
            Self::Stop(cause, detail) => (Some(*cause), detail.clone()),
            Self::GoOn | Self::Pause => (None, None),
        }
    }
}

/// The budget's own refusal.
fn used_up() -> Word {
    Word::Stop(StopCause::Budget, Some("The budget does not cover more.".to_owned()))
}

/// The cost of a run.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// So far.
    pub spent: Micros,
    /// With its next step, at most; at least `spent`.
    pub need: Micros,
    /// How far it may go.
    pub limit: Micros,
}

/// A run that needs more money.
struct Run<'a> {
    deps: &'a Deps,
    approval: &'a ApprovalRow,
    spent: Micros,
    need: Micros,
    limit: Micros,
    now_ms: i64,
}

/// Finds out whether the run of this approval, which needs more than its limit, goes on; with its
/// limit from now on.
pub async fn seek(deps: &Deps, approval: &ApprovalRow, cost: Cost) -> ApiResult<(Word, Micros)> {
    let Cost { spent, need, limit } = cost;
    let run = Run { deps, approval, spent, need, limit, now_ms: deps.clock.now_ms() };
    let asked: Vec<ApprovalRow> = deps
        .sql
        .all(
            Statement::new(format!(
                "SELECT {ROW} FROM approvals WHERE tops_up = ?1 ORDER BY requested_at DESC, id DESC"
            ))
            .bind(&approval.task),
        )
        .await?;
    let state = asked.first().map(|row| row.state_at(run.now_ms)).transpose()?;
    match (asked.first(), state) {
        (Some(_), Some(ApprovalState::Pending)) => Ok((Word::Pause, limit)),
        (Some(row), Some(ApprovalState::Approved)) => run.take_over(row).await,
        (Some(row), Some(ApprovalState::Rejected)) => {
            let by = row.decider().unwrap_or_else(|| "the owner".to_owned());
            Ok((
                Word::Stop(StopCause::Declined, Some(format!("More money was declined by {by}."))),
                limit,
            ))
        }
        (_, None | Some(ApprovalState::Consumed)) => run.judge(asked.len()).await,
        _ => {
            let why = "The owner did not answer in time, so it may not spend more.".to_owned();
            Ok((Word::Stop(StopCause::Budget, Some(why)), limit))
        }
    }
}

impl Run<'_> {
    /// The rules' word.
    async fn judge(&self, questions: usize) -> ApiResult<(Word, Micros)> {
        // It was approved, and the budget had only lent it to other work.
        let approved = self.approval.amount();
        if self.need <= approved && self.limit < approved {
            return self.raise(approved, None).await;
        }
        let owner = owner::read(self.deps).await?;
        let agent = self.deps.config.agents.agent(&AgentId::new(&self.approval.agent));
        let endpoint = self.approval.endpoint();
        let ask = Ask {
            agent: &self.approval.agent,
            kind: &self.approval.kind,
            operation: self.approval.operation.as_deref(),
            estimated: self.need,
            estimate_is_ours: true,
            price: agent.price,
            flat: Micros::ZERO,
            max_cost: agent.max_cost,
            is_allowed: false,
            endpoint: endpoint.as_ref().map(Shard::as_str),
            public: self.approval.public != 0,
            now_ms: self.now_ms,
        };
        match policy::more_money(&ask, &owner.rules, self.need, self.approval.amount()) {
            MoreMoney::Grant(to) => self.raise(to, None).await,
            MoreMoney::Stop(why) => Ok((Word::Stop(StopCause::Budget, Some(why)), self.limit)),
            MoreMoney::Ask { more, why } => {
                let (base, room) = (self.base(), self.room().await?);
                let more = self.need.minus(base).plus(more).min(room.minus(base));
                if room <= self.need || more == Micros::ZERO {
                    return Ok((used_up(), self.limit));
                }
                self.question(questions, more, &why).await?;
                Ok((Word::Pause, self.limit))
            }
        }
    }

    /// How much the budget leaves for this run in all.
    async fn room(&self) -> ApiResult<Micros> {
        #[derive(Deserialize)]
        struct Room {
            n: Option<i64>,
        }
        let room = self.deps.sql.one::<Room>(ledger::room_for(&self.approval.task, self.now_ms));
        Ok(Micros(room.await?.and_then(|room| room.n).unwrap_or(0).max(0)))
    }

    /// Raises the limit, at the cost of the hold of an approved question where there is one.
    async fn raise(&self, to: Micros, from: Option<&ApprovalRow>) -> ApiResult<(Word, Micros)> {
        #[derive(Deserialize)]
        struct Raised {
            limit_u: i64,
        }
        let order = TopUp {
            task: &self.approval.task,
            // A need that has grown meanwhile is asked about by itself.
            need: self.need.min(to),
            to,
            from: from.map_or(&self.approval.task, |row| &row.task),
            now_ms: self.now_ms,
        };
        let raised = "EXISTS (SELECT 1 FROM hold h WHERE h.task = ?3 AND h.limit_u >= ?4)";
        let mut batch = Vec::new();
        match from {
            None => batch.push(ledger::top_up(order, "true")),
            Some(row) => {
                let approved = "EXISTS (SELECT 1 FROM approvals q JOIN hold mine ON mine.task = q.task WHERE q.id = ?6 AND q.state = 'approved' AND mine.exp > ?5)";
                batch.push(ledger::top_up(order, approved).bind(&row.id));
                let step = |text: String, first: &str| {
                    sql!(text, first, self.now_ms, &self.approval.task, self.need.min(to))
                };
                batch.push(step(
                    format!("UPDATE approvals SET state = 'consumed' WHERE id = ?1 AND state = 'approved' AND ?2 > 0 AND {raised}"),
                    &row.id,
                ));
                batch.push(step(
                    format!("UPDATE hold SET exp = 0 WHERE task = ?1 AND ?2 > 0 AND {raised}"),
                    &row.task,
                ));
            }
        }
        let mut answers = Answers::of(&*self.deps.sql, batch).await?;
        Ok(match answers.one::<Raised>()? {
            Some(raised) => {
                tracing::info!(task = %self.approval.task, spent = %self.spent, limit = raised.limit_u, "more money for a run");
                (Word::GoOn, Micros(raised.limit_u))
            }
            None => (used_up(), self.limit),
        })
    }

    /// The money that is spent or granted already: a question is about more than that.
    fn base(&self) -> Micros {
        self.spent.max(self.limit)
    }

    async fn take_over(&self, question: &ApprovalRow) -> ApiResult<(Word, Micros)> {
        self.raise(self.base().plus(question.amount()), Some(question)).await
    }

    /// Asks the owner where the run itself was, or would have been, asked about.
    async fn question(&self, earlier: usize, more: Micros, why: &str) -> ApiResult<()> {
        let (deps, run) = (self.deps, self.approval);
        let id = format!("apr_{}", deps.clock.ulid());
        let task = format!("{}~more{}", run.task, earlier + 1);
        let placed: Vec<Placed> = ask::placed(deps, &ask::places_of(deps, Some(run)).await?);
        let digest = digests::canonical_digest(&json!({
            "taskId": task,
            "agentType": run.agent,
            "type": MORE_MONEY,
            "operation": null,
            "arguments": null,
            "description": run.description,
            "costLimitMicros": more.0,
        }))?;
        let next = if self.need > self.spent {
            format!(" Its next step may bring that to {}.", self.need)
        } else {
            String::new()
        };
        let reason =
            format!("It has spent {}, and may spend {}.{next} {why}", self.spent, self.limit);
        let attempt = deps.clock.random_hex(16);
        let insert = Statement::new(
            "INSERT INTO approvals (id, task, fingerprint, digest, state, version, kind, agent, description, estimated_u, amount_u,
                 declared_free, reason, policies, monitoring, requested_at, requested_by, expires_at, attempt, channel, event_id, tops_up)
             SELECT ?2, ?3, ?4, ?4, 'pending', 1, ?5, a.agent, a.description, ?6, ?6, 0, ?7, '[\"costThreshold\"]', a.monitoring, ?8,
                 a.requested_by, ?9, ?10, a.channel, a.event_id, a.task
             FROM approvals a WHERE a.task = ?1 AND a.state = 'claimed' AND a.lease_until IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM approvals q WHERE q.tops_up = ?1 AND q.state = 'pending')
             ON CONFLICT (task) DO NOTHING",
        )
        .bind(&run.task)
        .bind(&id)
        .bind(&task)
        .bind(digest)
        .bind(MORE_MONEY)
        .bind(more)
        .bind(reason)
        .bind(self.now_ms)
        .bind(self.now_ms + WINDOW_MS)
        .bind(&attempt);
        let mut batch = vec![insert, audit::of_approval(deps, &id, &attempt)];
        batch.extend(ask::place(deps, &id, &placed, Answer::YES_OR_NO));
        Answers::of(&*deps.sql, batch).await?;
        tracing::info!(task = %run.task, spent = %self.spent, %more, "the owner is asked for more money");
        ask::flush_soon(deps);
        Ok(())
    }
}

/// Ends the questions of a run that has ended, and gives back what was approved for it.
pub fn withdraw(task: &str, now_ms: i64) -> Vec<Statement> {
    vec![
        sql!(
            "UPDATE approvals SET state = 'cancelled', version = version + 1, decided_at = ?2, decided_by = 'policy', reason = 'The run has ended.', code = 'cancelled'
             WHERE (tops_up = ?1 OR run = ?1) AND state = 'pending'",
            task,
            now_ms
        ),
        sql!("UPDATE hold SET exp = 0 WHERE task IN (SELECT q.task FROM approvals q WHERE q.tops_up = ?1)", task),
        ask::mirror_where("(q.tops_up = ?1 OR q.run = ?1) AND +q.state = 'cancelled'", task, now_ms),
    ]
}
