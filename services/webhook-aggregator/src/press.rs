//! Control inputs: a button pressed, a command typed. They steer what is there and never wait
//! behind content.

use crate::Deps;
use crate::asked;
use crate::cockpit;
use crate::control::{self, ControlCommand};
use crate::dispatch::choice;
use crate::retry::RETRY;
use crate::steps::{answer_press, say};
use crate::{sessions, stop, work};
use contracts::approval::{DecideRequest, Decision, Extent, PressRequest};
use contracts::budget::BudgetTextRequest;
use contracts::calls::personal_assistant as assistant;
use contracts::event::Stage;
use contracts::halt::{HaltRequest, ResumeRequest};
use contracts::{ApprovalId, TaskId};
use inbox::{Patch, Press, Step, StoredEvent, pressed_to_stop};
use platform::ports::CallError;

/// The answer to a command or a press that was held back on its way.
const TOO_OLD: &str = "This is dated more than a year ago, so it was not done. Send it again.";
const NOT_YOURS: &str = "Only an approver of this endpoint can do that.";

/// The one step a control input takes, to its end.
pub(crate) async fn advance(deps: &Deps, event: &StoredEvent) -> Step {
    let done = match &event.origin.press {
        Some(press) if work::is_of_work(&press.token) => work::advance(deps, event, press).await,
        Some(press) => pressed(deps, event, press).await,
        None => commanded(deps, event).await,
    };
    match done {
        Ok(step) => step,
        Err(error) => match RETRY.wait_ms(event.attempts, deps.clock.as_ref()) {
            Some(delay) => Step::Retry {
                error: error.to_string(),
                due_ms: deps.clock.now_ms() + delay.max(200),
            },
            None => finish(
                Stage::Dead,
                Patch { reason: Some(format!("given up: {error}")), ..Patch::default() },
            ),
        },
    }
}

fn finish(stage: Stage, patch: Patch) -> Step {
    Step::To { stage, note: None, patch: Box::new(patch), due_ms: 0 }
}

fn actor(event: &StoredEvent) -> String {
    event.origin.actor.clone().unwrap_or_else(|| "unknown".to_owned())
}

async fn pressed(deps: &Deps, event: &StoredEvent, press: &Press) -> Result<Step, CallError> {
    let token = press.token.as_str();
    let text = if event.origin.late {
        TOO_OLD.to_owned()
    } else if choice::is_choice(token) {
        choice::pressed(deps, event, token).await?
    } else if asked::is_of_schedule(token) && event.origin.approver {
        asked::pressed(deps, event, token).await?
    } else if let Some(asked) = pressed_to_stop(&event.shard, token) {
        stop::pressed(deps, event, &asked).await?
    } else if event.origin.approver {
        let request = PressRequest {
            token: token.to_owned(),
            channel: event.channel.clone(),
            endpoint: event.endpoint.clone(),
            chat: event.origin.target.chat.clone(),
            actor: actor(event),
            name: event.origin.name.clone(),
        };
        deps.calls.ask::<assistant::Press>(&(), &request).await?.message
    } else {
        NOT_YOURS.to_owned()
    };
    let callback = press.callback.clone();
    let patch =
        Patch { say: vec![answer_press(deps, event, callback, text.clone())], ..Patch::default() };
    Ok(Step::To { stage: Stage::Done, note: Some(text), patch: Box::new(patch), due_ms: 0 })
}

async fn commanded(deps: &Deps, event: &StoredEvent) -> Result<Step, CallError> {
    let bare = || {
        let stops = control::is_stop_word(&event.text);
        if stops { ControlCommand::Stop } else { ControlCommand::Help }
    };
    let command = control::parse(&event.text).unwrap_or_else(bare);
    let text = match command {
        ControlCommand::Stop => return Ok(stop::advance(deps, event).await?),
        ControlCommand::Help => control::registry::help(),
        // A conversation in a group is not for strangers to end or to look into.
        ControlCommand::New
        | ControlCommand::Sessions(_)
        | ControlCommand::Status
        | ControlCommand::Agents
            if event.origin.public_only =>
        {
            NOT_YOURS.to_owned()
        }
        ControlCommand::Status => or_refusal(cockpit::status(deps, event).await)?,
        ControlCommand::Agents => or_refusal(cockpit::agents(deps).await)?,
        ControlCommand::New if !event.origin.late => sessions::start_afresh(deps, event).await?,
        ControlCommand::Sessions(number) if !event.origin.late => {
            sessions::tell(deps, event, number).await?
        }
        ControlCommand::Incomplete(how) => how.to_owned(),
        _ if !event.origin.approver => NOT_YOURS.to_owned(),
        // Stopping late is safe; everything else is not.
        ControlCommand::Halt(task) => halt(deps, event, task).await?,
        _ if event.origin.late => TOO_OLD.to_owned(),
        ControlCommand::Resume(task) => resume(deps, event, task).await?,
        ControlCommand::Approve(id) => decide(deps, event, &id, Decision::Approve, None).await?,
        ControlCommand::Reject(id) => decide(deps, event, &id, Decision::Reject, None).await?,
        ControlCommand::Answer(id, words) => {
            decide(deps, event, &id, Decision::Approve, Some(words)).await?
        }
        ControlCommand::Approvals => or_refusal(cockpit::approvals(deps, event).await)?,
        ControlCommand::Spend => budget(deps, event).await?,
        ControlCommand::New | ControlCommand::Sessions(_) => TOO_OLD.to_owned(),
    };
    Ok(finish(Stage::Done, say(event, None, &text, true)))
}

/// A halt of one task, or of everything, that this person typed.
pub(crate) fn halt_request(task: Option<TaskId>, actor: Option<String>) -> HaltRequest {
    HaltRequest {
        all: task.is_none(),
        must_exist: task.is_some(),
        task_id: task,
        reason: Some("by chat".to_owned()),
        actor,
        ..HaltRequest::default()
    }
}

async fn halt(deps: &Deps, event: &StoredEvent, task: Option<TaskId>) -> Result<String, CallError> {
    let request = halt_request(task, Some(actor(event)));
    let answer = deps.calls.ask::<assistant::Halt>(&(), &request).await;
    or_refusal(answer.map(|answer| answer.message))
}

async fn resume(
    deps: &Deps,
    event: &StoredEvent,
    task: Option<TaskId>,
) -> Result<String, CallError> {
    let request = ResumeRequest {
        all: task.is_none(),
        task_id: task,
        actor: Some(actor(event)),
        ..ResumeRequest::default()
    };
    let answer = deps.calls.ask::<assistant::Resume>(&(), &request).await;
    or_refusal(answer.map(|answer| {
        if answer.success && answer.task_id.is_none() {
            "Resumed: new work can start.".to_owned()
        } else {
            answer.message
        }
    }))
}

/// A refusal is an answer too: the person is told, and nothing is tried again.
fn or_refusal(answer: Result<String, CallError>) -> Result<String, CallError> {
    match answer {
        Err(CallError::Refused(problem)) if !problem.code.retryable() => Ok(problem.detail),
        other => other,
    }
}

async fn decide(
    deps: &Deps,
    event: &StoredEvent,
    id: &ApprovalId,
    decision: Decision,
    answer: Option<String>,
) -> Result<String, CallError> {
    if !id.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok("That is not the id of an approval.".to_owned());
    }
    let is_answer = answer.is_some();
    let request = DecideRequest {
        decision,
        extent: Extent::Once,
        reason: None,
        answer,
        version: None,
        actor: Some(actor(event)),
        name: event.origin.name.clone(),
    };
    let answer = deps.calls.ask::<assistant::Decide>(id, &request).await;
    or_refusal(answer.map(|approval| {
        if is_answer {
            return "The agent has your answer.".to_owned();
        }
        format!("{id} is {}.", approval.state.as_str())
    }))
}

async fn budget(deps: &Deps, event: &StoredEvent) -> Result<String, CallError> {
    let request = BudgetTextRequest { actor: actor(event) };
    let answer = deps.calls.ask::<assistant::TellBudget>(&(), &request).await;
    or_refusal(answer.map(|answer| answer.message))
}
