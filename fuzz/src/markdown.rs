//! A Markdown file beside two others: parsed, linked, indexed and searched.

use contracts::graph::{Finding, Graph, SourceFile};
use skill_graph_loader::{Parsed, Searcher, check_folder};
use std::collections::HashSet;
use std::sync::Arc;

/// The length of the input chooses one: the folder and the name decide what a file is.
const PATHS: [&str; 6] = [
    "agents/agent-random.md",
    "skills/random.md",
    "channels/channel-random.md",
    "random/SKILL.md",
    "random.markdown",
    "agents/neighbour/random.md",
];

/// Checks a file's text. Accepted: it is in the graph.
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Some(path) = PATHS.get(data.len() % PATHS.len()) else { return false };
    let files = folder(path, text);
    let parsed = check_folder(files.clone(), skill_graph_loader::Reading::default());
    let backwards =
        check_folder(files.iter().rev().cloned().collect(), skill_graph_loader::Reading::default());
    assert_eq!(parsed, backwards, "the order of the files makes a difference");
    check_findings(&files, &parsed.findings);
    check_graph(&parsed);
    check_json(&parsed.graph);
    check_search(text, &parsed);
    parsed.graph.skills.iter().any(|skill| skill.path == *path)
}

fn folder(path: &str, text: &str) -> Vec<SourceFile> {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    vec![
        file(path, text),
        file(
            "agents/neighbour.md",
            "---\nagentId: neighbour\nrelatedAgents: [random]\n---\n# Neighbour\n- fix the login bug\n[[random]]\n",
        ),
        file("guides/neighbour.md", "# Neighbour\nSee [the other](../skills/random.md#top).\n"),
    ]
}

/// Every finding names a file of the folder and a line in it (0 is the whole file).
fn check_findings(files: &[SourceFile], findings: &[Finding]) {
    for finding in findings {
        assert!(!finding.code.is_empty() && !finding.message.is_empty(), "{finding:?}");
        let file = files.iter().find(|file| file.path == finding.path);
        let lines = file.map_or(0, |file| 1 + file.text.split(['\n', '\r']).count());
        assert!(usize::try_from(finding.line).unwrap_or(usize::MAX) <= lines, "{finding:?}");
    }
}

/// Ids are unique without regard to case, and everything that names a file names one that is there.
fn check_graph(parsed: &Parsed) {
    let graph = &parsed.graph;
    let ids: HashSet<&str> = graph.skills.iter().map(|skill| skill.id.as_str()).collect();
    let folded: HashSet<String> = ids.iter().map(|id| id.to_lowercase()).collect();
    assert_eq!(folded.len(), graph.skills.len(), "two files have one id");
    let agents: HashSet<&str> = graph.agents.iter().map(|agent| agent.id.as_str()).collect();
    assert_eq!(agents.len(), graph.agents.len(), "two agents have one id");
    let named = graph
        .links
        .iter()
        .flat_map(|link| [&link.from, &link.to])
        .chain(graph.agents.iter().map(|agent| &agent.skill))
        .chain(graph.channels.iter().map(|channel| &channel.skill));
    named.for_each(|id| assert!(ids.contains(id.as_str()), "`{id}` names no file"));
}

/// A published graph is stored and sent as JSON.
fn check_json(graph: &Graph) {
    let json = serde_json::to_vec(graph).unwrap_or_default();
    let again: Result<Graph, _> = serde_json::from_slice(&json);
    assert_eq!(again.ok().as_ref(), Some(graph));
}

/// Highlights cut no character, and the stored index answers as the built one does.
fn check_search(text: &str, parsed: &Parsed) {
    let query: String = text.chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
    let built = Searcher::build(Arc::new(parsed.graph.clone()));
    let stored = Searcher::from_bytes(built.graph().clone(), &built.index().to_bytes());
    assert_eq!(stored.index(), built.index());
    for query in [query.as_str(), "neighbour login"] {
        let hits = built.search(query, 5);
        assert!(hits.len() <= 5);
        assert_eq!(hits, stored.search(query, 5));
    }
}
