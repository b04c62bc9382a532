//! Makes one decision in the order of the design: correction, mention, binding, follow-up, content
//! with its gate, then the pool.
//!
//! Pure: graph, model, pool and time come in; the agent, a confidence and one sentence per deciding
//! step go out.

pub mod content;
pub mod correction;
pub mod follow_up;
pub mod mention;
mod points_back;
mod talk;

use crate::complexity::judge;
use crate::fallback::{Obstacle, fallback_id, stand_in};
use crate::pool::Pool;
use content::{Content, Leanings, weigh};
use contracts::AgentId;
use contracts::graph::{Agent, Complexity, Graph};
use contracts::routing::{Alternative, RouteRequest, UnknownAgent};
use platform::names::nearest;
use text_model::Model;

/// Confidence that an agent named by the sender is right.
const NAMED: f64 = 1.0;
/// Minimum likelihood of the second agent, relative to the first, to ask the sender.
const CHOICE_SHARE: f64 = 0.5;
/// Relative likelihood from which two agents tie, whatever the winner's own threshold: on
/// CLINC150's validation lines the better of two such agents is right half of the time. With two
/// agents one always has at least 50 %, so thresholds alone would never ask.
const TIE_SHARE: f64 = 0.7;
/// Maximum alternatives listed, and their minimum probability.
const ALTERNATIVES_MAX: usize = 3;
const ALTERNATIVE_MIN: f64 = 0.01;
/// Maximum agents listed for a name that none has.
const AGENTS_LISTED_MAX: usize = 10;

/// Prefix of the reason of a decision that corrects another.
pub const TAKEN_BACK: &str = "You said that the message before was not for";

/// The inputs of a decision.
#[derive(Clone, Copy)]
pub struct World<'a> {
    pub graph: &'a Graph,
    pub model: Option<&'a Model>,
    pub pool: &'a Pool,
    pub now_ms: i64,
}

/// The chosen agent and the reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub agent: AgentId,
    /// Probability that `agent` is right, 0–1.
    pub confidence: f64,
    pub complexity: Complexity,
    /// One sentence per step.
    pub steps: Vec<String>,
    pub matched_keywords: Vec<String>,
    pub alternatives: Vec<Alternative>,
    pub fallback: bool,
    pub out_of_scope: bool,
    pub needs_choice: bool,
    /// Whether the sender corrected the previous decision.
    pub takes_back: bool,
    /// The agent that the sender named in the correction.
    pub corrected_to: Option<AgentId>,
    /// Whether the message only follows up on an earlier one.
    pub follows_up: bool,
    pub skill_files: Vec<String>,
    /// The name that the message begins with, if no agent has it.
    pub unknown_agent: Option<UnknownAgent>,
    /// The model's result, even if an earlier step decided.
    pub content: Option<Content>,
}

/// Decides. It uses the request's internal members, so drop them for external callers.
pub fn decide(request: &RouteRequest, world: World<'_>) -> Decision {
    if request.posted {
        // Anyone may have written it, such as an issue: only the owner's binding chooses.
        return decide_by(request, world, by_binding(request, world));
    }
    if let Some(decision) = by_correction(request, world) {
        return decision;
    }
    let said = by_name(request, world).or_else(|| by_binding(request, world));
    let mut decision = decide_by(request, world, said);
    decision.unknown_agent = unknown_agent(request, world.graph);
    if let Some(unknown) = &decision.unknown_agent {
        decision.steps.insert(0, unknown.text());
    }
    decision
}

/// The mistyped name of an agent that the message begins with.
fn unknown_agent(request: &RouteRequest, graph: &Graph) -> Option<UnknownAgent> {
    let open = |agent: &&Agent| !request.public_only || agent.public;
    let agents: Vec<&Agent> = graph.agents.iter().filter(open).collect();
    let name = mention::unknown(graph, &agents, &request.message, request.in_group)?;
    let ids = || agents.iter().map(|agent| agent.id.as_str());
    Some(UnknownAgent {
        name: name.to_owned(),
        nearest: nearest(name, ids()).into_iter().map(AgentId::from).collect(),
        agents: ids().take(AGENTS_LISTED_MAX).map(AgentId::from).collect(),
    })
}

/// Decides with an explicit agent, or without one.
fn decide_by(request: &RouteRequest, world: World<'_>, said: Option<Chosen>) -> Decision {
    let complexity = request.complexity.unwrap_or_else(|| judge(&work_of(request, world.graph)).0);
    let leanings = Leanings {
        channel: request.channel.as_deref(),
        complexity,
        complexity_stated: request.complexity.is_some(),
    };
    let content =
        world.model.and_then(|model| weigh(model, world.graph, &request.message, leanings));
    let known = said.or_else(|| by_conversation(request, world, content.as_ref()));
    let chosen = known.unwrap_or_else(|| by_content(world, content.as_ref(), leanings));
    into_decision(chosen, content, request, world, complexity)
}

/// The words that determine the complexity: after “yes, do it” those of the previous message.
fn work_of(request: &RouteRequest, graph: &Graph) -> String {
    let before = request.previous.as_ref().filter(|_| follow_up::is_follow_up(&request.message));
    let words = before.map_or(&request.message, |previous| &previous.message);
    // A name is not work: `/security thanks` is not a review.
    mention::mentioned(graph, words)
        .map_or_else(|| words.clone(), |(_, written)| words.replacen(written, "", 1))
}

/// The agent chosen by a step before the pool.
struct Chosen {
    agent: AgentId,
    confidence: f64,
    step: String,
    out_of_scope: bool,
    /// Whether alternatives may make the sender choose.
    by_content: bool,
    /// The sender or the configuration names it: no other agent stands in for it.
    named: bool,
}

impl Chosen {
    /// Chosen by name.
    fn named(agent: &Agent, step: String) -> Self {
        Self {
            agent: agent.id.clone(),
            confidence: NAMED,
            step,
            out_of_scope: false,
            by_content: false,
            named: true,
        }
    }
}

fn by_name(request: &RouteRequest, world: World<'_>) -> Option<Chosen> {
    let (agent, written) = mention::mentioned(world.graph, &request.message)?;
    Some(Chosen::named(agent, format!("The message names {} ({}).", agent.id, shorten(written))))
}

/// The sender corrects the previous decision. Its message is decided again, with the named agent or
/// without the previous one.
fn by_correction(request: &RouteRequest, world: World<'_>) -> Option<Decision> {
    let previous = request.previous.as_ref()?;
    let correction = correction::correction(world.graph, &request.message)?;
    if !correction.denies && correction.agent.is_some_and(|agent| agent.id == previous.agent) {
        // "That was for codegen", about a message that codegen already has.
        return None;
    }
    let mut again = RouteRequest {
        message: previous.message.clone(),
        previous: None,
        sticky_agent: None,
        bound_agent: None,
        is_reply: false,
        asked: false,
        ..request.clone()
    };
    again.taken_back_from.clone_from(&previous.taken_back_from);
    again.taken_back_from.push(previous.agent.clone());
    // To the agent that had it, its own name is not another: "not you, security".
    let named = correction.agent.filter(|agent| agent.id != previous.agent);
    if let Some(agent) = named {
        // The newly named agent counts, whatever was said before.
        again.taken_back_from.retain(|id| *id != agent.id);
    }
    let mut decision = match named {
        // The correction overrides an agent named in the original message.
        Some(agent) => decide_by(
            &again,
            world,
            Some(Chosen::named(agent, format!("You said that it is for {}.", agent.id))),
        ),
        None => decide(&again, world),
    };
    decision.steps.insert(0, format!("{TAKEN_BACK} {}.", previous.agent));
    decision.takes_back = true;
    decision.corrected_to = named.map(|agent| agent.id.clone());
    Some(decision)
}

fn by_binding(request: &RouteRequest, world: World<'_>) -> Option<Chosen> {
    let agent = world.graph.agent(request.bound_agent.as_ref()?)?;
    Some(Chosen::named(agent, format!("This chat is bound to {}.", agent.id)))
}

fn by_conversation(
    request: &RouteRequest,
    world: World<'_>,
    content: Option<&Content>,
) -> Option<Chosen> {
    let agent = world.graph.agent(request.sticky_agent.as_ref()?)?;
    let best = content.filter(|content| !content.out_of_scope);
    let best = best.and_then(|content| content.ranked.first());
    let best = best.map(|(best, sure)| (best, *sure));
    let (confidence, step) = talk::stays(request, &agent.id, best)?;
    Some(Chosen {
        agent: agent.id.clone(),
        confidence,
        step,
        out_of_scope: false,
        by_content: false,
        named: false,
    })
}

fn by_content(world: World<'_>, content: Option<&Content>, leanings: Leanings<'_>) -> Chosen {
    let fallback = fallback_id(world.graph);
    let Some(content) = content else {
        let step = if world.graph.version.is_none() {
            "No skill graph is published"
        } else {
            "No agent of the graph has anything to learn from"
        };
        return Chosen {
            step: format!("{step}, so {fallback} answers."),
            agent: fallback,
            confidence: 0.0,
            out_of_scope: true,
            by_content: false,
            named: false,
        };
    };
    if content.out_of_scope {
        // Right if the message is out of scope, or meant for the fallback agent itself.
        let confidence =
            (1.0 - content.in_scope) + content.in_scope * content.probability(&fallback);
        let step = format!(
            "The words fit no agent well (probability that the message is in scope: {}), so it \
             goes to {fallback}.",
            percent(content.in_scope)
        );
        return Chosen {
            agent: fallback,
            confidence,
            step,
            out_of_scope: true,
            by_content: true,
            named: false,
        };
    }
    let (agent, confidence) =
        content.ranked.first().cloned().unwrap_or_else(|| (fallback.clone(), 0.0));
    if confidence < f64::from(content.thresholds.ask) && agent != fallback {
        let step = format!(
            "No agent is likely enough (the best, {agent}, with {}), so it goes to {fallback}.",
            percent(confidence)
        );
        return Chosen {
            agent: fallback,
            confidence: 1.0 - confidence,
            step,
            out_of_scope: true,
            by_content: true,
            named: false,
        };
    }
    let step = content_step(content, &agent, confidence, leanings);
    Chosen { agent, confidence, step, out_of_scope: false, by_content: true, named: false }
}

/// “; that it is complex speaks for it”, or nothing if the agent states no preference.
fn leaning_clause(what: &str, which: &str, log_odds: f64) -> String {
    if log_odds == 0.0 {
        return String::new();
    }
    let side = if log_odds > 0.0 { "for" } else { "against" };
    format!("; {what} {which} speaks {side} it")
}

fn content_step(
    content: &Content,
    agent: &AgentId,
    confidence: f64,
    leanings: Leanings<'_>,
) -> String {
    let terms: Vec<String> =
        content.winner_terms.iter().take(3).map(|term| format!("“{}”", term.text)).collect();
    let speak = match terms.as_slice() {
        [] => "The message as a whole speaks".to_owned(),
        [one] => format!("{one} speaks"),
        _ => format!("{} speak", terms.join(", ")),
    };
    let mut step = format!("{speak} for {agent} ({})", percent(confidence));
    if let Some((other, probability)) = content.ranked.get(1) {
        step += &format!(" rather than {other} ({})", percent(*probability));
    }
    if content.in_scope < 0.999 {
        step += &format!("; it is in scope with {}", percent(content.in_scope));
    }
    step += &leaning_clause("that it is", leanings.complexity.as_str(), content.leaning.complexity);
    step += &leaning_clause(
        "that it comes by",
        leanings.channel.unwrap_or_default(),
        content.leaning.channel,
    );
    if let Some(overruled) = &content.overruled {
        step += &format!(
            "; by words alone it would have been {overruled}, but complexity and channel tip the \
             balance"
        );
    }
    step + "."
}

/// Applies the pool and builds the decision.
fn into_decision(
    chosen: Chosen,
    content: Option<Content>,
    request: &RouteRequest,
    world: World<'_>,
    complexity: Complexity,
) -> Decision {
    let obstacle = |agent: &Agent| obstacle(agent, request, world);
    let ranked = content.as_ref().map_or(&[][..], |content| &content.ranked);
    let mut steps = vec![chosen.step.clone()];
    let found = world.graph.agent(&chosen.agent).and_then(obstacle);
    let (mut agent, mut confidence) = (chosen.agent.clone(), chosen.confidence);
    if let Some(why) = found {
        let (other, ending) = replace(&chosen, why, world.graph, ranked, &obstacle);
        agent = other;
        steps.push(format!("But {} {}, {ending}.", chosen.agent, why.phrase()));
        if agent != chosen.agent {
            confidence = content.as_ref().map_or(0.0, |content| content.probability(&agent));
        }
    }
    let others = ranked.iter().filter(|(id, probability)| {
        *id != agent && *id != chosen.agent && *probability >= ALTERNATIVE_MIN
    });
    let free = others
        .filter(|(id, _)| world.graph.agent(id).is_some_and(|agent| obstacle(agent).is_none()));
    // The model's probabilities assume that the message is in scope; for an out-of-scope decision
    // they are scaled by that chance.
    let scale = if chosen.out_of_scope {
        content.as_ref().map_or(1.0, |content| content.in_scope)
    } else {
        1.0
    };
    let alternatives: Vec<Alternative> = free
        .take(ALTERNATIVES_MAX)
        .map(|(id, probability)| Alternative { agent: id.clone(), confidence: probability * scale })
        .collect();
    let second = alternatives.first().map_or(0.0, |other| other.confidence);
    let unsure =
        content.as_ref().is_some_and(|content| confidence < f64::from(content.thresholds.accept));
    let close = second >= confidence * if unsure { CHOICE_SHARE } else { TIE_SHARE };
    let needs_choice =
        chosen.by_content && !chosen.out_of_scope && found.is_none() && second > 0.0 && close;
    if let Some(other) = alternatives.first().filter(|_| needs_choice) {
        steps.push(format!("{} is almost as likely: the sender should choose.", other.agent));
    }
    let winner_terms = content
        .iter()
        .filter(|_| chosen.by_content && !chosen.out_of_scope)
        .flat_map(|content| &content.winner_terms);
    Decision {
        skill_files: skill_files(world.graph, &agent, request.channel.as_deref()),
        matched_keywords: winner_terms.map(|term| term.text.clone()).collect(),
        fallback: agent != chosen.agent && found.is_some_and(|why| why != Obstacle::TakenBack),
        out_of_scope: chosen.out_of_scope,
        agent,
        confidence,
        complexity,
        steps,
        alternatives,
        needs_choice,
        takes_back: false,
        corrected_to: None,
        follows_up: request.previous.is_some() && follow_up::is_follow_up(&request.message),
        unknown_agent: None,
        content,
    }
}

/// The agent that gets a message whose chosen agent cannot take it, and the end of the sentence
/// that says so.
fn replace(
    chosen: &Chosen,
    why: Obstacle,
    graph: &Graph,
    ranked: &[(AgentId, f64)],
    obstacle: &dyn Fn(&Agent) -> Option<Obstacle>,
) -> (AgentId, String) {
    if chosen.named && why.is_of_the_machine() {
        let ending = "and the message is for it alone".to_owned();
        return (chosen.agent.clone(), ending);
    }
    match stand_in(graph, &chosen.agent, why, ranked, obstacle) {
        Some(agent) => {
            let ending = format!("so it goes to {agent}");
            (agent, ending)
        }
        None if why.is_of_the_machine() => {
            let ending = "and no agent that the graph relates to it is free".to_owned();
            (chosen.agent.clone(), ending)
        }
        None => {
            let fallback = fallback_id(graph);
            let ending = format!("and no other agent is free, so it goes to {fallback}");
            (fallback, ending)
        }
    }
}

fn obstacle(agent: &Agent, request: &RouteRequest, world: World<'_>) -> Option<Obstacle> {
    if request.public_only && !agent.public {
        Some(Obstacle::NotPublic)
    } else if request.taken_back_from.contains(&agent.id) {
        Some(Obstacle::TakenBack)
    } else if request.exclude.contains(&agent.id) {
        Some(Obstacle::Excluded)
    } else if !world.pool.available(&agent.id, world.now_ms) {
        Some(Obstacle::Down)
    } else {
        None
    }
}

/// Ids of the files behind the decision: the agent's, and the channel's if the graph has one.
fn skill_files(graph: &Graph, agent: &AgentId, channel: Option<&str>) -> Vec<String> {
    let agent = graph.agent(agent).map(|agent| agent.skill.as_str());
    let channel = channel.and_then(|name| {
        graph.channels.iter().find(|channel| channel.id.eq_ignore_ascii_case(name))
    });
    let ids = agent.into_iter().chain(channel.map(|channel| channel.skill.as_str()));
    ids.filter_map(|id| graph.skill(id)).map(|skill| skill.id.clone()).collect()
}

fn percent(probability: f64) -> String {
    match probability * 100.0 {
        share if share < 1.0 => "below 1 %".to_owned(),
        share => format!("{share:.0} %"),
    }
}

/// A word of the message for the reason, shortened if it is long.
fn shorten(word: &str) -> String {
    word.chars().take(40).collect()
}

#[cfg(test)]
mod tests;
