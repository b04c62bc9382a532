//! `GET /api/versions`, and what the router asks: `/internal/current` and `/internal/model/{version}`. Also `/health`.

use crate::{Deps, cache, store};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use contracts::graph::VersionList;
use contracts::monitoring::Health;
use contracts::{GraphVersion, ServiceName};
use http::header;
use platform::edge::ApiResult;
use serde::Serialize;

/// `{version}`, null while nothing was published.
#[derive(Serialize)]
pub struct Current {
    version: Option<GraphVersion>,
}

/// `GET /api/versions`: at most 200.
pub async fn versions(State(deps): State<Deps>) -> ApiResult<Json<VersionList>> {
    Ok(Json(VersionList { versions: store::versions(&*deps.sql).await? }))
}

/// `GET /internal/current`: one row read.
pub async fn current(State(deps): State<Deps>) -> ApiResult<Json<Current>> {
    Ok(Json(Current { version: store::current(&*deps.sql).await? }))
}

/// `GET /internal/model/{version}`: the model's bytes.
pub async fn model(State(deps): State<Deps>, Path(version): Path<String>) -> ApiResult<Response> {
    let bytes = cache::object(&deps, &GraphVersion::new(version), |names| names.model).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

/// `GET /health`: degraded without a database or a graph.
pub async fn health(State(deps): State<Deps>) -> Json<Health> {
    let problem = match store::current(&*deps.sql).await {
        Ok(Some(_)) => None,
        Ok(None) => Some("No graph was published yet."),
        Err(_) => Some("The database does not answer."),
    };
    Json(Health {
        service: ServiceName::SkillGraphLoader,
        status: if problem.is_none() { "ok" } else { "degraded" }.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        problems: problem.into_iter().map(str::to_owned).collect(),
    })
}
