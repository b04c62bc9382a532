//! The agent that answers when there is no graph at all.

use contracts::AgentId;
use contracts::graph::{Agent, Graph};

/// Its id, which is also the id looked for in a graph that marks no fallback agent.
pub const ASSISTANT: &str = "assistant";

/// A graph of the built-in assistant alone, without a version: it was never published.
pub fn graph() -> Graph {
    let assistant = Agent {
        id: AgentId::from(ASSISTANT),
        skill: String::new(),
        title: "Assistant".to_owned(),
        description: "Answers while no skill graph is published.".to_owned(),
        keywords: Vec::new(),
        aliases: Vec::new(),
        bullets: Vec::new(),
        examples: Vec::new(),
        negatives: Vec::new(),
        complexity: Vec::new(),
        related_agents: Vec::new(),
        related_channels: Vec::new(),
        model: None,
        fallback: true,
        public: true,
    };
    Graph { agents: vec![assistant], ..Graph::default() }
}
