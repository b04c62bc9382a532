//! Moves what is due: events by their stage, messages by the outbox, schedules. Called after each
//! accept and by the runtime's timer (a loop natively, an alarm in a Durable Object); any number of
//! pumps may run at once, the inbox hands each event to one of them.

use crate::{Deps, dispatch, firing, forget, pool, press, send};
use axum::Json;
use axum::extract::{Path, State};
use contracts::event::{Stage, Woken};
use contracts::routing::PoolOutcome;
use contracts::{EventId, GatewayId, Shard};
use futures_util::future::{join, join_all};
use inbox::{
    Accept, Accepted, Advance, Advanced, ClaimWork, InboxExt, NewEvent, NextDue, Outdated, Recover,
    SentReport, Step, StoredEvent, Wake, Work,
};
use platform::edge::{ApiError, ApiResult};
use platform::ports::PortResult;

/// Maximum events, and messages, that are moved side by side.
const BATCH: u32 = 32;
/// A step or a sending that has not ended after this long is due again.
const LEASE_MS: i64 = 60_000;
/// No event takes more steps in one go; a guard, since every path ends long before.
const STEPS_MAX: usize = 16;

/// Moves everything that is due in one inbox as far as it goes, and deletes some of what is
/// outdated.
///
/// # Errors
/// The first error of the inbox; what is due stays due.
pub async fn pump(deps: &Deps, shard: &Shard) -> PortResult<()> {
    let outdated = move_due(deps, shard).await?;
    forget::forget(deps, shard, outdated).await
}

/// Moves what is due; the events that are to be deleted.
async fn move_due(deps: &Deps, shard: &Shard) -> PortResult<Vec<Outdated>> {
    let mut sent = Vec::new();
    loop {
        let work = claim(deps, shard, sent).await?;
        if work.is_empty() {
            return Ok(work.outdated);
        }
        let Work { events, deliveries, outdated, schedules } = work;
        let (idle, sends) = (events.is_empty(), !deliveries.is_empty());
        let fires = !schedules.is_empty();
        let deliveries = async {
            let reports = send::deliver_all(deps, deliveries).await;
            if idle {
                return Ok(reports);
            }
            // Steps may take long; until a report is recorded, nothing else goes to its address.
            send::record(deps, shard, reports).await.map(|()| Vec::new())
        };
        // Claimed events are driven even if the outbox fails: an early return would strand them
        // until their lease ends.
        let drives = join_all(events.into_iter().map(|event| drive(deps, event)));
        let fired = firing::fire_all(deps, shard, schedules).await;
        let (reports, more) = join(deliveries, drives).await;
        sent = reports?;
        fired?;
        // A recorded message may make its event due, and a schedule makes one.
        if !sends && !fires && !more.contains(&true) {
            return Ok(outdated);
        }
    }
}

/// Claims what is due and records in the same transaction what was sent.
async fn claim(deps: &Deps, shard: &Shard, sent: Vec<SentReport>) -> PortResult<Work> {
    let claim =
        ClaimWork { sent: sent.clone(), events: BATCH, deliveries: BATCH, lease_ms: LEASE_MS };
    let claimed = deps.inbox.ask(shard, claim).await;
    if let Err(error) = &claimed {
        send::record_each(deps, shard, sent, error).await;
    }
    claimed
}

/// When the inbox wants attention next, milliseconds since the epoch.
///
/// # Errors
/// Those of the inbox.
pub async fn next_due(deps: &Deps, shard: &Shard) -> PortResult<Option<i64>> {
    deps.inbox.ask(shard, NextDue).await
}

/// After a restart: releases the claims and runs of the previous process and its own gateway.
///
/// # Errors
/// Those of the inbox; claims then end with their leases.
pub async fn recover(deps: &Deps, gateway: &GatewayId) -> PortResult<()> {
    for shard in deps.config.shards() {
        deps.inbox.ask(&shard, Recover { gateway: gateway.clone() }).await?;
    }
    Ok(())
}

/// The command that accepts an event and claims it for its first step.
pub(crate) fn accept(event: NewEvent) -> Accept {
    Accept { event, claim_ms: Some(LEASE_MS) }
}

/// Drives an accepted event in the background; the runtime's timer looks after it in any case.
pub(crate) fn begin(deps: &Deps, accepted: &Accepted) {
    let Some(shard) = deps.shard_of(&accepted.event) else { return };
    let Some(event) = accepted.claimed.clone() else { return soon(deps, shard) };
    let work_deps = deps.clone();
    deps.background.spawn(Box::pin(async move {
        if drive(&work_deps, event).await {
            pump_at_once(&work_deps, &shard).await;
        }
    }));
}

/// Moves what is due in the background; the runtime's timer looks after it in any case.
pub(crate) fn soon(deps: &Deps, shard: Shard) {
    let work_deps = deps.clone();
    deps.background.spawn(Box::pin(async move { pump_at_once(&work_deps, &shard).await }));
}

async fn pump_at_once(deps: &Deps, shard: &Shard) {
    if let Err(error) = pump(deps, shard).await {
        tracing::warn!(%shard, %error, "the inbox could not be pumped at once; its timer tries again");
    }
}

/// Step after step until the event waits or ends. A failure of the inbox itself leaves the event to
/// its lease. True when something else in the inbox may be due.
async fn drive(deps: &Deps, mut event: StoredEvent) -> bool {
    for _ in 0..STEPS_MAX {
        match step(deps, &event).await {
            Ok(Advanced { claimed: Some(next), .. }) => event = next,
            Ok(advanced) => return advanced.more,
            Err(error) => {
                tracing::error!("event.id" = %event.id, error = %error, "a step could not be written down");
                return true;
            }
        }
    }
    true
}

/// One step; the event is claimed for the next one when it may take that at once.
async fn step(deps: &Deps, event: &StoredEvent) -> PortResult<Advanced> {
    let step = if event.control {
        press::advance(deps, event).await
    } else {
        dispatch::advance(deps, event).await
    };
    let goes_on = matches!(&step, Step::To { stage, due_ms, .. } if !stage.is_final() && *due_ms <= deps.clock.now_ms());
    // A run that ends well ends with its result; whatever else takes an event away from its run, or
    // a task from its gateway, lost it.
    let lost = event.state == Stage::Running
        && !event.control
        && matches!(&step, Step::To { stage, patch, .. } if *stage != Stage::Running || patch.requeue);
    // Read before: once it is up for lease again, it may be another gateway's.
    let run = if lost { dispatch::run_of(deps, event).await } else { None };
    let outcome = if matches!(&step, Step::To { patch, .. } if patch.blameless) {
        PoolOutcome::Cancelled
    } else {
        PoolOutcome::Failed
    };
    let hands_out =
        matches!(&step, Step::To { patch, .. } if patch.task.is_some() || patch.requeue);
    let keep_ms = goes_on.then_some(LEASE_MS);
    let advance = Advance { event: event.id.clone(), version: event.version, step, keep_ms };
    let advanced = deps.inbox.ask(&event.shard, advance).await?;
    if let Some(run) = run.filter(|_| advanced.moved) {
        dispatch::tell_of_loss(deps, run, outcome);
    }
    if hands_out {
        deps.signal.notify(pool::WAITING);
    }
    deps.notify_conversation(event.conversation.as_str());
    deps.notify_event(&event.id);
    Ok(advanced)
}

/// `POST /internal/events/{id}/wake`: something this event waits for has changed.
pub(crate) async fn wake(
    State(deps): State<Deps>,
    Path(id): Path<String>,
) -> ApiResult<Json<Woken>> {
    let event = EventId::new(id);
    let shard = deps.shard_of(&event).ok_or_else(|| ApiError::not_found("event of this id"))?;
    deps.inbox.ask(&shard, Wake { event }).await?;
    soon(&deps, shard);
    Ok(Json(Woken {}))
}
