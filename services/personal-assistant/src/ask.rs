//! Asks the owner in the chats: one delivery row per address, one-use buttons, and the outcome
//! replacing every question.
//!
//! The rows are written with the approval. The aggregator's outbox is called afterwards, and
//! retried until it has the newest revision. A lost call costs time, never a decision: the
//! dashboard shows every pending approval anyway.

mod text;

use crate::Deps;
use crate::store::{self, ApprovalRow};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::EventId;
use contracts::approval::{ApprovalState, Choice, Decision, Extent};
use contracts::calls::webhook_aggregator::{Deliver, ListApprovers, WakeEvent};
use contracts::outbox::{
    Button, Buttons, Delivery, DeliveryState, DeliveryStatus, OutboxRequest, Target,
};
use hmac::{Hmac, KeyInit, Mac};
use platform::backoff::Exponential;
use platform::edge::{ApiError, ApiResult};
use platform::ports::{ClockExt, SqlExt, Statement};
use platform::secret::digest_hex;
use platform::sql;
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;

/// Maximum addresses per request.
const TARGETS_MAX: usize = 20;
/// Maximum deliveries per flush.
const FLUSH_MAX: u32 = 20;
/// Between attempts to wake an event.
const WAKE_BACKOFF: Exponential = Exponential { first_ms: 250, max_ms: 5_000 };
/// Between attempts to hand a delivery to the outbox.
const BACKOFF: Exponential = Exponential { first_ms: 2_000, max_ms: 60_000 };
/// How long chats are still updated after the end.
const MIRROR_FOR_MS: i64 = 24 * 3_600_000;

/// An address to ask at, with the ids to write.
pub struct Placed {
    id: String,
    target: Target,
}

/// The addresses where the owner is asked about a run, or about work without one: those of the run
/// itself, else each approver's.
pub async fn places_of(deps: &Deps, run: Option<&ApprovalRow>) -> ApiResult<Vec<Target>> {
    let own = run.and_then(|run| run.ask.as_deref()).map(serde_json::from_str::<Vec<Target>>);
    let own = own.transpose().map_err(|_| store::unreadable("target"))?.unwrap_or_default();
    if !own.is_empty() {
        return Ok(own);
    }
    let found = deps.calls.ask::<ListApprovers>(&(), &()).await;
    Ok(found.map_or_else(
        |error| {
            tracing::warn!(%error, "the approvers are unknown; the dashboard shows the request");
            Vec::new()
        },
        |approvers| approvers.targets,
    ))
}

/// Assigns each address a delivery id.
pub fn placed(deps: &Deps, targets: &[Target]) -> Vec<Placed> {
    targets
        .iter()
        .take(TARGETS_MAX)
        .map(|target| Placed { id: format!("ask_{}", deps.clock.ulid()), target: target.clone() })
        .collect()
}

/// The answer of a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes(Extent),
    No,
}

impl Answer {
    /// The answers to most questions.
    pub const YES_OR_NO: &[Self] = &[Self::Yes(Extent::Once), Self::No];
    /// Those to a tool call of a run.
    pub const TO_A_TOOL_CALL: &[Self] =
        &[Self::Yes(Extent::Once), Self::No, Self::Yes(Extent::Task), Self::Yes(Extent::Always)];

    const fn letter(self) -> char {
        match self {
            Self::Yes(Extent::Once) => 'y',
            Self::Yes(Extent::Task) => 't',
            Self::Yes(Extent::Always) => 'a',
            Self::No => 'n',
        }
    }
    const fn decision(self) -> (Decision, Extent) {
        match self {
            Self::Yes(extent) => (Decision::Approve, extent),
            Self::No => (Decision::Reject, Extent::Once),
        }
    }
}

/// The rows of the deliveries and their buttons, written only if the approval was written and is
/// pending.
pub fn place(deps: &Deps, approval: &str, placed: &[Placed], answers: &[Answer]) -> Vec<Statement> {
    if placed.is_empty() {
        return Vec::new();
    }
    let rows: Vec<_> = placed
        .iter()
        .map(|place| json!({"id": place.id, "target": json!(place.target).to_string()}))
        .collect();
    let buttons: Vec<_> = placed
        .iter()
        .flat_map(|place| answers.iter().map(|answer| button_row(deps, place, *answer)))
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
            "INSERT INTO button (token_hash, approval, version, decision, extent, delivery, channel, endpoint, chat, direct)
             SELECT value ->> 'hash', ?1, 1, value ->> 'decision', value ->> 'extent', value ->> 'delivery', value ->> 'channel', value ->> 'endpoint',
                    value ->> 'chat', value ->> 'direct' FROM json_each(?2) WHERE {pending}"
        ))
        .bind(approval)
        .bind(json!(buttons).to_string()),
    ]
}

fn button_row(deps: &Deps, place: &Placed, answer: Answer) -> serde_json::Value {
    let (decision, extent) = answer.decision();
    json!({
        "hash": digest_hex(token(deps, &place.id, 1, answer).as_bytes()),
        "decision": decision,
        "extent": extent,
        "delivery": place.id,
        "channel": place.target.channel,
        "endpoint": place.target.endpoint,
        "chat": place.target.chat,
        "direct": i32::from(place.target.direct),
    })
}

/// A button's token: `a1:<22 characters>:y|n|t|a`, 27 bytes. Only the key can produce it. It can be
/// derived again after a restart, so only its digest is stored.
fn token(deps: &Deps, delivery: &str, version: u32, answer: Answer) -> String {
    let answer = answer.letter();
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
    mirror_where("q.id = ?1", approval, now_ms)
}

/// The same for the approvals `q` that fit a condition on `?1`. A condition on the state begins
/// with `+`: there are too many of one state for its index.
pub fn mirror_where(condition: &str, subject: &str, now_ms: i64) -> Statement {
    let version = "(SELECT a.version FROM approvals a WHERE a.id = delivery.approval)";
    let text = format!(
        "UPDATE delivery SET revision = {version}, state = 'queued', error = NULL, attempts = 0, due_at = ?2
         WHERE approval IN (SELECT q.id FROM approvals q WHERE {condition}) AND revision < {version}"
    );
    Statement::new(text).bind(subject).bind(now_ms)
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
    let choice = approval.choice();
    let has_buttons = is_pending && choice != Choice::Words && text::may_be_decided(approval);
    let token = |answer| token(deps, &row.id, approval.version, answer);
    let buttons = has_buttons.then(|| Buttons {
        approve: token(Answer::Yes(Extent::Once)),
        reject: token(Answer::No),
        more: match choice {
            Choice::ToolCall => {
                let button = |label: &str, extent| Button {
                    label: label.to_owned(),
                    data: token(Answer::Yes(extent)),
                };
                vec![button("Yes, for this task", Extent::Task), button("Always", Extent::Always)]
            }
            _ => Vec::new(),
        },
        labels: match choice {
            Choice::Two { labels } => Some(labels),
            Choice::ToolCall => Some(["Yes".to_owned(), "No".to_owned()]),
            Choice::ApproveOrReject | Choice::Words => None,
        },
    });
    let event_id = approval.event_id.as_deref().map(EventId::new);
    Ok(Delivery {
        id: row.id.clone(),
        revision: row.revision,
        target,
        text: text::of(approval, now_ms)?,
        buttons,
        event_id,
    })
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

/// Announces the decision to long polls, to the parked event and to the chats. Each may fail,
/// because the event's timer and the tick check again.
pub fn announce(deps: &Deps, approval: &ApprovalRow) {
    deps.signal.notify(&crate::waiting::key(&approval.id));
    flush_soon(deps);
    wake(deps, approval.event_id.clone().into_iter().collect());
}

/// Tries to wake an event, in all.
const WAKE_TRIES: u32 = 4;

/// Wakes these events at the aggregator, in the background.
pub fn wake(deps: &Deps, events: Vec<String>) {
    if events.is_empty() {
        return;
    }
    let (calls, clock) = (deps.calls.clone(), deps.clock.clone());
    deps.background.spawn(Box::pin(async move {
        // A task of another program has no event at the aggregator.
        for event in events.into_iter().map(EventId::new).filter(|event| event.shard().is_some()) {
            let mut tried = 0;
            while let Err(error) = calls.tell::<WakeEvent>(&event, &()).await {
                tried += 1;
                if tried == WAKE_TRIES {
                    tracing::warn!(%error, %event, "waking an event failed; its own timer checks again");
                    break;
                }
                clock.sleep_until(clock.now_ms() + WAKE_BACKOFF.wait_ms(tried, &*clock)).await;
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
