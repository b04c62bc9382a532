//! The outbox: each message is brought to what it should show, one request after the other.

use crate::channels::{Addressed, Aim, Attempt, Connection, Mailbox, SendResult};
use crate::retry::RETRY;
use crate::{Deps, files};
use bytes::Bytes;
use contracts::outbox::DeliveryState;
use contracts::{Effect, Shard};
use futures_util::FutureExt;
use futures_util::future::join_all;
use inbox::{BEGINNING, InboxExt, KeptFile, OutboxRow, Part, RecordSent, SentReport};
use platform::ports::mail::Sent;
use platform::ports::{PortError, PortResult};
use std::panic::AssertUnwindSafe;

/// Maximum requests of one try: every part of the longest message, and second ways for it.
const REQUESTS_MAX: usize = 32;
/// Requests of one upload, at most.
const UPLOAD_REQUESTS_MAX: usize = 6;
/// After this many tries of unknown effect a message is left as it is rather than repeated once
/// more.
const AMBIGUOUS_MAX: u32 = 3;

/// Sends messages side by side; what became of each.
pub(crate) async fn deliver_all(deps: &Deps, rows: Vec<OutboxRow>) -> Vec<SentReport> {
    join_all(rows.into_iter().map(|row| deliver_caught(deps, row))).await
}

/// A message that no code of ours can write is a dead letter: the panic ends neither the others of
/// its batch nor the loop that sends them. (On Workers a panic ends the request, and is logged.)
async fn deliver_caught(deps: &Deps, row: OutboxRow) -> SentReport {
    let kept = row.clone();
    match AssertUnwindSafe(deliver(deps, row)).catch_unwind().await {
        Ok(report) => report,
        Err(_) => {
            tracing::error!(delivery = %kept.id, "a message could not be written for its chat");
            end(kept, DeliveryState::Failed, "it could not be written for this chat")
        }
    }
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
    if let Some(file) = row.file.clone() {
        return deliver_file(deps, connection.as_ref(), row, &file).await;
    }
    if let Some(mailbox) = connection.mailbox() {
        return post(deps, mailbox, row, None).await;
    }
    for _ in 0..REQUESTS_MAX {
        let Some(attempt) = connection.next(&row, deps.clock.now_ms()) else {
            return sent(connection.as_ref(), row);
        };
        if let Some(report) = one_request(deps, connection.as_ref(), &mut row, attempt).await {
            return report;
        }
    }
    later(deps, &row, None, "it took too many requests".to_owned())
}

/// Everything shows that fits into the chat.
fn sent(connection: &dyn Connection, row: OutboxRow) -> SentReport {
    let error = match connection.length(&row).left_out {
        _ if row.kind == BEGINNING => String::new(),
        0 => String::new(),
        more => {
            format!("{more} more characters are too long for the chat; the dashboard shows them")
        }
    };
    end(row, DeliveryState::Sent, &error)
}

/// Brings a file to the chat; where that fails for good, the person is told in its place.
async fn deliver_file(
    deps: &Deps,
    connection: &dyn Connection,
    row: OutboxRow,
    file: &KeptFile,
) -> SentReport {
    let unsent = row.clone();
    let report = upload(deps, connection, row, file).await;
    if matches!(report.state, DeliveryState::Failed | DeliveryState::Unknown) {
        let why = report.error.as_deref().unwrap_or("it was refused");
        files::could_not_send(deps, &unsent, why).await;
    }
    report
}

async fn upload(
    deps: &Deps,
    connection: &dyn Connection,
    mut row: OutboxRow,
    file: &KeptFile,
) -> SentReport {
    let max = connection.file_bytes_max();
    if file.bytes > max {
        let why = format!("it takes files of up to {}", platform::files::size(max));
        return end(row, DeliveryState::Failed, &why);
    }
    let content = match files::content(deps, file).await {
        Ok(Some(content)) => content,
        Ok(None) => return end(row, DeliveryState::Failed, "its content is gone"),
        Err(error) => return later(deps, &row, None, format!("the file cannot be read: {error}")),
    };
    if let Some(mailbox) = connection.mailbox() {
        return post(deps, mailbox, row, Some((file, &content))).await;
    }
    for _ in 0..UPLOAD_REQUESTS_MAX {
        let next = connection.next_file(&row, file, &content, deps.clock.now_ms());
        let Some(attempt) = next else { return end(row, DeliveryState::Sent, "") };
        if let Some(report) = one_request(deps, connection, &mut row, attempt).await {
            return report;
        }
    }
    end(row, DeliveryState::Failed, "its platform did not take it")
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
            row.parts.push(Part::new("", chat, ""));
        }
        SendResult::Shown { message, chat } => shown(row, &attempt.aim, message, chat),
        SendResult::Dated { index, at_ms } => {
            if let Some(part) = row.parts.get_mut(index) {
                // It is shown by now.
                part.shown_ms = Some(at_ms.unwrap_or_else(|| deps.clock.now_ms()));
            }
        }
        SendResult::Refused { changes, error } => {
            let now_ms = deps.clock.now_ms();
            if !changes.into_iter().any(|change| change.apply(row, now_ms)) {
                return Some(refused(row, &error));
            }
            tracing::info!(delivery = %row.id, error, "refused; it goes another way");
        }
        SendResult::Later { after_ms, error } => return Some(later(deps, row, after_ms, error)),
        SendResult::Never { error } => return Some(refused(row, &error)),
    }
    None
}

/// Sends a message by mail, in one letter.
async fn post(
    deps: &Deps,
    mailbox: &dyn Mailbox,
    mut row: OutboxRow,
    file: Option<(&KeptFile, &Bytes)>,
) -> SentReport {
    let Some(Addressed { letter, shows }) = mailbox.letter(&row, file) else {
        return end(row, DeliveryState::Sent, "");
    };
    let sent = match (mailbox.account(), &deps.mail) {
        // The letters of this machine's own mailbox go nowhere.
        (None, _) => Ok(Sent::Accepted),
        (Some(account), Some(mail)) => mail.send(account, &letter).await,
        (Some(_), None) => {
            Ok(Sent::Refused { is_final: true, why: "no mail is sent here".to_owned() })
        }
    };
    match sent {
        Ok(Sent::Accepted) => {
            shown(&mut row, &Aim::Say { index: 0, shows }, letter.message_id, letter.to);
            end(row, DeliveryState::Sent, "")
        }
        Ok(Sent::Refused { is_final: true, why }) => refused(&row, &why),
        Ok(Sent::Refused { is_final: false, why }) => later(deps, &row, None, why),
        Err(error) if error.effect == Effect::None => later(deps, &row, None, error.detail),
        Err(error) => not_answered(deps, &row, false, &error),
    }
}

fn refused(row: &OutboxRow, error: &str) -> SentReport {
    tracing::warn!(delivery = %row.id, endpoint = %row.target.endpoint, error, "a message was refused");
    end(row.clone(), DeliveryState::Failed, error)
}

fn shown(row: &mut OutboxRow, aim: &Aim, message: String, chat: String) {
    let chat = if chat.is_empty() { row.target.chat.clone() } else { chat };
    match aim {
        Aim::Send { shows, known_as } => {
            let id = known_as.map_or(message, str::to_owned);
            row.parts.push(Part::new(id, chat, shows));
        }
        Aim::Edit { index, shows } => {
            if let Some(part) = row.parts.get_mut(*index) {
                part.shows.clone_from(shows);
                part.edit = Some(message).filter(|id| !id.is_empty() && *id != part.id);
                part.shown_ms = None;
            }
        }
        Aim::Upload(step) => row.parts.push(Part::new(message, chat, *step)),
        Aim::Say { index, shows } => match row.parts.get_mut(*index) {
            Some(part) => {
                part.shows.clone_from(shows);
                if !message.is_empty() {
                    part.id = message;
                }
            }
            None => row.parts.push(Part::new(message, chat, shows)),
        },
        Aim::AnswerPress | Aim::OpenDirect => row.parts.push(Part::new(message, chat, "")),
        // These show nothing.
        Aim::LookInto { .. } | Aim::Invite { .. } | Aim::Date { .. } => {}
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
        changed_ms: Some(row.updated_ms),
        // A direct message is no move of its chat.
        chat: if row.target.direct { String::new() } else { row.target.chat },
        parts: row.parts,
        state,
        due_ms: 0,
        quiet_until_ms: None,
        error,
    }
}
