//! `/api/schedules`: makes, lists, removes and runs schedules.

use crate::schedule_rules::{self, Mistake};
use crate::{Deps, asked, firing, pump, synced};
use axum::Json;
use axum::extract::{Path, State};
use contracts::calls::personal_assistant::PlanSchedule;
use contracts::schedule::{
    MadeBy, PlanRequest, SCHEDULES_MAX, ScheduleList, ScheduleRequest, ScheduleRun, ScheduleView,
};
use contracts::{ErrorCode, Problem, Shard};
use inbox::{
    DropSchedule, FindQuestion, InboxExt, MakeSchedule, ReadSchedules, ScheduleSpec, StoredSchedule,
};
use platform::edge::{ApiError, ApiResult, JsonBody};
use platform::ports::{ClockExt, PortResult};
use platform::time::rfc3339;

/// `GET /api/schedules`.
pub(crate) async fn list(State(deps): State<Deps>) -> ApiResult<Json<ScheduleList>> {
    Ok(Json(listed(&deps).await?))
}

/// `POST /api/schedules` → 201.
pub(crate) async fn add(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<ScheduleRequest>,
) -> ApiResult<(http::StatusCode, Json<ScheduleView>)> {
    let spec = ScheduleSpec {
        timing: request.timing(),
        name: request.name,
        conversation: request.conversation,
        message: request.message.trim().to_owned(),
        on_missed: request.on_missed,
        agent: request.agent,
        approver: None,
    };
    let spec = synced::signed(&deps.config, &spec);
    let made = make(&deps, spec).await?;
    Ok((http::StatusCode::CREATED, Json(view(made))))
}

/// Makes a schedule. Its events have the rights of an approver of its endpoint, so the caller must
/// have checked that the person who asks for it is one.
pub(crate) async fn make(deps: &Deps, spec: ScheduleSpec) -> ApiResult<StoredSchedule> {
    schedule_rules::check(&spec).map_err(refused)?;
    let shard = deps.config.chat(&spec.conversation).map_err(refused)?.endpoint.shard();
    let mut live = 0;
    for (other, known) in all(deps).await? {
        if known.name == spec.name && (other != shard || known.made_by == MadeBy::File) {
            return Err(taken(&known));
        }
        live += usize::from(known.look_ms.is_some() && known.name != spec.name);
    }
    if live >= SCHEDULES_MAX {
        let detail = format!("There are {SCHEDULES_MAX} schedules, as many as there may be.");
        return Err(Problem::new(ErrorCode::Conflict, detail).with_fix("Remove one first.").into());
    }
    let made_ms = deps.clock.now_ms();
    let asked = PlanRequest { timing: spec.timing.clone(), since_ms: made_ms, now_ms: made_ms };
    // A refusal names the field that is wrong.
    let plan = deps.calls.ask::<PlanSchedule>(&(), &asked).await?;
    let Some(due) = plan.next else {
        let fix = "Write a time that is still to come.";
        return Err(match spec.timing.at.as_deref() {
            Some(given) => {
                let detail = format!("`at` is {given:?}, which is in the past.");
                Problem::field("at", detail, fix).into()
            }
            None => {
                Problem::field("cron", "`cron` names no time that is still to come.", fix).into()
            }
        });
    };
    let command = MakeSchedule { spec, due, made_ms };
    let name = command.spec.name.clone();
    let made = deps.inbox.ask(&shard, command).await?;
    match made {
        Some(made) => Ok(made),
        None => Err(match named(deps, &name).await? {
            Some((_, known)) => taken(&known),
            None => ApiError::new(ErrorCode::Unavailable, "The schedule was removed meanwhile."),
        }),
    }
}

fn refused(Mistake { key, what, fix }: Mistake) -> ApiError {
    Problem::field(key, format!("`{key}` {what}"), fix).into()
}

fn taken(known: &StoredSchedule) -> ApiError {
    let fix = match known.made_by {
        MadeBy::File => "Choose another name, or change [schedules] of the configuration.",
        MadeBy::Api => "Choose another name, or remove that one first.",
    };
    let detail = format!("There is another schedule named {:?}.", known.name);
    Problem::new(ErrorCode::Conflict, detail).with_fix(fix).into()
}

/// `DELETE /api/schedules/{name}`.
pub(crate) async fn remove(
    State(deps): State<Deps>,
    Path(name): Path<String>,
) -> ApiResult<Json<ScheduleList>> {
    let (shard, known) = named(&deps, &name).await?.ok_or_else(not_found)?;
    if known.made_by == MadeBy::File {
        let detail = format!("{name:?} is in the configuration, which makes it.");
        let fix = "Remove its table from [schedules] of the configuration.";
        return Err(Problem::new(ErrorCode::Conflict, detail).with_fix(fix).into());
    }
    deps.inbox.ask(&shard, DropSchedule { name }).await?;
    pump::soon(&deps, shard);
    Ok(Json(listed(&deps).await?))
}

/// `POST /api/schedules/{name}/run`.
pub(crate) async fn run(
    State(deps): State<Deps>,
    Path(name): Path<String>,
) -> ApiResult<Json<ScheduleRun>> {
    let (shard, known) = named(&deps, &name).await?.ok_or_else(not_found)?;
    let asked = FindQuestion { token_hash: None, name: Some(name.clone()) };
    let answered = match deps.inbox.ask(&shard, asked).await? {
        Some(question) => asked::answer(&deps, &shard, question, true, "").await?,
        None => None,
    };
    if answered.as_ref().is_some_and(|fired| !fired.moved) {
        let detail = "The question about its missed time was just answered.";
        let fix = "Look at its last run; run it again if you mean a further one.";
        return Err(Problem::new(ErrorCode::Conflict, detail).with_fix(fix).into());
    }
    let accepted = match answered.and_then(|fired| fired.accepted) {
        Some(accepted) => accepted,
        None => {
            let chat = deps.config.chat(&known.spec.conversation).map_err(refused)?;
            let key = format!("schedule:{name}:now:{}", deps.clock.ulid());
            let event = firing::event_of(&known, &chat, key);
            deps.inbox.ask(&shard, pump::accept(event)).await?
        }
    };
    deps.notify_conversation(&known.spec.conversation);
    pump::begin(&deps, &accepted);
    Ok(Json(ScheduleRun { event_id: accepted.event }))
}

fn not_found() -> ApiError {
    ApiError::not_found("schedule of this name")
}

/// The schedule of a name; one of the API first, which is the one that can be removed.
async fn named(deps: &Deps, name: &str) -> PortResult<Option<(Shard, StoredSchedule)>> {
    let named = all(deps).await?.into_iter().filter(|(_, known)| known.name == name);
    Ok(named.min_by_key(|(_, known)| known.made_by == MadeBy::File))
}

/// Every schedule with its inbox. One that left the configuration is not listed.
async fn all(deps: &Deps) -> PortResult<Vec<(Shard, StoredSchedule)>> {
    let mut all = Vec::new();
    for shard in deps.config.shards() {
        let known = deps.inbox.ask(&shard, ReadSchedules).await?;
        let known = known.into_iter().filter(|known| deps.config.is_in_force(known));
        all.extend(known.map(|known| (shard.clone(), known)));
    }
    Ok(all)
}

async fn listed(deps: &Deps) -> PortResult<ScheduleList> {
    let mut all = all(deps).await?;
    all.sort_by_key(|(_, known)| (known.look_ms.is_none(), known.due_ms, known.name.clone()));
    Ok(ScheduleList { schedules: all.into_iter().map(|(_, known)| view(known)).collect() })
}

fn view(known: StoredSchedule) -> ScheduleView {
    let StoredSchedule { spec, .. } = known;
    ScheduleView {
        name: known.name,
        timing: spec.timing,
        conversation: spec.conversation,
        message: spec.message,
        on_missed: spec.on_missed,
        agent: spec.agent,
        made_by: known.made_by,
        next_due: known.due_ms.map(rfc3339),
        next_due_local: known.due_local,
        last_due: known.last_ms.map(rfc3339),
        last_event: known.last_event,
        asked_about: known.asked_ms.map(rfc3339),
        ended: known.look_ms.is_none(),
        note: known.note,
    }
}
