//! The lease loop: one long poll at a time, tasks in parallel, and a clean shutdown.

use crate::board::{Room, StopReason};
use crate::{Deps, readiness, run};
use contracts::AgentId;
use contracts::calls::webhook_aggregator::LeaseTasks;
use contracts::task::{LeaseRequest, LeasedTask};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::{FuturesUnordered, Stream};
use platform::backoff::Exponential;
use platform::ports::{CallError, PortError, PortErrorKind};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

/// Seconds that the server waits for work.
const WAIT_S: u32 = 25;
/// Timeout of the poll beyond that wait.
const SLACK_MS: i64 = 15_000;
/// Between questions for work that failed.
const BACKOFF: Exponential = Exponential { first_ms: 500, max_ms: 30_000 };
/// An empty answer that came at once is not asked for again before this.
const EMPTY_PAUSE_MS: i64 = 1_000;
/// Grace after a stop request in which runs may end by themselves.
const DRAIN_MS: i64 = 5_000;
/// Time to stop them (5 s of grace, then kill), settle and report.
const REPORT_MS: i64 = 20_000;

type Leased = Result<Vec<LeasedTask>, CallError>;
type InHand = FuturesUnordered<BoxFuture<'static, ()>>;

enum Turn {
    Stop,
    Answer(Leased),
}

/// Leases and runs tasks until `stop`.
pub(crate) async fn serve(deps: &Deps, stop: impl Future<Output = ()> + Send) {
    let mut stop = pin!(stop);
    let mut in_hand = InHand::new();
    let mut failures = 0;
    let mut asking: BoxFuture<'_, Leased> = ask(deps, 0).boxed();
    loop {
        match turn(stop.as_mut(), &mut in_hand, &mut asking).await {
            Turn::Stop => break,
            Turn::Answer(Ok(tasks)) => {
                failures = 0;
                deps.board.heard(deps.clock.now_ms(), None);
                in_hand
                    .extend(tasks.into_iter().map(|task| run::leased(deps.clone(), task).boxed()));
                // New runs must be on the board before the free capacity is counted again.
                poll_fn(|cx| {
                    advance(&mut in_hand, cx);
                    Poll::Ready(())
                })
                .await;
            }
            // A server of an earlier version counts every run alike.
            Turn::Answer(Err(error)) if deps.board.counts_kinds() && is_about_kinds(&error) => {
                deps.board.count_alike(true);
            }
            Turn::Answer(Err(error)) => {
                // It may come back in a newer version.
                deps.board.count_alike(false);
                failures += 1;
                tracing::warn!(error = %error, failures, "no work could be leased");
                deps.board.heard(deps.clock.now_ms(), Some(problem_of(&error)));
            }
        }
        asking = ask(deps, failures).boxed();
    }
    drop(asking);
    drain(deps, in_hand).await;
}

/// Runs tasks until the stop or a response.
async fn turn(
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    in_hand: &mut InHand,
    asking: &mut BoxFuture<'_, Leased>,
) -> Turn {
    poll_fn(|cx| {
        if stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Turn::Stop);
        }
        advance(in_hand, cx);
        asking.as_mut().poll(cx).map(Turn::Answer)
    })
    .await
}

/// Polls every run and removes ended ones.
fn advance(in_hand: &mut InHand, cx: &mut std::task::Context<'_>) {
    while let Poll::Ready(Some(())) = Pin::new(&mut *in_hand).poll_next(cx) {}
}

/// Whether the server does not know `lightCapacity`.
fn is_about_kinds(error: &CallError) -> bool {
    let CallError::Refused(problem) = error else { return false };
    problem.extra.get("field").and_then(|field| field.as_str()) == Some("lightCapacity")
}

/// The free places, if there is one. Where kinds do not count, every run takes one of a program.
pub(crate) fn room(deps: &Deps) -> Option<Room> {
    let by_kind = deps.board.counts_kinds();
    let left =
        |most: u32, running: usize| most.saturating_sub(u32::try_from(running).unwrap_or(u32::MAX));
    let starts = |agent: &AgentId| deps.config.starts_a_program(agent);
    let programs = deps.board.running_of(|agent| !by_kind || starts(agent));
    let programs = left(deps.config.capacity, programs);
    let light = left(deps.config.light_capacity, deps.board.running_of(|agent| !starts(agent)));
    let light = if by_kind { light } else { 0 };
    (programs > 0 || light > 0).then_some(Room { programs, light })
}

/// Waits for free capacity (after failures also for the back-off), then leases that many tasks.
async fn ask(deps: &Deps, failures: u32) -> Leased {
    let now = deps.clock.now_ms();
    if failures > 0 {
        deps.clock.sleep_until(now + BACKOFF.wait_ms(failures, &*deps.clock)).await;
    }
    let by_kind = deps.board.counts_kinds();
    let Room { programs, light } = deps.board.room(|_| room(deps)).await;
    let request = LeaseRequest {
        gateway_id: deps.gateway_id.clone(),
        agents: deps.config.leases(),
        capacity: programs,
        light_capacity: by_kind.then_some(light),
        unready: readiness::of_programs(&deps.config, &*deps.programs),
        wait: Some(WAIT_S),
        runs: deps.config.all_runs(),
    };
    let sent_ms = deps.clock.now_ms();
    let limit = deps.clock.sleep_until(sent_ms + i64::from(WAIT_S) * 1000 + SLACK_MS);
    let call = deps.calls.ask::<LeaseTasks>(&(), &request);
    // A kind that had no place has one now: the poll did not ask for it. Tasks that were leased to
    // a poll which nobody hears are leased again after their time.
    let is_freed =
        |now: &Room| by_kind && (programs == 0 && now.programs > 0 || light == 0 && now.light > 0);
    let freed = deps.board.room(|_| room(deps).filter(is_freed));
    let tasks = match select(pin!(call), select(limit, pin!(freed))).await {
        Either::Left((answer, _)) => answer?,
        Either::Right((Either::Right(_), _)) => return Ok(Vec::new()),
        Either::Right((Either::Left(_), _)) => {
            return Err(PortError::unknown(
                PortErrorKind::Timeout,
                "the long poll was not answered",
            )
            .into());
        }
    };
    if tasks.is_empty() && deps.clock.now_ms() - sent_ms < EMPTY_PAUSE_MS {
        deps.clock.sleep_until(sent_ms + EMPTY_PAUSE_MS).await;
    }
    Ok(tasks)
}

/// A sentence for health, without internal text.
fn problem_of(error: &CallError) -> String {
    match error {
        CallError::Refused(problem) => {
            format!("webhook-aggregator refuses to lease work: {} {}", problem.detail, problem.fix)
        }
        CallError::Port(_) => "webhook-aggregator cannot be reached to lease work.".to_owned(),
    }
}

/// Ends all runs: waits, then stops them; reports every one.
async fn drain(deps: &Deps, mut in_hand: InHand) {
    deps.board.close();
    let start_ms = deps.clock.now_ms();
    if !quiet_by(deps, &mut in_hand, start_ms + DRAIN_MS).await {
        deps.board.stop(None, StopReason::Shutdown, deps.clock.now_ms());
        if !quiet_by(deps, &mut in_hand, start_ms + DRAIN_MS + REPORT_MS).await {
            tracing::error!(
                left = deps.board.running(),
                "runs could not be reported before the end"
            );
        }
    }
}

/// Whether all runs, also those requested over HTTP, ended in time.
async fn quiet_by(deps: &Deps, in_hand: &mut InHand, until_ms: i64) -> bool {
    let mut limit = deps.clock.sleep_until(until_ms);
    let mut quiet = pin!(deps.board.quiet());
    poll_fn(|cx| {
        advance(in_hand, cx);
        if quiet.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        limit.as_mut().poll(cx).map(|()| false)
    })
    .await
}
