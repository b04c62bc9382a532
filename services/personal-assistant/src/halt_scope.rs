//! Halts of one agent, or of one endpoint: all of its work, whether it has begun or not.

use contracts::halt::{HaltCheck, HaltRequest, ResumeRequest};
use contracts::{AgentId, Problem, Shard, TaskId};
use platform::edge::ApiResult;
use platform::ports::Statement;
use platform::sql;
use serde::Deserialize;

/// An id of an event is its endpoint, a dot and 26 characters.
const BEHIND_THE_ENDPOINT: u32 = 27;

/// The work that a halt is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    Task(TaskId),
    Agent(AgentId),
    Endpoint(Shard),
}

impl Scope {
    /// The column `halt.target`. Names of agents are compared without the case of their ASCII
    /// letters, as SQLite's `lower` does.
    pub fn target(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Task(task) => format!("task:{task}"),
            Self::Agent(agent) => format!("agent:{}", agent.as_str().to_ascii_lowercase()),
            Self::Endpoint(shard) => format!("endpoint:{shard}"),
        }
    }
    /// The task, where it is one.
    pub fn task(&self) -> Option<&TaskId> {
        match self {
            Self::Task(task) => Some(task),
            _ => None,
        }
    }
    /// For people.
    pub fn name(&self) -> String {
        match self {
            Self::All => "Everything".to_owned(),
            Self::Task(task) => task.to_string(),
            Self::Agent(agent) => format!("The agent {agent}"),
            Self::Endpoint(shard) => format!("All work from {shard}"),
        }
    }
    /// The scope of a halt: one of the four.
    pub fn of_halt(request: &HaltRequest) -> ApiResult<Self> {
        let all = request.all.then_some(Self::All);
        let named =
            named(request.task_id.as_ref(), request.agent.as_ref(), request.endpoint.as_ref());
        let mut given = all.into_iter().chain(named);
        match (given.next(), given.next()) {
            (Some(scope), None) => Ok(scope),
            _ => {
                let detail = "Send one of `taskId`, `agent`, `endpoint` and `all: true`.";
                Err(Problem::field("taskId", detail, "Name one of them, or halt all.").into())
            }
        }
    }
    /// The scope of a resume: all if nothing is named.
    pub fn of_resume(request: &ResumeRequest) -> ApiResult<Self> {
        let mut given =
            named(request.task_id.as_ref(), request.agent.as_ref(), request.endpoint.as_ref());
        match (given.next(), given.next()) {
            (None, None) => Ok(Self::All),
            (Some(scope), None) if !request.all => Ok(scope),
            _ => {
                let detail = "`all`, `taskId`, `agent` and `endpoint` exclude each other.";
                Err(Problem::field("all", detail, "Send one of them.").into())
            }
        }
    }
}

fn named(
    task: Option<&TaskId>,
    agent: Option<&AgentId>,
    endpoint: Option<&Shard>,
) -> impl Iterator<Item = Scope> {
    let task = task.cloned().map(Scope::Task);
    let agent = agent.cloned().map(Scope::Agent);
    let endpoint = endpoint.cloned().map(Scope::Endpoint);
    [task, agent, endpoint].into_iter().flatten()
}

/// Condition: the agent or the endpoint of a request that is not written yet, or the run that asks
/// or those of it, are halted. `columns` is its JSON.
pub fn of_columns(columns: &str) -> String {
    let own = targets(&format!("({columns} ->> 'agent')"), &format!("({columns} ->> 'event')"));
    let run = targets("w.agent", "w.event_id");
    format!(
        "EXISTS (SELECT 1 FROM halt t WHERE t.resumed_at IS NULL AND (t.target IN {own}
             OR t.target = 'task:' || ({columns} ->> 'run') OR EXISTS (SELECT 1 FROM approvals w WHERE w.task = {columns} ->> 'run' AND t.target IN {run})))"
    )
}

fn targets(agent: &str, event: &str) -> String {
    format!(
        "('agent:' || lower({agent}), 'endpoint:' || substr({event}, 1, length({event}) - {BEHIND_THE_ENDPOINT}))"
    )
}

/// Condition: everything, task `?1`, the run that asks by it, or the agent or the endpoint of
/// either is halted. Part of every statement that starts work.
pub fn of_task() -> String {
    let run = "(SELECT asks.run FROM approvals asks WHERE asks.task = ?1)";
    format!(
        "EXISTS (SELECT 1 FROM halt t WHERE t.resumed_at IS NULL AND (t.target IN ('all', 'task:' || ?1, 'task:' || {run})
             OR EXISTS (SELECT 1 FROM approvals w WHERE w.task IN (?1, {run}) AND t.target IN {})))",
        targets("w.agent", "w.event_id")
    )
}

/// Condition on a row `a` of `approvals`: it is a run that goes on at the time `now`. Its lease is
/// renewed as long as it does.
fn goes_on(now: &str) -> String {
    format!("a.state = 'claimed' AND a.lease_until IS NOT NULL AND a.lease_until > {now}")
}

/// Condition: any work runs at the time `now`.
pub fn any_runs(now: &str) -> String {
    format!("EXISTS (SELECT 1 FROM approvals a WHERE {})", goes_on(now))
}

/// Condition: work that a halt of this agent or endpoint covers runs, at the time `now`.
pub fn runs(target: &str, now: &str) -> String {
    let covered = targets("a.agent", "a.event_id");
    format!("EXISTS (SELECT 1 FROM approvals a WHERE {} AND {target} IN {covered})", goes_on(now))
}

/// Condition: the task of this target runs at the time `now`.
pub fn task_runs(target: &str, now: &str) -> String {
    format!("EXISTS ({} AND {})", of_target(target), goes_on(now))
}

/// Condition: the task of this target is known and does not run at the time `now`.
pub fn has_ended(target: &str, now: &str) -> String {
    format!("EXISTS ({}) AND NOT {}", of_target(target), task_runs(target, now))
}

fn of_target(target: &str) -> String {
    format!("SELECT 1 FROM approvals a WHERE a.task = substr({target}, 6)")
}

/// The halted targets that these tasks have beside themselves: rows of [`OfTask`].
pub fn of_tasks(tasks: &str) -> Statement {
    let text = format!(
        "SELECT a.task, t.target FROM approvals a JOIN json_each(?1) named ON named.value = a.task
         JOIN halt t ON t.resumed_at IS NULL AND t.target IN {}",
        targets("a.agent", "a.event_id")
    );
    sql!(text, tasks)
}

/// A task whose agent or endpoint is halted.
#[derive(Debug, Deserialize)]
pub struct OfTask {
    pub task: TaskId,
    pub target: String,
}

/// The targets of work that has not begun.
pub fn of_check(check: &HaltCheck) -> Vec<String> {
    let named = named(None, check.agent.as_ref(), check.endpoint.as_ref());
    named.map(|scope| scope.target()).collect()
}
