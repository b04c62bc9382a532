//! `POST /api/rollback`: makes an earlier version current again. It reads the objects first, so
//! that only a complete version becomes current.

use crate::store::{self, BACKUP};
use crate::versions::named;
use crate::{Deps, load};
use axum::Json;
use axum::extract::State;
use contracts::ErrorCode;
use contracts::graph::{Published, RollbackRequest};
use platform::edge::{ApiError, ApiResult, JsonBody};

/// Rolls back to the version with these first characters, or to the one served before the current
/// one was published.
///
/// # Errors
/// When no version, or more than one, begins like that, nothing was served before, the version is
/// damaged, or another publish came first. The served version stays.
pub async fn rollback(
    State(deps): State<Deps>,
    JsonBody(request): JsonBody<RollbackRequest>,
) -> ApiResult<Json<Published>> {
    let current = store::current(&*deps.sql).await?;
    let target = match (&request.version, &current) {
        (Some(version), _) => named(&deps, version.as_str()).await?,
        (None, Some(current)) => store::before(&*deps.sql, current).await?.ok_or_else(|| {
            ApiError::new(ErrorCode::Conflict, "There is no version before the current one.")
        })?,
        (None, None) => {
            return Err(ApiError::new(ErrorCode::Conflict, "Nothing was published yet."));
        }
    };
    let changed = current.as_ref() != Some(&target.version);
    if changed {
        let loaded = load::graph(&deps, &target.version).await?;
        load::object(&deps, &target.version, |names| names.model).await?;
        if !store::point(&*deps.sql, &target.version, current.as_ref()).await? {
            return Err(ApiError::new(
                ErrorCode::Conflict,
                "Another publish finished first. Read GET /api/versions.",
            ));
        }
        // The backup comes second; if writing it fails, the rollback still counts.
        if let Err(error) = deps.objects.put(BACKUP, loaded.json.clone()).await {
            tracing::warn!(%error, "cannot write the backup");
        }
        tracing::info!(graph.version = %target.version, "rolled back");
        crate::publish::tell_the_router(&deps).await;
    }
    Ok(Json(Published {
        rights: Vec::new(),
        version: target.version,
        changed,
        agents: target.agents,
        skills: target.skills,
        findings: Vec::new(),
    }))
}
