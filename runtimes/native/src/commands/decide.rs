//! The owner's commands: approvals, halt and resume, the budget.

use crate::client::Client;
use crate::exit::{Unreachable, Usage};
use crate::terminal::{say, say_json, table};
use anyhow::Result;
use contracts::approval::{ApprovalState, ApprovalsQuery, DecideRequest, Decision};
use contracts::calls::agency_gateway;
use contracts::calls::personal_assistant::{Decide, Halt, ListApprovals, ReadBudget, Resume};
use contracts::halt::{HaltRequest, ResumeRequest};
use contracts::{ApprovalId, TaskId};
use platform::text::short;

/// `quintet approvals`.
///
/// # Errors
/// When the server refuses.
pub async fn approvals(client: &Client, state: &str, as_json: bool) -> Result<()> {
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
            vec![
                row.id.to_string(),
                row.state.as_str().to_owned(),
                row.agent_type.to_string(),
                row.cost_limit.to_string(),
                short(&row.description, 60),
            ]
        })
        .collect();
    say(&table(&["ID", "STATE", "AGENT", "UP TO", "WHAT"], &rows));
    Ok(())
}

/// `quintet approve` and `quintet reject`.
///
/// # Errors
/// When the server refuses: the first decision, or the budget's shortfall.
pub async fn decide(
    client: &Client,
    id: &str,
    decision: Decision,
    reason: Option<String>,
    as_json: bool,
) -> Result<()> {
    if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(Usage(format!(
            "{id} is not the id of an approval. `quintet approvals` lists them."
        ))
        .into());
    }
    let request = DecideRequest { decision, reason, answer: None, version: None, actor: None };
    let answer = client.ask::<Decide>(&ApprovalId::from(id), &request).await?;
    if as_json {
        say_json(&answer);
    } else {
        say(&format!("{id} is {}", answer.state.as_str()));
    }
    Ok(())
}

/// `quintet answer`.
///
/// # Errors
/// When the server refuses, such as for an approval that is no question.
pub async fn answer(client: &Client, id: &str, words: &[String], as_json: bool) -> Result<()> {
    let request = DecideRequest {
        decision: Decision::Approve,
        reason: None,
        answer: Some(words.join(" ")),
        version: None,
        actor: None,
    };
    let answer = client.ask::<Decide>(&ApprovalId::from(id), &request).await?;
    if as_json {
        say_json(&answer);
    } else {
        say("the agent has your answer");
    }
    Ok(())
}

/// `quintet halt`.
///
/// # Errors
/// When the server refuses.
pub async fn halt(
    client: &Client,
    task: Option<String>,
    reason: String,
    as_json: bool,
) -> Result<()> {
    let request = HaltRequest {
        all: task.is_none(),
        task_id: task.map(TaskId::new),
        reason: Some(reason),
        actor: None,
    };
    // The gateway stops from memory, also when the disk is full and the halt cannot be written.
    let (stopped, written) = tokio::join!(
        client.ask::<agency_gateway::Halt>(&(), &request),
        client.ask::<Halt>(&(), &request)
    );
    let answer = match (stopped, written) {
        (Ok(_), Err(error)) if error.is::<Unreachable>() => {
            return Err(Unreachable(format!(
                "{error:#}\nThe gateway on this machine is stopping what it runs, but the halt is \
                 not written down, so later work may start. Free some disk space, then run \
                 `quintet halt` again."
            ))
            .into());
        }
        (_, written) => written?,
    };
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
pub async fn resume(client: &Client, task: Option<String>, as_json: bool) -> Result<()> {
    let request = ResumeRequest { task_id: task.map(TaskId::new), ..ResumeRequest::default() };
    let answer = client.ask::<Resume>(&(), &request).await?;
    if as_json {
        say_json(&answer);
    } else {
        say(&answer.message);
    }
    Ok(())
}

/// `quintet budget`.
///
/// # Errors
/// When the server refuses.
pub async fn budget(client: &Client, as_json: bool) -> Result<()> {
    let answer = client.ask::<ReadBudget>(&(), &()).await?;
    if as_json {
        say_json(&answer);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = answer
        .scopes
        .iter()
        .map(|row| {
            let money =
                [row.limit, row.spent, row.held, row.remaining].map(|micros| micros.to_string());
            [
                vec![row.scope.clone(), row.label.clone()],
                money.to_vec(),
                vec![row.source.clone(), row.resets_at.clone()],
            ]
            .concat()
        })
        .collect();
    say(&table(&["SCOPE", "WINDOW", "LIMIT", "SPENT", "HELD", "LEFT", "FROM", "RESETS"], &rows));
    Ok(())
}
