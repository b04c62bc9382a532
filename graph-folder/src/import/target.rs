//! The graph that an import enters, with what its owner has there.

use contracts::graph::SourceFile;
use skill_graph_loader::Reading;
use std::collections::BTreeSet;

/// The graph that an import enters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// Name of the new folder.
    pub name: String,
    /// All files of the graph, also those of the folder when it is imported anew.
    pub files: Vec<SourceFile>,
    /// Ids with settings in the owner's configuration.
    pub configured: BTreeSet<String>,
    pub reading: Reading,
}

impl Target {
    /// Whether the path is below the new folder.
    pub(super) fn is_new(&self, path: &str) -> bool {
        path.strip_prefix(&self.name).is_some_and(|rest| rest.starts_with('/'))
    }
}
