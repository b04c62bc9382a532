//! Published graphs for readers: from memory, then KV, then the objects. Every copy is keyed by its
//! version.

use crate::Deps;
use crate::cache::Loaded;
use crate::search::Searcher;
use crate::store::{self, GRAPH_TTL_S, INDEX_TTL_S};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use contracts::graph::Graph;
use contracts::{ErrorCode, GraphVersion};
use platform::edge::ApiError;
use platform::ports::{Objects, PortError, Sql};
use std::sync::Arc;

/// Maximum bytes of a KV value (Workers KV allows 25 MiB); beyond this the objects are read.
const KV_BYTES_MAX: usize = 20 << 20;

/// The reason that a version cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("there is no version {0}")]
    Unknown(GraphVersion),
    /// The row names objects that are missing or contain something else.
    #[error("version {0} is damaged: {1}")]
    Damaged(GraphVersion, String),
    #[error(transparent)]
    Port(#[from] PortError),
}

impl From<LoadError> for ApiError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Unknown(version) => Self::not_found(&format!("graph version {version}")),
            LoadError::Damaged(..) => {
                tracing::error!(%error, "cannot read a stored graph");
                let detail = "The stored graph is unreadable. Publish it again, or roll back.";
                Self::new(ErrorCode::Internal, detail)
            }
            LoadError::Port(error) => error.into(),
        }
    }
}

/// The graph of a version.
///
/// # Errors
/// When the version is unknown, or its graph is missing or unreadable.
pub async fn graph(deps: &Deps, version: &GraphVersion) -> Result<Arc<Loaded>, LoadError> {
    if let Some(loaded) = deps.cache.graph(version) {
        return Ok(loaded);
    }
    let key = format!("graph:{version}");
    let copy = deps.kv.get(&key).await.ok().flatten().and_then(|text| parsed(version, text.into()));
    let loaded = match copy {
        Some(loaded) => loaded,
        None => {
            let json = object(deps, version, |names| names.graph).await?;
            let text = String::from_utf8_lossy(&json).into_owned();
            let loaded = parsed(version, json).ok_or_else(|| not_this_graph(version))?;
            put_copy(deps, &key, &text, GRAPH_TTL_S).await;
            loaded
        }
    };
    let loaded = Arc::new(loaded);
    deps.cache.keep_graph(loaded.clone());
    Ok(loaded)
}

fn parsed(version: &GraphVersion, json: Bytes) -> Option<Loaded> {
    let graph: Graph = serde_json::from_slice(&json).ok()?;
    (graph.version.as_ref() == Some(version)).then(|| Loaded {
        version: version.clone(),
        graph: Arc::new(graph),
        json,
    })
}

/// The searcher of a version. Rebuilds a damaged or missing index.
///
/// # Errors
/// Those of [`graph`]; an index that cannot be read is rebuilt instead.
pub async fn searcher(deps: &Deps, version: &GraphVersion) -> Result<Searcher, LoadError> {
    if let Some(searcher) = deps.cache.searcher(version) {
        return Ok(searcher);
    }
    let loaded = graph(deps, version).await?;
    let key = format!("index:{version}");
    let copy = deps.kv.get(&key).await.ok().flatten().and_then(|text| STANDARD.decode(text).ok());
    let bytes = match copy {
        Some(bytes) => bytes,
        None => match object(deps, version, |names| names.index).await {
            Ok(bytes) => {
                put_copy(deps, &key, &STANDARD.encode(&bytes), INDEX_TTL_S).await;
                bytes.to_vec()
            }
            Err(error) => {
                tracing::warn!(%version, %error, "the search index cannot be read; it is built anew");
                Vec::new()
            }
        },
    };
    let searcher = Searcher::from_bytes(loaded.graph.clone(), &bytes);
    deps.cache.keep_searcher(version.clone(), searcher.clone());
    Ok(searcher)
}

/// An object named by a version's row.
///
/// # Errors
/// When the version is unknown, its object is missing, or the store does not answer.
pub async fn object(
    deps: &Deps,
    version: &GraphVersion,
    name: impl FnOnce(store::ObjectNames) -> String,
) -> Result<Bytes, LoadError> {
    stored(&*deps.sql, &*deps.objects, version, name).await
}

async fn stored(
    sql: &dyn Sql,
    objects: &dyn Objects,
    version: &GraphVersion,
    name: impl FnOnce(store::ObjectNames) -> String,
) -> Result<Bytes, LoadError> {
    let row =
        store::version(sql, version).await?.ok_or_else(|| LoadError::Unknown(version.clone()))?;
    let name = name(row.objects);
    objects
        .get(&name)
        .await?
        .ok_or_else(|| LoadError::Damaged(version.clone(), format!("{name} is missing")))
}

/// The current graph as it is stored, for a reader beside a server that does not run. None where
/// nothing was published.
///
/// # Errors
/// As [`graph`].
pub async fn stored_graph(
    sql: &dyn Sql,
    objects: &dyn Objects,
) -> Result<Option<Arc<Graph>>, LoadError> {
    let Some(version) = store::current(sql).await? else { return Ok(None) };
    let json = stored(sql, objects, &version, |names| names.graph).await?;
    match parsed(&version, json) {
        Some(loaded) => Ok(Some(loaded.graph)),
        None => Err(not_this_graph(&version)),
    }
}

fn not_this_graph(version: &GraphVersion) -> LoadError {
    LoadError::Damaged(version.clone(), "graph.json is not this graph".to_owned())
}

/// Stores a copy in KV. A failure makes the cache slow, not broken.
pub async fn put_copy(deps: &Deps, key: &str, text: &str, ttl_s: u64) {
    if text.is_empty() || text.len() > KV_BYTES_MAX {
        return;
    }
    if let Err(error) = deps.kv.put(key, text, ttl_s).await {
        tracing::warn!(%error, key, "cannot store a cached copy");
    }
}
