//! The outbox: each message is brought to what it should show, one request after the other.

use crate::Deps;
use crate::channels::{Aim, Attempt, Connection, SendResult};
use crate::retry::RETRY;
use contracts::outbox::DeliveryState;
use contracts::{Effect, Shard};
use futures_util::future::join_all;
use inbox::{InboxExt, OutboxRow, Part, RecordSent, SentReport};
use platform::ports::{PortError, PortResult};

/// More parts than this are not sent: the answer stays readable in the dashboard.
const REQUESTS_MAX: usize = 24;
/// After this many tries of unknown effect a message is left as it is rather than repeated once
/// more.
const AMBIGUOUS_MAX: u32 = 3;

/// Sends messages side by side; what became of each.
pub(crate) async fn deliver_all(deps: &Deps, rows: Vec<OutboxRow>) -> Vec<SentReport> {
    join_all(rows.into_iter().map(|row| deliver(deps, row))).await
}

/// Records what became of messages.
pub(crate) async fn record(deps: &Deps, shard: &Shard, reports: Vec<SentReport>) -> PortResult<()> {
    if reports.is_empty() {
        return Ok(());
    }
    let recorded = deps.inbox.ask(shard, RecordSent(reports.clone())).await;
    if let Err(error) = &recorded {
        record_each(deps, shard, reports, error).await;
    }
    recorded
}

/// After reports could not be recorded together: an unrecorded message is sent again when its lease
/// ends, so each gets a transaction of its own. Not when they may be recorded already: a message
/// may be on its way again.
pub(crate) async fn record_each(
    deps: &Deps,
    shard: &Shard,
    reports: Vec<SentReport>,
    error: &PortError,
) {
    if error.effect == Effect::Unknown || reports.len() < 2 {
        return;
    }
    for report in reports {
        let id = report.id.clone();
        if let Err(error) = deps.inbox.ask(shard, RecordSent(vec![report])).await {
            tracing::warn!(delivery = %id, %error, "a sent message could not be recorded");
        }
    }
}

async fn deliver(deps: &Deps, mut row: OutboxRow) -> SentReport {
    let now = deps.clock.now_ms();
    let found = deps
        .config
        .endpoint(&row.target.channel, &row.target.endpoint)
        .and_then(|endpoint| endpoint.connection.as_ref());
    let Some(connection) = found else {
        return end(row, DeliveryState::Failed, "the endpoint is not configured any more");
    };
    if row.expires_ms.is_some_and(|at| at <= now) {
        return end(row, DeliveryState::Expired, "too late to be of use");
    }
    for _ in 0..REQUESTS_MAX {
        let Some(attempt) = connection.next(&row, deps.clock.now_ms()) else {
            return end(row, DeliveryState::Sent, "");
        };
        if let Some(report) = one_request(deps, connection.as_ref(), &mut row, attempt).await {
            return report;
        }
    }
    end(
        row,
        DeliveryState::Sent,
        "the rest is too long for the chat; the dashboard shows all of it",
    )
}

/// Sends one request and notes what it showed; a report when this try is over.
async fn one_request(
    deps: &Deps,
    connection: &dyn Connection,
    row: &mut OutboxRow,
    attempt: Attempt,
) -> Option<SentReport> {
    let answer = match deps.outbound.send(attempt.request).await {
        Ok(answer) => answer,
        Err(error) => return Some(not_answered(deps, row, attempt.idempotent, &error)),
    };
    if attempt.restart {
        row.parts.clear();
    }
    match connection.judge(&attempt.aim, &answer) {
        SendResult::Opened { chat } => {
            row.parts.push(Part { id: String::new(), chat, shows: String::new() });
        }
        SendResult::Shown { message, chat } => shown(row, &attempt.aim, message, chat),
        SendResult::Gone => row.parts.clear(),
        SendResult::Later { after_ms, error } => return Some(later(deps, row, after_ms, error)),
        SendResult::Never { error } => {
            tracing::warn!(delivery = %row.id, endpoint = %row.target.endpoint, error, "a message was refused");
            return Some(end(row.clone(), DeliveryState::Failed, &error));
        }
    }
    None
}

fn shown(row: &mut OutboxRow, aim: &Aim, message: String, chat: String) {
    let chat = if chat.is_empty() { row.target.chat.clone() } else { chat };
    match aim {
        Aim::Send { shows, known_as } => {
            let id = known_as.map_or(message, str::to_owned);
            row.parts.push(Part { id, chat, shows: shows.clone() });
        }
        Aim::Edit { index, shows } => {
            if let Some(part) = row.parts.get_mut(*index) {
                part.shows.clone_from(shows);
            }
        }
        Aim::AnswerPress | Aim::OpenDirect => {
            row.parts.push(Part { id: message, chat, shows: String::new() });
        }
    }
}

fn not_answered(deps: &Deps, row: &OutboxRow, idempotent: bool, error: &PortError) -> SentReport {
    let ambiguous = error.effect == Effect::Unknown && !idempotent;
    if ambiguous && row.attempts >= AMBIGUOUS_MAX {
        // It may be there; once more might show it twice. The owner can replay it.
        return end(
            row.clone(),
            DeliveryState::Unknown,
            "no answer from the platform; it may have arrived",
        );
    }
    later(deps, row, None, "the platform did not answer".to_owned())
}

fn later(deps: &Deps, row: &OutboxRow, after_ms: Option<i64>, error: String) -> SentReport {
    // A press waits for an answer for seconds only; nothing is lost when it gets none.
    let patience = if row.kind == "press_ack" { 2 } else { u32::MAX };
    let delay =
        RETRY.wait_ms(row.attempts, deps.clock.as_ref()).filter(|_| row.attempts < patience);
    match after_ms.or(delay).filter(|_| delay.is_some()) {
        Some(delay) => {
            let due_ms = deps.clock.now_ms() + delay;
            let quiet_until_ms = after_ms.map(|_| due_ms);
            SentReport { due_ms, quiet_until_ms, ..end(row.clone(), DeliveryState::Queued, &error) }
        }
        None => end(row.clone(), DeliveryState::Failed, &format!("given up: {error}")),
    }
}

fn end(row: OutboxRow, state: DeliveryState, error: &str) -> SentReport {
    let error = Some(error.to_owned()).filter(|error| !error.is_empty());
    SentReport {
        id: row.id,
        revision: row.revision,
        parts: row.parts,
        state,
        due_ms: 0,
        quiet_until_ms: None,
        error,
    }
}
