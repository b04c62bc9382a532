//! A small graph for tests.

use contracts::AgentId;
use contracts::GraphVersion;
use contracts::graph::{Agent, Graph, Skill, SkillKind};

/// Agents assistant (fallback, public), codegen (related: security), security (alias
/// threat-hunter), pm.
#[expect(clippy::too_many_lines, reason = "a list of samples")]
pub fn graph() -> Graph {
    let agents = vec![
        agent(
            "assistant",
            "",
            &[
                "hello there",
                "good morning",
                "thanks a lot",
                "what can you do",
                "how are you",
                "tell me a joke",
                "who are you",
                "what did we spend",
            ],
        ),
        agent(
            "codegen",
            "security",
            &[
                "fix the failing build",
                "write a function that parses dates",
                "refactor the login module",
                "the unit test is broken",
                "add a command line flag",
                "implement retries in the client",
                "fix the parser",
                "why does the build fail",
            ],
        ),
        agent(
            "security",
            "codegen",
            &[
                "scan the server for vulnerabilities",
                "rotate the leaked api key",
                "is this dependency vulnerable",
                "audit who has access",
                "check for exposed secrets",
                "report the cve to the team",
                "scan for leaked keys",
                "is the server hardened",
            ],
        ),
        agent(
            "pm",
            "",
            &[
                "plan the next sprint",
                "write a ticket for the login bug",
                "what is the status of the project",
                "who is assigned to the release",
                "move the deadline to friday",
                "summarise the meeting",
                "plan the roadmap",
                "who is on the team",
            ],
        ),
    ];
    let skill = |agent: &Agent| Skill {
        id: agent.skill.clone(),
        path: format!("agents/{}.md", agent.skill),
        kind: SkillKind::Agent,
        title: agent.title.clone(),
        description: String::new(),
        keywords: vec![],
        aliases: vec![],
        tags: vec![],
        headings: vec![],
        related_agents: vec![],
        body: String::new(),
        extra: std::collections::BTreeMap::default(),
    };
    Graph {
        version: Some(GraphVersion::from("v1")),
        skills: agents.iter().map(skill).collect(),
        agents,
        ..Graph::default()
    }
}

fn agent(id: &str, related: &str, examples: &[&str]) -> Agent {
    Agent {
        id: AgentId::from(id),
        skill: format!("agent-{id}"),
        title: format!("The {id}"),
        description: String::new(),
        keywords: vec![],
        aliases: if id == "security" { vec!["threat hunter".to_owned()] } else { vec![] },
        bullets: vec![],
        examples: examples.iter().map(|text| (*text).to_owned()).collect(),
        negatives: vec![],
        complexity: vec![],
        related_agents: if related.is_empty() { vec![] } else { vec![AgentId::from(related)] },
        related_channels: vec![],
        model: None,
        fallback: id == "assistant",
        public: id == "assistant",
    }
}
