//! Refusals of ids that do not exist, with those that are meant or open. They list what the person
//! may decide about and nothing else.

use crate::Deps;
use crate::authority::Authority;
use crate::halt_scope::Scope;
use crate::store::{self, ApprovalRow};
use crate::unwritten::target;
use contracts::approval::ApprovalState;
use contracts::calls::skill_graph_loader::ListAgents;
use contracts::calls::webhook_aggregator::{ListEndpoints, ReadEvent};
use contracts::endpoint::{CONSOLE, EndpointList, EndpointView};
use contracts::event::EventQuery;
use contracts::graph::VersionQuery;
use contracts::{AgentId, ChannelKind, ErrorCode, Problem, Shard, TaskId};
use platform::edge::{ApiError, ApiResult};
use platform::names::nearest;
use platform::ports::{CallError, SqlExt};
use platform::sql;
use platform::text::printable;
use serde::Deserialize;

/// Maximum open ones that are listed, and rows that are looked through for them.
const LISTED_MAX: usize = 5;
const LOOKED_AT_MAX: u32 = 100;

/// Refuses the halt of a task that does not exist.
///
/// A chat's task is named by its event, so it exists with the event. The task of another program
/// exists once it has asked for an approval; `must_exist` is false for a halt ahead of that.
/// Not knowing is no reason to refuse a halt.
pub async fn refuse_unknown_task(
    deps: &Deps,
    authority: &Authority,
    task: &TaskId,
    must_exist: bool,
) -> ApiResult<()> {
    let event = task.event_id();
    let is_of_chat = event.shard().is_some();
    if !must_exist && !is_of_chat {
        return Ok(());
    }
    let find = sql!(
        "SELECT 1 AS found FROM approvals WHERE task = ?1 OR run = ?1
         UNION ALL SELECT 1 FROM halt WHERE target = ?2 AND resumed_at IS NULL LIMIT 1",
        task.as_str(),
        target(Some(task))
    );
    if deps.sql.query(find).await.is_ok_and(|found| found.is_empty()) {
        let absent = if is_of_chat {
            let event = deps.calls.ask::<ReadEvent>(&event, &EventQuery::default()).await;
            matches!(event, Err(CallError::Refused(problem)) if problem.code == ErrorCode::NotFound)
        } else {
            true
        };
        if absent {
            return Err(no_task(deps, authority, task).await?);
        }
    }
    Ok(())
}

/// The agent or the endpoint of a halt as the list spells it: work is compared with that. Refuses
/// one that does not exist, because it would look stopped. Not knowing is no reason to refuse a
/// halt.
pub async fn known_scope(deps: &Deps, scope: Scope) -> ApiResult<Scope> {
    let (what, name, known) = match &scope {
        Scope::Agent(agent) => {
            let list = deps.calls.ask::<ListAgents>(&(), &VersionQuery::default()).await;
            let known = list.map(|list| list.agents.into_iter().map(|agent| agent.id.0).collect());
            ("agent", agent.as_str(), known.unwrap_or_default())
        }
        Scope::Endpoint(shard) => {
            let list = deps.calls.ask::<ListEndpoints>(&(), &()).await;
            let shard_of = |row: EndpointView| format!("{}.{}", row.channel, row.name);
            let console = Shard::of(ChannelKind::Web.as_str(), CONSOLE).0;
            let listed = |list: EndpointList| list.endpoints.into_iter().map(shard_of);
            let known = list.map(|list| listed(list).chain([console]).collect());
            ("endpoint", shard.as_str(), known.unwrap_or_default())
        }
        Scope::All | Scope::Task(_) => return Ok(scope),
    };
    let known: Vec<String> = known;
    if known.is_empty() {
        return Ok(scope);
    }
    // Two endpoints may differ in their case alone.
    let exact = known.iter().find(|other| *other == name);
    let spelled = exact.or_else(|| known.iter().find(|other| other.eq_ignore_ascii_case(name)));
    if let Some(spelled) = spelled {
        return Ok(match scope {
            Scope::Agent(_) => Scope::Agent(AgentId::new(spelled)),
            _ => Scope::Endpoint(Shard::new(spelled)),
        });
    }
    let near = nearest(name, known.iter().map(String::as_str));
    let shown = if near.is_empty() { known.iter().map(String::as_str).collect() } else { near };
    let detail = format!(
        "There is no {what} {}. There is: {}. Nothing was halted.",
        printable(name),
        shown.join(", ")
    );
    Err(Problem::new(ErrorCode::NotFound, detail)
        .with_fix("Name one of these, or halt everything.")
        .into())
}

async fn no_task(deps: &Deps, authority: &Authority, task: &TaskId) -> ApiResult<ApiError> {
    let open = open(deps, authority, task.as_str(), Open::Work).await?;
    let list = match open.as_slice() {
        [] => "No task is open.".to_owned(),
        _ => format!("Open: {}.", open.join(", ")),
    };
    let detail =
        format!("There is no task {}. {list} Nothing was halted.", printable(task.as_str()));
    let fix = "Name an open task, or halt everything: `quintet halt`, or /halt alone in a chat.";
    Ok(Problem::new(ErrorCode::NotFound, detail).with_fix(fix).into())
}

/// The refusal of a decision about an approval that does not exist, or is not this person's.
pub async fn no_approval(deps: &Deps, authority: &Authority, id: &str) -> ApiResult<ApiError> {
    let open = open(deps, authority, id, Open::Approvals).await?;
    let list = match open.as_slice() {
        [] => "None is waiting for a decision.".to_owned(),
        _ => format!("Waiting for a decision: {}.", open.join(", ")),
    };
    let detail = format!("There is no approval with this id. {list} Nothing was changed.");
    let fix = "Take the id from `quintet approvals` or from the question itself.";
    Ok(Problem::new(ErrorCode::NotFound, detail).with_fix(fix).into())
}

/// The ids that are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Tasks that may run or do.
    Work,
    /// Approvals that wait for a decision.
    Approvals,
}

/// The open ones of this person, those most like `name` first, then the newest.
async fn open(
    deps: &Deps,
    authority: &Authority,
    name: &str,
    which: Open,
) -> ApiResult<Vec<String>> {
    let of_work = which == Open::Work;
    let now_ms = deps.clock.now_ms();
    let find = sql!(
        "SELECT * FROM approvals WHERE state IN ('pending', 'approved', 'claimed') ORDER BY requested_at DESC LIMIT ?1",
        LOOKED_AT_MAX
    );
    let rows: Vec<ApprovalRow> = deps.sql.all(find).await?;
    let key = |row: &ApprovalRow| if of_work { row.task.clone() } else { row.id.clone() };
    let mut open: Vec<(String, String)> = Vec::new();
    for row in &rows {
        let state = row.state_at(now_ms)?;
        let is_open = match state {
            ApprovalState::Pending => !of_work || row.run.is_none() && row.tops_up.is_none(),
            ApprovalState::Approved | ApprovalState::Claimed => of_work,
            _ => false,
        };
        if is_open && authority.may_decide(deps, row).await? {
            let id = printable(&key(row));
            open.push((id.clone(), format!("{id} ({})", printable(&row.agent))));
        }
    }
    let like = nearest(name, open.iter().map(|(id, _)| id.as_str()));
    let rank = |id: &str| like.iter().position(|other| *other == id).unwrap_or(usize::MAX);
    let mut ranked: Vec<_> = open.iter().map(|(id, shown)| (rank(id), shown.clone())).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    Ok(ranked.into_iter().take(LISTED_MAX).map(|(_, shown)| shown).collect())
}

/// The sentence after a resume of this task: it may start, or it has ended and how to repeat it.
pub async fn after_resume(deps: &Deps, task: &TaskId) -> ApiResult<String> {
    #[derive(Deserialize)]
    struct Ended {
        event_id: Option<String>,
    }
    let find = sql!(
        "SELECT event_id FROM approvals WHERE task = ?1
         AND (state IN ('consumed', 'rejected', 'cancelled', 'expired') OR (state = 'claimed' AND lease_until IS NULL))",
        task.as_str()
    );
    Ok(match deps.sql.one::<Ended>(find).await? {
        None => format!("{task} may start again."),
        Some(Ended { event_id: Some(event) }) => format!(
            "The halt of {task} is lifted, but the run has ended and does not start again. Repeat it with `quintet replay {event}`."
        ),
        Some(Ended { event_id: None }) => format!(
            "The halt of {task} is lifted, but it has ended and does not start again. Its program can ask for a new task."
        ),
    })
}

/// The answer to a resume of everything: it does not end the halt of a task, an agent or an
/// endpoint.
pub async fn after_resume_of_all(
    deps: &Deps,
    authority: &Authority,
    lifted: bool,
) -> ApiResult<String> {
    #[derive(Deserialize)]
    struct Halted {
        target: String,
    }
    let find = sql!(
        "SELECT target, MAX(at) AS at FROM halt WHERE target <> 'all' AND resumed_at IS NULL
         GROUP BY target ORDER BY target LIKE 'task:%', at DESC LIMIT ?1",
        LOOKED_AT_MAX
    );
    let halted: Vec<Halted> = deps.sql.all(find).await?;
    let is_theirs = |target: &str| match target.split_once(':') {
        Some(("task", task)) => authority.may_stop(&TaskId::new(task)),
        Some(("endpoint", shard)) => authority.reaches(Some(&Shard::new(shard))),
        _ => true,
    };
    let named = halted.iter().filter(|halted| is_theirs(&halted.target));
    let named = named.map(|halted| printable(&halted.target.replacen(':', " ", 1)));
    let named: Vec<String> = named.take(LISTED_MAX).collect();
    let first = if lifted { "Everything may start again" } else { "Nothing was halted" };
    Ok(match named.as_slice() {
        [] => format!("{first}."),
        _ => format!(
            "{first}, except what has a halt of its own, which only its own resume ends: {}. `quintet status` has the commands.",
            named.join(", ")
        ),
    })
}

/// The answer to a resume of a task that is not halted.
pub async fn not_halted(deps: &Deps, authority: &Authority, task: &TaskId) -> ApiResult<String> {
    #[derive(Deserialize)]
    struct Halted {
        task: String,
    }
    let find = sql!(
        "SELECT DISTINCT substr(target, 6) AS task FROM halt WHERE target LIKE 'task:%' AND resumed_at IS NULL ORDER BY at DESC LIMIT ?1",
        LOOKED_AT_MAX
    );
    let halted: Vec<Halted> = deps.sql.all(find).await?;
    let mut own: Vec<&str> = halted.iter().map(|halted| halted.task.as_str()).collect();
    own.retain(|task| authority.may_stop(&TaskId::new(*task)));
    let like = nearest(task.as_str(), own.iter().copied());
    let shown = if like.is_empty() { own } else { like };
    let list = match shown.as_slice() {
        [] => "No task is halted.".to_owned(),
        _ => {
            let named: Vec<String> =
                shown.iter().take(LISTED_MAX).map(|task| printable(task)).collect();
            format!("Halted: {}.", named.join(", "))
        }
    };
    Ok(format!("{} was not halted. {list} Nothing was changed.", printable(task.as_str())))
}

/// 404 of a decision, with what waits; any other refusal as it is.
pub async fn or_listed(deps: &Deps, authority: &Authority, id: &str, error: ApiError) -> ApiError {
    if error.0.code != ErrorCode::NotFound {
        return error;
    }
    no_approval(deps, authority, id).await.unwrap_or_else(|_| store::no_approval())
}
