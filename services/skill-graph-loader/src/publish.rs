//! `POST /api/publish`: turns a folder of Markdown into the served graph.
//!
//! 1. Parse. Refuse only when no agent is left, two agents share an id, or an agent would disappear
//!    without permission.
//! 2. The digest of the graph's JSON identifies the version; publishing the current content again
//!    changes nothing.
//! 3. The router trains the model.
//! 4. Write graph, model, index and backup as objects, and read them back.
//! 5. One batch writes the row and makes it current. Until then the old version stays current.

use crate::cache::Loaded;
use crate::finding::DUPLICATE_AGENT;
use crate::gunzip::gunzip;
use crate::load;
use crate::parse::order;
use crate::search::Searcher;
use crate::store::{self, BACKUP, GRAPH_TTL_S, ObjectNames, Version};
use crate::{Deps, Limits, Parsed, Reading, parse};
use axum::Json;
use axum::extract::{Request, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use contracts::calls::agency_router::{ReportPublished, Train};
use contracts::graph::{Agent, Finding, Graph, PublishRequest, Published, Severity, SourceFile};
use contracts::routing::TrainRequest;
use contracts::{Effect, ErrorCode, GraphVersion, Problem};
use platform::edge::{ApiError, ApiResult, parse_json, read_body};
use platform::ports::{CallError, PortError, PortErrorKind, calls};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Maximum findings in a refusal, the worst first.
const FINDINGS_MAX: usize = 200;
const MESSAGE_CHARS_MAX: usize = 500;
/// Bytes of text from which the other graphs in memory are dropped first, because Workers have
/// little memory for both. They are read again on demand.
const LARGE_BYTES: usize = 2 << 20;
/// Training timeout; 150 agents of 100 examples take half a minute on Workers.
const TRAINING: calls::Patience = calls::Patience(150_000);
/// Attempts, because another publish may come between our read of the current version and our
/// batch.
const TRIES: usize = 3;

/// The changes that a publish may make beyond texts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Permits {
    /// Agents of the current graph may disappear.
    pub removal: bool,
    /// Agents may become public, and another may become the fallback.
    pub rights: bool,
}

/// The reason that a graph was not published. The old one stays current.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("no agent is left")]
    NoAgent(Vec<Finding>),
    #[error("two agents share an id")]
    DuplicateAgent(Vec<Finding>),
    #[error("agents would disappear: {0:?}")]
    Removal(Vec<String>, Vec<Finding>),
    #[error("it gives rights: {}", .0.join(", "))]
    Rights(Vec<String>),
    #[error("{0}")]
    TooLarge(String),
    #[error("the message is longer than {MESSAGE_CHARS_MAX} characters")]
    LongMessage,
    #[error("another publish finished at the same moment")]
    Raced,
    #[error("no digest: {0}")]
    Digest(String),
    #[error("the router trained no model: {0}")]
    Train(CallError),
    #[error("object {0} did not read back as written")]
    NotKept(String),
    #[error(transparent)]
    Load(#[from] load::LoadError),
    #[error(transparent)]
    Port(#[from] PortError),
}

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        let refusal = |detail: String, fix: &str, findings: &[Finding]| {
            let findings = findings.get(..FINDINGS_MAX).unwrap_or(findings);
            Problem::field("files", detail, fix).with("findings", json!(findings))
        };
        match error {
            PublishError::NoAgent(findings) => {
                let fix = "Add a file in agents/, or one with `name:` and `description:`; the \
                    findings list the skipped files and the reasons.";
                refusal(
                    "No agent is left in this graph, so the old one stays current.".to_owned(),
                    fix,
                    &findings,
                )
                .into()
            }
            PublishError::DuplicateAgent(findings) => refusal(
                "Two agents share an id, so the old graph stays current.".to_owned(),
                "Give one of them another `agentId`.",
                &findings,
            )
            .into(),
            PublishError::Removal(gone, findings) => {
                let detail = format!(
                    "These agents of the current graph would disappear: {}.",
                    gone.join(", ")
                );
                let fix = "Correct or restore their files; or, if it is intended, publish with \"allowRemoval\": true (--allow-removal on the command line).";
                refusal(detail, fix, &findings).with("removedAgents", json!(gone)).into()
            }
            PublishError::Rights(given) => {
                let detail = format!("The new graph gives rights: {}.", given.join(", "));
                refusal(detail, "Publish it with the operator token.", &[]).into()
            }
            PublishError::TooLarge(detail) => Self::new(ErrorCode::TooLarge, detail),
            PublishError::LongMessage => Problem::field(
                "message",
                format!("The message is longer than {MESSAGE_CHARS_MAX} characters."),
                "Shorten it.",
            )
            .into(),
            PublishError::Raced => Self::new(
                ErrorCode::Conflict,
                "Another publish finished first. Read GET /api/versions and publish again.",
            ),
            PublishError::Train(CallError::Refused(problem)) => {
                tracing::error!(?problem, "the router trained no model");
                Self::new(
                    ErrorCode::Upstream,
                    "agency-router trained no model for this graph, so the old one stays current.",
                )
            }
            PublishError::Train(error) => error.into(),
            PublishError::Load(error) => error.into(),
            PublishError::Port(error) => error.into(),
            PublishError::Digest(_) | PublishError::NotKept(_) => {
                tracing::error!(%error, "publishing failed");
                Self::new(
                    ErrorCode::Internal,
                    "The graph could not be stored, so the old one stays current.",
                )
            }
        }
    }
}

/// The endpoint: JSON, plain or gzipped.
///
/// # Errors
/// When the body is too large or no graph, or cannot be stored; the served version stays.
pub async fn publish(State(deps): State<Deps>, request: Request) -> ApiResult<Json<Published>> {
    let limit = deps.limits.body_bytes_max;
    let gzip = match request
        .headers()
        .get(http::header::CONTENT_ENCODING)
        .map(|value| value.as_bytes().to_ascii_lowercase())
    {
        None => false,
        Some(encoding) if encoding == b"identity" => false,
        Some(encoding) if encoding == b"gzip" => true,
        Some(_) => {
            return Err(Problem::new(
                ErrorCode::Malformed,
                "Content-Encoding must be gzip or absent.",
            )
            .with_fix("Send plain or gzipped JSON.")
            .into());
        }
    };
    let body = read_body(request, limit).await?;
    let body = if gzip { gunzip(&body, limit)?.into() } else { body };
    let request: PublishRequest = parse_json(&body)?;
    drop(body);
    // Only the owner can send it.
    let permits = Permits { removal: request.allow_removal, rights: true };
    let reading = Reading { skills_as_agents: request.skills_as_agents };
    Ok(Json(publish_files(&deps, request.files, reading, request.message, permits).await?))
}

/// Publishes a folder, for the endpoint, and natively for the default graph at the first start and
/// for a watched folder.
///
/// # Errors
/// See [`PublishError`]; the previous version then stays current.
pub async fn publish_files(
    deps: &Deps,
    files: Vec<SourceFile>,
    reading: Reading,
    message: Option<String>,
    permits: Permits,
) -> Result<Published, PublishError> {
    within_limits(&deps.limits, &files)?;
    if message.as_ref().is_some_and(|message| message.chars().count() > MESSAGE_CHARS_MAX) {
        return Err(PublishError::LongMessage);
    }
    let Parsed { graph, findings } = parse::parse(files, reading);
    publish_graph(deps, graph, findings, message, permits).await
}

/// Publishes a parsed graph; step 1 is done.
///
/// # Errors
/// See [`PublishError`].
pub async fn publish_graph(
    deps: &Deps,
    graph: Graph,
    mut findings: Vec<Finding>,
    message: Option<String>,
    permits: Permits,
) -> Result<Published, PublishError> {
    acceptable(&graph, &findings)?;
    let digest = digest(&graph)?;
    let version = store::version_of(&digest);
    let mut made: Option<(Loaded, Searcher, Vec<Finding>)> = None;
    for _ in 0..TRIES {
        let current = store::current(&*deps.sql).await?;
        if current.as_ref() == Some(&version) {
            return Ok(published(version, false, &graph, findings, Vec::new()));
        }
        let rights = match &current {
            Some(current) => within_permits(deps, current, &graph, &findings, permits).await?,
            None => Vec::new(),
        };
        if made.is_none() {
            made = Some(make(deps, graph.clone(), &digest).await?);
        }
        let Some((loaded, searcher, trained)) = made.take() else { break };
        let row = Version {
            version: version.clone(),
            digest: digest.clone(),
            published_at: deps.clock.now_ms(),
            message: message.clone(),
            agents: graph.agents.len(),
            skills: graph.skills.len(),
            findings: findings.len() + trained.len(),
            objects: ObjectNames::of(&digest),
        };
        if !commit(deps, &row, current.as_ref()).await? {
            made = Some((loaded, searcher, trained));
            continue;
        }
        findings.extend(trained);
        order(&mut findings);
        // The version is valid without its report.
        if let Ok(report) = serde_json::to_vec(&findings)
            && let Err(error) = deps.objects.put(&row.objects.report(), report.into()).await
        {
            tracing::warn!(%error, "cannot store the report");
        }
        let json = String::from_utf8_lossy(&loaded.json).into_owned();
        deps.cache.keep_graph(Arc::new(loaded));
        deps.cache.keep_searcher(version.clone(), searcher);
        load::put_copy(deps, &format!("graph:{version}"), &json, GRAPH_TTL_S).await;
        tracing::info!(graph.version = %version, agents = graph.agents.len(), skills = graph.skills.len(), "published");
        tell_the_router(deps).await;
        return Ok(published(version, true, &graph, findings, rights));
    }
    Err(PublishError::Raced)
}

/// Notifies the router of the new version. If this fails, the router notices it soon by itself.
pub async fn tell_the_router(deps: &Deps) {
    if let Err(error) = deps.calls.tell::<ReportPublished>(&(), &()).await {
        tracing::warn!(%error, "cannot notify the router of the publish");
    }
}

fn published(
    version: GraphVersion,
    changed: bool,
    graph: &Graph,
    findings: Vec<Finding>,
    rights: Vec<String>,
) -> Published {
    let (agents, skills) = (graph.agents.len(), graph.skills.len());
    Published { version, changed, agents, skills, findings, rights }
}

/// Whether a folder is within the limits.
///
/// # Errors
/// [`PublishError::TooLarge`], with the value.
pub fn within_limits(limits: &Limits, files: &[SourceFile]) -> Result<(), PublishError> {
    let bytes: usize = files.iter().map(|file| file.text.len() + file.path.len()).sum();
    if files.len() > limits.files_max {
        return Err(PublishError::TooLarge(format!(
            "The folder has {} files; the maximum is {}.",
            files.len(),
            limits.files_max
        )));
    }
    if bytes > limits.graph_bytes_max {
        return Err(PublishError::TooLarge(format!(
            "The folder has {bytes} bytes; the maximum is {}.",
            limits.graph_bytes_max
        )));
    }
    Ok(())
}

/// Whether a graph may be published at all, regardless of the current one.
///
/// # Errors
/// [`PublishError::NoAgent`] and [`PublishError::DuplicateAgent`].
pub fn acceptable(graph: &Graph, findings: &[Finding]) -> Result<(), PublishError> {
    if findings
        .iter()
        .any(|finding| finding.severity == Severity::Error && finding.code == DUPLICATE_AGENT)
    {
        return Err(PublishError::DuplicateAgent(findings.to_vec()));
    }
    if graph.agents.is_empty() {
        return Err(PublishError::NoAgent(findings.to_vec()));
    }
    Ok(())
}

/// Returns the rights that the new graph gives.
async fn within_permits(
    deps: &Deps,
    current: &GraphVersion,
    graph: &Graph,
    findings: &[Finding],
    permits: Permits,
) -> Result<Vec<String>, PublishError> {
    let old = match load::graph(deps, current).await {
        Ok(old) => old,
        // A damaged current version must not block its replacement.
        Err(load::LoadError::Damaged(..) | load::LoadError::Unknown(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let given = rights(&old.graph, graph);
    if !permits.rights && !given.is_empty() {
        return Err(PublishError::Rights(given));
    }
    let gone: Vec<String> = old
        .graph
        .agents
        .iter()
        .filter(|agent| graph.agent(&agent.id).is_none())
        .map(|agent| agent.id.to_string())
        .collect();
    if permits.removal || gone.is_empty() {
        Ok(given)
    } else {
        Err(PublishError::Removal(gone, findings.to_vec()))
    }
}

/// The rights that the new graph gives and the old one did not.
fn rights(old: &Graph, new: &Graph) -> Vec<String> {
    let was_public = |agent: &Agent| old.agent(&agent.id).is_some_and(|old| old.public);
    let public = new.agents.iter().filter(|agent| agent.public && !was_public(agent));
    let mut given: Vec<String> =
        public.map(|agent| format!("{} becomes public", agent.id)).collect();
    let (before, now) = (old.fallback_agent(), new.fallback_agent());
    if let Some(now) = now.filter(|now| before.is_none_or(|before| before.id != now.id)) {
        given.push(format!("{} becomes the fallback", now.id));
    }
    given
}

/// Lower-case hex SHA-256 over the JSON of a graph without a version, members in the order of their
/// names. Only this service computes it, so `serde_json`'s way to write numbers will do, which is
/// the same on both runtimes. Versions are named by it: a change of the writing would publish every
/// graph anew.
///
/// # Errors
/// When a value has no JSON.
pub fn digest(graph: &Graph) -> Result<String, PublishError> {
    let failed = |e: serde_json::Error| PublishError::Digest(e.to_string());
    // A tree keeps its members sorted.
    let sorted =
        serde_json::to_vec(&serde_json::to_value(graph).map_err(failed)?).map_err(failed)?;
    Ok(hex::encode(Sha256::digest(sorted)))
}

/// Trains, indexes, writes the objects and reads them back.
async fn make(
    deps: &Deps,
    mut graph: Graph,
    digest: &str,
) -> Result<(Loaded, Searcher, Vec<Finding>), PublishError> {
    let version = store::version_of(digest);
    graph.version = Some(version.clone());
    if graph.skills.iter().map(|skill| skill.body.len()).sum::<usize>() > LARGE_BYTES {
        deps.cache.forget();
    }
    // Training needs no bodies, which are most of a graph.
    let bodies: Vec<String> =
        graph.skills.iter_mut().map(|skill| std::mem::take(&mut skill.body)).collect();
    let request = TrainRequest { graph };
    let trained = deps.calls.ask_patiently::<Train>(&(), &request, TRAINING).await;
    let answer = trained.map_err(PublishError::Train)?;
    let model = STANDARD.decode(&answer.model_base64);
    let model = model.map_err(|e| {
        PublishError::Train(
            PortError::clean(PortErrorKind::Invalid, format!("the model is not base64: {e}"))
                .into(),
        )
    })?;
    let mut graph = request.graph;
    graph.skills.iter_mut().zip(bodies).for_each(|(skill, body)| skill.body = body);
    let graph = Arc::new(graph);
    let json =
        Bytes::from(serde_json::to_vec(&*graph).map_err(|e| PublishError::Digest(e.to_string()))?);
    let searcher = Searcher::build(graph.clone());
    let names = ObjectNames::of(digest);
    keep(deps, &names.graph, json.clone()).await?;
    keep(deps, &names.model, model.into()).await?;
    keep(deps, &names.index, searcher.index().to_bytes().into()).await?;
    keep(deps, BACKUP, json.clone()).await?;
    Ok((Loaded { version, graph, json }, searcher, answer.findings))
}

/// Writes an object and reads it back.
async fn keep(deps: &Deps, name: &str, bytes: Bytes) -> Result<(), PublishError> {
    deps.objects.put(name, bytes.clone()).await?;
    let kept = deps.objects.get(name).await?;
    if kept.as_ref() == Some(&bytes) { Ok(()) } else { Err(PublishError::NotKept(name.to_owned())) }
}

/// Writes the row and the pointer. Returns false if another publish was faster; after an ambiguous
/// failure it reads the result.
async fn commit(
    deps: &Deps,
    row: &Version,
    seen: Option<&GraphVersion>,
) -> Result<bool, PublishError> {
    match store::publish(&*deps.sql, row, seen).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind == PortErrorKind::Conflict => Ok(false),
        Err(error)
            if error.effect == Effect::Unknown
                && store::current(&*deps.sql).await? == Some(row.version.clone()) =>
        {
            Ok(true)
        }
        Err(error) => Err(error.into()),
    }
}
