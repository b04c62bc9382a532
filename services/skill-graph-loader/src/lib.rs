//! Turns a folder of Markdown into the versioned skill graph everybody routes and searches by.
//!
//! Pure: [`parse`] (files → graph and findings), [`check`] (what is wrong with a folder),
//! [`search`] (an index in memory). The service around it: [`publish`], [`rollback`], and reading
//! by version; [`store`] lists everything that is kept.

mod answer;
pub mod cache;
pub mod check;
mod deps;
mod diff;
mod find;
mod finding;
mod graph;
mod gunzip;
pub mod load;
mod map;
pub mod parse;
pub mod publish;
mod restore;
pub mod rollback;
pub mod search;
pub mod store;
mod versions;

pub use cache::Cache;
pub use deps::{Deps, Limits};
pub use finding::listed;
pub use load::LoadError;
pub use parse::{Parsed, Reading};
pub use publish::{Permits, PublishError, publish_files};
pub use search::{Searcher, search_files};

use axum::Router;
use contracts::ServiceName;
use contracts::graph::SourceFile;
use platform::edge::Routes;

/// The service.
pub fn router(deps: Deps) -> Router {
    routes(&deps).finish(deps)
}

/// The URL map.
fn routes(deps: &Deps) -> Routes<Deps> {
    use contracts::calls::skill_graph_loader as calls;
    Routes::new(ServiceName::SkillGraphLoader, deps.auth.clone())
        .call(calls::ReadGraph, graph::graph)
        .call(calls::ListAgents, graph::agents)
        .call(calls::ListChannels, graph::channels)
        .call(calls::ReadSkill, graph::skill)
        .call(calls::Search, find::search)
        .call(calls::ListVersions, versions::versions)
        .call(calls::ReadMap, map::map)
        .call(calls::ReadReport, map::report)
        .call(calls::ReadDiff, diff::diff)
        .call(calls::Publish, publish::publish)
        .call(calls::Rollback, rollback::rollback)
        .call(calls::Restore, restore::restore)
        .call(calls::ReadCurrent, versions::current)
        .call(calls::ReadModel, versions::model)
        .health(deps.clock.clone(), versions::health)
        .document(include_str!("../../../docs/api/skill-graph-loader.json"))
}

/// Reads a folder without a server: for `quintet graph check` and `quintet route --graph`.
pub fn check_folder(files: Vec<SourceFile>, reading: Reading) -> Parsed {
    parse::parse(files, reading)
}

/// Loads the current graph and its index into memory, so that the first reader does not wait.
/// Nothing published is fine.
///
/// # Errors
/// When the database or the objects do not answer, or the stored graph is damaged.
pub async fn warm(deps: &Deps) -> Result<(), LoadError> {
    if let Some(version) = store::current(&*deps.sql).await? {
        load::searcher(deps, &version).await?;
    }
    Ok(())
}

/// Whether a graph is published at all.
///
/// # Errors
/// When the database does not answer.
pub async fn has_graph(deps: &Deps) -> platform::ports::PortResult<bool> {
    Ok(store::current(&*deps.sql).await?.is_some())
}
