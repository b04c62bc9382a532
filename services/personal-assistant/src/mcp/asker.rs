//! Who asks: a program with a token, or a run, which the gateway's relay names in headers.

use crate::Deps;
use crate::store::{self, ApprovalRow};
use contracts::outbox::Target;
use contracts::{AgentId, TaskId};
use http::HeaderMap;
use platform::edge::{ApiResult, Principal};
use platform::ports::SqlExt;

/// Header with the task of the run that asks. The gateway's relay sets it, never the agent.
pub const TASK_HEADER: &str = "x-quintet-task";
/// Header with the agent of that run.
pub const AGENT_HEADER: &str = "x-quintet-agent";
/// Name of an asker that nobody names.
pub(crate) const UNNAMED: &str = "agent";

/// The asker of one request.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) who: Principal,
    pub(super) agent: AgentId,
    pub(super) task: Option<TaskId>,
}

impl Asker {
    pub(super) fn new(who: Principal, headers: &HeaderMap) -> Self {
        let text = |name: &str| {
            let value = headers.get(name)?;
            std::str::from_utf8(value.as_bytes()).ok().filter(|text| !text.is_empty())
        };
        Self {
            who,
            agent: AgentId::from(text(AGENT_HEADER).unwrap_or(UNNAMED)),
            task: text(TASK_HEADER).map(TaskId::from),
        }
    }
    /// The chats where the run itself was asked about; none where that is unknown.
    pub(super) async fn places(&self, deps: &Deps) -> ApiResult<Vec<Target>> {
        let Some(task) = &self.task else { return Ok(Vec::new()) };
        let run: Option<ApprovalRow> = deps.sql.one(store::approval_by_task(task.as_str())).await?;
        let ask = run.and_then(|run| run.ask);
        Ok(ask.and_then(|ask| serde_json::from_str(&ask).ok()).unwrap_or_default())
    }
}
