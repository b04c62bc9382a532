//! Turns a folder of Markdown into the versioned skill graph everybody routes and searches by.
//!
//! Pure: [`parse`] (files → graph and findings), [`check`] (what is wrong with a folder), [`search`] (an index in memory).
//! The service around it: [`publish`], [`rollback`], and reading by version; [`store`] lists everything that is kept.

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
pub use load::LoadError;
pub use parse::Parsed;
pub use publish::{PublishError, publish_files};
pub use search::{Searcher, search_files};

use axum::Router;
use axum::routing::{get, post};
use contracts::ServiceName;
use contracts::graph::SourceFile;
use platform::edge::{Auth, Routes, Scope};

/// The service.
pub fn router(deps: Deps) -> Router {
    routes(deps.auth.clone()).finish(deps)
}

/// The URL map.
fn routes(auth: Auth) -> Routes<Deps> {
    // The gateway's runners answer from the graph; an agent may ask for approval and nothing else.
    const READ: &[Scope] = &[Scope::Viewer, Scope::Operator, Scope::Gateway];
    const OWNER: &[Scope] = &[Scope::Operator];
    Routes::new(ServiceName::SkillGraphLoader, auth)
        .scoped(READ, "/api/graph", get(graph::graph))
        .scoped(READ, "/api/agents", get(graph::agents))
        .scoped(READ, "/api/channels", get(graph::channels))
        .scoped(READ, "/api/skills/{*id}", get(graph::skill))
        .scoped(READ, "/api/search", get(find::search))
        .scoped(READ, "/api/versions", get(versions::versions))
        .scoped(READ, "/api/map", get(map::map))
        .scoped(READ, "/api/report", get(map::report))
        .scoped(READ, "/api/diff", get(diff::diff))
        .scoped(OWNER, "/api/publish", post(publish::publish))
        .scoped(OWNER, "/api/rollback", post(rollback::rollback))
        .scoped(OWNER, "/api/restore", post(restore::restore))
        .internal("/internal/current", get(versions::current))
        .internal("/internal/model/{version}", get(versions::model))
        .open("/health", get(versions::health))
}

/// Reads a folder without a server: for `quintet graph check` and `quintet route --graph`.
pub fn check_folder(files: Vec<SourceFile>) -> Parsed {
    parse::parse(files)
}

/// Loads the current graph and its index into memory, so that the first reader does not wait. Nothing published is fine.
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
