//! The current graph with its model, cached in memory and renewed from skill-graph-loader.
//!
//! Natively each request asks the loader for the current version. On Workers, where a call costs
//! more than a route, it asks at most every two seconds, and after each publish that this isolate
//! hears of. It fetches graph and model when the version changed. While the loader is down, the
//! loaded graph stays in use; a process without one uses the copies in KV. Without any graph the
//! built-in assistant answers.
//!
//! | KV | holds | lives |
//! | --- | --- | --- |
//! | `graph:<version>`, `model:<version>` (base64) | the loader's data for a version | 24 h |
//! | `current` | the last known version, used only when the loader does not answer | 24 h |

use crate::built_in;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contracts::GraphVersion;
use contracts::calls::skill_graph_loader::{ReadCurrent, ReadGraph, ReadModel};
use contracts::graph::{Graph, VersionQuery};
use platform::ports::{CallError, Calls, Kv, PortError, PortErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use text_model::{Model, TrainingSet};

/// Lifetime of the copies.
const COPY_TTL_S: u64 = 24 * 3600;
/// Maximum bytes of a copy; Workers KV allows 25 MiB per value. Larger ones are fetched each time.
const COPY_BYTES_MAX: usize = 20 << 20;
const CURRENT: &str = "current";

/// A graph and its model.
#[derive(Debug)]
pub struct Snapshot {
    pub graph: Graph,
    /// None if no agent has anything to learn from.
    pub model: Option<Model>,
}

#[derive(Default)]
struct State {
    snapshot: Option<Arc<Snapshot>>,
    /// Time when the loader last confirmed the snapshot as current.
    asked_at_ms: Option<i64>,
}

/// Shared by all requests of a process.
#[derive(Clone, Default)]
pub struct GraphSource {
    state: Arc<Mutex<State>>,
    /// How long a confirmation is valid.
    fresh_ms: i64,
}

impl GraphSource {
    /// A source that trusts a confirmation for this long.
    pub fn fresh_for(fresh_ms: i64) -> Self {
        Self { fresh_ms, ..Self::default() }
    }

    /// The current graph. It asks for the version (one row), so a publish is visible at once. If
    /// the loader does not answer, the last known graph stays in use.
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
                tracing::warn!(%error, "cannot renew the skill graph");
                // Not cached in memory, so the next request asks the loader again.
                return match known {
                    Some(known) => known,
                    None => last_seen(kv).await.map_or_else(none_published, Arc::new),
                };
            }
        };
        *self.state() = State { snapshot: Some(snapshot.clone()), asked_at_ms: Some(now_ms) };
        snapshot
    }

    /// Expires the confirmation after a publish, so that the next request asks.
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

/// The current graph, if it differs from the known one.
async fn renewed(
    calls: &dyn Calls,
    kv: &dyn Kv,
    known: Option<&Snapshot>,
) -> Result<Option<Snapshot>, CallError> {
    let current = match calls.ask::<ReadCurrent>(&(), &()).await {
        Ok(current) => current.version,
        Err(error) if error.status() == Some(404) => None,
        Err(error) => return Err(error),
    };
    let Some(version) = current else { return Ok(None) };
    if known.is_some_and(|known| known.graph.version.as_ref() == Some(&version)) {
        return Ok(None);
    }
    if let Some(copy) = copy_of(kv, &version).await {
        // After a rollback the copy already exists, and `current` names the version that was left.
        if let Err(error) = kv.put(CURRENT, version.as_str(), COPY_TTL_S).await {
            tracing::warn!(%error, "cannot store the current version");
        }
        return Ok(Some(copy));
    }
    let asked = VersionQuery { version: Some(version.to_string()) };
    let mut graph = calls.ask::<ReadGraph>(&(), &asked).await?;
    graph.version = Some(version.clone());
    let model = match fetch_model(calls, &version).await {
        Ok(model) => {
            keep_copy(kv, &version, &graph, &model).await;
            Some(model)
        }
        Err(error) => {
            tracing::warn!(%error, %version, "cannot read the graph's model; training it again");
            Model::train(&TrainingSet::from_graph(&graph))
        }
    };
    Ok(Some(Snapshot { graph, model }))
}

async fn fetch_model(calls: &dyn Calls, version: &GraphVersion) -> Result<Model, CallError> {
    let bytes = calls.ask_bytes::<ReadModel>(version, &()).await?;
    let invalid = |error| PortError::clean(PortErrorKind::Invalid, format!("{error}"));
    Ok(Model::from_bytes(&bytes).map_err(invalid)?)
}

/// The copies of a version, if both exist and match.
async fn copy_of(kv: &dyn Kv, version: &GraphVersion) -> Option<Snapshot> {
    let graph: Graph =
        serde_json::from_str(&kv.get(&format!("graph:{version}")).await.ok()??).ok()?;
    let model = STANDARD.decode(kv.get(&format!("model:{version}")).await.ok()??).ok()?;
    let model = Model::from_bytes(&model).ok()?;
    (graph.version.as_ref() == Some(version)).then_some(Snapshot { graph, model: Some(model) })
}

/// The last known version.
async fn last_seen(kv: &dyn Kv) -> Option<Snapshot> {
    let version = GraphVersion::new(kv.get(CURRENT).await.ok()??);
    copy_of(kv, &version).await
}

/// Stores the copies. A failure makes the cache slow, not broken.
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
            tracing::warn!(%error, key, "cannot store a copy");
            return;
        }
    }
}
