//! Mentions: an agent named explicitly, `@codegen …` anywhere or `/security …` at the start.

use contracts::graph::{Agent, Graph};
use platform::names::{as_mentioned, is_typo};

/// The agent that the message names, and the written form. Unknown names are not mentions.
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

/// Words after `@` that mean everybody in a chat, on one platform or another.
const EVERYBODY: &[&str] = &["all", "channel", "everyone", "here", "room", "team"];

/// The name that the message begins with, without its mark, if it is to be an agent's and no agent
/// has it. `agents` are those that the sender may address.
///
/// `@name` is an agent's if it is a typing error of one; in a chat that no other person reads also
/// if it is like none and the message names no other agent. `/name` is one in every chat unless the
/// message names another agent; the dispatcher has taken Quintet's own commands out before.
pub fn unknown<'a>(
    graph: &Graph,
    agents: &[&Agent],
    message: &'a str,
    in_group: bool,
) -> Option<&'a str> {
    let first = message.split_whitespace().next()?;
    let (name, is_mention) = match (first.strip_prefix('@'), first.strip_prefix('/')) {
        (Some(name), _) => (name, true),
        (None, Some(name)) => (name.split('@').next()?, false),
        (None, None) => return None,
    };
    let name = name.trim_end_matches([',', '.', ':', ';', '!', '?', '\'', '"']);
    let is_name = name.starts_with(char::is_alphabetic)
        && name.chars().all(|letter| letter.is_alphanumeric() || "-_/".contains(letter))
        && (is_mention || !name.contains('/'));
    let is_known = || named(graph, name).is_some() || is_shared(graph, name);
    if !is_name || EVERYBODY.contains(&name.to_lowercase().as_str()) || is_known() {
        return None;
    }
    let wanted = as_mentioned(name);
    let is_typo_of = |agent: &&Agent| {
        let names = [agent.id.as_str(), &agent.title].into_iter();
        names
            .chain(agent.aliases.iter().map(String::as_str))
            .any(|own| is_typo(&wanted, &as_mentioned(own)))
    };
    let may_be_nobody = !(agents.is_empty() || is_mention && in_group);
    let is_meant =
        agents.iter().any(is_typo_of) || may_be_nobody && mentioned(graph, message).is_none();
    is_meant.then_some(name)
}

/// The agent with this id, or the only one with this alias, title or last part of an id.
pub fn named<'a>(graph: &'a Graph, name: &str) -> Option<&'a Agent> {
    let wanted = as_mentioned(name.trim_end_matches(|letter: char| !letter.is_alphanumeric()));
    if wanted.is_empty() {
        return None;
    }
    let by_id = graph.agents.iter().find(|agent| as_mentioned(agent.id.as_str()) == wanted);
    by_id.or_else(|| {
        let mut called = called(graph, &wanted);
        // A name shared by two agents selects neither: the words decide between them.
        called.next().filter(|_| called.next().is_none())
    })
}

/// Whether several agents share this name, and none has it as its id.
pub fn is_shared(graph: &Graph, name: &str) -> bool {
    named(graph, name).is_none() && called(graph, &as_mentioned(name)).next().is_some()
}

/// The agents with this title, alias or last part of an id (`sysadmin` of `ops/sysadmin`).
fn called<'a>(graph: &'a Graph, wanted: &str) -> impl Iterator<Item = &'a Agent> {
    let own = |agent: &Agent| agent.id.as_str().rsplit('/').next().map(as_mentioned);
    graph.agents.iter().filter(move |agent| {
        as_mentioned(&agent.title) == wanted
            || own(agent).is_some_and(|own| own == wanted)
            || agent.aliases.iter().any(|alias| as_mentioned(alias) == wanted)
    })
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

    #[test]
    fn mention_of_no_agent_is_unknown_unless_it_may_be_a_person() {
        let graph = graph();
        let agents: Vec<&Agent> = graph.agents.iter().collect();
        for (message, alone, in_group) in [
            ("@codgen fix it", Some("codgen"), Some("codgen")),
            ("@Securtiy: look", Some("Securtiy"), Some("Securtiy")),
            ("@threat-huntr look", Some("threat-huntr"), Some("threat-huntr")),
            ("@codgen ask @security", Some("codgen"), Some("codgen")),
            ("@blorf fix it", Some("blorf"), None),
            ("@ines thanks", Some("ines"), None),
            ("@ines let @codegen fix it", None, None),
            ("/securty scan", Some("securty"), Some("securty")),
            ("/blorf scan", Some("blorf"), Some("blorf")),
            ("/blorf @codegen scan", None, None),
            ("/etc/hosts is broken", None, None),
            ("@codegen fix it", None, None),
            ("@all stop", None, None),
            ("@5pm we meet", None, None),
            ("@media(print) is ignored", None, None),
            ("@example.com bounces", None, None),
            ("ines@example.com bounces", None, None),
            ("tell @codgen", None, None),
            ("@ what", None, None),
            ("", None, None),
        ] {
            assert_eq!(unknown(&graph, &agents, message, false), alone, "{message}");
            assert_eq!(unknown(&graph, &agents, message, true), in_group, "{message}");
        }
        assert_eq!(unknown(&Graph::default(), &[], "@codegen fix it", false), None);
    }

    /// Anyone may write an issue that a program posts.
    #[test]
    fn mention_in_a_posted_message_is_content() {
        use crate::route::{World, decide};
        use contracts::routing::{Previous, RouteRequest};
        let (graph, pool) = (graph(), crate::pool::Pool::default());
        let decided = |message: &str, posted: bool| {
            let request = RouteRequest {
                message: message.to_owned(),
                bound_agent: Some("codegen".into()),
                previous: Some(Previous {
                    decision_id: "d".into(),
                    agent: "codegen".into(),
                    message: "scan the server".to_owned(),
                    taken_back_from: Vec::new(),
                }),
                posted,
                ..RouteRequest::default()
            };
            decide(&request, World { graph: &graph, model: None, pool: &pool, now_ms: 1_000 })
        };
        for message in ["it broke, @security", "/security scan", "no, I meant @security", "@blorf"]
        {
            let posted = decided(message, true);
            assert_eq!(posted.agent.as_str(), "codegen", "{message}");
            assert!(!posted.takes_back && posted.unknown_agent.is_none(), "{message}");
        }
        assert_eq!(decided("it broke, @security", false).agent.as_str(), "security");
    }
}
