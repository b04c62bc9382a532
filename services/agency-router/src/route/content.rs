//! Content and gate: the model's probabilities, adjusted for complexity and channel by log-odds.

use contracts::AgentId;
use contracts::graph::{Agent, Complexity, Graph};
use text_model::{Model, Term, Thresholds};

/// Log-odds for an agent made for the complexity stated by the caller, and against others.
const COMPLEXITY_STATED: f64 = 0.5;
/// The same for a complexity judged by the router.
const COMPLEXITY_JUDGED: f64 = 0.15;
/// Log-odds for an agent that lists the channel, and against one that lists only others.
const CHANNEL: f64 = 0.2;
/// Maximum ranked agents.
const RANKED_MAX: usize = 12;

/// The evidence besides the words.
#[derive(Clone, Copy, Debug)]
pub struct Leanings<'a> {
    pub channel: Option<&'a str>,
    pub complexity: Complexity,
    pub complexity_stated: bool,
}

/// The agents by probability, best first, and the gate's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    pub ranked: Vec<(AgentId, f64)>,
    pub in_scope: f64,
    pub out_of_scope: bool,
    pub winner_terms: Vec<Term>,
    pub runner_up_terms: Vec<Term>,
    pub unknown_words: f64,
    /// The best agent's thresholds.
    pub thresholds: Thresholds,
    /// The best agent by words alone, if complexity or channel changed it.
    pub overruled: Option<AgentId>,
    /// The adjustment of the best agent by complexity and channel.
    pub leaning: Leaning,
}

/// Log-odds added to an agent's words; 0 if it states no preference.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Leaning {
    pub complexity: f64,
    pub channel: f64,
}

impl Content {
    /// The probability of an agent; 0 if the model does not know it.
    pub fn probability(&self, agent: &AgentId) -> f64 {
        self.ranked.iter().find(|(id, _)| id == agent).map_or(0.0, |(_, probability)| *probability)
    }
}

/// Scores a message. `None` when the model knows no agent of the graph.
pub fn weigh(
    model: &Model,
    graph: &Graph,
    message: &str,
    leanings: Leanings<'_>,
) -> Option<Content> {
    let scored = model.score(message);
    let mut ranked = known_agents(model.labels(), &scored.probabilities, &graph.agents);
    let by_words = ranked.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(agent, _)| *agent)?;
    // p·e^x, normalised: adds the log-odds x and converts back to probabilities.
    let mut total = 0.0;
    for (agent, probability) in &mut ranked {
        let leaning = log_odds(agent, leanings);
        let sum = leaning.complexity + leaning.channel;
        *probability = probability.max(1e-12) * if sum == 0.0 { 1.0 } else { sum.exp() };
        total += *probability;
    }
    // Unlikely agents are never needed, and sorting and naming many takes longer than scoring.
    let order = |a: &(&Agent, f64), b: &(&Agent, f64)| {
        b.1.total_cmp(&a.1).then_with(|| a.0.id.as_str().cmp(b.0.id.as_str()))
    };
    if ranked.len() > RANKED_MAX {
        ranked.select_nth_unstable_by(RANKED_MAX, order);
        ranked.truncate(RANKED_MAX);
    }
    ranked.sort_unstable_by(order);
    let best = ranked.first().map(|(agent, _)| *agent)?;
    let leaning = log_odds(best, leanings);
    let overruled = (best.id != by_words.id).then(|| by_words.id.clone());
    let ranked: Vec<(AgentId, f64)> =
        ranked.into_iter().map(|(agent, weight)| (agent.id.clone(), weight / total)).collect();
    // The terms belong to the model's order; if that changed, swap the sides.
    let (winner_terms, runner_up_terms) = if overruled.is_none() {
        (scored.winner_terms, scored.runner_up_terms)
    } else {
        (scored.runner_up_terms, scored.winner_terms)
    };
    Some(Content {
        ranked,
        in_scope: scored.in_scope,
        out_of_scope: scored.out_of_scope,
        winner_terms,
        runner_up_terms,
        unknown_words: scored.unknown_words,
        thresholds: if overruled.is_none() { scored.thresholds } else { Thresholds::DEFAULT },
        overruled,
        leaning,
    })
}

/// The agents that the model knows, each with its probability. Labels are in the order of the
/// agents, so one comparison each suffices; otherwise it searches.
fn known_agents<'a>(
    labels: &[String],
    probabilities: &[f64],
    agents: &'a [Agent],
) -> Vec<(&'a Agent, f64)> {
    let mut next = 0;
    let mut place_of = |label: &str| {
        let is = |agent: &Agent| agent.id.as_str() == label;
        let ahead =
            agents.get(next..).and_then(|rest| rest.iter().position(is)).map(|place| next + place);
        let place = ahead.or_else(|| agents.iter().position(is))?;
        next = place + 1;
        agents.get(place)
    };
    labels
        .iter()
        .zip(probabilities)
        .filter_map(|(label, probability)| Some((place_of(label)?, *probability)))
        .collect()
}

/// The log-odds of an agent from complexity and channel.
pub fn log_odds(agent: &Agent, leanings: Leanings<'_>) -> Leaning {
    let strength = if leanings.complexity_stated { COMPLEXITY_STATED } else { COMPLEXITY_JUDGED };
    let complexity = match agent.complexity.as_slice() {
        [] => 0.0,
        list if list.contains(&leanings.complexity) => strength,
        _ => -strength,
    };
    let channel = match (leanings.channel, agent.related_channels.as_slice()) {
        (None, _) | (_, []) => 0.0,
        (Some(channel), list) if list.iter().any(|name| name.eq_ignore_ascii_case(channel)) => {
            CHANNEL
        }
        _ => -CHANNEL,
    };
    Leaning { complexity, channel }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::graph;
    use text_model::TrainingSet;

    #[test]
    fn content_probabilities_still_sum_to_one_after_adjustment() {
        let graph = graph();
        let model = Model::train(&TrainingSet::from_graph(&graph)).unwrap();
        let leanings = Leanings {
            channel: Some("telegram"),
            complexity: Complexity::Complex,
            complexity_stated: true,
        };
        let content = weigh(&model, &graph, "fix the failing build", leanings).unwrap();
        assert!((content.ranked.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(content.ranked[0].0.as_str(), "codegen");
    }

    #[test]
    fn content_does_not_adjust_an_agent_without_preferences() {
        let mut agent = graph().agents.remove(0);
        agent.complexity.clear();
        agent.related_channels.clear();
        let leanings = Leanings {
            channel: Some("web"),
            complexity: Complexity::Simple,
            complexity_stated: true,
        };
        assert_eq!(log_odds(&agent, leanings), Leaning::default());
        agent.complexity.push(Complexity::Simple);
        assert_eq!(
            log_odds(&agent, leanings),
            Leaning { complexity: COMPLEXITY_STATED, channel: 0.0 }
        );
        agent.related_channels.push("slack".to_owned());
        assert_eq!(
            log_odds(&agent, leanings),
            Leaning { complexity: COMPLEXITY_STATED, channel: -CHANNEL }
        );
    }
}
