//! `POST /api/approve`: approves, rejects, or asks the owner.
//!
//! One batch writes the outcome: it creates the hold if the budget covers it, and the approval
//! becomes approved only with that hold and without a halt. Repeating the request for a task
//! returns its current state.

use crate::ask::{self, Answer, Placed};
use crate::digests::{digest, fingerprint};
use crate::ledger::{self, Amounts, Reserve, Shortfall};
use crate::owner::Owner;
use crate::policy::{self, Ask, Ruling, Verdict, id};
use crate::request::NAME_CHARS_MAX;
use crate::reviewed::Reviewed;
use crate::spend::{self, Fresh};
use crate::store::{self, Answers, ApprovalRow, CLAIM_WINDOW_MS, DECISION_WINDOW_MS, SKEW_MS};
use crate::{Deps, audit, halt_scope, owner, stake};
use contracts::approval::{
    ApprovalState, ApproveAnswer, ApproveRequest, CANNOT_START, ChannelContext,
};
use contracts::outbox::Target;
use contracts::{ApprovalId, ErrorCode, Micros, Problem, ServiceName, Shard};
use platform::agents::Price;
use platform::edge::{ApiResult, Principal};
use platform::ports::{ClockExt, Statement};
use platform::time::rfc3339;
use serde_json::{Value, json};
use std::borrow::Cow;

/// The decision of the owner's rules.
pub fn ruling(deps: &Deps, who: Principal, request: &ApproveRequest, owner: &Owner) -> Ruling {
    ruling_of(deps, who, request, owner, Asking::default())
}

/// The same for a question of a run, and for a tool call that the owner's rule allows.
fn ruling_of(
    deps: &Deps,
    who: Principal,
    request: &ApproveRequest,
    owner: &Owner,
    asking: Asking<'_>,
) -> Ruling {
    let endpoint = endpoint(who, request, asking.run);
    let agent = deps.config.agents.agent(&request.agent_type);
    let mut ask = Ask {
        agent: request.agent_type.as_str(),
        kind: &request.kind,
        operation: request.operation.as_deref(),
        estimated: request.estimated_cost,
        estimate_is_ours: who.is_service(ServiceName::WebhookAggregator),
        price: agent.price,
        flat: owner.rules.cost_threshold.min(owner.daily),
        max_cost: agent.max_cost,
        is_allowed: asking.allowed_by.is_some(),
        endpoint: endpoint.as_ref().map(Shard::as_str),
        public: is_public(who, request, asking.run),
        now_ms: deps.clock.now_ms(),
    };
    if ask.is_for_the_owner() {
        // The run that asks has a price of its own; a tool call costs what the caller says.
        ask.price = Price::Known(Micros::ZERO);
        ask.max_cost = None;
    }
    // Work of the assistant itself has its ceiling for a price.
    if who.is_service(ServiceName::PersonalAssistant) {
        ask.price = Price::Known(Micros::ZERO);
        ask.max_cost = None;
    }
    let mut ruling = policy::rule(&ask, &owner.rules);
    if let (Some(rule), Verdict::Approve) = (asking.allowed_by, ruling.verdict) {
        ruling.policies.push(id::TOOL_RULE.into());
        ruling.reason = format!("You allowed this call beforehand ({rule}).");
    }
    ruling
}

/// The endpoint of the message or of the run that it is about. It is believed from the aggregator
/// alone.
fn endpoint(who: Principal, request: &ApproveRequest, run: Option<&ApprovalRow>) -> Option<Shard> {
    if let Some(run) = run {
        return run.endpoint();
    }
    let context = request.channel_context.as_ref();
    let context = context.filter(|_| who.is_service(ServiceName::WebhookAggregator))?;
    Some(Shard::of(context.channel.as_deref()?, context.endpoint.as_deref()?))
}

/// Whether it is work of a sender whom only `*` lets in.
fn is_public(who: Principal, request: &ApproveRequest, run: Option<&ApprovalRow>) -> bool {
    let context = request.channel_context.as_ref();
    let trusted = who.is_service(ServiceName::WebhookAggregator);
    run.is_some_and(|run| run.public != 0)
        || (trusted && context.is_some_and(|context| context.public))
}

/// The origin of a question, and the rule that answers it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asking<'a> {
    /// The approval of the run that asks, which is also where to ask.
    pub run: Option<&'a ApprovalRow>,
    /// For a tool call: see `tool_rules`.
    pub pattern: Option<&'a str>,
    /// The owner's rule that allows it.
    pub allowed_by: Option<&'a str>,
    /// The owner's rules, where they were just read.
    pub owner: Option<&'a Owner>,
    /// The word of a model.
    pub reviewed: Option<&'a Reviewed>,
}

/// A request on record.
pub struct Recorded {
    pub row: ApprovalRow,
    /// Set if this request exceeded the budget.
    pub shortfall: Option<Shortfall>,
    /// It was also claimed and posted: nothing more is to do for it.
    pub is_spent: bool,
}

impl Asking<'_> {
    /// The answers by button.
    fn answers(&self) -> &'static [Answer] {
        let is_tool_call_of_run = self.run.is_some() && self.pattern.is_some();
        if is_tool_call_of_run { Answer::TO_A_TOOL_CALL } else { Answer::YES_OR_NO }
    }
}

/// Writes the outcome, or reads the existing one. Includes the shortfall if this request exceeded
/// the budget.
pub async fn record(
    deps: &Deps,
    who: Principal,
    request: &ApproveRequest,
) -> ApiResult<(ApprovalRow, Option<Shortfall>)> {
    let recorded = record_asking(deps, who, request, Asking::default()).await?;
    Ok((recorded.row, recorded.shortfall))
}

/// The same for a question of a run. A tool call that the rules allow is spent by the same batch.
pub async fn record_asking(
    deps: &Deps,
    who: Principal,
    request: &ApproveRequest,
    asking: Asking<'_>,
) -> ApiResult<Recorded> {
    let owner = match asking.owner {
        Some(owner) => owner.clone(),
        None => owner::read(deps).await?,
    };
    let now_ms = deps.clock.now_ms();
    let mut ruling = ruling_of(deps, who, request, &owner, asking);
    refuse_what_cannot_start(who, request, &mut ruling);
    if let Some(reviewed) = asking.reviewed {
        reviewed.apply(&mut ruling);
    }
    if ruling.verdict == Verdict::AskOwner {
        stake::may_ask(deps, who, &request.task_id.0, now_ms).await?;
    }
    let scopes = owner.scopes(
        deps,
        now_ms,
        request.agent_type.as_str(),
        endpoint(who, request, asking.run).as_ref(),
    )?;
    let keys = ledger::keys(&scopes);
    let mut room = vec![ledger::ensure(&scopes)];
    if !stake::only_asks(who) {
        room.push(stake::give_way(&request.task_id.0, ruling.amount, &keys, now_ms));
    }
    if ruling.verdict == Verdict::AskOwner {
        fit_to_budget(deps, &mut ruling, &room, &keys, now_ms).await?;
    }
    let asked = whom_to_ask(deps, who, request, &ruling, asking.run).await?;
    let draft = Draft::new(deps, who, request, &ruling, (asking, &asked), now_ms)?;
    let mut batch = Vec::new();
    if ruling.verdict == Verdict::Approve {
        batch.extend(room);
        let order = Reserve {
            task: &draft.task,
            attempt: &draft.attempt,
            amount: ruling.amount,
            until_ms: now_ms + CLAIM_WINDOW_MS + SKEW_MS,
            now_ms,
            keys: &keys,
        };
        batch.push(ledger::reserve(order, &may_hold()).bind(draft.columns.to_string()));
    }
    let head = batch.len();
    batch.push(draft.insert());
    batch.push(audit::of_approval(deps, &draft.id, &draft.attempt));
    batch.extend(asking.reviewed.map(|said| said.keep(&draft.task, &draft.id, now_ms)));
    batch.extend(ask::place(deps, &draft.id, &draft.placed, asking.answers()));
    if ruling.verdict == Verdict::Approve && asking.pattern.is_some() {
        batch.extend(draft.spend(deps, ruling.amount, asking.run));
    }
    let tail = batch.len() - head;
    batch.push(store::approval_by_task(&draft.task));
    batch.push(ledger::figures(&keys, now_ms));
    let mut answers = Answers::of(&*deps.sql, batch).await?;
    (0..head + tail).for_each(|_| answers.skip());
    let row: ApprovalRow = answers.one()?.ok_or_else(|| store::unreadable("approval"))?;
    let figures: Vec<Amounts> = answers.all()?;
    // This batch wrote the row, and only its own claim can have ended it.
    let is_spent = row.id == draft.id && row.state_at(now_ms)? == ApprovalState::Consumed;
    let row = if row.id == draft.id { row } else { repetition(request, row)? };
    if row.state_at(now_ms)? == ApprovalState::Pending && !draft.placed.is_empty() {
        ask::flush_soon(deps);
    }
    let short = row.code.as_deref() == Some(ErrorCode::BudgetExhausted.as_str());
    let shortfall = short.then(|| ledger::shortfall(&scopes, &figures, row.amount()));
    Ok(Recorded { row, shortfall, is_spent })
}

/// Nobody could approve more than the remaining budget, so such a request is refused, not asked
/// about.
async fn fit_to_budget(
    deps: &Deps,
    ruling: &mut Ruling,
    room: &[Statement],
    keys: &str,
    now_ms: i64,
) -> ApiResult<()> {
    let look = room.iter().cloned().chain([ledger::figures(keys, now_ms)]);
    let mut answers = Answers::of(&*deps.sql, look.collect()).await?;
    room.iter().for_each(|_| answers.skip());
    let figures: Vec<Amounts> = answers.all()?;
    let remaining = figures.iter().map(Amounts::remaining).min().unwrap_or_default();
    ruling.fit(remaining);
    if ruling.amount > remaining {
        ruling.verdict = Verdict::Reject(ErrorCode::BudgetExhausted.as_str());
        ruling.reason = format!("{} is more than the remaining budget.", ruling.amount);
        ruling.policies.push(id::BUDGET.into());
    }
    Ok(())
}

/// The owner is not asked about a run that could not start. The aggregator knows that.
fn refuse_what_cannot_start(who: Principal, request: &ApproveRequest, ruling: &mut Ruling) {
    let context = request.channel_context.as_ref();
    let why = context.and_then(|context| context.cannot_start.as_ref());
    let is_known = who.is_service(ServiceName::WebhookAggregator);
    if let Some(why) = why.filter(|_| is_known && ruling.verdict == Verdict::AskOwner) {
        ruling.verdict = Verdict::Reject(CANNOT_START);
        ruling.reason = format!("{} could not start: {why}", request.agent_type);
    }
}

/// Condition of a hold: the task is new, and no halt that refuses its row would leave the hold
/// behind. `?7` is the JSON of its columns.
fn may_hold() -> String {
    let halted = halt_scope::of_columns("?7");
    format!("NOT {halted} AND NOT EXISTS (SELECT 1 FROM approvals a WHERE a.task = ?1)")
}

/// The addresses to ask the owner at. They are trusted from the aggregator only, because no other
/// caller may send messages to a chat. Work without a conversation is asked of each approver
/// directly; if none is known, the dashboard and the command line still show it.
async fn whom_to_ask(
    deps: &Deps,
    who: Principal,
    request: &ApproveRequest,
    ruling: &Ruling,
    run: Option<&ApprovalRow>,
) -> ApiResult<Vec<Target>> {
    if ruling.verdict != Verdict::AskOwner {
        return Ok(Vec::new());
    }
    if who.is_service(ServiceName::WebhookAggregator) {
        let context = request.channel_context.as_ref();
        return Ok(context.map(|context| context.ask.clone()).unwrap_or_default());
    }
    ask::places_of(deps, run).await
}

fn repetition(request: &ApproveRequest, row: ApprovalRow) -> ApiResult<ApprovalRow> {
    if row.fingerprint == fingerprint(request)? {
        return Ok(row);
    }
    let detail = format!("The task {} already exists with other content.", row.task);
    Err(Problem::new(ErrorCode::Conflict, detail)
        .with("approvalId", row.id)
        .with_fix("Use a new taskId for new work.")
        .into())
}

/// The new row, with the texts for each outcome in the database.
struct Draft {
    id: String,
    task: String,
    attempt: String,
    placed: Vec<Placed>,
    outcomes: Value,
    wanted: &'static str,
    columns: Value,
    now_ms: i64,
}

impl Draft {
    fn new(
        deps: &Deps,
        who: Principal,
        request: &ApproveRequest,
        ruling: &Ruling,
        (asking, asked): (Asking<'_>, &[Target]),
        now_ms: i64,
    ) -> ApiResult<Self> {
        let id = format!("apr_{}", deps.clock.ulid());
        let trusted = who.is_service(ServiceName::WebhookAggregator);
        let context = request.channel_context.clone().unwrap_or_default();
        let wanted = match ruling.verdict {
            Verdict::Approve => "approved",
            Verdict::AskOwner => "pending",
            Verdict::Reject(_) => "rejected",
        };
        Ok(Self {
            placed: ask::placed(deps, asked),
            task: request.task_id.0.clone(),
            attempt: deps.clock.random_hex(16),
            outcomes: outcomes(ruling, now_ms),
            columns: columns(deps, who, request, ruling, (asking, trusted.then_some(&context)))?,
            wanted,
            now_ms,
            id,
        })
    }

    /// Spends the approval as it is made; not during a halt that only the memory has.
    fn spend(&self, deps: &Deps, amount: Micros, run: Option<&ApprovalRow>) -> Vec<Statement> {
        let digest = self.columns.get("digest").and_then(Value::as_str).unwrap_or_default();
        let (id, task, now_ms) = (self.id.as_str(), self.task.as_str(), self.now_ms);
        if deps.unwritten.covers_any(task, run.map(|run| run.task.as_str())) {
            return Vec::new();
        }
        spend::at_once(deps, Fresh { id, task, digest, amount, now_ms })
    }

    /// Inserts the row unless the task has one. A halt or an insufficient budget overrides the
    /// rules.
    fn insert(&self) -> Statement {
        let text = format!(
            "WITH turned AS (SELECT json_extract(?4, '$.' || CASE
                 WHEN {halted} OR {scope_halted} THEN 'halted'
                 WHEN ?3 = 'approved' AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.task = ?1 AND h.attempt = ?6) THEN 'budget'
                 WHEN ?3 = 'pending' AND {too_many} THEN 'flooded'
                 ELSE 'ruled' END) AS o, ?5 AS c)
             INSERT INTO approvals (id, task, fingerprint, digest, state, version, kind, agent, operation, description, arguments, estimated_u,
                 amount_u, declared_free, reason, code, policies, monitoring, requested_at, requested_by, expires_at, decided_at, decided_by,
                 valid_until, attempt, channel, event_id, ask, run, pattern, public)
             SELECT ?2, ?1, c ->> 'fingerprint', c ->> 'digest', o ->> 'state', 1, c ->> 'kind', c ->> 'agent', c ->> 'operation',
                 c ->> 'description', c ->> 'arguments', c ->> 'estimated', c ->> 'amount', c ->> 'free', o ->> 'reason', o ->> 'code',
                 o ->> 'policies', c ->> 'monitoring', ?7, c ->> 'by', ?8, o ->> 'decidedAt', o ->> 'decidedBy', o ->> 'validUntil', ?6,
                 c ->> 'channel', c ->> 'event', c ->> 'ask', c ->> 'run', c ->> 'pattern', c ->> 'public'
             FROM turned WHERE true ON CONFLICT (task) DO NOTHING",
            halted = halt_scope::of_task(),
            scope_halted = halt_scope::of_columns("?5"),
            too_many = stake::too_many("?5", "?7")
        );
        let now_ms = self.now_ms;
        Statement::new(text)
            .bind(&self.task)
            .bind(&self.id)
            .bind(self.wanted)
            .bind(self.outcomes.to_string())
            .bind(self.columns.to_string())
            .bind(&self.attempt)
            .bind(now_ms)
            .bind(now_ms + DECISION_WINDOW_MS)
    }
}

/// State, reason, code and rules for each outcome: as ruled, halted, over budget.
fn outcomes(ruling: &Ruling, now_ms: i64) -> Value {
    let list = |policies: &[Cow<'static, str>]| json!(policies).to_string();
    let decided = |state: &str,
                   code: Option<&str>,
                   reason: &str,
                   policies: String,
                   valid: Option<i64>| json!({"state": state, "code": code, "reason": reason, "policies": policies, "decidedAt": now_ms, "decidedBy": "policy", "validUntil": valid});
    let ruled = match ruling.verdict {
        Verdict::Approve => decided(
            "approved",
            None,
            &ruling.reason,
            list(&ruling.policies),
            Some(now_ms + CLAIM_WINDOW_MS),
        ),
        Verdict::Reject(code) => {
            decided("rejected", Some(code), &ruling.reason, list(&ruling.policies), None)
        }
        Verdict::AskOwner => {
            json!({"state": "pending", "reason": ruling.reason, "policies": list(&ruling.policies)})
        }
    };
    let over = format!("The budget does not cover {}.", ruling.amount);
    let mut with_budget = ruling.policies.clone();
    with_budget.push(id::BUDGET.into());
    json!({
        "ruled": ruled,
        "halted": decided("rejected", Some(ErrorCode::Halted.as_str()), "A halt is in force.", list(&[id::HALT.into()]), None),
        "flooded": decided("rejected", Some(ErrorCode::RateLimited.as_str()), "Too many requests already wait for the owner.", list(&ruling.policies), None),
        "budget": decided("rejected", Some(ErrorCode::BudgetExhausted.as_str()), &over, list(&with_budget), None),
    })
}

/// Columns that do not depend on the outcome.
fn columns(
    deps: &Deps,
    who: Principal,
    request: &ApproveRequest,
    ruling: &Ruling,
    (asking, trusted): (Asking<'_>, Option<&ChannelContext>),
) -> ApiResult<Value> {
    let channel = request.channel_context.as_ref().and_then(|context| context.channel.as_deref());
    let free = deps.config.price(&request.agent_type) == Price::Known(Micros::ZERO);
    Ok(json!({
        "fingerprint": fingerprint(request)?,
        "digest": digest(request, ruling.amount)?,
        "kind": request.kind,
        "agent": request.agent_type,
        "operation": request.operation,
        "description": request.description,
        "arguments": request.arguments.as_ref().map(Value::to_string),
        "estimated": request.estimated_cost.0,
        "amount": ruling.amount.0,
        "free": i32::from(free),
        "monitoring": ruling.monitoring,
        "by": who.as_str(),
        "channel": channel.filter(|name| name.len() <= NAME_CHARS_MAX),
        "event": trusted.and_then(|context| context.event_id.as_ref()),
        "ask": trusted.map(|context| json!(context.ask).to_string()),
        "run": asking.run.map(|run| &run.task),
        "pattern": asking.pattern,
        "public": i32::from(trusted.is_some_and(|context| context.public)),
    }))
}

/// The response for a row: approved while the work may run or has run; pending; otherwise rejected
/// with the state as code.
pub fn answer(
    row: &ApprovalRow,
    now_ms: i64,
    shortfall: Option<Shortfall>,
) -> ApiResult<ApproveAnswer> {
    let now = row.state_at(now_ms)?;
    let state = match now {
        ApprovalState::Pending => ApprovalState::Pending,
        state if state.was_approved() => ApprovalState::Approved,
        _ => ApprovalState::Rejected,
    };
    let approved = state == ApprovalState::Approved;
    let code = match now {
        ApprovalState::Expired | ApprovalState::Cancelled | ApprovalState::Lapsed => {
            Some(now.as_str().to_owned())
        }
        _ => row.code.clone(),
    };
    let reason = match now {
        ApprovalState::Expired => "No decision came in time.".to_owned(),
        ApprovalState::Lapsed => "It was approved but not started in time.".to_owned(),
        _ => row.reason.clone(),
    };
    Ok(ApproveAnswer {
        approved,
        reason,
        constraints: row
            .valid_until
            .filter(|_| approved)
            .map(|until| json!({"claimBefore": rfc3339(until)})),
        monitoring_level: row.monitoring()?,
        cost_limit: Some(row.amount()),
        state,
        approval_id: ApprovalId::new(&row.id),
        digest: row.digest.clone(),
        policies: row.policies()?,
        code,
        remaining: shortfall.as_ref().map(|short| short.remaining),
        resets_at: shortfall.map(|short| short.resets_at),
    })
}
