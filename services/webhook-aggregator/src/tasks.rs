//! Gateways: they take tasks by lease, hold them on, and bring results back.

use crate::dispatch::{outcome_step, place, placeholder_with};
use crate::pool::{WAITING, bare, report};
use crate::steps::line_of;
use crate::{Deps, ended_by, files, pump, work};
use axum::Json;
use axum::extract::{Path, State};
use contracts::approval::Outcome;
use contracts::calls::personal_assistant::{CheckHalts, ReportRenewed, ReportStopped};
use contracts::halt::{HaltCheck, StoppedRequest};
use contracts::routing::{OutcomeReport, PoolOutcome};
use contracts::task::{
    BackendSession, LEASE_MS, LeaseRequest, LeasedTask, RenewAnswer, RenewRequest, RenewedRequest,
    ResultAnswer, ResultRequest, StopCause, UnreadyAgent,
};
use contracts::{AgentId, ErrorCode, Micros, Problem, Shard, TaskId, Tokens};
use inbox::{
    Finish, FinishRun, GetRun, InboxExt, LeaseTasks, ListGateways, NoteProgress, RenewLease,
    StoredEvent, TaskRow, TaskState,
};
use platform::edge::{ApiError, ApiResult, JsonBody};
use platform::ports::{PortError, begin_wait};

const WAIT_S_MAX: u32 = 25;
const CAPACITY_MAX: u32 = 64;
/// The same for agents that start no program.
const LIGHT_MAX: u32 = 256;
const AGENTS_MAX: usize = 1000;
const UNREADY_MAX: usize = 100;
/// Of a reason and its fix together.
const UNREADY_CHARS_MAX: usize = 1000;
const TEXT_CHARS_MAX: usize = 200_000;
const PROGRESS_CHARS_MAX: usize = 500;
const SESSION_BYTES_MAX: usize = 128;
/// A result that meets an event which moves at the same moment is tried again this often.
const RACES_MAX: usize = 8;

/// `POST /api/tasks/lease`: up to `capacity` tasks, or none by the end of the wait.
pub(crate) async fn lease(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<LeaseRequest>,
) -> ApiResult<Json<Vec<LeasedTask>>> {
    if request.gateway_id.as_str().is_empty() || request.gateway_id.as_str().len() > 128 {
        return Err(Problem::field(
            "gatewayId",
            "The field `gatewayId` must have 1 to 128 characters.",
            "Send the gateway's own name.",
        )
        .into());
    }
    let light = request.light_capacity.unwrap_or(0);
    let is_asking = request.capacity > 0 || light > 0;
    let fits = request.capacity <= CAPACITY_MAX && light <= LIGHT_MAX;
    if request.agents.len() > AGENTS_MAX || !is_asking || !fits {
        let detail = format!(
            "`capacity` must be from 1 to {CAPACITY_MAX}, or `lightCapacity` from 1 to {LIGHT_MAX}, and `agents` at most {AGENTS_MAX}."
        );
        return Err(Problem::field("capacity", detail, "Ask for fewer at a time.").into());
    }
    let fits = |unready: &UnreadyAgent| {
        unready.why.chars().count() + unready.fix.chars().count() <= UNREADY_CHARS_MAX
    };
    if request.unready.len() > UNREADY_MAX || !request.unready.iter().all(fits) {
        let detail = format!(
            "`unready` must have at most {UNREADY_MAX} agents, each with {UNREADY_CHARS_MAX} characters."
        );
        return Err(Problem::field("unready", detail, "Send fewer, or shorten them.").into());
    }
    let deadline =
        deps.clock.now_ms() + i64::from(request.wait.unwrap_or(0).min(WAIT_S_MAX)) * 1000;
    loop {
        let waiting = begin_wait(deps.signal.as_ref(), WAITING, deadline).await;
        let leased = take(&deps, &request).await?;
        if !leased.is_empty() || deps.clock.now_ms() >= deadline {
            return Ok(Json(leased));
        }
        waiting.await;
    }
}

/// Whether a task counts against the capacity of agents without a program.
fn is_light(request: &LeaseRequest, task: &LeasedTask) -> bool {
    let starts = |id: &String| id.eq_ignore_ascii_case(task.agent.as_str());
    request.light_capacity.is_some() && !request.runs.keys().any(starts)
}

async fn take(deps: &Deps, request: &LeaseRequest) -> ApiResult<Vec<LeasedTask>> {
    let mut leased: Vec<LeasedTask> = Vec::new();
    for shard in deps.config.shards() {
        let light = leased.iter().filter(|task| is_light(request, task)).count();
        let programs = leased.len() - light;
        let left = |given: u32, taken: usize| {
            given.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX))
        };
        let capacity = left(request.capacity, programs);
        let command = LeaseTasks {
            gateway: request.gateway_id.clone(),
            agents: request.agents.clone(),
            capacity,
            light: request.light_capacity.map(|given| left(given, light)),
            lease_ms: LEASE_MS,
            runs: request.runs.clone(),
            unready: request.unready.clone(),
        };
        leased.extend(deps.inbox.ask(&shard, command).await?);
    }
    for task in leased.iter().filter(|task| task.context.order.is_none()) {
        tracing::info!(task = %task.task_id, agent = %task.agent, epoch = task.epoch, gateway = %request.gateway_id, "leased");
        report(
            deps,
            &OutcomeReport {
                gateway: Some(request.gateway_id.clone()),
                ..bare(task.agent.clone(), PoolOutcome::Started)
            },
        );
    }
    Ok(leased)
}

/// `POST /api/tasks/{taskId}/renew`: holds the lease on, and says whether to stop.
pub(crate) async fn renew(
    State(deps): State<Deps>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<RenewRequest>,
) -> ApiResult<Json<RenewAnswer>> {
    let task = TaskId::new(id);
    let shard =
        deps.shard_of(&task.event_id()).ok_or_else(|| ApiError::not_found("task of this id"))?;
    let progress: Option<String> =
        request.progress.as_ref().map(|text| text.chars().take(PROGRESS_CHARS_MAX).collect());
    let command = RenewLease { task: task.clone(), epoch: request.epoch, lease_ms: LEASE_MS };
    // Who halted it, where a halt is in force. The assistant does not know the agent of an order
    // for a worktree, which needs no approval.
    let halt = async |agent: Option<&AgentId>| {
        let (tasks, agent, endpoint) = (vec![task.clone()], agent.cloned(), Some(shard.clone()));
        let check = HaltCheck { tasks, agent, endpoint };
        let answer = deps.calls.ask::<CheckHalts>(&(), &check).await?;
        let is_halted = answer.all || answer.held || answer.halted.contains(&task);
        Ok::<_, ApiError>(is_halted.then_some(answer.by))
    };
    let halted = RenewAnswer {
        cancel: true,
        lease_ms: LEASE_MS,
        reason: Some(StopCause::Halted),
        ..RenewAnswer::default()
    };
    let row = match deps.inbox.ask(&shard, command).await {
        Ok(row) => row,
        // A full disk must not keep a halt from the run.
        Err(_) if halt(None).await?.is_some() => return Ok(Json(halted)),
        Err(error) => return Err(error.into()),
    };
    let Some(row) = row else {
        return Err(ApiError::new(
            ErrorCode::StaleEpoch,
            "This lease has ended or was reassigned.",
        ));
    };
    if let Some(line) = progress.filter(|line| !line.trim().is_empty()) {
        // Beside the renewal: a stop, a halt and the money are more urgent.
        let (background, deps, shown) = (&deps.background, deps.clone(), row.clone());
        let (cost_micros, shard) = (request.cost_micros, shard.clone());
        let show = async move { show_progress(&deps, &shard, &shown, line, cost_micros).await };
        background.spawn(Box::pin(show));
    }
    if row.stopped {
        let detail = Some(ended_by::stopped(&deps, &shard, &row).await);
        return Ok(Json(RenewAnswer { reason: Some(StopCause::Stopped), detail, ..halted }));
    }
    // Not knowing whether it is halted is no reason to stop it, nor to let it hold its lease for
    // ever: the renewal itself is recorded, the caller sees the failure and asks again.
    if let Some(by) = halt(Some(&row.agent)).await? {
        let detail = ended_by::halted(&deps, &shard, &row, by).await;
        return Ok(Json(RenewAnswer { detail, ..halted }));
    }
    // The claim lives as long as the run, and the ledger says whether its cost fits. Not knowing
    // that is no reason to let it spend on: the caller asks again, and stops at the end of its
    // lease.
    let renewed = RenewedRequest {
        task_id: task,
        cost_micros: request.cost_micros,
        need_micros: request.need_micros,
    };
    Ok(Json(deps.calls.ask::<ReportRenewed>(&(), &renewed).await?))
}

/// Keeps the line and edits the placeholder. The run goes on without it where that fails.
async fn show_progress(
    deps: &Deps,
    shard: &Shard,
    row: &TaskRow,
    line: String,
    cost_micros: Option<i64>,
) {
    let shown = async {
        let get = GetRun { task: row.id.clone() };
        let Some((_, event)) = deps.inbox.ask(shard, get).await? else { return Ok(None) };
        let now_ms = deps.clock.now_ms();
        let text = placeholder_with(row, &line, cost_micros.map(Micros), now_ms);
        let placeholder = line_of(&event, Some(&row.agent), &text, false);
        let (task, epoch) = (row.id.clone(), row.epoch);
        let note = NoteProgress { task, epoch, line, cost_micros, placeholder };
        let kept = deps.inbox.ask(shard, note).await?;
        Ok::<_, PortError>(Some(event).filter(|_| kept))
    };
    match shown.await {
        Ok(Some(event)) => {
            deps.notify_conversation(event.conversation.as_str());
            deps.notify_event(&event.id);
            pump::soon(deps, shard.clone());
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, task = %row.id, "progress is not shown"),
    }
}

/// `POST /api/tasks/{taskId}/result`: recorded once; the same again is answered the same.
pub(crate) async fn result(
    State(deps): State<Deps>,
    Path(id): Path<String>,
    JsonBody(mut request): JsonBody<ResultRequest>,
) -> ApiResult<Json<ResultAnswer>> {
    let task = TaskId::new(id);
    shorten(&mut request.text);
    let missing = || ApiError::not_found("task of this id");
    let shard = deps.shard_of(&task.event_id()).ok_or_else(missing)?;
    if is_halted(&request) {
        ended_by::name_the_halt(&deps, &shard, &task, &mut request.text).await;
    }
    let sent = files::fits(&deps, &task.event_id(), &mut request).await?;
    for _ in 0..RACES_MAX {
        let run = deps.inbox.ask(&shard, GetRun { task: task.clone() }).await?;
        let (row, event) = run.ok_or_else(missing)?;
        let mut step = if row.context.order.is_some() {
            work::outcome_step(&event, &request)
        } else {
            let elsewhere = elsewhere(&deps, &event, &row, &request).await?;
            outcome_step(&deps, &event, &row, &request, elsewhere)
        };
        let mut sent = sent.clone();
        // The answer of a lease that has ended is not recorded.
        if row.state == TaskState::Leased && row.epoch == request.epoch {
            files::put_whole(&deps, &event, &mut sent, &mut step).await;
        }
        files::attach(&event, &task, &sent, &mut step);
        work::offer(&event, &row, &request, &mut step);
        let finish = FinishRun {
            task: task.clone(),
            epoch: request.epoch,
            outcome: request.outcome,
            text: request.text.clone(),
            session: kept(&request),
            log: request.log.clone(),
            event_version: event.version,
            step,
        };
        match deps.inbox.ask(&shard, finish).await? {
            Finish::First => {
                recorded(&deps, &event, &row, &request);
                return Ok(Json(ResultAnswer { task_id: task, accepted: true }));
            }
            Finish::Again => return Ok(Json(ResultAnswer { task_id: task, accepted: true })),
            Finish::Stale => {
                return Err(ApiError::new(
                    ErrorCode::StaleEpoch,
                    "This lease has ended or was reassigned; the result was not recorded.",
                ));
            }
            Finish::EventMoved => {}
        }
    }
    Err(ApiError::new(
        ErrorCode::Unavailable,
        "The event changed at the same moment; nothing was recorded.",
    ))
}

/// Cuts an answer that is too long to keep, and says so.
fn shorten(text: &mut String) {
    let more = text.chars().count().saturating_sub(TEXT_CHARS_MAX);
    if more > 0 {
        *text = text.chars().take(TEXT_CHARS_MAX).collect();
        text.push_str(&format!("\n\nCut here: {more} more characters were too long to keep."));
    }
}

/// The session that a run reported, unless it is no name that a program could be handed again.
fn kept(request: &ResultRequest) -> Option<BackendSession> {
    let fits = |session: &&BackendSession| {
        (1..=SESSION_BYTES_MAX).contains(&session.id.len())
            && session.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
            && !session.id.starts_with('-')
    };
    request.session.as_ref().filter(fits).cloned()
}

/// Whether another gateway in service could do what this one could not.
async fn elsewhere(
    deps: &Deps,
    event: &StoredEvent,
    task: &TaskRow,
    request: &ResultRequest,
) -> ApiResult<bool> {
    if request.outcome != Outcome::Unavailable {
        return Ok(false);
    }
    let not = place::passed_over(event, task.gateway_id.as_ref());
    let seen = deps.inbox.ask(&event.shard, ListGateways).await?;
    Ok(!place::others(deps, seen, &task.agent, &not).is_empty())
}

/// Whether a halt ended the run. Gateways of earlier versions give no reason for some halts.
fn is_halted(request: &ResultRequest) -> bool {
    request.outcome == Outcome::Cancelled
        && request.reason.is_none_or(|reason| reason == StopCause::Halted)
}

/// After the commit: the conversation goes on, the router learns, a halt is confirmed.
fn recorded(deps: &Deps, event: &StoredEvent, task: &TaskRow, request: &ResultRequest) {
    tracing::info!(task = %task.id, outcome = request.outcome.as_str(), "result recorded");
    deps.notify_conversation(event.conversation.as_str());
    deps.notify_event(&event.id);
    pump::soon(deps, event.shard.clone());
    if task.context.order.is_some() {
        return;
    }
    let limit = request.usage_limit.as_ref();
    let outcome = match request.outcome {
        // The account's limit is none of the work.
        Outcome::Failed if limit.is_some() => PoolOutcome::Failed,
        Outcome::Success => PoolOutcome::Succeeded,
        // Failed work says nothing about the machine: a stand-in would fare no better, and would
        // have other rights and another price.
        Outcome::Cancelled | Outcome::Failed | Outcome::Timeout => PoolOutcome::Cancelled,
        Outcome::Unavailable => PoolOutcome::Failed,
    };
    report(
        deps,
        &OutcomeReport {
            gateway: task.gateway_id.clone(),
            latency_ms: task.leased_ms.map(|at| (deps.clock.now_ms() - at) as f64),
            complexity: event.data.complexity,
            tokens: request.usage.as_ref().and_then(Tokens::of_usage),
            rest_until: limit.and_then(|limit| limit.until.clone()),
            ..bare(task.agent.clone(), outcome)
        },
    );
    if is_halted(request) {
        // The halt is confirmed.
        deps.tell::<ReportStopped>(&StoppedRequest { task_id: task.id.clone() });
    }
}
