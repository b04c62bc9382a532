//! `POST /api/restore`: the graph of the backup `skill-graph-full.json` is published again. For when the database is gone and
//! the objects are not; it is trained and indexed like any other, and the current content again changes nothing.

use crate::Deps;
use crate::publish::publish_graph;
use crate::store::BACKUP;
use axum::Json;
use axum::extract::State;
use contracts::ErrorCode;
use contracts::graph::{Graph, Published};
use platform::edge::{ApiError, ApiResult};

/// Restores. An agent of the graph that is served now never vanishes by it.
pub async fn restore(State(deps): State<Deps>) -> ApiResult<Json<Published>> {
    let bytes = deps
        .objects
        .get(BACKUP)
        .await?
        .ok_or_else(|| ApiError::not_found("backup: nothing was published yet"))?;
    let mut graph: Graph = serde_json::from_slice(&bytes).map_err(|error| {
        tracing::error!(%error, "the backup cannot be read");
        ApiError::new(ErrorCode::Internal, "The backup cannot be read; publish the folder again.")
    })?;
    // The version follows from the content.
    graph.version = None;
    let message = Some(format!("restored from {BACKUP}"));
    Ok(Json(publish_graph(&deps, graph, Vec::new(), message, false).await?))
}
