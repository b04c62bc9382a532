//! The two tools that wait for the owner.
//!
//! Each is an approval of its own, bound by digest to the exact tool and arguments. The approval is
//! found again by what was asked, so a request that is repeated after a restart joins the one that
//! waits. An approval is spent by the answer that delivers it: the same call later is a new
//! question.

use super::asker::Asker;
use super::values::{structured, text};
use crate::approve::{self, record_at};
use crate::policy::{QUESTION, TOOL_CALL};
use crate::store::{self, ApprovalRow};
use crate::{Deps, claim, request, settle, waiting};
use contracts::approval::{ApprovalState, ApproveRequest, Outcome, SettleRequest};
use contracts::{Micros, Problem, TaskId};
use platform::edge::{ApiError, ApiResult};
use platform::ports::SqlExt;
use platform::secret::digest_hex;
use serde_json::{Value, json};

/// One round of waiting; between two rounds the caller's connection is looked at.
const ROUND_MS: i64 = 30_000;
/// Repetitions of one call that are looked through for one that waits.
const REPEATS_MAX: u32 = 1_000;
/// How long a refusal answers the same call again, so that an agent cannot wear the owner down.
const REFUSAL_HOLDS_MS: i64 = 10 * 60_000;
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
    let work = ApproveRequest {
        task_id: TaskId::new(""),
        kind: TOOL_CALL.to_owned(),
        description: call.description(),
        estimated_cost: call.cost,
        agent_type: asker.agent.clone(),
        channel_context: None,
        operation: Some(call.tool.to_owned()),
        arguments: Some(call.arguments.clone()),
        wait: None,
    };
    let named = json!([TOOL_CALL, call.tool, call.arguments, call.id]);
    let row = decided(deps, asker, work, &named, call.id.is_some()).await?;
    match begin(deps, &row).await? {
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
    let work = ApproveRequest {
        task_id: TaskId::new(""),
        kind: QUESTION.to_owned(),
        description: lines.join("\n"),
        estimated_cost: Micros::ZERO,
        agent_type: asker.agent.clone(),
        channel_context: None,
        operation: None,
        arguments: Some(arguments.clone()),
        wait: None,
    };
    let row = decided(deps, asker, work, &json!([QUESTION, arguments]), false).await?;
    let state = row.state_at(deps.clock.now_ms())?;
    let answer = match state {
        ApprovalState::Rejected if row.code.as_deref() != Some("rejected_by_owner") => None,
        ApprovalState::Rejected => Some(said(&row, options.get(1).copied().unwrap_or("no"))),
        _ => match begin(deps, &row).await? {
            Ok(()) => Some(said(&row, options.first().copied().unwrap_or("yes"))),
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
fn said(row: &ApprovalRow, option: &str) -> String {
    let by = row.decided_by.as_deref().unwrap_or_default();
    let is_button =
        row.reason == format!("Approved by {by}.") || row.reason == format!("Rejected by {by}.");
    if is_button { option.to_owned() } else { row.reason.clone() }
}

/// Asks, or joins the same question that waits, and waits for the decision.
async fn decided(
    deps: &Deps,
    asker: &Asker,
    mut work: ApproveRequest,
    named: &Value,
    once: bool,
) -> ApiResult<ApprovalRow> {
    let canonical = approve::canonical_digest(named)?;
    let run = asker.task.as_ref().map(TaskId::as_str).unwrap_or_default();
    // A run is asked about by itself: an answer for one is none for another.
    let base: String = digest_hex(format!("{}{run}{canonical}", asker.who.as_str()).as_bytes())
        .chars()
        .take(DIGEST_CHARS)
        .collect();
    work.task_id = free_task(deps, &format!("{}:{base}", work.kind), once).await?;
    request::validate(&work)?;
    let places = asker.places(deps).await?;
    let (mut row, _) = record_at(deps, asker.who, &work, &places).await?;
    while row.state_at(deps.clock.now_ms())? == ApprovalState::Pending {
        row = waiting::until_decided(deps, row, ROUND_MS).await?;
    }
    Ok(row)
}

/// The task of this question: the one that waits or whose answer was not delivered yet, else a new
/// one.
async fn free_task(deps: &Deps, base: &str, once: bool) -> ApiResult<TaskId> {
    let now_ms = deps.clock.now_ms();
    let mut task = base.to_owned();
    for number in 2..=REPEATS_MAX {
        let row: Option<ApprovalRow> = deps.sql.one(store::approval_by_task(&task)).await?;
        let Some(row) = row else { break };
        let is_answer = match row.state_at(now_ms)? {
            ApprovalState::Pending | ApprovalState::Approved | ApprovalState::Claimed => true,
            ApprovalState::Rejected => {
                row.decided_at.is_some_and(|at| now_ms - at < REFUSAL_HOLDS_MS)
                    && row.code.as_deref() == Some("rejected_by_owner")
            }
            _ => false,
        };
        if is_answer || once {
            break;
        }
        task = format!("{base}~{number}");
    }
    Ok(TaskId::new(task))
}

/// Spends the approval: claims it and settles its cost. Or the reason that the call may not happen.
async fn begin(deps: &Deps, row: &ApprovalRow) -> ApiResult<Result<(), String>> {
    let state = row.state_at(deps.clock.now_ms())?;
    match state {
        // Its answer was delivered before; the caller asks again under the same id.
        ApprovalState::Consumed => return Ok(Ok(())),
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

fn why_not(row: &ApprovalRow, state: ApprovalState) -> String {
    match state {
        ApprovalState::Expired => "The owner did not answer in time.".to_owned(),
        ApprovalState::Lapsed => "The approval was not used in time.".to_owned(),
        _ => row.reason.clone(),
    }
}
