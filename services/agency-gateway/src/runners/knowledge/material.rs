//! The material of an answer.

use contracts::graph::{Agent, SearchHit, Skill};

/// The input of an answer.
pub(super) struct Material {
    pub(super) agents: Vec<Agent>,
    /// Best first, without agents and channels.
    pub(super) files: Vec<Skill>,
    pub(super) hits: Vec<SearchHit>,
}
