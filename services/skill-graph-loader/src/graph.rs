//! `GET /api/graph`, `/api/agents`, `/api/channels`, `/api/skills/{id}`: the published graph and
//! its parts.

use crate::Deps;
use crate::answer::Asked;
use crate::cache::Loaded;
use crate::load;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use contracts::GraphVersion;
use contracts::graph::{AgentList, ChannelList, Graph, LinkedSkill, VersionQuery};
use http::HeaderMap;
use platform::edge::{ApiError, ApiResult, Query};
use std::sync::Arc;

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
    let agents = loaded.graph.agents.clone();
    Ok(asked.json(&AgentList { version: asked.version.clone(), agents }))
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
    let channels = loaded.graph.channels.clone();
    Ok(asked.json(&ChannelList { version: asked.version.clone(), channels }))
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
        skill: skill.clone(),
        links: links.clone().filter(|link| link.from == id).map(|link| link.to.clone()).collect(),
        linked_from: links.filter(|link| link.to == id).map(|link| link.from.clone()).collect(),
    };
    Ok(asked.json(&answer))
}
