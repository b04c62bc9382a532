//! The stored bytes of a search index, under a right checksum so that the reader sees all of them.

use contracts::graph::SourceFile;
use skill_graph_loader::search::{Index, seal};
use skill_graph_loader::{Searcher, check_folder};
use std::sync::{Arc, LazyLock};

/// The graph that the index claims to be of.
static GRAPH: LazyLock<Arc<contracts::graph::Graph>> = LazyLock::new(|| {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let files = vec![
        file(
            "agents/coder.md",
            "---\nagentId: coder\nkeywords: [bug]\n---\n# Coder\nFixes a login bug.\n",
        ),
        file("guides/deploy.md", "# Deployment\nDeploy to Kubernetes. Привет мир, 東京.\n"),
    ];
    Arc::new(check_folder(files, skill_graph_loader::Reading::default()).graph)
});

/// Checks the bytes between the version and the checksum. Accepted: they are an index.
pub fn check(data: &[u8]) -> bool {
    assert!(Index::from_bytes(data).is_err(), "bytes without mark and checksum were read");
    let sealed = seal(data);
    let searcher = Searcher::from_bytes(GRAPH.clone(), &sealed);
    for query in ["fix the login bug", "kubernets", "東京", "deployment des", "b"] {
        let hits = searcher.search(query, 5);
        assert!(hits.len() <= 5);
        for hit in hits {
            assert!(GRAPH.skill(&hit.id).is_some(), "{hit:?}");
        }
    }
    let Ok(index) = Index::from_bytes(&sealed) else { return false };
    assert_eq!(Index::from_bytes(&index.to_bytes()).as_ref(), Ok(&index));
    (0..index.terms_len()).for_each(|at| assert_eq!(index.position(index.term(at)), Ok(at)));
    true
}
