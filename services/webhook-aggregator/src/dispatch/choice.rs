//! When two agents are almost as likely, the person is asked: two buttons, or the name as an
//! answer. The event is parked meanwhile; the sender may choose, and an approver of the endpoint.
//! When nobody does, the likelier one takes it: choosing is not approving, which comes after it in
//! any case.

use crate::Deps;
use crate::pointed::own_words;
use crate::steps::{AT_ONCE, Stop, message_of, say, to, words_of};
use contracts::calls::agency_router::GiveFeedback;
use contracts::calls::personal_assistant::BreakTie;
use contracts::event::Stage;
use contracts::outbox::Buttons;
use contracts::routing::{Feedback, RouteAnswer, TieRequest};
use contracts::{AgentId, EventId};
use inbox::{Advance, Answered, Choice, EventData, InboxExt, Patch, Step, StoredEvent};
use platform::ports::{ClockExt, PortResult};
use platform::secret::{Secret, digest_hex};

/// So long a person may take.
const WINDOW_MS: i64 = 600_000;
/// Begins what a button of a choice carries: `c1:<ULID of the event>:<128 random bits>:<0 or 1>`,
/// 63 bytes at most.
const PREFIX: &str = "c1";

/// Whether the event waits for a choice and not for an approval.
pub(crate) fn is_open(event: &StoredEvent) -> bool {
    event.state == Stage::Parked && event.data.choice.is_some()
}

/// Parks the event with the question; `patch` is what routing found for the likelier agent. `None`
/// where there is nobody to ask.
pub(super) fn put(
    deps: &Deps,
    event: &StoredEvent,
    answer: &RouteAnswer,
    mut patch: Patch,
) -> Option<Step> {
    // Nobody could press or answer where a program posts: the likelier agent takes it.
    let other = answer.alternatives.first().filter(|_| !event.origin.posted)?;
    let nonce = deps.clock.random_hex(12);
    let choice = Choice {
        agents: [answer.agent.clone(), other.agent.clone()],
        token_hash: digest_hex(nonce.as_bytes()),
        until_ms: deps.clock.now_ms() + WINDOW_MS,
    };
    let percent = |confidence: f64| (confidence * 100.0).round() as i64;
    let text = format!(
        "I am not sure which agent should answer: {} ({} %) or {} ({} %). Choose one, or reply with its name.",
        answer.agent,
        percent(answer.confidence),
        other.agent,
        percent(other.confidence)
    );
    let said = say(event, None, &text, false);
    patch.say = said.say;
    patch.said = said.said;
    let ulid = event.id.as_str().rsplit_once('.').map_or("", |(_, ulid)| ulid);
    let token = |place: u8| format!("{PREFIX}:{ulid}:{nonce}:{place}");
    let labels = Some([answer.agent.to_string(), other.agent.to_string()]);
    patch.say.iter_mut().for_each(|draft| {
        draft.buttons = Some(Buttons {
            approve: token(0),
            reject: token(1),
            labels: labels.clone(),
            more: Vec::new(),
        });
    });
    let until_ms = choice.until_ms;
    if let Some(data) = patch.data.as_mut() {
        data.choice = Some(choice);
    }
    Some(to(Stage::Parked, Some(text), patch, until_ms))
}

/// The agent that a model chose, where the owner allows that and it did; else nobody, and the
/// person is asked.
pub(super) async fn by_model(
    deps: &Deps,
    event: &StoredEvent,
    answer: &RouteAnswer,
) -> Option<AgentId> {
    let agents = [answer.agent.clone(), answer.alternatives.first()?.agent.clone()];
    let (event_id, message) = (event.id.clone(), message_of(event).to_owned());
    let request = TieRequest { event_id, message, agents };
    match deps.calls.ask::<BreakTie>(&(), &request).await {
        Ok(said) => said.agent.filter(|agent| request.agents.contains(agent)),
        Err(error) => {
            tracing::warn!(%error, "no model could be asked who should get a message");
            None
        }
    }
}

/// The event goes on with the agent that a model chose; `patch` is what routing found for the
/// likelier one.
pub(super) fn given(answer: &RouteAnswer, agent: &AgentId, mut patch: Patch, now: i64) -> Step {
    let why = format!("{} The scores were close, and a model chose {agent}.", answer.reason);
    if let Some(data) = patch.data.as_mut() {
        data.reason = Some(why);
        if *agent != answer.agent {
            forget_the_likelier_one(data);
        }
    }
    let note = format!(
        "{agent}: chosen by a model between {} and {}",
        answer.agent,
        answer.alternatives.first().map_or("nobody", |other| other.agent.as_str())
    );
    to(Stage::Routed, Some(note), Patch { agent: Some(agent.clone()), ..patch }, now)
}

/// Files and price were the likelier one's.
fn forget_the_likelier_one(data: &mut EventData) {
    data.skill_files.clear();
    data.estimated_cost = None;
}

/// The timer of an open question.
pub(super) fn waiting(deps: &Deps, event: &StoredEvent) -> Result<Step, Stop> {
    let choice = event
        .data
        .choice
        .as_ref()
        .ok_or_else(|| Stop::Never("its question cannot be read".to_owned()))?;
    let now = deps.clock.now_ms();
    if now < choice.until_ms {
        return Ok(Step::Wait { due_ms: choice.until_ms });
    }
    let [likelier, _] = &choice.agents;
    Ok(go_on(event, choice, likelier, None, now))
}

/// The question is answered, or its time is over: the event goes on as routed to this agent.
fn go_on(
    event: &StoredEvent,
    choice: &Choice,
    agent: &AgentId,
    by: Option<&StoredEvent>,
    now: i64,
) -> Step {
    let (why, reason) = match by {
        Some(_) => (
            "chosen by the sender",
            format!("The scores were close, and the sender chose {agent}."),
        ),
        None => (
            "nobody chose, so the likelier one takes it",
            format!("The scores were close and nobody chose, so it goes to {agent}."),
        ),
    };
    let answered = Answered {
        agents: choice.agents.clone(),
        by: by.map(|by| by.id.clone()),
        until_ms: now + WINDOW_MS,
    };
    let mut data = event.data.clone();
    data.choice = None;
    let before = data.reason.unwrap_or_default();
    data.reason = Some(format!("{before} {reason}").trim_start().to_owned());
    data.answered = Some(answered);
    if event.agent.as_ref() != Some(agent) {
        forget_the_likelier_one(&mut data);
    }
    let patch = Patch {
        agent: Some(agent.clone()),
        data: Some(data),
        ..say(event, Some(agent), &format!("{agent} is on it …"), false)
    };
    to(Stage::Routed, Some(format!("{agent}: {why}")), patch, AT_ONCE)
}

/// Whether a press is one on a choice.
pub(crate) fn is_choice(token: &str) -> bool {
    token.split(':').next() == Some(PREFIX)
}

/// A press; what the presser is told.
pub(crate) async fn pressed(deps: &Deps, press: &StoredEvent, token: &str) -> PortResult<String> {
    let gone = || Ok("This button is no longer valid.".to_owned());
    let [_, ulid, nonce, place] = *token.split(':').collect::<Vec<_>>() else { return gone() };
    let id = EventId::new(format!("{}.{ulid}", press.shard));
    let Some((event, ..)) = deps.event(&id).await? else { return gone() };
    let Some(choice) = event.data.choice.as_ref().filter(|_| is_open(&event)) else {
        return gone();
    };
    let (asked, pressed) = (&event.origin, &press.origin);
    let same_place =
        asked.target.chat == pressed.target.chat || pressed.aliases.contains(&asked.target.chat);
    if !same_place || !Secret::new(choice.token_hash.clone()).matches(&digest_hex(nonce.as_bytes()))
    {
        return gone();
    }
    if !may_choose(&event, press) {
        return Ok("Only the sender or an approver can choose.".to_owned());
    }
    let [best, second] = &choice.agents;
    let agent = match place {
        "0" => best,
        "1" => second,
        _ => return gone(),
    };
    if choose(deps, &event, choice, agent, press).await? {
        Ok(format!("{agent} is on it."))
    } else {
        gone()
    }
}

fn may_choose(event: &StoredEvent, by: &StoredEvent) -> bool {
    by.origin.approver || (by.sender.is_some() && by.sender == event.sender)
}

/// Moves the event on; false when another answer was first. The choice is reported to the router as
/// feedback. The event is now due in the same inbox, so the pump that handles the choice finds it.
async fn choose(
    deps: &Deps,
    event: &StoredEvent,
    choice: &Choice,
    agent: &AgentId,
    by: &StoredEvent,
) -> PortResult<bool> {
    let step = go_on(event, choice, agent, Some(by), deps.clock.now_ms());
    let command = Advance { event: event.id.clone(), version: event.version, step, keep_ms: None };
    let moved = deps.inbox.ask(&event.shard, command).await?.moved;
    if moved {
        deps.notify_event(&event.id);
        tell_the_router(deps, event, agent);
        tracing::info!("event.id" = %event.id, agent = %agent, by = by.sender, "chosen");
    }
    Ok(moved)
}

fn tell_the_router(deps: &Deps, event: &StoredEvent, agent: &AgentId) {
    let (Some(decision_id), Some(likelier)) = (event.decision_id.clone(), event.agent.clone())
    else {
        return;
    };
    let correct = *agent == likelier;
    let feedback = Feedback { decision_id, correct, agent: (!correct).then(|| agent.clone()) };
    deps.tell::<GiveFeedback>(&feedback);
}

/// A message that answers a question of its conversation by a name, or by its place. A name that
/// comes too late, or is read twice, is an answer all the same, and no work of its own.
pub(super) async fn by_name(
    deps: &Deps,
    event: &StoredEvent,
    earlier: &[StoredEvent],
) -> PortResult<Option<Step>> {
    if event.origin.posted {
        return Ok(None);
    }
    let said = own_words(words_of(event))
        .trim()
        .trim_start_matches(['@', '/'])
        .trim_end_matches(['.', '!'])
        .to_lowercase();
    let named = |agents: &[AgentId; 2]| {
        agents.iter().position(|agent| agent.as_str().eq_ignore_ascii_case(&said))
    };
    let done = |note: String| Ok(Some(to(Stage::Done, Some(note), Patch::default(), 0)));
    if let Some((asked, choice)) = earlier
        .iter()
        .filter(|asked| is_open(asked))
        .find_map(|asked| Some((asked, asked.data.choice.as_ref()?)))
    {
        let place = match said.as_str() {
            "1" | "first" | "the first" | "the first one" => Some(0),
            "2" | "second" | "the second" | "the second one" => Some(1),
            _ => named(&choice.agents),
        };
        let Some(agent) =
            place.and_then(|place| choice.agents.get(place)).filter(|_| may_choose(asked, event))
        else {
            return Ok(None);
        };
        let chosen = choose(deps, asked, choice, agent, event).await?;
        return done(if chosen {
            format!("chose {agent} for {}", asked.id)
        } else {
            format!("{} was already answered", asked.id)
        });
    }
    let now = deps.clock.now_ms();
    let late = |asked: &&StoredEvent| {
        asked.data.answered.as_ref().is_some_and(|answered| {
            answered.by.as_ref() == Some(&event.id)
                || (now < answered.until_ms && named(&answered.agents).is_some())
        })
    };
    match earlier.iter().find(late) {
        Some(asked) => done(format!("{} was already answered", asked.id)),
        None => Ok(None),
    }
}
