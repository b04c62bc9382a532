//! The owner's commands: approvals, halt and resume.

use super::tool_rules;
use crate::cli::{Approvals, HaltArgs, ResumeArgs};
use crate::client::Client;
use crate::exit::{No, Usage};
use crate::terminal::{say, say_json, table};
use anyhow::Result;
use contracts::approval::{ApprovalState, ApprovalsQuery, DecideRequest, Decision, Extent};
use contracts::calls::personal_assistant::{Decide, Halt, ListApprovals, Resume};
use contracts::halt::{HaltRequest, ResumeRequest};
use contracts::{AgentId, ApprovalId, Shard, TaskId};
use platform::text::short;

/// `quintet approvals`, and its subcommand.
///
/// # Errors
/// When the server refuses.
pub async fn approvals(
    client: &Client,
    command: Option<Approvals>,
    state: &str,
    as_json: bool,
) -> Result<()> {
    if let Some(Approvals::Rules { remove }) = command {
        return tool_rules::rules(client, remove, as_json).await;
    }
    if state != "all" && ApprovalState::parse(state).is_none() {
        let known = ApprovalState::ALL.map(ApprovalState::as_str).join(", ");
        return Err(Usage(format!("there is no state {state}. Use {known} or all.")).into());
    }
    let state_wanted = (state != "all").then(|| state.to_owned());
    let query = ApprovalsQuery { state: state_wanted, limit: None };
    let list = client.ask::<ListApprovals>(&(), &query).await?;
    if as_json {
        say_json(&list);
        return Ok(());
    }
    if list.approvals.is_empty() {
        say(if state == "pending" { "no approval is waiting for you" } else { "none" });
        return Ok(());
    }
    let rows: Vec<Vec<String>> = list
        .approvals
        .iter()
        .map(|row| {
            let by = row.decided_by.as_ref().map_or_else(|| "-".to_owned(), |_| row.decider());
            vec![
                row.id.to_string(),
                row.state.as_str().to_owned(),
                row.agent_type.to_string(),
                row.cost_limit.to_string(),
                by,
                short(&row.description, 60),
            ]
        })
        .collect();
    say(&table(&["ID", "STATE", "AGENT", "UP TO", "DECIDED BY", "WHAT"], &rows));
    Ok(())
}

/// A decision.
pub struct How {
    decision: Decision,
    extent: Extent,
    reason: Option<String>,
}

impl How {
    /// A yes that reaches so far.
    pub fn approve(extent: Extent, reason: Option<String>) -> Self {
        Self { decision: Decision::Approve, extent, reason }
    }
    /// A no.
    pub fn reject(reason: Option<String>) -> Self {
        Self { decision: Decision::Reject, extent: Extent::Once, reason }
    }
    /// `quintet approve` and `quintet reject`.
    ///
    /// # Errors
    /// When the server refuses: the first decision, or the budget's shortfall.
    pub async fn tell(self, client: &Client, id: &str, as_json: bool) -> Result<()> {
        let id = approval_id(id)?;
        let Self { decision, extent, reason } = self;
        let request = DecideRequest {
            decision,
            extent,
            reason,
            answer: None,
            version: None,
            actor: None,
            name: None,
        };
        let answer = client.ask::<Decide>(&id, &request).await?;
        if as_json {
            say_json(&answer);
        } else {
            say(&format!("{id} is {}", answer.state.as_str()));
        }
        Ok(())
    }
}

/// Refuses a text that cannot be an approval's id.
fn approval_id(text: &str) -> Result<ApprovalId> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(ApprovalId::from(text));
    }
    let why = format!("{text} is not the id of an approval. `quintet approvals` lists them.");
    Err(Usage(why).into())
}

/// `quintet answer`.
///
/// # Errors
/// When the server refuses, such as for an approval that is no question.
pub async fn answer(client: &Client, id: &str, words: &[String], as_json: bool) -> Result<()> {
    let id = approval_id(id)?;
    let request = DecideRequest {
        decision: Decision::Approve,
        extent: Extent::Once,
        reason: None,
        answer: Some(words.join(" ")),
        version: None,
        actor: None,
        name: None,
    };
    let answer = client.ask::<Decide>(&id, &request).await?;
    if as_json {
        say_json(&answer);
    } else {
        say(&format!("{id} is answered"));
    }
    Ok(())
}

/// `quintet halt`.
///
/// # Errors
/// When the server refuses.
pub async fn halt(client: &Client, halt: HaltArgs, as_json: bool) -> Result<()> {
    let HaltArgs { task, agent, endpoint, ahead, reason } = halt;
    let request = HaltRequest {
        all: task.is_none() && agent.is_none() && endpoint.is_none(),
        must_exist: task.is_some() && !ahead,
        task_id: task.map(TaskId::new),
        agent: agent.map(AgentId::from),
        endpoint: endpoint.map(Shard::new),
        reason: Some(reason),
        actor: None,
    };
    let answer = client.ask::<Halt>(&(), &request).await?;
    if as_json {
        say_json(&answer);
    } else {
        say(&answer.message);
    }
    Ok(())
}

/// `quintet resume`.
///
/// # Errors
/// When the server refuses.
pub async fn resume(client: &Client, resume: ResumeArgs, as_json: bool) -> Result<()> {
    let ResumeArgs { task, agent, endpoint } = resume;
    let is_named = task.is_some() || agent.is_some() || endpoint.is_some();
    let request = ResumeRequest {
        task_id: task.map(TaskId::new),
        agent: agent.map(AgentId::from),
        endpoint: endpoint.map(Shard::new),
        ..ResumeRequest::default()
    };
    let answer = client.ask::<Resume>(&(), &request).await?;
    if as_json {
        say_json(&answer);
    } else if answer.success || !is_named {
        say(&answer.message);
    }
    if !answer.success && is_named {
        return Err(No(answer.message).into());
    }
    Ok(())
}
