//! Who asks: a program with a token, or a run, which its gateway's relay proves.

use crate::policy::UNNAMED;
use crate::store::{Answers, ApprovalRow};
use crate::{Deps, claiming};
use contracts::approval::ApprovalState;
use contracts::{AgentId, ErrorCode};
use http::HeaderMap;
use platform::edge::{ApiError, ApiResult, Principal};

/// Header with the token of the claim under which the run that asks was begun. Only the gateway has
/// it: its relay sets the header, and the agent never sees it.
pub const RUN_HEADER: &str = "x-quintet-run";

/// The asker of one request.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) who: Principal,
    /// The approval of the run; none for a program behind which no run stands.
    pub(super) run: Option<ApprovalRow>,
}

impl Asker {
    /// The run that the header proves, or the holder of the token.
    ///
    /// # Errors
    /// `forbidden` for a header that proves no run of now.
    pub(super) async fn of(deps: &Deps, who: Principal, headers: &HeaderMap) -> ApiResult<Self> {
        let Some(token) = headers.get(RUN_HEADER) else { return Ok(Self { who, run: None }) };
        let token = token.to_str().unwrap_or_default();
        let run = newest_run(deps, token).await?.ok_or_else(|| {
            let detail = "This run has ended, or is not one of this server's.";
            ApiError::new(ErrorCode::Forbidden, detail)
        })?;
        Ok(Self { who, run: Some(run) })
    }
    pub(super) fn agent(&self) -> AgentId {
        AgentId::new(self.run.as_ref().map_or(UNNAMED, |run| &run.agent))
    }
    /// The task of the run.
    pub(super) fn task(&self) -> Option<&str> {
        self.run.as_ref().map(|run| run.task.as_str())
    }
}

/// The approval of the run with this claim token, if no later claim and no end has followed.
async fn newest_run(deps: &Deps, token: &str) -> ApiResult<Option<ApprovalRow>> {
    let look = vec![claiming::with_token(token), claiming::approval_with_token(token)];
    let mut answers = Answers::of(&*deps.sql, look).await?;
    if !answers.one::<claiming::Claimed>()?.is_some_and(|claim| claim.is_newest()) {
        return Ok(None);
    }
    let run: Option<ApprovalRow> = answers.one()?;
    let now_ms = deps.clock.now_ms();
    // A lease that has just ended may still be renewed, until its run is posted as cut off.
    Ok(run.filter(|run| {
        let is_claimed = run.was_claimed() && !run.was_cut_off();
        is_claimed && run.state_at(now_ms).is_ok_and(|state| state != ApprovalState::Consumed)
    }))
}
