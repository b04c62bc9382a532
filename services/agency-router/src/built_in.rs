//! The agent that answers without a graph.

use contracts::AgentId;
use contracts::graph::{Agent, Graph};

/// Its id; also the fallback agent's id if the graph marks none.
pub const ASSISTANT: &str = "assistant";

/// A graph with only the built-in assistant. It has no version, because it was never published.
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
