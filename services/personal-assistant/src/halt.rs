//! `POST /api/halt` and `/api/resume`, and the list.
//!
//! A halt is one row, durable before the response. Every statement that starts work checks it, so a
//! halt takes effect without delay, even for a task that does not exist yet. Runs of
//! this process are stopped before the row is written, and a halt of a task or of all that storage
//! refuses is kept in memory.

use crate::actor::{actor, check_text};
use crate::authority::Authority;
use crate::halt_scope::{self, Scope};
use crate::store::{self, Answers, ApprovalRow};
use crate::unwritten::{Order, target};
use crate::{Deps, ask, audit, unknown};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use contracts::halt::{
    HaltAnswer, HaltLevel, HaltList, HaltRequest, HaltRow, ResumeAnswer, ResumeRequest,
};
use contracts::{ErrorCode, Problem, TaskId};
use http::StatusCode;
use platform::edge::{ApiError, ApiResult, JsonBody, Principal};
use platform::ports::{ClockExt, SqlExt, Statement};
use platform::sql;
use platform::time::rfc3339;
use serde::Deserialize;

/// The signal key for halts.
pub const KEY: &str = "halts";
const TASK_CHARS_MAX: usize = 200;
const LIST_MAX: u32 = 200;
const WAKE_MAX: u32 = 200;

#[derive(Deserialize)]
struct Stored {
    target: String,
    reason: String,
    halted_by: String,
    at: i64,
    level: HaltLevel,
    resumed_at: Option<i64>,
}

fn check_task(task: Option<&TaskId>) -> ApiResult<()> {
    let is_sane = |task: &TaskId| {
        !task.as_str().trim().is_empty()
            && task.as_str().chars().count() <= TASK_CHARS_MAX
            && !task.as_str().contains('\0')
    };
    if task.is_some_and(|task| !is_sane(task)) {
        return Err(Problem::field(
            "taskId",
            "`taskId` is empty or too long.",
            format!("Send 1 to {TASK_CHARS_MAX} characters."),
        )
        .into());
    }
    Ok(())
}

/// `POST /api/halt`: 202 once it is durable, 200 if nothing can run any more.
pub async fn halt(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    JsonBody(request): JsonBody<HaltRequest>,
) -> ApiResult<Response> {
    let scope = Scope::of_halt(&request)?;
    check_task(request.task_id.as_ref())?;
    check_text("reason", request.reason.as_deref())?;
    check_text("actor", request.actor.as_deref())?;
    let authority = Authority::of(who, request.actor.as_deref());
    check_reach(&authority, &scope)?;
    let order = Order {
        reason: request.reason.unwrap_or_else(|| "No reason was given.".to_owned()),
        by: actor(who, request.actor),
        endpoint: authority.halts_as().to_owned(),
    };
    if let Scope::Agent(_) | Scope::Endpoint(_) = &scope {
        let scope = unknown::known_scope(&deps, scope).await?;
        let (answer, status) = halt_scope(&deps, &scope, &order).await?;
        return Ok((status, Json(answer)).into_response());
    }
    let task = request.task_id.as_ref();
    deps.emergency.stop(task);
    if let Some(task) = task {
        unknown::refuse_unknown_task(&deps, &authority, task, request.must_exist).await?;
    }
    let (answer, status) = match write_halt(&deps, task, &order).await {
        Ok(answer) => answer,
        Err(error) => halt_unwritten(&deps, task, &order, error).await?,
    };
    Ok((status, Json(answer)).into_response())
}

/// Makes a halt of one task, or of all, durable.
async fn write_halt(
    deps: &Deps,
    task: Option<&TaskId>,
    order: &Order,
) -> ApiResult<(HaltAnswer, StatusCode)> {
    match task {
        Some(task) => halt_task(deps, task.clone(), order).await,
        None => halt_all(deps, order).await,
    }
}

/// Whether storage failed. A refusal is no failure: it must reach the caller.
fn is_failure(error: &ApiError) -> bool {
    matches!(error.0.code, ErrorCode::Unavailable | ErrorCode::Internal)
}

/// Halts although storage failed: in memory, then with the reserved disk space.
///
/// # Errors
/// Refusals, unchanged.
async fn halt_unwritten(
    deps: &Deps,
    task: Option<&TaskId>,
    order: &Order,
    error: ApiError,
) -> ApiResult<(HaltAnswer, StatusCode)> {
    if !is_failure(&error) {
        return Err(error);
    }
    deps.unwritten.hold(task.cloned(), order.clone(), deps.clock.now_ms());
    deps.signal.notify(KEY);
    if deps.emergency.free_space()
        && let Ok(answer) = write_halt(deps, task, order).await
    {
        deps.unwritten.forget(task, &order.endpoint);
        return Ok(answer);
    }
    let what = task.map_or_else(|| "Everything".to_owned(), ToString::to_string);
    let message = format!(
        "{what} is halted in the server's memory, but storage did not take it. Free some disk \
         space and leave the server running until then: a restart would forget the halt."
    );
    let answer = HaltAnswer {
        success: true,
        task_id: task.cloned(),
        message,
        level: HaltLevel::Accepted,
        unwritten: true,
    };
    Ok((answer, StatusCode::ACCEPTED))
}

/// Writes what storage refused. Called by the tick.
pub(crate) async fn write_due(deps: &Deps) {
    for held in deps.unwritten.all() {
        match write_halt(deps, held.task.as_ref(), &held.order).await {
            Ok(_) => deps.unwritten.forget(held.task.as_ref(), &held.order.endpoint),
            Err(error) if is_failure(&error) => return,
            Err(error) => {
                tracing::warn!(problem = ?error.0, "a halt that is in force cannot be written");
            }
        }
    }
    deps.emergency.keep_space();
}

/// Everything, and an agent, may be halted by everyone who may decide anything: stopping is the
/// safe direction. A single task or an endpoint only by who may decide about it; the refusal is
/// that of an unknown one.
fn check_reach(authority: &Authority, scope: &Scope) -> ApiResult<()> {
    match scope {
        Scope::Task(task) if !authority.may_stop(task) => {
            Err(ApiError::not_found("task with this id"))
        }
        Scope::Endpoint(shard) if !authority.reaches(Some(shard)) => {
            Err(ApiError::not_found("endpoint of this name"))
        }
        Scope::All | Scope::Agent(_) if *authority == Authority::Nobody => {
            Err(Problem::field("actor", "`actor` names no approver.", "Name who asks.").into())
        }
        _ => Ok(()),
    }
}

/// Halts all work of an agent or of an endpoint.
async fn halt_scope(
    deps: &Deps,
    scope: &Scope,
    order: &Order,
) -> ApiResult<(HaltAnswer, StatusCode)> {
    let target = scope.target();
    // `?2` is the target, `?5` the time of the halt.
    let level =
        format!("CASE WHEN {} THEN 'accepted' ELSE 'stopped' END", halt_scope::runs("?2", "?5"));
    let [halt, entry] = write(deps, &target, order, &level);
    let mut answers = Answers::of(&*deps.sql, vec![halt, entry, in_force(&target, order)]).await?;
    let new = answers.any();
    answers.skip();
    let row: Stored = answers.one()?.ok_or_else(|| store::unreadable("halt"))?;
    deps.signal.notify(KEY);
    let message = format!(
        "{} is halted: nothing of it starts until you resume it. Gateways stop its runs within ten seconds.",
        scope.name()
    );
    let answer =
        HaltAnswer { success: true, task_id: None, message, level: row.level, unwritten: false };
    Ok((answer, status(new, row.level)))
}

/// Writes the halt, unless the same target is already halted by the same authority, and its entry
/// in the audit log.
fn write(deps: &Deps, target: &str, order: &Order, level: &str) -> [Statement; 2] {
    let text = format!(
        "INSERT INTO halt (id, target, reason, halted_by, at, endpoint, level)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, {level}
         WHERE NOT EXISTS (SELECT 1 FROM halt t WHERE t.target = ?2 AND t.endpoint = ?6 AND t.resumed_at IS NULL) RETURNING id"
    );
    let id = format!("hlt_{}", deps.clock.ulid());
    let entry = audit::of_halt(deps, &id, target, order);
    let now_ms = deps.clock.now_ms();
    [sql!(text, id, target, &order.reason, &order.by, now_ms, &order.endpoint), entry]
}

/// The halt of this target by this authority.
fn in_force(target: &str, order: &Order) -> Statement {
    sql!(
        "SELECT target, reason, halted_by, at, level, resumed_at FROM halt WHERE target = ?1 AND endpoint = ?2 AND resumed_at IS NULL",
        target,
        &order.endpoint
    )
}

/// Marks a repeated halt as stopped if its task no longer runs.
fn stopped_meanwhile(target: &str, now_ms: i64) -> Statement {
    let text = format!(
        "UPDATE halt SET level = 'stopped' WHERE target = ?1 AND resumed_at IS NULL AND level = 'accepted' AND NOT {}",
        halt_scope::task_runs("?1", "?2")
    );
    sql!(text, target, now_ms)
}

/// 202 for a new halt with work to stop or prevent; 200 if it is already stopped.
fn status(new: bool, level: HaltLevel) -> StatusCode {
    if !new && level == HaltLevel::Stopped { StatusCode::OK } else { StatusCode::ACCEPTED }
}

async fn halt_task(
    deps: &Deps,
    task: TaskId,
    order: &Order,
) -> ApiResult<(HaltAnswer, StatusCode)> {
    let now_ms = deps.clock.now_ms();
    let target = target(Some(&task));
    let cancel = sql!(
        "UPDATE approvals SET state = 'cancelled', version = version + 1, decided_at = ?2, decided_by = ?3, reason = ?4, code = 'cancelled'
         WHERE (task = ?1 OR run = ?1) AND state = 'pending' RETURNING id, task",
        task.as_str(),
        now_ms,
        &order.by,
        &order.reason
    );
    let mirror = ask::mirror_where("q.task = ?1 OR q.run = ?1", task.as_str(), now_ms);
    // A run that has ended or was refused is already stopped.
    let level = "CASE WHEN EXISTS (SELECT 1 FROM approvals a WHERE a.task = substr(?2, 6) AND a.state IN ('consumed', 'rejected', 'expired', 'cancelled')) THEN 'stopped' ELSE 'accepted' END";
    let again = stopped_meanwhile(&target, now_ms);
    let [halt, entry] = write(deps, &target, order, level);
    let batch = vec![
        again,
        halt,
        entry,
        cancel,
        mirror,
        in_force(&target, order),
        store::approval_by_task(task.as_str()),
    ];
    let mut answers = Answers::of(&*deps.sql, batch).await?;
    answers.skip();
    let new = answers.any();
    answers.skip();
    let cancelled: Vec<Cancelled> = answers.all()?;
    answers.skip();
    let row: Stored = answers.one()?.ok_or_else(|| store::unreadable("halt"))?;
    deps.signal.notify(KEY);
    for question in &cancelled {
        deps.signal.notify(&crate::waiting::key(&question.id));
    }
    let was_pending = cancelled.iter().any(|question| question.task == task.as_str());
    match answers.one::<ApprovalRow>()? {
        Some(approval) => ask::announce(deps, &approval),
        None => ask::wake(deps, vec![task.event_id().0]),
    }
    let message = match (row.level, was_pending) {
        (HaltLevel::Stopped, _) => format!("{task} is stopped; it will not start again."),
        (_, true) => format!("{task} is halted; it was pending and is now cancelled."),
        _ => format!(
            "{task} is halted and will not start. If it is running, its gateway stops it within ten seconds."
        ),
    };
    // A task that had already ended is stopped, also for the first request.
    let ended = row.level == HaltLevel::Stopped;
    Ok((
        HaltAnswer {
            success: true,
            task_id: Some(task),
            message,
            level: row.level,
            unwritten: false,
        },
        status(new && !ended, row.level),
    ))
}

#[derive(Deserialize)]
struct Cancelled {
    id: String,
    task: String,
}

/// Confirms a halt once no claimed task of it runs. That of a task waits for the task to be known.
/// Called by the tick.
pub(crate) async fn confirm_all(deps: &Deps) -> ApiResult<()> {
    let text = format!(
        "UPDATE halt SET level = 'stopped' WHERE resumed_at IS NULL AND level = 'accepted'
         AND CASE WHEN target = 'all' THEN NOT {} WHEN target LIKE 'task:%' THEN {} ELSE NOT {} END RETURNING id",
        halt_scope::any_runs("?1"),
        halt_scope::has_ended("halt.target", "?1"),
        halt_scope::runs("halt.target", "?1")
    );
    if !deps.sql.query(Statement::new(text).bind(deps.clock.now_ms())).await?.is_empty() {
        deps.signal.notify(KEY);
    }
    Ok(())
}

async fn halt_all(deps: &Deps, order: &Order) -> ApiResult<(HaltAnswer, StatusCode)> {
    // `?5` is the time of the halt.
    let level =
        format!("CASE WHEN {} THEN 'accepted' ELSE 'stopped' END", halt_scope::any_runs("?5"));
    let affected = sql!(
        "SELECT event_id AS id FROM approvals WHERE state IN ('approved', 'claimed') AND event_id IS NOT NULL ORDER BY requested_at DESC LIMIT ?1",
        WAKE_MAX
    );
    let [halt, entry] = write(deps, "all", order, &level);
    let batch = vec![halt, entry, in_force("all", order), affected];
    let mut answers = Answers::of(&*deps.sql, batch).await?;
    let new = answers.any();
    answers.skip();
    let row: Stored = answers.one()?.ok_or_else(|| store::unreadable("halt"))?;
    let events: Vec<Event> = answers.all()?;
    deps.signal.notify(KEY);
    ask::wake(deps, events.into_iter().map(|event| event.id).collect());
    let message =
        "Everything is halted: nothing starts until you resume. Gateways stop within ten seconds."
            .to_owned();
    Ok((
        HaltAnswer { success: true, task_id: None, message, level: row.level, unwritten: false },
        status(new, row.level),
    ))
}

#[derive(Deserialize)]
struct Event {
    id: String,
}

/// `POST /api/resume`: ends the halt of a task, an agent, an endpoint or all. Cancelled work stays
/// cancelled. An approver ends the halts of his endpoint; those of the owner and of other endpoints
/// stay.
pub async fn resume(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    JsonBody(request): JsonBody<ResumeRequest>,
) -> ApiResult<Json<ResumeAnswer>> {
    check_task(request.task_id.as_ref())?;
    check_text("actor", request.actor.as_deref())?;
    let scope = Scope::of_resume(&request)?;
    let authority = Authority::of(who, request.actor.as_deref());
    check_reach(&authority, &scope)?;
    // The halt of one that is no longer there can be ended, too.
    let given = scope.target();
    let scope = unknown::known_scope(&deps, scope.clone()).await.unwrap_or(scope);
    let target = halted_as(&deps, scope.target(), given).await?;
    let (now_ms, by) = (deps.clock.now_ms(), actor(who, request.actor));
    let end = sql!(
        "UPDATE halt SET resumed_at = ?2, resumed_by = ?3 WHERE target = ?1 AND resumed_at IS NULL AND (?4 OR endpoint = ?5) RETURNING id",
        &target,
        now_ms,
        &by,
        authority == Authority::Owner,
        authority.halts_as()
    );
    let others = sql!("SELECT id FROM halt WHERE target = ?1 AND resumed_at IS NULL", &target);
    let entry = audit::of_resume(&deps, &target, &by, now_ms);
    let mut answers = Answers::of(&*deps.sql, vec![end, others, entry]).await?;
    let (was_held, stays_held) = match &scope {
        Scope::All | Scope::Task(_) => deps.unwritten.lift(scope.task(), authority.halts_as()),
        Scope::Agent(_) | Scope::Endpoint(_) => (false, false),
    };
    let (lifted, remains) = (answers.any() || was_held, answers.any() || stays_held);
    deps.signal.notify(KEY);
    if lifted && !remains && request.task_id.is_none() {
        wake_held(&deps, &target).await;
    }
    let message = match (lifted, remains) {
        (_, true) => "A halt that you cannot lift is in force. The owner lifts it with `quintet resume` or in the dashboard.".to_owned(),
        (lifted, false) => match &scope {
            Scope::Task(task) if lifted => unknown::after_resume(&deps, task).await?,
            Scope::Task(task) => unknown::not_halted(&deps, &authority, task).await?,
            Scope::All => unknown::after_resume_of_all(&deps, &authority, lifted).await?,
            scope if lifted => format!("{} may start again.", scope.name()),
            scope => format!("{} was not halted.", scope.name()),
        },
    };
    Ok(Json(ResumeAnswer { success: lifted && !remains, task_id: request.task_id, message }))
}

/// The target under which it is halted: as the list spells it, else as it is given, because a halt
/// may have come when no list was to be had.
async fn halted_as(deps: &Deps, listed: String, given: String) -> ApiResult<String> {
    let find =
        sql!("SELECT 1 AS one FROM halt WHERE target = ?1 AND resumed_at IS NULL LIMIT 1", &listed);
    let is_listed = listed == given || !deps.sql.query(find).await?.is_empty();
    Ok(if is_listed { listed } else { given })
}

/// Wakes the messages that were kept during the halt. A failure costs them a minute, after which
/// they look themselves.
async fn wake_held(deps: &Deps, target: &str) {
    let held = sql!(
        "SELECT DISTINCT event_id AS id FROM approvals
         WHERE code = 'halted' AND event_id IS NOT NULL
           AND decided_at >= (SELECT MIN(t.at) FROM halt t WHERE t.target = ?2 AND t.resumed_at = (
             SELECT MAX(l.resumed_at) FROM halt l WHERE l.target = ?2))
         LIMIT ?1",
        WAKE_MAX,
        target
    );
    match deps.sql.all::<Event>(held).await {
        Ok(events) => ask::wake(deps, events.into_iter().map(|event| event.id).collect()),
        Err(error) => tracing::warn!(%error, "the messages of the halt were not woken"),
    }
}

/// Whether everything is halted.
pub async fn all_halted(deps: &Deps) -> ApiResult<bool> {
    if deps.unwritten.halts_all() {
        return Ok(true);
    }
    Ok(!deps
        .sql
        .query(sql!("SELECT 1 AS one FROM halt WHERE target = 'all' AND resumed_at IS NULL"))
        .await?
        .is_empty())
}

/// `GET /api/halts`: active ones first, then the newest.
pub async fn list(State(deps): State<Deps>) -> ApiResult<Json<HaltList>> {
    let find = sql!(
        "SELECT target, reason, halted_by, at, level, resumed_at FROM halt ORDER BY resumed_at IS NOT NULL, target LIKE 'task:%', at DESC, id DESC LIMIT ?1",
        LIST_MAX
    );
    let rows: Vec<Stored> = deps.sql.all(find).await?;
    let written = rows.into_iter().map(|row| HaltRow {
        target: row.target,
        reason: row.reason,
        by: row.halted_by,
        at: rfc3339(row.at),
        level: row.level,
        resumed_at: row.resumed_at.map(rfc3339),
    });
    let halts = deps.unwritten.rows().into_iter().chain(written).collect();
    Ok(Json(HaltList { all: all_halted(&deps).await?, halts }))
}
