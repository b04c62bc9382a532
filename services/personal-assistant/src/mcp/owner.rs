//! The two tools that wait for the owner.
//!
//! Each is an approval of its own, bound by digest to the exact tool and arguments. The approval is
//! found again by what was asked, so a request that is repeated after a restart joins the one that
//! waits. An approval is spent by the answer that delivers it: the same call later is a new
//! question.

use super::asker::Asker;
use super::known::{Earlier, Known, REFUSAL_HOLDS_MS, Wanted};
use super::values::{structured, text};
use crate::approve::{Asking, Recorded, record_asking};
use crate::decide::default_reason;
use crate::open_calls::Counted;
use crate::policy::{QUESTION, TOOL_CALL};
use crate::store::{Answers, ApprovalRow};
use crate::{Deps, claim, digests, owner, request, resting, settle, tool_rules, waiting};
use contracts::approval::{ApprovalState, ApproveRequest, Decision, Outcome, SettleRequest};
use contracts::{ErrorCode, Micros, Problem, TaskId};
use platform::edge::{ApiError, ApiResult};
use platform::ports::SqlExt;
use platform::secret::digest_hex;
use platform::sql;
use serde::Deserialize;
use serde_json::{Value, json};

/// One round of waiting; between two rounds the caller's connection is looked at.
const ROUND_MS: i64 = 30_000;
/// Maximum questions about one and the same call.
const REPEATS_MAX: u32 = 999;
/// How long an answer that was delivered is repeated to the same call: its connection may have
/// broken off.
const REPEAT_MS: i64 = 60_000;
/// Characters of the digest in a task's id.
const DIGEST_CHARS: usize = 32;

/// A tool call as the agent describes it.
struct ToolCall<'a> {
    tool: &'a str,
    arguments: Value,
    reason: Option<&'a str>,
    cost: Micros,
    /// The id that the agent gave this call.
    id: Option<&'a str>,
    /// Asked in Claude Code's form, and so to be answered in it.
    is_prompt: bool,
}

impl<'a> ToolCall<'a> {
    fn read(given: &'a Value) -> ApiResult<Self> {
        let is_prompt = given.get("tool_name").is_some();
        let (tool, arguments) =
            if is_prompt { ("tool_name", "input") } else { ("tool", "arguments") };
        let cost = match &given["estimatedCost"] {
            Value::Null => Micros::ZERO,
            cost => serde_json::from_value(cost.clone()).map_err(|_| {
                let fix = "Send dollars as a number, or leave it out.";
                ApiError::from(Problem::field("estimatedCost", "It is no amount.", fix))
            })?,
        };
        Ok(Self {
            tool: text(given, tool)?,
            arguments: given.get(arguments).cloned().unwrap_or_else(|| json!({})),
            reason: text(given, "reason").ok(),
            cost,
            id: text(given, "tool_use_id").ok(),
            is_prompt,
        })
    }
    fn description(&self) -> String {
        let mut lines = vec![format!("Use {} with", self.tool)];
        match &self.arguments {
            Value::Object(members) if members.is_empty() => lines.push("no arguments".to_owned()),
            Value::Object(members) => {
                lines.extend(members.iter().map(|(name, value)| match value {
                    Value::String(text) => format!("{name}: {text}"),
                    other => format!("{name}: {other}"),
                }));
            }
            other => lines.push(other.to_string()),
        }
        lines.extend(self.reason.map(|reason| format!("Reason given: {reason}")));
        lines.join("\n")
    }
    fn answer(&self, row: &ApprovalRow, approved: bool, reason: &str) -> ApiResult<Value> {
        if !self.is_prompt {
            return structured(
                &json!({ "approved": approved, "approvalId": row.id, "reason": reason }),
            );
        }
        let word = if approved {
            json!({ "behavior": "allow", "updatedInput": self.arguments })
        } else {
            json!({ "behavior": "deny", "message": reason })
        };
        // Claude Code reads the text alone.
        Ok(json!({ "content": [{ "type": "text", "text": word.to_string() }] }))
    }
}

/// `request_approval`.
pub(super) async fn request_approval(
    deps: &Deps,
    asker: &Asker,
    given: &Value,
) -> ApiResult<Value> {
    let call = ToolCall::read(given)?;
    let pattern = tool_rules::pattern(call.tool, &call.arguments)?;
    let named = json!([TOOL_CALL, call.tool, call.arguments, call.id]);
    let base = base_of(asker, TOOL_CALL, &named)?;
    let wanted = Wanted { pattern: &pattern, cost: call.cost, base: &base };
    let known = Known::read(deps, asker, wanted).await?;
    if let Some(refusal) = known.refusal {
        hold_again(deps, asker).await?;
        return call.answer(&refusal, false, &refusal.reason);
    }
    let work = ApproveRequest {
        task_id: task_of(deps, &base, known.earlier, call.id.is_some())?,
        kind: TOOL_CALL.to_owned(),
        description: call.description(),
        estimated_cost: call.cost,
        agent_type: asker.agent(),
        channel_context: None,
        operation: Some(call.tool.to_owned()),
        arguments: Some(call.arguments.clone()),
        wait: None,
    };
    let asking = Asking {
        run: asker.run.as_ref(),
        pattern: Some(&pattern),
        allowed_by: known.rule.as_deref(),
        owner: Some(&known.owner),
        ..Asking::default()
    };
    let Recorded { row, is_spent, .. } = decided(deps, asker, work, asking).await?;
    let begun = if is_spent { Ok(()) } else { begin(deps, &row).await? };
    match begun {
        Ok(()) => call.answer(&row, true, &row.reason),
        Err(reason) => call.answer(&row, false, &reason),
    }
}

/// `ask_owner`.
pub(super) async fn ask_owner(deps: &Deps, asker: &Asker, given: &Value) -> ApiResult<Value> {
    let question = text(given, "question")?;
    let options: Vec<&str> =
        given["options"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let list = options.iter().map(|option| format!("- {option}"));
    let lines: Vec<String> = std::iter::once(question.to_owned()).chain(list).collect();
    let arguments = json!({ "question": question, "options": options });
    let base = base_of(asker, QUESTION, &json!([QUESTION, arguments]))?;
    let mut look = Earlier::statements(&base).to_vec();
    look.extend(owner::statements());
    let mut found = Answers::of(&*deps.sql, look).await?;
    let (earlier, owner) = (Earlier::of(&mut found)?, owner::of(deps, &mut found)?);
    let work = ApproveRequest {
        task_id: task_of(deps, &base, earlier, false)?,
        kind: QUESTION.to_owned(),
        description: lines.join("\n"),
        estimated_cost: Micros::ZERO,
        agent_type: asker.agent(),
        channel_context: None,
        operation: None,
        arguments: Some(arguments),
        wait: None,
    };
    let asking = Asking { run: asker.run.as_ref(), owner: Some(&owner), ..Asking::default() };
    let row = decided(deps, asker, work, asking).await?.row;
    let state = row.state_at(deps.clock.now_ms())?;
    let answer = match state {
        ApprovalState::Rejected if row.code.as_deref() != Some("rejected_by_owner") => None,
        ApprovalState::Rejected => {
            Some(said(&row, Decision::Reject, options.get(1).copied().unwrap_or("no")))
        }
        _ => match begin(deps, &row).await? {
            Ok(()) => {
                Some(said(&row, Decision::Approve, options.first().copied().unwrap_or("yes")))
            }
            Err(_) => None,
        },
    };
    match answer {
        Some(answer) => structured(&json!({ "answered": true, "answer": answer })),
        None => {
            let reason = why_not(&row, state);
            structured(&json!({ "answered": false, "reason": reason }))
        }
    }
}

/// The owner's own words, or the option of the button that was pressed.
fn said(row: &ApprovalRow, decision: Decision, option: &str) -> String {
    let by = row.decided_by.as_deref().unwrap_or_default();
    let is_button = row.reason == default_reason(decision, by);
    if is_button { option.to_owned() } else { row.reason.clone() }
}

/// The task of the first question of this name; the name is what tells two questions apart.
fn base_of(asker: &Asker, kind: &str, named: &Value) -> ApiResult<String> {
    let canonical = digests::canonical_digest(named)?;
    let run = asker.task().unwrap_or_default();
    // A run is asked about by itself: an answer for one is none for another.
    let digest = digest_hex(format!("{}{run}{canonical}", asker.who.as_str()).as_bytes());
    Ok(format!("{kind}:{}", digest.get(..DIGEST_CHARS).unwrap_or_default()))
}

/// Asks, or joins the same question that waits, and waits for the decision.
async fn decided(
    deps: &Deps,
    asker: &Asker,
    work: ApproveRequest,
    asking: Asking<'_>,
) -> ApiResult<Recorded> {
    request::validate(&work)?;
    let mut recorded = record_asking(deps, asker.who, &work, asking).await?;
    if recorded.row.state_at(deps.clock.now_ms())? != ApprovalState::Pending {
        // A person has answered while the agent was away.
        if recorded.row.is_decided_by_a_person() {
            hold_again(deps, asker).await?;
        }
        return Ok(recorded);
    }
    let _open = deps
        .open_calls
        .enter(asker.who, asker.task(), &recorded.row.id)
        .map_err(|full| too_many_wait(&full, &recorded.row.id))?;
    let mut spent = None;
    while recorded.row.state_at(deps.clock.now_ms())? == ApprovalState::Pending {
        recorded.row = waiting::until_decided(deps, recorded.row, ROUND_MS).await?;
        if let Some(run) = asker.task() {
            spent = release_at_rest(deps, run, spent).await?;
        }
    }
    hold_again(deps, asker).await?;
    Ok(recorded)
}

/// Gives back the money of a run that has spent nothing since the round before; what it has spent.
async fn release_at_rest(deps: &Deps, run: &str, before: Option<i64>) -> ApiResult<Option<i64>> {
    #[derive(Deserialize)]
    struct Spent {
        n: Option<i64>,
    }
    let spent = deps.sql.one::<Spent>(resting::spent(run)).await?.and_then(|spent| spent.n);
    if let Some(spent) = spent.filter(|spent| before == Some(*spent)) {
        deps.sql.batch(vec![resting::release(run, spent, deps.clock.now_ms())]).await?;
    }
    Ok(spent)
}

/// Before the agent hears the answer, and so before it spends more.
async fn hold_again(deps: &Deps, asker: &Asker) -> ApiResult<()> {
    if let Some(run) = asker.task() {
        deps.sql.batch(resting::hold_again(run, deps.clock.now_ms()).into()).await?;
    }
    Ok(())
}

/// The refusal of a call that would wait. Its question stays open.
fn too_many_wait(full: &Counted, id: &str) -> ApiError {
    let detail = format!("{}. The question is open as {id}.", full.says());
    let fix = format!(
        "Call again later: the same call joins that question. Or poll GET \
         /personal-assistant/api/approvals/{id}."
    );
    Problem::new(ErrorCode::RateLimited, detail).with_fix(fix).into()
}

/// The task of this question: the one that waits or whose answer was not delivered yet, else a new
/// one.
fn task_of(deps: &Deps, base: &str, earlier: Earlier, has_id: bool) -> ApiResult<TaskId> {
    let Earlier { newest, count: asked, delivered_at } = earlier;
    let Some(newest) = newest else { return Ok(TaskId::new(base)) };
    let was_just_delivered = delivered_at.is_some_and(|at| is_recent(deps, at));
    if is_answer(deps, &newest, has_id && was_just_delivered)? {
        return Ok(TaskId::new(newest.task));
    }
    if asked >= REPEATS_MAX {
        let detail = format!("The owner was asked about this call {asked} times, the maximum.");
        return Err(Problem::new(ErrorCode::RateLimited, detail)
            .with_fix("Ask for something else; the owner is not asked this again.")
            .into());
    }
    Ok(TaskId::new(format!("{base}~{}", asked + 1)))
}

/// Whether this answer, or the one that it will get, is that of the same question now. One that was
/// delivered may be repeated if the call is the same by its id.
fn is_answer(deps: &Deps, asked: &ApprovalRow, may_repeat: bool) -> ApiResult<bool> {
    let now_ms = deps.clock.now_ms();
    Ok(match asked.state_at(now_ms)? {
        ApprovalState::Pending | ApprovalState::Approved | ApprovalState::Claimed => true,
        ApprovalState::Rejected => {
            asked.decided_at.is_some_and(|at| now_ms - at < REFUSAL_HOLDS_MS)
                && asked.code.as_deref() == Some("rejected_by_owner")
        }
        ApprovalState::Consumed => may_repeat,
        _ => false,
    })
}

/// Whether its answer was delivered so lately that the same call may be a repetition of it.
async fn was_just_delivered(deps: &Deps, asked: &ApprovalRow) -> ApiResult<bool> {
    #[derive(Deserialize)]
    struct Delivered {
        at: Option<i64>,
    }
    let read = sql!("SELECT MAX(at) AS at FROM posted WHERE task = ?1", &asked.task);
    let at = deps.sql.one::<Delivered>(read).await?.and_then(|delivered| delivered.at);
    Ok(at.is_some_and(|at| is_recent(deps, at)))
}

fn is_recent(deps: &Deps, delivered_at: i64) -> bool {
    deps.clock.now_ms() - delivered_at < REPEAT_MS
}

/// Spends the approval: claims it and settles its cost. Or the reason that the call may not happen.
async fn begin(deps: &Deps, row: &ApprovalRow) -> ApiResult<Result<(), String>> {
    let state = row.state_at(deps.clock.now_ms())?;
    match state {
        // Its answer was just delivered; the caller asks again, perhaps because it was lost.
        ApprovalState::Consumed => return again(deps, row).await,
        ApprovalState::Approved | ApprovalState::Claimed => {}
        _ => return Ok(Err(why_not(row, state))),
    }
    let claim = match claim::take(deps, &row.id, &row.digest, None).await {
        Ok(claim) => claim,
        Err(error) => {
            let refusal = ApiError::from(error);
            return Ok(Err(refusal.0.detail.clone()));
        }
    };
    let settled = SettleRequest {
        claim_token: claim.claim_token,
        actual_cost: Some(row.amount()),
        usage: None,
        outcome: Outcome::Success,
    };
    settle::post(deps, &row.task, &settled).await?;
    Ok(Ok(()))
}

/// The answer to a repetition.
async fn again(deps: &Deps, row: &ApprovalRow) -> ApiResult<Result<(), String>> {
    if !was_just_delivered(deps, row).await? {
        return Ok(Err("This approval is used up. Ask again.".to_owned()));
    }
    if claim::is_halted(deps, row).await? {
        return Ok(Err("A halt is in force, so nothing may start.".to_owned()));
    }
    Ok(Ok(()))
}

fn why_not(row: &ApprovalRow, state: ApprovalState) -> String {
    match state {
        ApprovalState::Expired => "The owner did not answer in time.".to_owned(),
        ApprovalState::Lapsed => "The approval was not used in time.".to_owned(),
        _ => row.reason.clone(),
    }
}
