//! The aggregator's checks for halts, and its reports that a run has ended.

use crate::Deps;
use crate::halt::KEY;
use crate::halt_scope::{self, OfTask, Scope};
use crate::store::{self, Answers};
use crate::unwritten::target;
use axum::Json;
use axum::extract::State;
use contracts::TaskId;
use contracts::halt::{
    HaltAnswer, HaltCheck, HaltCheckAnswer, HaltLevel, HaltedBy, StoppedRequest,
};
use platform::edge::{ApiResult, JsonBody};
use platform::sql;
use serde::Deserialize;

/// `POST /internal/halts/check`: which of these tasks must stop. During a halt of everything it
/// returns all of them.
pub async fn check(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<HaltCheck>,
) -> ApiResult<Json<HaltCheckAnswer>> {
    #[derive(Deserialize)]
    struct Target {
        target: String,
        actor: String,
        name: Option<String>,
    }
    // Answered without storage, which may be what fails.
    let unwritten = deps.unwritten.actor(&request.tasks);
    let unwritten = unwritten.map(|actor| HaltedBy { actor, name: None });
    if deps.unwritten.halts_all() {
        let by_task = request.tasks.iter().filter(|task| deps.unwritten.covers_alone(task));
        let by_task = by_task.cloned().collect();
        let (all, halted) = (true, request.tasks);
        let by = unwritten;
        return Ok(Json(HaltCheckAnswer {
            all,
            halted,
            by_task,
            by,
            ..HaltCheckAnswer::default()
        }));
    }
    let tasks = serde_json::to_string(&request.tasks).map_err(|_| store::unreadable("request"))?;
    let named = halt_scope::of_check(&request);
    let find = sql!(
        "SELECT target, halted_by AS actor, (SELECT name FROM person WHERE person.actor = halted_by) AS name
         FROM halt WHERE resumed_at IS NULL AND target NOT LIKE 'task:%' OR resumed_at IS NULL AND target IN (SELECT 'task:' || value FROM json_each(?1))
         ORDER BY at",
        &tasks
    );
    let batch = vec![find, halt_scope::of_tasks(&tasks)];
    let mut answers = Answers::of(&*deps.sql, batch).await?;
    let (rows, of_tasks): (Vec<Target>, Vec<OfTask>) = (answers.all()?, answers.all()?);
    let has = |target: &str| rows.iter().any(|row| row.target == target);
    let all = has("all");
    let is_alone = |task: &&TaskId| deps.unwritten.covers_alone(task) || has(&target(Some(*task)));
    let by_task: Vec<TaskId> = request.tasks.iter().filter(is_alone).cloned().collect();
    let is_halted = |task: &TaskId| {
        all || deps.unwritten.covers(task)
            || by_task.contains(task)
            || of_tasks.iter().any(|of| of.task == *task)
    };
    let halted: Vec<TaskId> = request.tasks.into_iter().filter(is_halted).collect();
    let held = named.iter().any(|target| has(target));
    let endpoint = request.endpoint.map(|shard| Scope::Endpoint(shard).target());
    let endpoint_held = endpoint.is_some_and(|target| has(&target));
    let is_meant = |row: &Target| {
        let is_of = |of: &OfTask| of.target == row.target;
        ["all"].contains(&row.target.as_str())
            || row.target.starts_with("task:")
            || named.contains(&row.target)
            || of_tasks.iter().any(is_of)
    };
    let first = rows.iter().find(|row| is_meant(row));
    let first = first.map(|row| HaltedBy { actor: row.actor.clone(), name: row.name.clone() });
    Ok(Json(HaltCheckAnswer { all, halted, by_task, held, endpoint_held, by: first.or(unwritten) }))
}

/// `POST /internal/stopped`: raises the level of the task's halt.
pub async fn stopped(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<StoppedRequest>,
) -> ApiResult<Json<HaltAnswer>> {
    let raise = sql!(
        "UPDATE halt SET level = 'stopped' WHERE target = ?1 AND resumed_at IS NULL RETURNING id",
        target(Some(&request.task_id))
    );
    let success = !deps.sql.query(raise).await?.is_empty();
    deps.signal.notify(KEY);
    let message = if success {
        format!("{} is stopped.", request.task_id)
    } else {
        format!("{} was not halted individually.", request.task_id)
    };
    Ok(Json(HaltAnswer {
        success,
        task_id: Some(request.task_id),
        message,
        level: HaltLevel::Stopped,
        unwritten: false,
    }))
}
