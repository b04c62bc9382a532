//! `GET /api/graph`, `/api/agents`, `/api/channels`, `/api/skills/{id}`: the published graph and
//! its parts.

use crate::Deps;
use crate::answer::{Asked, VersionQuery};
use crate::cache::Loaded;
use crate::load;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use contracts::GraphVersion;
use contracts::graph::{Agent, Channel, Graph, Skill};
use http::HeaderMap;
use platform::edge::{ApiError, ApiResult, Query};
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct Agents<'a> {
    version: Option<&'a GraphVersion>,
    agents: &'a [Agent],
}

#[derive(Serialize)]
struct Channels<'a> {
    version: Option<&'a GraphVersion>,
    channels: &'a [Channel],
}

/// A file with the ids of its links in both directions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LinkedSkill<'a> {
    #[serde(flatten)]
    skill: &'a Skill,
    links: Vec<&'a str>,
    linked_from: Vec<&'a str>,
}

async fn load(deps: &Deps, asked: &Asked) -> ApiResult<Arc<Loaded>> {
    match &asked.version {
        Some(version) => Ok(load::graph(deps, version).await?),
        None => {
            let json = Bytes::from(serde_json::to_vec(&Graph::default()).unwrap_or_default());
            Ok(Arc::new(Loaded { version: GraphVersion::new(""), graph: Arc::default(), json }))
        }
    }
}

/// `GET /api/graph`: the whole graph; empty before the first publish.
pub async fn graph(
    State(deps): State<Deps>,
    Query(query): Query<VersionQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let asked = Asked::of(&deps, query.version.as_deref()).await?;
    if let Some(unchanged) = asked.unchanged(&headers) {
        return Ok(unchanged);
    }
    Ok(asked.bytes(load(&deps, &asked).await?.json.clone()))
}

/// `GET /api/agents`: `{version, agents}`.
pub async fn agents(
    State(deps): State<Deps>,
    Query(query): Query<VersionQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let asked = Asked::of(&deps, query.version.as_deref()).await?;
    if let Some(unchanged) = asked.unchanged(&headers) {
        return Ok(unchanged);
    }
    let loaded = load(&deps, &asked).await?;
    Ok(asked.json(&Agents { version: asked.version.as_ref(), agents: &loaded.graph.agents }))
}

/// `GET /api/channels`: `{version, channels}`.
pub async fn channels(
    State(deps): State<Deps>,
    Query(query): Query<VersionQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let asked = Asked::of(&deps, query.version.as_deref()).await?;
    if let Some(unchanged) = asked.unchanged(&headers) {
        return Ok(unchanged);
    }
    let loaded = load(&deps, &asked).await?;
    Ok(asked.json(&Channels { version: asked.version.as_ref(), channels: &loaded.graph.channels }))
}

/// `GET /api/skills/{id}`: one file by its id (which may contain slashes), with its links in both
/// directions.
pub async fn skill(
    State(deps): State<Deps>,
    Path(id): Path<String>,
    Query(query): Query<VersionQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let asked = Asked::of(&deps, query.version.as_deref()).await?;
    if let Some(unchanged) = asked.unchanged(&headers) {
        return Ok(unchanged);
    }
    let loaded = load(&deps, &asked).await?;
    let skill = loaded
        .graph
        .skill(&id)
        .ok_or_else(|| ApiError::not_found("file with this id in the graph"))?;
    let links = loaded.graph.links.iter();
    let answer = LinkedSkill {
        skill,
        links: links.clone().filter(|link| link.from == id).map(|link| link.to.as_str()).collect(),
        linked_from: links.filter(|link| link.to == id).map(|link| link.from.as_str()).collect(),
    };
    Ok(asked.json(&answer))
}
