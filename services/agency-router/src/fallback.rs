//! Replacement agents for one that cannot take the message.
//!
//! Order: the agent's `relatedAgents`, the graph's fallback agent, then the model's ranking. If no
//! agent is left, the fallback agent is named anyway, so there is always an answer.

use contracts::AgentId;
use contracts::graph::{Agent, Graph};

/// The reason that an agent cannot take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Its breaker is open.
    Down,
    /// The sender ruled it out for this message.
    TakenBack,
    /// It just failed on this message.
    Excluded,
    /// This sender may use public agents only.
    NotPublic,
}

impl Obstacle {
    /// The rest of a sentence that begins with the agent's name.
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Down => "is down",
            Self::TakenBack => "was ruled out",
            Self::Excluded => "just failed on this message",
            Self::NotPublic => "is not open to this sender",
        }
    }
}

/// The id of the agent for out-of-scope messages; the built-in assistant's if the graph has none.
pub fn fallback_id(graph: &Graph) -> AgentId {
    graph
        .fallback_agent()
        .map_or_else(|| AgentId::from(crate::built_in::ASSISTANT), |agent| agent.id.clone())
}

/// The first agent that can replace `chosen`. `ranked` are the others by probability.
pub fn stand_in(
    graph: &Graph,
    chosen: &AgentId,
    ranked: &[(AgentId, f64)],
    obstacle: &dyn Fn(&Agent) -> Option<Obstacle>,
) -> AgentId {
    let related = graph.agent(chosen).into_iter().flat_map(|agent| &agent.related_agents);
    let fallback = fallback_id(graph);
    let candidates = related.chain([&fallback]).chain(ranked.iter().map(|(id, _)| id));
    let mut others = candidates.filter(|id| *id != chosen);
    let free =
        others.find(|id| graph.agent(id).is_some_and(|agent| obstacle(agent).is_none())).cloned();
    free.unwrap_or_else(|| fallback_id(graph))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::graph;

    fn stand_in_without(down: &[&str]) -> String {
        let obstacle = |agent: &Agent| down.contains(&agent.id.as_str()).then_some(Obstacle::Down);
        let ranked = [(AgentId::from("pm"), 0.1)];
        stand_in(&graph(), &AgentId::from("codegen"), &ranked, &obstacle).0
    }

    #[test]
    fn fallback_order_is_related_agents_then_fallback_agent_then_ranking() {
        assert_eq!(stand_in_without(&["codegen"]), "security");
        assert_eq!(stand_in_without(&["codegen", "security"]), "assistant");
        assert_eq!(stand_in_without(&["codegen", "security", "assistant"]), "pm");
        assert_eq!(stand_in_without(&["codegen", "security", "assistant", "pm"]), "assistant");
    }
}
