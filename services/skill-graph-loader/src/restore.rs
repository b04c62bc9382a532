//! `POST /api/restore`: publishes the graph of the backup `skill-graph-full.json` again, for a lost
//! database with intact objects. The graph is trained and indexed like any other; restoring the
//! current content changes nothing.

use crate::Deps;
use crate::publish::{Permits, publish_graph};
use crate::store::BACKUP;
use axum::Json;
use axum::extract::State;
use contracts::ErrorCode;
use contracts::graph::{Graph, Published};
use platform::edge::{ApiError, ApiResult};

/// Restores. It never removes an agent of the current graph.
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
    // The content determines the version.
    graph.version = None;
    let message = Some(format!("restored from {BACKUP}"));
    Ok(Json(
        publish_graph(&deps, graph, Vec::new(), message, Permits { removal: false, rights: true })
            .await?,
    ))
}
