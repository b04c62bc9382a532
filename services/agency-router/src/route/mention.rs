//! Mentions: an agent named explicitly, `@codegen …` anywhere or `/security …` at the start.

use contracts::graph::{Agent, Graph};

/// The agent that the message names, and the written form. Unknown names are not mentions: `@bob`
/// is a person.
pub fn mentioned<'a>(graph: &'a Graph, message: &'a str) -> Option<(&'a Agent, &'a str)> {
    // Most messages mention no agent, so names are normalised only here.
    if !message.contains(['@', '/']) {
        return None;
    }
    let command = message.split_whitespace().next().and_then(|word| {
        // Telegram sends `/security@quintet_bot` in groups.
        let name = word.strip_prefix('/')?.split('@').next()?;
        Some((named(graph, name)?, word))
    });
    let mention = || {
        message
            .split_whitespace()
            .find_map(|word| Some((named(graph, word.strip_prefix('@')?)?, word)))
    };
    command.or_else(mention)
}

/// The agent with this id, or the only one with this alias, title or last part of an id. Case does
/// not matter, and spaces, `-`, `_` and `/` are equal.
pub fn named<'a>(graph: &'a Graph, name: &str) -> Option<&'a Agent> {
    let wanted = plain(name.trim_end_matches(|letter: char| !letter.is_alphanumeric()));
    if wanted.is_empty() {
        return None;
    }
    let by_id = graph.agents.iter().find(|agent| plain(agent.id.as_str()) == wanted);
    by_id.or_else(|| {
        let mut called = called(graph, &wanted);
        // A name shared by two agents selects neither: the words decide between them.
        called.next().filter(|_| called.next().is_none())
    })
}

/// Whether several agents share this name, and none has it as its id.
pub fn is_shared(graph: &Graph, name: &str) -> bool {
    named(graph, name).is_none() && called(graph, &plain(name)).next().is_some()
}

/// The agents with this title, alias or last part of an id (`sysadmin` of `ops/sysadmin`).
fn called<'a>(graph: &'a Graph, wanted: &str) -> impl Iterator<Item = &'a Agent> {
    let own = |agent: &Agent| agent.id.as_str().rsplit('/').next().map(plain);
    graph.agents.iter().filter(move |agent| {
        plain(&agent.title) == wanted
            || own(agent).is_some_and(|own| own == wanted)
            || agent.aliases.iter().any(|alias| plain(alias) == wanted)
    })
}

fn plain(name: &str) -> String {
    name.to_lowercase().replace([' ', '_', '/'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::graph;

    #[test]
    fn mention_ignores_a_shared_name_but_never_an_id() {
        let mut graph = graph();
        graph.agents.iter_mut().take(2).for_each(|agent| agent.aliases.push("ops".to_owned()));
        assert!(
            named(&graph, "ops").is_none()
                && is_shared(&graph, "ops")
                && !is_shared(&graph, "nobody")
        );
        graph.agents[0].aliases.clear();
        assert_eq!(named(&graph, "ops").map(|agent| &agent.id), Some(&graph.agents[1].id));
        graph.agents[0].id = "team/sysadmin".into();
        for name in ["sysadmin", "team/sysadmin", "team sysadmin"] {
            assert_eq!(
                named(&graph, name).map(|agent| agent.id.as_str()),
                Some("team/sysadmin"),
                "{name}"
            );
        }
        graph.agents[0].id = "ops".into();
        assert_eq!(named(&graph, "ops").map(|agent| agent.id.as_str()), Some("ops"));
    }

    #[test]
    fn mention_finds_an_agent_by_mention_or_command() {
        let graph = graph();
        let found = |message: &str| {
            mentioned(&graph, message).map(|(agent, _)| agent.id.as_str().to_owned())
        };
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
