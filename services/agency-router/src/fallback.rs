//! Replacement agents for one that cannot take the message.
//!
//! For an agent that is down only the graph names others, by `relatedAgents`: another agent has
//! another program, other rights and another price. An agent that the sender ruled out or may not
//! use is replaced by a related one, the fallback agent or the next in the model's ranking.

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
    /// Whether its program cannot run now, for any sender.
    pub const fn is_of_the_machine(self) -> bool {
        matches!(self, Self::Down | Self::Excluded)
    }
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

/// The first agent that can replace `chosen`, if any. `ranked` are the others by probability.
pub fn stand_in(
    graph: &Graph,
    chosen: &AgentId,
    why: Obstacle,
    ranked: &[(AgentId, f64)],
    obstacle: &dyn Fn(&Agent) -> Option<Obstacle>,
) -> Option<AgentId> {
    let related = graph.agent(chosen).into_iter().flat_map(|agent| &agent.related_agents);
    let fallback = fallback_id(graph);
    let anybody = [&fallback].into_iter().chain(ranked.iter().map(|(id, _)| id));
    let anybody = anybody.filter(|_| !why.is_of_the_machine());
    let mut others = related.chain(anybody).filter(|id| *id != chosen);
    others.find(|id| graph.agent(id).is_some_and(|agent| obstacle(agent).is_none())).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::graph;

    fn stand_in_without(out: &[&str], why: Obstacle) -> Option<String> {
        let obstacle = |agent: &Agent| out.contains(&agent.id.as_str()).then_some(why);
        let ranked = [(AgentId::from("pm"), 0.1)];
        let found = stand_in(&graph(), &AgentId::from("codegen"), why, &ranked, &obstacle);
        found.map(|agent| agent.0)
    }

    #[test]
    fn fallback_order_is_related_agents_then_fallback_agent_then_ranking() {
        let without = |out: &[&str]| stand_in_without(out, Obstacle::TakenBack);
        assert_eq!(without(&["codegen"]).as_deref(), Some("security"));
        assert_eq!(without(&["codegen", "security"]).as_deref(), Some("assistant"));
        assert_eq!(without(&["codegen", "security", "assistant"]).as_deref(), Some("pm"));
        assert_eq!(without(&["codegen", "security", "assistant", "pm"]), None);
    }

    #[test]
    fn fallback_of_an_agent_that_is_down_is_a_related_agent_alone() {
        for why in [Obstacle::Down, Obstacle::Excluded] {
            assert_eq!(stand_in_without(&["codegen"], why).as_deref(), Some("security"));
            assert_eq!(stand_in_without(&["codegen", "security"], why), None);
        }
    }
}
