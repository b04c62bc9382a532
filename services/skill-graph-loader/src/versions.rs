//! `GET /api/versions`, and the router's `/internal/current` and `/internal/model/{version}`. Also
//! `/health`.

use crate::store::Version;
use crate::{Deps, load, store};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use contracts::graph::{CurrentVersion, VersionList};
use contracts::{ErrorCode, GraphVersion, Problem, ServiceName};
use http::header;
use platform::edge::{ApiResult, Checkup, Found};

/// Minimum characters of a shortened version.
const START_CHARS_MIN: usize = 4;

/// The only version with this prefix.
///
/// # Errors
/// `NotFound` when none has it or it is too short, `InvalidField` when several have it; and those
/// of the database.
pub async fn named(deps: &Deps, start: &str) -> ApiResult<Version> {
    let long = start.len() >= START_CHARS_MIN;
    let mut found = if long {
        store::beginning_with(&*deps.sql, &start.to_ascii_lowercase()).await?
    } else {
        Vec::new()
    };
    let (code, detail) = match (found.pop(), found.is_empty()) {
        (Some(version), true) => return Ok(version),
        (Some(_), false) => {
            (ErrorCode::InvalidField, format!("Several versions begin with `{start}`."))
        }
        (None, _) if long => (ErrorCode::NotFound, format!("No version begins with `{start}`.")),
        (None, _) => (
            ErrorCode::NotFound,
            format!(
                "`{start}` is too short for a version: write at least {START_CHARS_MIN} characters."
            ),
        ),
    };
    Err(Problem::new(code, detail)
        .with_fix("Write enough characters of one version from `quintet graph versions`.")
        .into())
}

/// `GET /api/versions`: at most 200.
pub async fn versions(State(deps): State<Deps>) -> ApiResult<Json<VersionList>> {
    Ok(Json(VersionList { versions: store::versions(&*deps.sql).await? }))
}

/// `GET /internal/current`: one row read.
pub async fn current(State(deps): State<Deps>) -> ApiResult<Json<CurrentVersion>> {
    Ok(Json(CurrentVersion { version: store::current(&*deps.sql).await? }))
}

/// `GET /internal/model/{version}`: the model's bytes.
pub async fn model(
    State(deps): State<Deps>,
    Path(version): Path<GraphVersion>,
) -> ApiResult<Response> {
    let bytes = load::object(&deps, &version, |names| names.model).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

/// `GET /health`: 503 when the database does not answer, degraded without a graph.
pub async fn health(State(deps): State<Deps>) -> Checkup {
    let current = store::current(&*deps.sql).await;
    let graph = match &current {
        Ok(Some(_)) => Found::Answers,
        Ok(None) => Found::Failed("No graph was published yet.".to_owned()),
        Err(_) => Found::Unknown,
    };
    Checkup::new(ServiceName::SkillGraphLoader, env!("CARGO_PKG_VERSION"))
        .needs("database", Found::of(current, "The database does not answer."))
        .uses("skill graph", graph)
}
