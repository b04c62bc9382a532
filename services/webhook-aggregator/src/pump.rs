//! Moves what is due: events by their stage, messages by the outbox. Called after each accept and by the runtime's
//! timer (a loop natively, an alarm in a Durable Object); any number of pumps may run at once, the inbox hands each
//! event to one of them.

use crate::{Deps, dispatch, handover, press, send};
use axum::Json;
use axum::extract::{Path, State};
use contracts::event::{Stage, Woken};
use contracts::routing::PoolOutcome;
use contracts::{EventId, GatewayId, Shard};
use futures_util::future::{join, join_all};
use inbox::{Advance, ClaimDue, ClaimEvent, InboxExt, NextDue, Recover, Step, StoredEvent, Wake};
use platform::edge::{ApiError, ApiResult};
use platform::ports::PortResult;

/// Events moved side by side.
const BATCH: u32 = 32;
/// A step that has not ended after this long is taken again.
const STEP_LEASE_MS: i64 = 60_000;
/// No event takes more steps in one go; a guard, since every path ends long before.
const STEPS_MAX: usize = 16;

/// Moves everything that is due in one inbox as far as it goes.
pub async fn pump(deps: &Deps, shard: &Shard) -> PortResult<()> {
    loop {
        let claim = ClaimDue { limit: BATCH, lease_ms: STEP_LEASE_MS };
        let events = deps.inbox.ask(shard, claim).await?;
        let idle = events.is_empty();
        // Claimed events are driven even if the outbox fails: an early return would strand them
        // until their lease ends.
        let drives = join_all(events.into_iter().map(|event| drive(deps, event)));
        let (sent, _) = join(send::flush(deps, shard), drives).await;
        if sent? == 0 && idle {
            return Ok(());
        }
    }
}

/// When the inbox wants attention next, milliseconds since the epoch.
pub async fn next_due(deps: &Deps, shard: &Shard) -> PortResult<Option<i64>> {
    deps.inbox.ask(shard, NextDue).await
}

/// After a restart: what the process before, with its own gateway, had under way is free again.
pub async fn recover(deps: &Deps, gateway: &GatewayId) -> PortResult<()> {
    for shard in deps.config.shards() {
        deps.inbox.ask(&shard, Recover { gateway: gateway.clone() }).await?;
    }
    Ok(())
}

/// Starts an event in the background; the runtime's timer looks after it in any case.
pub(crate) fn soon(deps: &Deps, event: EventId) {
    let deps = deps.clone();
    let work = {
        let deps = deps.clone();
        async move {
            if let Err(error) = now(&deps, &event).await {
                tracing::warn!("event.id" = %event, error = %error, "an event could not be started at once");
            }
        }
    };
    deps.background.spawn(Box::pin(work));
}

/// Takes one event as far as it goes, then whatever that set free in its inbox.
pub(crate) async fn now(deps: &Deps, event: &EventId) -> PortResult<()> {
    let Some(shard) = deps.shard_of(event) else { return Ok(()) };
    let claim = ClaimEvent { event: event.clone(), lease_ms: STEP_LEASE_MS };
    if let Some(event) = deps.inbox.ask(&shard, claim).await? {
        drive(deps, event).await;
    }
    pump(deps, &shard).await
}

/// Step after step until the event waits or ends. A failure of the inbox itself leaves the event to its lease.
async fn drive(deps: &Deps, mut event: StoredEvent) {
    for _ in 0..STEPS_MAX {
        match step(deps, &event).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::error!("event.id" = %event.id, error = %error, "a step could not be written down");
                return;
            }
        }
        let claim = ClaimEvent { event: event.id.clone(), lease_ms: STEP_LEASE_MS };
        match deps.inbox.ask(&event.shard, claim).await {
            Ok(Some(next)) => event = next,
            _ => return,
        }
    }
}

/// One step; true when the event has moved on and may take the next at once.
async fn step(deps: &Deps, event: &StoredEvent) -> PortResult<bool> {
    let step = if event.control {
        press::advance(deps, event, &|other| soon(deps, other)).await
    } else {
        dispatch::advance(deps, event).await
    };
    let goes_on = matches!(&step, Step::To { stage, due_ms, .. } if !stage.is_final() && *due_ms <= deps.clock.now_ms());
    // A run that ends well ends with its result; whatever else takes an event away from its run, or a task from its gateway, lost it.
    let lost = event.state == Stage::Running
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
    let advance = Advance { event: event.id.clone(), version: event.version, step };
    let moved = deps.inbox.ask(&event.shard, advance).await?;
    if let Some(run) = run.filter(|_| moved) {
        dispatch::tell_of_loss(deps, run, outcome);
    }
    if hands_out {
        deps.signal.notify(handover::WAITING);
    }
    deps.notify_conversation(event.conversation.as_str());
    deps.signal.notify(&format!("event:{}", event.id));
    Ok(moved && goes_on)
}

/// `POST /internal/events/{id}/wake`: something this event waits for has changed.
pub(crate) async fn wake(
    State(deps): State<Deps>,
    Path(id): Path<String>,
) -> ApiResult<Json<Woken>> {
    let event = EventId::new(id);
    let shard = deps.shard_of(&event).ok_or_else(|| ApiError::not_found("event of this id"))?;
    deps.inbox.ask(&shard, Wake { event: event.clone() }).await?;
    soon(&deps, event);
    Ok(Json(Woken {}))
}
