//! `GET /api/map`: the graph without its texts, for drawing. `GET /api/report`: the findings of a
//! version's publish.

use crate::answer::Asked;
use crate::{Deps, load, store};
use axum::extract::State;
use axum::response::Response;
use contracts::graph::{Finding, GraphMap, GraphReport, MapNode, SkillKind, VersionQuery};
use http::HeaderMap;
use platform::edge::{ApiResult, Query};
use std::collections::HashMap;

/// Maximum files; a larger graph shows its agents and channels first.
const NODES_MAX: usize = 400;

/// The map of a version; empty before the first publish.
pub async fn map(
    State(deps): State<Deps>,
    Query(query): Query<VersionQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let asked = Asked::of(&deps, query.version.as_deref()).await?;
    if let Some(unchanged) = asked.unchanged(&headers) {
        return Ok(unchanged);
    }
    let Some(version) = &asked.version else { return Ok(asked.json(&GraphMap::default())) };
    let graph = load::graph(&deps, version).await?.graph.clone();
    let rank = |kind: SkillKind| match kind {
        SkillKind::Agent => 0,
        SkillKind::Channel => 1,
        SkillKind::Skill | SkillKind::Guide => 2,
    };
    let mut skills: Vec<_> = graph.skills.iter().collect();
    skills.sort_by(|a, b| (rank(a.kind), &a.path).cmp(&(rank(b.kind), &b.path)));
    let left_out = skills.len().saturating_sub(NODES_MAX);
    skills.truncate(NODES_MAX);
    let examples: HashMap<&str, usize> =
        graph.agents.iter().map(|agent| (agent.skill.as_str(), agent.examples.len())).collect();
    let node = |skill: &&contracts::graph::Skill| MapNode {
        id: skill.id.clone(),
        kind: skill.kind,
        title: skill.title.clone(),
        path: skill.path.clone(),
        examples: examples.get(skill.id.as_str()).copied(),
    };
    let nodes: Vec<MapNode> = skills.iter().map(node).collect();
    let shown = |id: &String| nodes.iter().any(|node| &node.id == id);
    let links =
        graph.links.iter().filter(|link| shown(&link.from) && shown(&link.to)).cloned().collect();
    Ok(asked.json(&GraphMap { version: Some(version.clone()), nodes, links, left_out }))
}

/// The report of a version; empty if the version is older than reports.
pub async fn report(
    State(deps): State<Deps>,
    Query(query): Query<VersionQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let asked = Asked::of(&deps, query.version.as_deref()).await?;
    if let Some(unchanged) = asked.unchanged(&headers) {
        return Ok(unchanged);
    }
    let mut findings: Vec<Finding> = Vec::new();
    if let Some(version) = &asked.version
        && let Some(row) = store::version(&*deps.sql, version).await?
        && let Some(bytes) = deps.objects.get(&row.objects.report()).await?
    {
        findings = serde_json::from_slice(&bytes).unwrap_or_default();
    }
    Ok(asked.json(&GraphReport { version: asked.version.clone(), findings }))
}
