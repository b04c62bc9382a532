//! Mention: an agent named outright, `@codegen …` anywhere or `/security …` at the start.

use contracts::graph::{Agent, Graph};

/// The agent that the message names, and how it was written. Names that no agent has are no mentions: `@bob` is a person.
pub fn mentioned<'a>(graph: &'a Graph, message: &'a str) -> Option<(&'a Agent, &'a str)> {
    // Most messages name nobody: only then are names made comparable.
    if !message.contains(['@', '/']) {
        return None;
    }
    let command = message.split_whitespace().next().and_then(|word| {
        // Telegram sends `/security@quintet_bot` in groups.
        let name = word.strip_prefix('/')?.split('@').next()?;
        Some((named(graph, name)?, word))
    });
    let mention = || message.split_whitespace().find_map(|word| Some((named(graph, word.strip_prefix('@')?)?, word)));
    command.or_else(mention)
}

/// The agent of this id, or the only one of this alias or title; case, and blanks against `-` or `_`, do not matter.
pub fn named<'a>(graph: &'a Graph, name: &str) -> Option<&'a Agent> {
    let wanted = plain(name.trim_end_matches(|letter: char| !letter.is_alphanumeric()));
    if wanted.is_empty() {
        return None;
    }
    let by_id = graph.agents.iter().find(|agent| plain(agent.id.as_str()) == wanted);
    by_id.or_else(|| {
        let mut called = graph.agents.iter().filter(|agent| plain(&agent.title) == wanted || agent.aliases.iter().any(|alias| plain(alias) == wanted));
        // A name that two share names nobody: the words decide between them.
        called.next().filter(|_| called.next().is_none())
    })
}

fn plain(name: &str) -> String {
    name.to_lowercase().replace([' ', '_'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::graph;

    #[test]
    fn a_name_that_two_share_names_nobody_but_an_id_always_does() {
        let mut graph = graph();
        graph.agents.iter_mut().take(2).for_each(|agent| agent.aliases.push("ops".to_owned()));
        assert!(named(&graph, "ops").is_none());
        graph.agents[0].aliases.clear();
        assert_eq!(named(&graph, "ops").map(|agent| &agent.id), Some(&graph.agents[1].id));
        graph.agents[0].id = "ops".into();
        assert_eq!(named(&graph, "ops").map(|agent| agent.id.as_str()), Some("ops"));
    }

    #[test]
    fn an_agent_can_be_named_by_mention_or_command() {
        let graph = graph();
        let found = |message: &str| mentioned(&graph, message).map(|(agent, _)| agent.id.as_str().to_owned());
        for (message, agent) in [
            ("@codegen fix it", Some("codegen")),
            ("could you, @CodeGen, fix it?", Some("codegen")),
            ("/security scan", Some("security")),
            ("/security@quintet_bot scan", Some("security")),
            ("@threat_hunter look", Some("security")),
            ("write to bob@codegen about it", None),
            ("@bob fix it", None),
            ("see /security for more", None),
            ("@", None),
            ("/", None),
        ] {
            assert_eq!(found(message).as_deref(), agent, "{message}");
        }
    }
}
