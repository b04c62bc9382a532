//! A run's end → Answered, Halted, Refused or another agent; Answered → Done, or Failed if the run
//! failed, once the chat has it.

use super::question::ends_in_question;
use super::stand_in::stand_in;
use super::{place, run};
use crate::Deps;
use crate::ended_by::HALTED;
use crate::steps::{AT_ONCE, Stop, port, reply_id, say, to};
use contracts::approval::Outcome;
use contracts::event::{REPLY_FAILED, Stage};
use contracts::outbox::{DeliveryState, Target};
use contracts::task::{ResultRequest, StopCause};
use contracts::{AgentId, ErrorCode, Micros};
use inbox::{BEGINNING, Draft, EventData, OutboxRow, Patch, Step, StoredEvent, TaskRow};
use platform::text::short;

/// Answered looks again at its deliveries this often; sending itself wakes it sooner.
const LOOK_AGAIN_MS: i64 = 60_000;

/// The step that a result leads to. `elsewhere`: another gateway could run the same agent.
#[expect(clippy::too_many_lines, reason = "one arm for each outcome")]
pub(crate) fn outcome_step(
    deps: &Deps,
    event: &StoredEvent,
    task: &TaskRow,
    result: &ResultRequest,
    elsewhere: bool,
) -> Step {
    let now = deps.clock.now_ms();
    let asks = result.outcome == Outcome::Success && ends_in_question(&result.text);
    let cost_unknown = event.data.cost_unknown || result.cost_unknown;
    let learnt = asks || cost_unknown;
    let data = learnt.then(|| EventData { asks, cost_unknown, ..event.data.clone() });
    let cost_micros = result.actual_cost.map(|cost| cost.0);
    let cost = Patch { cost_micros, data, ..Patch::default() };
    let told = |text: &str, note: &str, failure: Option<&str>| {
        let said = say(event, Some(&task.agent), &with_cost(text, result), true);
        // Recording the delivery makes the event due; where there is none, it is due at once.
        let due_ms = if said.say.is_empty() { AT_ONCE } else { now + LOOK_AGAIN_MS };
        let reason = failure.map(str::to_owned);
        let patch = Patch { reason, say: said.say, said: said.said, ..cost.clone() };
        to(Stage::Answered, Some(note.to_owned()), patch, due_ms)
    };
    let answered = |text: &str, note: &str| told(text, note, None);
    match result.outcome {
        Outcome::Success if result.text.trim().is_empty() => answered(
            &format!("{} finished without an answer.", task.agent),
            "answered without text",
        ),
        Outcome::Success => {
            let on = task
                .gateway_id
                .as_ref()
                .map(|gateway| format!(" on {gateway}"))
                .unwrap_or_default();
            answered(
                &format!("{}{}", stand_in(deps, event, &task.agent), result.text),
                &format!("answered by {}{on}", task.agent),
            )
        }
        // A person stopped it before it did anything that costs, or where it could not start.
        Outcome::Cancelled | Outcome::Unavailable
            if task.stopped && result.actual_cost.is_none_or(|cost| cost <= Micros::ZERO) =>
        {
            let text = Some(result.text.trim()).filter(|text| !text.is_empty());
            // Its words are a turn of the conversation.
            let speaker = text.map(|_| &task.agent);
            let said = say(event, speaker, text.unwrap_or("Stopped."), true);
            let reason = Some("stopped".to_owned());
            let patch = Patch { reason, say: said.say, said: said.said, ..cost };
            to(Stage::Halted, Some("stopped by a person".to_owned()), patch, 0)
        }
        Outcome::Cancelled if result.reason == Some(StopCause::Shutdown) => told(
            &format!("{} Send the message again to restart it.", result.text.trim()),
            "the gateway was shut down",
            Some("shut_down"),
        ),
        Outcome::Cancelled if result.reason == Some(StopCause::CutOff) => {
            told(result.text.trim(), "its lease ended without a renewal", Some("cut_off"))
        }
        Outcome::Cancelled if ended_early(result) => {
            if result.actual_cost.is_some_and(|cost| cost > Micros::ZERO) {
                let why = match result.reason {
                    _ if task.stopped => "stopped by a person",
                    Some(StopCause::Declined) => "more money was declined",
                    _ => "it may not spend more",
                };
                return answered(&result.text, &format!("ended before its end: {why}"));
            }
            let said = say(event, None, &result.text, true);
            let reason = Some(ErrorCode::BudgetExhausted.as_str().to_owned());
            let patch = Patch { reason, say: said.say, said: said.said, ..cost };
            to(Stage::Refused, Some("over budget".to_owned()), patch, 0)
        }
        Outcome::Cancelled => {
            let (text, agent) = (halted(&result.text), Some(&task.agent));
            let said = say(event, agent, &with_cost(&text, result), true);
            to(
                Stage::Halted,
                Some("stopped".to_owned()),
                Patch { reason: Some("halted".to_owned()), say: said.say, said: said.said, ..cost },
                0,
            )
        }
        // One run is left for another agent, should no gateway be able to.
        Outcome::Unavailable if event.runs + 1 < run::RUNS_MAX && elsewhere => {
            // The same agent on the next gateway, as a run of its own: whom the person or the
            // router chose stays.
            let not_on = place::passed_over(event, task.gateway_id.as_ref());
            let data = EventData { not_on, ..event.data.clone() };
            let said = say(
                event,
                None,
                &format!("{} could not start on that machine; trying another one.", task.agent),
                false,
            );
            let patch =
                Patch { new_run: true, data: Some(data), say: said.say, said: said.said, ..cost };
            let gateway = task.gateway_id.as_ref().map_or("its gateway", |id| id.as_str());
            to(
                Stage::Routed,
                Some(format!(
                    "{} is not available on {gateway}: {}",
                    task.agent,
                    short(&reason(&task.agent, &result.text), NOTE_CHARS_MAX)
                )),
                patch,
                AT_ONCE,
            )
        }
        Outcome::Unavailable if event.runs < run::RUNS_MAX && !was_chosen(event) => {
            // The router says whether a related agent takes it, as a run of its own: it is approved
            // anew, for that agent and its price.
            let mut data = event.data.clone();
            data.exclude.push(task.agent.clone());
            let why = reason(&task.agent, &result.text);
            let note = short(&why, NOTE_CHARS_MAX);
            data.why_not = Some(why);
            let said =
                say(event, None, &format!("{} is not available right now …", task.agent), false);
            let patch =
                Patch { new_run: true, data: Some(data), say: said.say, said: said.said, ..cost };
            to(
                Stage::Received,
                Some(format!("{} is not available: {note}", task.agent)),
                patch,
                AT_ONCE,
            )
        }
        Outcome::Timeout if result.text.trim().is_empty() => told(
            &format!("{} reached its time limit and was stopped.", task.agent),
            "time limit",
            Some("time_limit"),
        ),
        Outcome::Timeout => told(result.text.trim(), "time limit", Some("time_limit")),
        Outcome::Unavailable => told(
            &not_available(&task.agent, &reason(&task.agent, &result.text)),
            "the agent is not available",
            Some("agent_unavailable"),
        ),
        Outcome::Failed => told(
            &format!("{} could not do this: {}", task.agent, result.text.trim()),
            "the agent failed",
            Some("agent_failed"),
        ),
    }
}

/// The text of a run that was halted, with its end where the gateway has not named it.
fn halted(text: &str) -> String {
    let text = text.trim();
    // The end is the last paragraph; above it are the agent's own words.
    let end = text.rsplit("\n\n").next().unwrap_or_default().to_lowercase();
    let names_it = ["stopped", "halted"].iter().any(|word| end.contains(word));
    match text {
        "" => HALTED.to_owned(),
        _ if names_it => text.to_owned(),
        _ => format!("{text}\n\n{HALTED}"),
    }
}

/// The text, and below it that the cost of the run is not known.
fn with_cost(text: &str, result: &ResultRequest) -> String {
    let Some(cost) = result.actual_cost.filter(|_| result.cost_unknown) else {
        return text.to_owned();
    };
    let counts = if cost > Micros::ZERO {
        format!("; the {cost} set aside for it counts")
    } else {
        String::new()
    };
    format!("{text}\n\nCost unknown: {UNREPORTED}{counts}.")
}

const UNREPORTED: &str = "the program reported none and the agent has no price";

/// The end of a message whose agent cannot run, and which goes to no other.
pub(super) fn not_available(agent: &AgentId, why: &str) -> String {
    let why = Some(why.trim()).filter(|why| !why.is_empty());
    format!(
        "{agent} is not available right now: {}\n\nNo other agent was given this message. It is saved, and the owner can replay it.",
        why.unwrap_or("its program could not start.")
    )
}

/// Whether a person chose the agent when the router asked.
pub(super) fn was_chosen(event: &StoredEvent) -> bool {
    event.data.answered.as_ref().is_some_and(|answered| answered.by.is_some())
}

/// Whether a person or the budget ended the run, and no halt did.
fn ended_early(result: &ResultRequest) -> bool {
    result.reason.is_some_and(StopCause::is_early_end)
}

/// Tells the approvers of the endpoint where an answer is that its chat did not take.
fn undelivered(deps: &Deps, event: &StoredEvent, row: &OutboxRow, error: &str) -> Vec<Draft> {
    let Some(endpoint) = deps.config.endpoint(&event.channel, &event.endpoint) else {
        return Vec::new();
    };
    let text = format!(
        "An answer is finished and could not be delivered ({error}). It is kept: the dashboard shows it under event `{0}`, and `quintet deliver {0}` sends it again without running the agent again.",
        event.id
    );
    let draft = |(number, target): (usize, Target)| Draft {
        id: format!("lost:{}:{}:{number}", row.id, row.revision),
        revision: 1,
        target,
        text: text.clone(),
        buttons: None,
        event_id: None,
        kind: "reply".to_owned(),
        file: None,
        expires_ms: None,
    };
    endpoint.approver_targets().into_iter().enumerate().map(draft).collect()
}

/// Maximum characters of the reason in the log of an event, and in the message to its sender.
const NOTE_CHARS_MAX: usize = 200;
const WHY_CHARS_MAX: usize = 1_000;

/// Why an agent is not available, in its gateway's words, without the beginning that they share
/// with ours.
fn reason(agent: &AgentId, text: &str) -> String {
    let text = text.trim();
    short(text.strip_prefix(&format!("{agent} is not available: ")).unwrap_or(text), WHY_CHARS_MAX)
}

/// Done when every reply has reached its end; a reply that the platform refused is a dead letter
/// with its reason.
pub(super) async fn answered(deps: &Deps, event: &StoredEvent) -> Result<Step, Stop> {
    let found = port(deps.event(&event.id).await)?;
    let replies = found.map(|(_, _, replies, _)| replies).unwrap_or_default();
    let own = |row: &&OutboxRow| matches!(row.kind.as_str(), "reply" | BEGINNING | "file");
    if replies
        .iter()
        .filter(own)
        .any(|row| matches!(row.state, DeliveryState::Queued | DeliveryState::Sending))
    {
        return Ok(Step::Wait { due_ms: deps.clock.now_ms() + LOOK_AGAIN_MS });
    }
    let current = reply_id(event);
    let failed = replies.iter().find(|row| {
        row.id == current && matches!(row.state, DeliveryState::Failed | DeliveryState::Expired)
    });
    Ok(match failed {
        Some(row) => {
            let error = row.error.clone().unwrap_or_default();
            let reason = Some(format!("{REPLY_FAILED}: {error}"));
            let say = undelivered(deps, event, row, &error);
            to(Stage::Dead, None, Patch { reason, say, ..Patch::default() }, 0)
        }
        // The reason of an answered event is the failure of its run.
        None => match event.reason.clone() {
            Some(failure) => {
                to(Stage::Failed, None, Patch { reason: Some(failure), ..Patch::default() }, 0)
            }
            None => to(Stage::Done, None, Patch::default(), 0),
        },
    })
}
