//! Graphs and their searchers in memory, keyed by version, so a cache cannot mix versions.

use crate::search::Searcher;
use bytes::Bytes;
use contracts::GraphVersion;
use contracts::graph::Graph;
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum graphs in memory: the current one, and one older one still in use.
const GRAPHS_MAX: usize = 2;

/// A graph in memory, with its JSON as stored.
#[derive(Debug)]
pub struct Loaded {
    pub version: GraphVersion,
    pub graph: Arc<Graph>,
    pub json: Bytes,
}

/// Graphs and searchers of this process, shared by all clones of [`crate::Deps`].
#[derive(Clone, Debug, Default)]
pub struct Cache(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    graphs: Vec<Arc<Loaded>>,
    searchers: Vec<(GraphVersion, Searcher)>,
}

impl Cache {
    fn with<T>(&self, look: impl FnOnce(&mut Held) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// The graph of a version, if it is in memory.
    pub fn graph(&self, version: &GraphVersion) -> Option<Arc<Loaded>> {
        self.with(|held| held.graphs.iter().find(|loaded| &loaded.version == version).cloned())
    }
    /// The searcher of a version, if it is in memory.
    pub fn searcher(&self, version: &GraphVersion) -> Option<Searcher> {
        self.with(|held| {
            held.searchers
                .iter()
                .find(|(held, _)| held == version)
                .map(|(_, searcher)| searcher.clone())
        })
    }
    /// Frees memory for a large graph; dropped entries are read again on demand.
    pub fn forget(&self) {
        self.with(|held| *held = Held::default());
    }
    /// Stores a graph and drops the oldest.
    pub fn keep_graph(&self, loaded: Arc<Loaded>) {
        self.with(|held| {
            held.graphs.retain(|other| other.version != loaded.version);
            held.graphs.insert(0, loaded);
            held.graphs.truncate(GRAPHS_MAX);
        });
    }
    /// Stores a searcher and drops the oldest.
    pub fn keep_searcher(&self, version: GraphVersion, searcher: Searcher) {
        self.with(|held| {
            held.searchers.retain(|(other, _)| *other != version);
            held.searchers.insert(0, (version, searcher));
            held.searchers.truncate(GRAPHS_MAX);
        });
    }
}
