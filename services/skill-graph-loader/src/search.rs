//! Search over a graph: titles, aliases, keywords, headings and text, with prefixes and typos, and
//! the best passage of each file.

mod bytes;
pub mod index;
pub mod score;
pub mod snippet;
pub mod tokenise;
pub mod wanted;

pub use bytes::{BadIndex, seal};
pub use index::Index;

use contracts::graph::{Graph, SearchAnswer, SearchHit, SourceFile};
use snippet::snippet;
use std::sync::Arc;
use wanted::Wanted;

/// Maximum hits of a search.
pub const LIMIT_MAX: usize = 50;
/// Default number of hits.
pub const LIMIT_DEFAULT: usize = 10;

/// A searchable graph, cheap to clone.
#[derive(Clone, Debug)]
pub struct Searcher {
    graph: Arc<Graph>,
    index: Arc<Index>,
}

impl Searcher {
    /// Indexes the graph.
    pub fn build(graph: Arc<Graph>) -> Self {
        let index = Arc::new(Index::build(&graph));
        Self { graph, index }
    }
    /// Uses stored index bytes; rebuilds the index if they are damaged, of another format, or of
    /// another graph.
    pub fn from_bytes(graph: Arc<Graph>, bytes: &[u8]) -> Self {
        match Index::from_bytes(bytes) {
            Ok(index) if index.len() == graph.skills.len() => {
                Self { graph, index: Arc::new(index) }
            }
            Ok(_) => Self::build(graph),
            Err(error) => {
                tracing::warn!(%error, "rebuilt the stored search index");
                Self::build(graph)
            }
        }
    }
    /// The index, for storage.
    pub fn index(&self) -> &Index {
        &self.index
    }
    /// The graph.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// At most `limit` files (and never more than [`LIMIT_MAX`]) that match the query, best first.
    pub fn search(&self, query: &str, limit: usize) -> Vec<SearchHit> {
        let found = score::score(&self.index, query, limit.min(LIMIT_MAX));
        let mut wanted = Wanted::default();
        for (word, expansions) in found.expansions.iter().enumerate() {
            expansions.iter().for_each(|expansion| {
                wanted.add(self.index.term(expansion.position), word, expansion.weight);
            });
        }
        let skills = found.documents.iter().filter_map(|(document, score)| {
            Some((self.graph.skills.get(usize::try_from(*document).ok()?)?, *score))
        });
        skills
            .map(|(skill, score)| {
                let passage = snippet(&skill.body, &skill.description, &wanted);
                SearchHit {
                    id: skill.id.clone(),
                    path: skill.path.clone(),
                    kind: skill.kind,
                    title: skill.title.clone(),
                    description: skill.description.clone(),
                    heading: passage.heading,
                    snippet: passage.text,
                    highlights: passage.highlights,
                    score: f64::from((score * 1000.0).round()) / 1000.0,
                }
            })
            .collect()
    }
}

/// Searches a folder without a server.
pub fn search_files(files: Vec<SourceFile>, query: &str, limit: usize) -> SearchAnswer {
    let graph = Arc::new(crate::parse::parse(files, crate::Reading::default()).graph);
    let results = Searcher::build(graph).search(query, limit);
    SearchAnswer { query: query.to_owned(), version: None, results }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    pub(crate) fn sample_files() -> Vec<SourceFile> {
        vec![
            file(
                "agents/agent-codegen.md",
                "---\ntitle: Code generation\nagentId: codegen\nkeywords: [code, bug, implement]\naliases: [coding agent]\ndescription: Writes code.\n---\n# Code generation\n## Examples\n- fix the login bug\n",
            ),
            file(
                "agents/agent-security.md",
                "---\ntitle: Security\nagentId: security\nkeywords: [vulnerability, leak]\ndescription: Finds holes.\n---\n## Work\nA vulnerability in the login is closed first.\n",
            ),
            file(
                "guides/deploy.md",
                "# Deployment\nHow to deploy to Kubernetes without fear. The bug comes later.\n",
            ),
            file("guides/cafe.md", "# Café 東京\nWo man in 東京都 Kaffee trinkt. Привет мир.\n"),
        ]
    }

    pub(crate) fn sample() -> Graph {
        crate::parse::parse(sample_files(), crate::Reading::default()).graph
    }

    fn ids(query: &str) -> Vec<String> {
        Searcher::build(Arc::new(sample()))
            .search(query, 10)
            .into_iter()
            .map(|hit| hit.id)
            .collect()
    }

    #[test]
    fn search_ranks_titles_before_text() {
        assert_eq!(ids("security")[0], "agent-security");
        assert_eq!(ids("bug"), ["agent-codegen", "deploy"]);
        assert_eq!(ids("coding agent")[0], "agent-codegen");
    }

    #[test]
    fn search_finds_prefixes_forms_and_typos() {
        assert_eq!(ids("kuber"), ["deploy"]);
        assert_eq!(ids("vulnerabilities"), ["agent-security"]);
        assert_eq!(ids("kubernets"), ["deploy"]);
        assert_eq!(ids("vulnrabilty"), ["agent-security"]);
        assert_eq!(ids("implementing")[0], "agent-codegen");
    }

    #[test]
    fn search_finds_every_script() {
        for query in ["cafe", "CAFÉ", "東京", "京", "東京都", "привет", "ПРИВЕТ"]
        {
            assert_eq!(ids(query), ["cafe"], "{query}");
        }
    }

    #[test]
    fn search_finds_nothing_for_an_empty_query() {
        for query in ["", "   ", "!?", "zzzzqqqq", "\u{0}"] {
            assert_eq!(ids(query), Vec::<String>::new(), "{query}");
        }
    }

    #[test]
    fn search_rebuilds_a_damaged_index() {
        let searcher = Searcher::from_bytes(Arc::new(sample()), b"nonsense");
        assert_eq!(searcher.search("kuber", 1)[0].id, "deploy");
    }
}
