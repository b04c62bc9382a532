//! Asks the owner in the chats: one delivery row per address, one-use buttons, and the outcome
//! replacing every question.
//!
//! The rows are written with the approval. The aggregator's outbox is called afterwards, and
//! retried until it has the newest revision. A lost call costs time, never a decision: the
//! dashboard shows every pending approval anyway.

use crate::Deps;
use crate::mcp::UNNAMED;
use crate::policy::{QUESTION, TOOL_CALL};
use crate::store::{self, ApprovalRow};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::EventId;
use contracts::approval::{ApprovalState, DESCRIPTION_CHARS_MAX, Decision};
use contracts::calls::webhook_aggregator::{Deliver, WakeEvent};
use contracts::outbox::{Buttons, Delivery, DeliveryState, DeliveryStatus, OutboxRequest, Target};
use hmac::{Hmac, KeyInit, Mac};
use platform::backoff::Exponential;
use platform::edge::{ApiError, ApiResult};
use platform::ports::{ClockExt, SqlExt, Statement};
use platform::secret::digest_hex;
use platform::sql;
use platform::text::{honest, printable};
use platform::time::rfc3339;
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;

/// Maximum addresses per request.
const TARGETS_MAX: usize = 20;
/// Maximum deliveries per flush.
const FLUSH_MAX: u32 = 20;
/// Between attempts to hand a delivery to the outbox.
const BACKOFF: Exponential = Exponential { first_ms: 2_000, max_ms: 60_000 };
/// How much of a description a chat shows, characters: with the rest it fits in one message of
/// every platform.
const SHOWN_CHARS: usize = 1_200;
/// Characters of a button's label.
const LABEL_CHARS: usize = 40;
/// How long chats are still updated after the end.
const MIRROR_FOR_MS: i64 = 24 * 3_600_000;

/// An address to ask at, with the ids to write.
pub struct Placed {
    id: String,
    target: Target,
}

/// Assigns each address a delivery id.
pub fn placed(deps: &Deps, targets: &[Target]) -> Vec<Placed> {
    targets
        .iter()
        .take(TARGETS_MAX)
        .map(|target| Placed { id: format!("ask_{}", deps.clock.ulid()), target: target.clone() })
        .collect()
}

/// The rows of the deliveries and their buttons, written only if the approval was written and is
/// pending.
pub fn place(deps: &Deps, approval: &str, placed: &[Placed]) -> Vec<Statement> {
    if placed.is_empty() {
        return Vec::new();
    }
    let rows: Vec<_> = placed
        .iter()
        .map(|place| json!({"id": place.id, "target": json!(place.target).to_string()}))
        .collect();
    let buttons: Vec<_> = placed
        .iter()
        .flat_map(|place| {
            [Decision::Approve, Decision::Reject].map(|decision| button_row(deps, place, decision))
        })
        .collect();
    let pending = "EXISTS (SELECT 1 FROM approvals a WHERE a.id = ?1 AND a.state = 'pending')";
    vec![
        Statement::new(format!(
            "INSERT INTO delivery (id, approval, target, revision, state, due_at)
             SELECT value ->> 'id', ?1, value ->> 'target', 1, 'queued', ?3 FROM json_each(?2) WHERE {pending}"
        ))
        .bind(approval)
        .bind(json!(rows).to_string())
        .bind(deps.clock.now_ms()),
        Statement::new(format!(
            "INSERT INTO button (token_hash, approval, version, decision, delivery, channel, endpoint, chat, direct)
             SELECT value ->> 'hash', ?1, 1, value ->> 'decision', value ->> 'delivery', value ->> 'channel', value ->> 'endpoint',
                    value ->> 'chat', value ->> 'direct' FROM json_each(?2) WHERE {pending}"
        ))
        .bind(approval)
        .bind(json!(buttons).to_string()),
    ]
}

fn button_row(deps: &Deps, place: &Placed, decision: Decision) -> serde_json::Value {
    json!({
        "hash": digest_hex(token(deps, &place.id, 1, decision).as_bytes()),
        "decision": decision,
        "delivery": place.id,
        "channel": place.target.channel,
        "endpoint": place.target.endpoint,
        "chat": place.target.chat,
        "direct": i32::from(place.target.direct),
    })
}

/// A button's token: `a1:<22 characters>:y|n`, 27 bytes. Only the key can produce it. It can be
/// derived again after a restart, so only its digest is stored.
fn token(deps: &Deps, delivery: &str, version: u32, decision: Decision) -> String {
    let answer = match decision {
        Decision::Approve => 'y',
        Decision::Reject => 'n',
    };
    let reference = Hmac::<Sha256>::new_from_slice(deps.button_key.reveal().as_bytes())
        .map_or_else(
            |_| Vec::new(),
            |mut mac| {
                mac.update(format!("{delivery}|{version}|{answer}").as_bytes());
                mac.finalize().into_bytes().iter().copied().take(16).collect()
            },
        );
    format!("a1:{}:{answer}", URL_SAFE_NO_PAD.encode(reference))
}

/// Updates every chat of an approval to its version. Belongs in the batch that decides it.
pub fn mirror(approval: &str, now_ms: i64) -> Statement {
    sql!(
        "UPDATE delivery SET revision = (SELECT a.version FROM approvals a WHERE a.id = ?1), state = 'queued', error = NULL, attempts = 0, due_at = ?2
         WHERE approval = ?1 AND revision < (SELECT a.version FROM approvals a WHERE a.id = ?1)",
        approval,
        now_ms
    )
}

#[derive(Debug, Deserialize)]
struct DeliveryRow {
    id: String,
    approval: String,
    target: String,
    revision: u32,
    attempts: u32,
}

/// Calls the outbox after the response; the tick retries failures.
pub fn flush_soon(deps: &Deps) {
    let work = deps.clone();
    deps.background.spawn(Box::pin(async move {
        if let Err(error) = flush_due(&work).await {
            tracing::warn!(problem = ?error.0, "delivering to the chats failed; the next tick retries");
        }
    }));
}

/// Sends all due deliveries to the outbox, each approval separately, so that an unreadable one
/// blocks no other.
pub async fn flush_due(deps: &Deps) -> ApiResult<()> {
    let due = sql!(
        "SELECT id, approval, target, revision, attempts FROM delivery WHERE due_at IS NOT NULL AND due_at <= ?1 ORDER BY due_at LIMIT ?2",
        deps.clock.now_ms(),
        FLUSH_MAX
    );
    let rows: Vec<DeliveryRow> = deps.sql.all(due).await?;
    let mut first_error = None;
    for chunk in rows.chunk_by(|a, b| a.approval == b.approval) {
        if let Err(error) = flush(deps, chunk).await {
            first_error.get_or_insert(error);
        }
    }
    first_error.map_or(Ok(()), Err)
}

async fn flush(deps: &Deps, rows: &[DeliveryRow]) -> ApiResult<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let approval = store::approval(&*deps.sql, &first.approval).await?;
    let now_ms = deps.clock.now_ms();
    let deliveries = rows
        .iter()
        .map(|row| delivery(deps, &approval, row, now_ms))
        .collect::<ApiResult<Vec<_>>>()?;
    let answer = deps.calls.ask::<Deliver>(&(), &OutboxRequest { deliveries }).await;
    let retry_ms = |row: &DeliveryRow| now_ms + BACKOFF.wait_ms(row.attempts + 1, &*deps.clock);
    let updates = match &answer {
        Ok(answer) => rows
            .iter()
            .map(|row| {
                let status = answer.states.iter().find(|status| status.id == row.id);
                taken(row, status, retry_ms(row))
            })
            .collect(),
        Err(error) => {
            tracing::warn!(error = %error, approval = %approval.id, "the outbox did not take the messages");
            rows.iter().map(|row| again(row, &approval, now_ms, retry_ms(row))).collect()
        }
    };
    deps.sql.batch(updates).await?;
    Ok(())
}

fn delivery(
    deps: &Deps,
    approval: &ApprovalRow,
    row: &DeliveryRow,
    now_ms: i64,
) -> ApiResult<Delivery> {
    let target: Target =
        serde_json::from_str(&row.target).map_err(|_| store::unreadable("target"))?;
    let is_pending = approval.state_at(now_ms)? == ApprovalState::Pending;
    let choice = Choice::of(approval);
    let buttons = (is_pending && choice != Choice::Words).then(|| Buttons {
        approve: token(deps, &row.id, approval.version, Decision::Approve),
        reject: token(deps, &row.id, approval.version, Decision::Reject),
        labels: match choice {
            Choice::Two(labels) => Some(labels),
            Choice::ApproveOrReject | Choice::Words => None,
        },
    });
    let event_id = approval.event_id.as_deref().map(EventId::new);
    Ok(Delivery {
        id: row.id.clone(),
        revision: row.revision,
        target,
        text: text(approval, now_ms)?,
        buttons,
        event_id,
    })
}

/// The answers that an approval takes by button.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    ApproveOrReject,
    /// Two other words than these, such as the options of a question.
    Two([String; 2]),
    /// Any other question, answered in words.
    Words,
}

impl Choice {
    fn of(approval: &ApprovalRow) -> Self {
        #[derive(Deserialize)]
        struct Asked {
            options: Vec<String>,
        }
        if approval.tops_up.is_some() {
            return Self::Two([format!("{} more", approval.amount()), "Stop".to_owned()]);
        }
        if approval.kind != QUESTION {
            return Self::ApproveOrReject;
        }
        let asked = approval.arguments.as_deref().map(serde_json::from_str::<Asked>);
        let options = asked.and_then(Result::ok).map(|asked| asked.options).unwrap_or_default();
        let label = |option: &String| platform::text::short(&printable(option), LABEL_CHARS);
        match options.as_slice() {
            [first, second] => Self::Two([label(first), label(second)]),
            _ => Self::Words,
        }
    }
}

/// Records the outbox's response. While it is on its way there, we ask again; the revision in the
/// condition keeps an answer about the question from ending the delivery of the outcome.
fn taken(row: &DeliveryRow, status: Option<&DeliveryStatus>, retry_ms: i64) -> Statement {
    let state = status.map_or(DeliveryState::Queued, |status| status.state);
    let on_its_way = matches!(state, DeliveryState::Queued | DeliveryState::Sending);
    let due = on_its_way.then_some(retry_ms);
    sql!(
        "UPDATE delivery SET state = ?3, error = ?4, attempts = attempts + 1, due_at = ?5 WHERE id = ?1 AND revision = ?2",
        &row.id,
        row.revision,
        state.as_str(),
        status.and_then(|status| status.error.clone()),
        due
    )
}

/// The outbox was not reached: later again, until a day after the waiting has ended.
fn again(row: &DeliveryRow, approval: &ApprovalRow, now_ms: i64, retry_ms: i64) -> Statement {
    let ended = approval.decided_at.unwrap_or(approval.expires_at);
    let give_up = now_ms > ended + MIRROR_FOR_MS;
    let state = if give_up { DeliveryState::Failed } else { DeliveryState::Queued };
    sql!(
        "UPDATE delivery SET state = ?3, error = 'the outbox was not reached', attempts = attempts + 1, due_at = ?4 WHERE id = ?1 AND revision = ?2",
        &row.id,
        row.revision,
        state.as_str(),
        (!give_up).then_some(retry_ms)
    )
}

fn text(approval: &ApprovalRow, now_ms: i64) -> ApiResult<String> {
    if approval.tops_up.is_some() {
        return more_money(approval, now_ms);
    }
    let what = approval.operation.as_ref().unwrap_or(&approval.kind);
    let work = printable(&format!("{} · {what}", approval.agent));
    let shown = quoted(approval);
    let by = approval.decided_by.as_deref().unwrap_or("nobody");
    let state = approval.state_at(now_ms)?;
    if approval.kind == QUESTION {
        return Ok(question(approval, state, &shown));
    }
    let end = match state {
        ApprovalState::Pending => {
            return Ok(format!(
                "Approval needed: {work}\n{shown}\n\nCost: {}\nWhy you are asked: {}\nUntil {} · {}",
                cost(approval)?,
                approval.reason,
                rfc3339(approval.expires_at),
                approval.id
            ));
        }
        ApprovalState::Rejected => format!("Rejected by {by}"),
        ApprovalState::Expired => "Expired: nobody decided in time".to_owned(),
        ApprovalState::Cancelled => format!("Cancelled: halted by {by}"),
        ApprovalState::Approved
        | ApprovalState::Claimed
        | ApprovalState::Consumed
        | ApprovalState::Lapsed => format!("Approved by {by}"),
    };
    Ok(format!("{end}: {work}\n{shown}\n\n{} · up to {}", approval.id, approval.amount()))
}

/// A question of an agent, as a chat shows it.
fn question(approval: &ApprovalRow, state: ApprovalState, shown: &str) -> String {
    let id = &approval.id;
    if state == ApprovalState::Pending {
        let until = rfc3339(approval.expires_at);
        let asker = match approval.agent.as_str() {
            UNNAMED => "An agent".to_owned(),
            agent => printable(agent),
        };
        return format!(
            "{asker} asks you:\n{shown}\n\nAnswer: /answer {id} your words\nUntil {until}"
        );
    }
    let by = approval.decided_by.as_deref().unwrap_or("nobody");
    let end = match state {
        ApprovalState::Expired => "Not answered in time",
        ApprovalState::Cancelled => "Cancelled",
        _ => "Answered",
    };
    format!("{end} ({by}):\n{shown}\n\n> {}", printable(&approval.reason))
}

/// The cost of a request, as far as it is known.
fn cost(approval: &ApprovalRow) -> ApiResult<String> {
    let most = approval.amount();
    Ok(match approval.estimate()? {
        Some(_) => format!("up to {most}"),
        None => format!("unknown. Up to {most} is set aside, and counts if it reports no cost"),
    })
}

/// The question whether a run may spend more, and its outcome.
fn more_money(approval: &ApprovalRow, now_ms: i64) -> ApiResult<String> {
    let (agent, more) = (printable(&approval.agent), approval.amount());
    let by = approval.decided_by.as_deref().unwrap_or("nobody");
    let shown = quoted(approval);
    let end = match approval.state_at(now_ms)? {
        ApprovalState::Pending => {
            return Ok(format!(
                "{agent} needs more money, and waits\n{shown}\n\n{}\nGo on for {more} more?\nUntil {} · {}",
                approval.reason,
                rfc3339(approval.expires_at),
                approval.id
            ));
        }
        ApprovalState::Rejected => format!("{agent} was stopped by {by}"),
        ApprovalState::Expired => format!("{agent} was stopped: nobody decided in time"),
        ApprovalState::Cancelled => format!("{agent} has ended"),
        ApprovalState::Approved
        | ApprovalState::Claimed
        | ApprovalState::Consumed
        | ApprovalState::Lapsed => format!("{more} more for {agent}, by {by}"),
    };
    Ok(format!("{end}\n{shown}\n\n{}", approval.id))
}

/// The description as a quote, so that no line of it passes for one of ours. It says how much is
/// left out, because the program gets all of it.
fn quoted(approval: &ApprovalRow) -> String {
    let text = honest(&approval.description);
    let shown: String = text.chars().take(SHOWN_CHARS).collect();
    let quote = shown.lines().map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n");
    let length = text.chars().count();
    let mut hidden = Vec::new();
    if length > SHOWN_CHARS {
        // A message that fills the description may be longer than it.
        let least = if length < DESCRIPTION_CHARS_MAX { "" } else { "At least " };
        hidden.push(format!("{least}{} more characters are not shown here.", length - SHOWN_CHARS));
    }
    // The arguments of a chat's message are that message again; a tool call's are its description.
    let is_described = matches!(approval.kind.as_str(), TOOL_CALL | QUESTION);
    if let (None, Some(arguments), false) = (&approval.event_id, &approval.arguments, is_described)
    {
        hidden.push(format!("Its arguments ({} bytes) are not shown here.", arguments.len()));
    }
    if hidden.is_empty() {
        return quote;
    }
    let cut = if length > SHOWN_CHARS { " …" } else { "" };
    format!("{quote}{cut}\n\n{} The dashboard shows more.", hidden.join(" "))
}

/// Announces the decision to long polls, to the parked event and to the chats. Each may fail,
/// because the event's timer and the tick check again.
pub fn announce(deps: &Deps, approval: &ApprovalRow) {
    deps.signal.notify(&crate::waiting::key(&approval.id));
    flush_soon(deps);
    wake(deps, approval.event_id.clone().into_iter().collect());
}

/// Wakes these events at the aggregator, in the background.
pub fn wake(deps: &Deps, events: Vec<String>) {
    if events.is_empty() {
        return;
    }
    let calls = deps.calls.clone();
    deps.background.spawn(Box::pin(async move {
        // A task of another program has no event at the aggregator.
        for event in events.into_iter().map(EventId::new).filter(|event| event.shard().is_some()) {
            if let Err(error) = calls.tell::<WakeEvent>(&event, &()).await {
                tracing::debug!(%error, %event, "waking an event failed; its own timer checks again");
            }
        }
    }));
}

/// Number of unreachable chats, for the status page.
pub async fn undelivered(deps: &Deps) -> Result<i64, ApiError> {
    #[derive(Deserialize)]
    struct Count {
        n: i64,
    }
    let count = sql!(
        "SELECT COUNT(*) AS n FROM delivery d JOIN approvals a ON a.id = d.approval WHERE a.state = 'pending' AND d.state IN ('queued', 'failed', 'expired')"
    );
    Ok(deps.sql.one::<Count>(count).await?.map_or(0, |count| count.n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::memory::ManualClock;

    #[test]
    fn delivery_retry_waits_longer_each_time_and_never_more_than_a_minute() {
        let clock = ManualClock::default();
        for (failures, longest) in [(1, 2_000), (2, 4_000), (3, 8_000), (6, 60_000), (61, 60_000)] {
            let wait = BACKOFF.wait_ms(failures, &clock);
            assert!((longest * 3 / 4..=longest).contains(&wait), "{failures}: {wait}");
        }
    }
}
