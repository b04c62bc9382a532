//! `[digest] at`: once a day each approver gets what ran the day before, and what waits.
//!
//! The outbox sends an id once, so a digest is sent once although several machines may look.

use crate::authority::Authority;
use crate::own_work::KINDS;
use crate::store::{self, Answers};
use crate::{Deps, halt, owner, window};
use contracts::Micros;
use contracts::calls::webhook_aggregator::{Deliver, ListApprovers};
use contracts::outbox::{Delivery, OutboxRequest, Target};
use platform::edge::ApiResult;
use platform::ports::Statement;
use platform::sql;
use platform::text::as_code;
use serde::Deserialize;
use std::fmt::Write;

/// How long after its time a digest is still sent, when the server was off.
const LATE_MS: i64 = 6 * 3_600_000;
/// Between looks when nothing is due: the owner may change the time zone.
const LOOK_EVERY_MS: i64 = 60_000;
/// Before the next try after a failure.
const AGAIN_MS: i64 = 15_000;
/// Seconds in which this process remembers a digest; the outbox remembers longer.
const REMEMBERED_S: u64 = 24 * 3_600;
/// Maximum agents that are named.
const AGENTS_SHOWN: usize = 10;
/// Maximum characters of an agent's name.
const NAME_CHARS: usize = 60;

/// Sends the digest if it is due.
///
/// # Errors
/// When the ledger, the aggregator or the approvers do not answer; the next call tries again.
pub async fn send_due(deps: &Deps) -> ApiResult<()> {
    let Some(minutes) = deps.config.digest_at() else { return Ok(()) };
    let now_ms = deps.clock.now_ms();
    if now_ms < deps.next_digest.ms() {
        return Ok(());
    }
    deps.next_digest.set(now_ms + AGAIN_MS);
    send(deps, now_ms, minutes).await?;
    deps.next_digest.set(now_ms + LOOK_EVERY_MS);
    Ok(())
}

async fn send(deps: &Deps, now_ms: i64, minutes: i64) -> ApiResult<()> {
    let zone = window::zone(&owner::read(deps).await?.time_zone);
    let zone = zone.ok_or_else(|| store::unreadable("time zone"))?;
    let calendar = |_| store::unreadable("calendar");
    let today = window::day(now_ms, &zone).map_err(calendar)?;
    // On the two days with another number of hours it comes an hour earlier or later.
    let due_ms = today.start_ms + minutes * 60_000;
    let key = format!("digest:{}", today.label);
    if !(due_ms..due_ms + LATE_MS).contains(&now_ms) || deps.kv.get(&key).await?.is_some() {
        return Ok(());
    }
    let before = window::day(today.start_ms - 1, &zone).map_err(calendar)?;
    let approvers = deps.calls.ask::<ListApprovers>(&(), &()).await?;
    let mut deliveries = Vec::new();
    for target in approvers.targets {
        let id = format!("{key}:{}:{}:{}", target.channel, target.endpoint, target.chat);
        let text = text_for(deps, &target, &before).await?;
        deliveries.push(Delivery { id, revision: 1, target, text, buttons: None, event_id: None });
    }
    if !deliveries.is_empty() {
        deps.calls.ask::<Deliver>(&(), &OutboxRequest { deliveries }).await?;
    }
    deps.kv.put(&key, "sent", REMEMBERED_S).await?;
    Ok(())
}

#[derive(Deserialize)]
struct AgentDay {
    agent: String,
    runs: i64,
    failed: i64,
    spent_u: i64,
    unpriced: i64,
}

#[derive(Deserialize)]
struct Asked {
    approved: Option<i64>,
    rejected: Option<i64>,
    waiting: i64,
}

async fn text_for(deps: &Deps, target: &Target, day: &window::Window) -> ApiResult<String> {
    let Target { channel, endpoint, chat, .. } = target;
    let own = match Authority::of_person(&format!("{channel}:{endpoint}:{chat}")) {
        Authority::Owner => String::new(),
        Authority::Endpoint(own) => format!("{own}."),
        Authority::Nobody => return Err(store::unreadable("approver")),
    };
    let batch = vec![runs(day, &own), asked(day, &own, deps.clock.now_ms())];
    let mut answers = Answers::of(&*deps.sql, batch).await?;
    let agents: Vec<AgentDay> = answers.all()?;
    let asked: Asked =
        answers.one()?.unwrap_or(Asked { approved: None, rejected: None, waiting: 0 });
    let mut text = summary(&day.label, &agents);
    let decided = (asked.approved.unwrap_or(0), asked.rejected.unwrap_or(0));
    if decided != (0, 0) {
        let _ = write!(text, "\nDecided by people: {} approved, {} rejected", decided.0, decided.1);
    }
    if asked.waiting > 0 {
        let _ = write!(text, "\nWaiting for you now: {}. /approvals lists them.", asked.waiting);
    }
    if halt::all_halted(deps).await? {
        text.push_str("\nEverything is halted.");
    }
    Ok(text)
}

/// The event that an approval belongs to: its own, that of the run that asks, or the one that a
/// model was asked about.
fn event_of(row: &str) -> String {
    let own = KINDS.map(|kind| format!("'{kind}'")).join(", ");
    format!(
        "COALESCE({row}.event_id, (SELECT r.event_id FROM approvals r WHERE r.task = {row}.run),
         CASE WHEN {row}.kind IN ({own}) THEN substr({row}.task, length({row}.kind) + 2) END, '')"
    )
}

/// Settled runs by agent, of one endpoint where `own` names it.
fn runs(day: &window::Window, own: &str) -> Statement {
    let event = event_of("a");
    sql!(
        format!(
            "SELECT a.agent AS agent, COUNT(*) AS runs, SUM(p.outcome <> 'success') AS failed,
                    SUM(p.amt_u) AS spent_u, SUM(p.unpriced) AS unpriced
             FROM posted p JOIN approvals a ON a.task = p.task
             WHERE p.at >= ?1 AND p.at < ?2 AND substr({event}, 1, length(?3)) = ?3
             GROUP BY a.agent ORDER BY spent_u DESC, runs DESC, a.agent"
        ),
        day.start_ms,
        day.end_ms,
        own
    )
}

fn asked(day: &window::Window, own: &str, now_ms: i64) -> Statement {
    // Asked there: work of a program, which no event of the endpoint stands behind.
    let of = |row: &str| {
        format!(
            "(substr({}, 1, length(?3)) = ?3 OR EXISTS (SELECT 1 FROM button b
              WHERE b.approval = {row}.id AND b.channel || '.' || b.endpoint || '.' = ?3))",
            event_of(row)
        )
    };
    sql!(
        format!(
            "SELECT SUM(a.state IN ('approved', 'claimed', 'consumed')) AS approved, SUM(a.state = 'rejected') AS rejected,
                    (SELECT COUNT(*) FROM approvals w WHERE w.state = 'pending' AND w.expires_at > ?4 AND {}) AS waiting
             FROM approvals a
             WHERE a.decided_at >= ?1 AND a.decided_at < ?2 AND a.decided_by NOT IN ('policy', 'expiry') AND {}",
            of("w"),
            of("a")
        ),
        day.start_ms,
        day.end_ms,
        own,
        now_ms
    )
}

fn summary(label: &str, agents: &[AgentDay]) -> String {
    if agents.is_empty() {
        return format!("**{label}**: nothing ran.");
    }
    let sum = |of: fn(&AgentDay) -> i64| agents.iter().map(of).sum::<i64>();
    let total = counts(sum(|a| a.runs), sum(|a| a.failed), sum(|a| a.spent_u), sum(|a| a.unpriced));
    let mut text = format!("**{label}**: {total}");
    for one in agents.iter().take(AGENTS_SHOWN) {
        let name = as_code(&one.agent, NAME_CHARS);
        let line = counts(one.runs, one.failed, one.spent_u, one.unpriced);
        let _ = write!(text, "\n- {name}: {line}");
    }
    if agents.len() > AGENTS_SHOWN {
        let _ = write!(text, "\n- and {} more agents", agents.len() - AGENTS_SHOWN);
    }
    text
}

fn counts(runs: i64, failed: i64, spent_u: i64, unpriced: i64) -> String {
    let mut text = format!("{runs} {}", if runs == 1 { "run" } else { "runs" });
    if failed > 0 {
        let _ = write!(text, ", {failed} without success");
    }
    let _ = write!(text, ", {}", Micros(spent_u));
    if unpriced > 0 {
        let _ = write!(text, " ({unpriced} of unknown cost)");
    }
    text
}
