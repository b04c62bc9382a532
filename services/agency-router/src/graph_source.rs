//! The current graph with its model, kept in memory and renewed from skill-graph-loader.
//!
//! The loader is asked for the current version, natively each time, on Workers (where asking costs more than routing) at most
//! every two seconds and after each publish that this isolate hears of; graph and model are fetched when it changed.
//! What was loaded keeps serving while the loader is away; a process that has loaded nothing yet takes the copies in KV then.
//! Without any graph the built-in assistant answers.
//!
//! | KV | holds | lives |
//! | --- | --- | --- |
//! | `graph:<version>`, `model:<version>` (base64) | what the loader gave for a version | 24 h |
//! | `current` | the version seen last: asked only when the loader does not answer | 24 h |

use crate::built_in;
use crate::model::{Model, TrainingSet};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contracts::graph::Graph;
use contracts::{GraphVersion, ServiceName};
use platform::ports::{CallError, Calls, Kv, PortError, PortErrorKind, calls};
use serde::Deserialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long copies live.
const COPY_TTL_S: u64 = 24 * 3600;
/// Larger ones are fetched each time: Workers KV takes 25 MiB a value.
const COPY_BYTES_MAX: usize = 20 << 20;
const CURRENT: &str = "current";

/// A graph and its model, fitting each other.
#[derive(Debug)]
pub struct Snapshot {
    pub graph: Graph,
    /// None when no agent has anything to learn from.
    pub model: Option<Model>,
}

#[derive(Default)]
struct State {
    snapshot: Option<Arc<Snapshot>>,
    /// When the loader last said that the snapshot is the current one.
    asked_at_ms: Option<i64>,
}

/// Shared by all requests of a process.
#[derive(Clone, Default)]
pub struct GraphSource {
    state: Arc<Mutex<State>>,
    /// How long the loader's word counts.
    fresh_ms: i64,
}

/// Answer of `GET /internal/current`.
#[derive(Deserialize)]
struct Current {
    version: Option<GraphVersion>,
}

impl GraphSource {
    /// A source that believes the loader for so long.
    pub fn fresh_for(fresh_ms: i64) -> Self {
        Self { fresh_ms, ..Self::default() }
    }

    /// The current graph: its version is asked for (one row), so that a publish is seen at once. When nobody answers, what
    /// was known last serves on.
    pub async fn current(&self, calls: &dyn Calls, kv: &dyn Kv, now_ms: i64) -> Arc<Snapshot> {
        let known = {
            let state = self.state();
            let fresh =
                state.asked_at_ms.is_some_and(|at| (0..self.fresh_ms).contains(&(now_ms - at)));
            if let (true, Some(snapshot)) = (fresh, &state.snapshot) {
                return snapshot.clone();
            }
            state.snapshot.clone()
        };
        let snapshot = match renewed(calls, kv, known.as_deref()).await {
            Ok(Some(snapshot)) => Arc::new(snapshot),
            Ok(None) => {
                self.state().asked_at_ms = Some(now_ms);
                return known.unwrap_or_else(none_published);
            }
            Err(error) => {
                tracing::warn!(%error, "the skill graph could not be renewed");
                // Not kept in memory: the loader is asked again by the next request.
                return match known {
                    Some(known) => known,
                    None => last_seen(kv).await.map_or_else(none_published, Arc::new),
                };
            }
        };
        *self.state() = State { snapshot: Some(snapshot.clone()), asked_at_ms: Some(now_ms) };
        snapshot
    }

    /// Something was published: the next one asks, however fresh the last word is.
    pub fn look_again(&self) {
        self.state().asked_at_ms = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn none_published() -> Arc<Snapshot> {
    Arc::new(Snapshot { graph: built_in::graph(), model: None })
}

/// The current graph where it is another than the known one.
async fn renewed(
    calls: &dyn Calls,
    kv: &dyn Kv,
    known: Option<&Snapshot>,
) -> Result<Option<Snapshot>, CallError> {
    let current = match calls::get::<Option<Current>>(
        calls,
        ServiceName::SkillGraphLoader,
        "/internal/current",
    )
    .await
    {
        Ok(current) => current.and_then(|current| current.version),
        Err(error) if error.status() == Some(404) => None,
        Err(error) => return Err(error),
    };
    let Some(version) = current else { return Ok(None) };
    if known.is_some_and(|known| known.graph.version.as_ref() == Some(&version)) {
        return Ok(None);
    }
    if let Some(copy) = copy_of(kv, &version).await {
        // After a rollback the copy is there already, and `current` names the version that was left.
        if let Err(error) = kv.put(CURRENT, version.as_str(), COPY_TTL_S).await {
            tracing::warn!(%error, "the current version was not kept");
        }
        return Ok(Some(copy));
    }
    let mut graph: Graph =
        calls::get(calls, ServiceName::SkillGraphLoader, &format!("/api/graph?version={version}"))
            .await?;
    graph.version = Some(version.clone());
    let model = match fetch_model(calls, &version).await {
        Ok(model) => {
            keep_copy(kv, &version, &graph, &model).await;
            Some(model)
        }
        Err(error) => {
            tracing::warn!(%error, %version, "the graph's model could not be read and is trained again");
            Model::train(&TrainingSet::from_graph(&graph))
        }
    };
    Ok(Some(Snapshot { graph, model }))
}

async fn fetch_model(calls: &dyn Calls, version: &GraphVersion) -> Result<Model, PortError> {
    let invalid = |detail: String| PortError::clean(PortErrorKind::Invalid, detail);
    let path = format!("/internal/model/{version}");
    let request = http::Request::get(&path)
        .body(bytes::Bytes::new())
        .map_err(|error| invalid(error.to_string()))?;
    let answer = calls.send(ServiceName::SkillGraphLoader, request).await?;
    if !answer.status().is_success() {
        return Err(invalid(format!("{path}: status {}", answer.status())));
    }
    Model::from_bytes(answer.body()).map_err(|error| invalid(error.to_string()))
}

/// The copies of a version, where both are there and fit.
async fn copy_of(kv: &dyn Kv, version: &GraphVersion) -> Option<Snapshot> {
    let graph: Graph =
        serde_json::from_str(&kv.get(&format!("graph:{version}")).await.ok()??).ok()?;
    let model = STANDARD.decode(kv.get(&format!("model:{version}")).await.ok()??).ok()?;
    let model = Model::from_bytes(&model).ok()?;
    (graph.version.as_ref() == Some(version)).then_some(Snapshot { graph, model: Some(model) })
}

/// The version that was current when somebody looked last.
async fn last_seen(kv: &dyn Kv) -> Option<Snapshot> {
    let version = GraphVersion::new(kv.get(CURRENT).await.ok()??);
    copy_of(kv, &version).await
}

/// A cache that cannot be written is slow, not broken.
async fn keep_copy(kv: &dyn Kv, version: &GraphVersion, graph: &Graph, model: &Model) {
    let graph = serde_json::to_string(graph).unwrap_or_default();
    let model = STANDARD.encode(model.to_bytes());
    let copies = [
        (format!("graph:{version}"), graph),
        (format!("model:{version}"), model),
        (CURRENT.to_owned(), version.as_str().to_owned()),
    ];
    for (key, text) in copies {
        if text.is_empty() || text.len() > COPY_BYTES_MAX {
            return;
        }
        if let Err(error) = kv.put(&key, &text, COPY_TTL_S).await {
            tracing::warn!(%error, key, "a copy was not kept");
            return;
        }
    }
}
