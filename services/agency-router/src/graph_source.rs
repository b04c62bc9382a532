//! The current graph with its model, kept in memory and renewed from skill-graph-loader.
//!
//! The loader is asked for the current version each time; graph and model are fetched when it changed.
//! What was loaded keeps serving while the loader is away. Without any graph the built-in assistant answers.

use crate::built_in;
use crate::model::{Model, TrainingSet};
use contracts::graph::Graph;
use contracts::{GraphVersion, ServiceName};
use platform::ports::{CallError, Calls, PortError, PortErrorKind, calls};
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};

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
}

/// Shared by all requests of a process.
#[derive(Clone, Default)]
pub struct GraphSource(Arc<Mutex<State>>);

/// Answer of `GET /internal/current`.
#[derive(Deserialize)]
struct Current {
    version: Option<GraphVersion>,
}

impl GraphSource {
    /// The current graph: its version is asked for each time (one row), so that a publish is seen at once. When nobody
    /// answers, what was known last serves on.
    pub async fn current(&self, calls: &dyn Calls) -> Arc<Snapshot> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).snapshot.clone();
        let snapshot = match renewed(calls, known.as_deref()).await {
            Ok(Some(snapshot)) => Arc::new(snapshot),
            Ok(None) => return known.unwrap_or_else(none_published),
            Err(error) => {
                tracing::warn!(%error, "the skill graph could not be renewed");
                return known.unwrap_or_else(none_published);
            }
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).snapshot = Some(snapshot.clone());
        snapshot
    }
}

fn none_published() -> Arc<Snapshot> {
    Arc::new(Snapshot { graph: built_in::graph(), model: None })
}

/// The current graph where it is another than the known one.
async fn renewed(calls: &dyn Calls, known: Option<&Snapshot>) -> Result<Option<Snapshot>, CallError> {
    let current = match calls::get::<Option<Current>>(calls, ServiceName::SkillGraphLoader, "/internal/current").await {
        Ok(current) => current.and_then(|current| current.version),
        Err(error) if error.status() == Some(404) => None,
        Err(error) => return Err(error),
    };
    let Some(version) = current else { return Ok(None) };
    if known.is_some_and(|known| known.graph.version.as_ref() == Some(&version)) {
        return Ok(None);
    }
    let mut graph: Graph = calls::get(calls, ServiceName::SkillGraphLoader, &format!("/api/graph?version={version}")).await?;
    graph.version = Some(version.clone());
    let model = match fetch_model(calls, &version).await {
        Ok(model) => Some(model),
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
    let request = http::Request::get(&path).body(bytes::Bytes::new()).map_err(|error| invalid(error.to_string()))?;
    let answer = calls.send(ServiceName::SkillGraphLoader, request).await?;
    if !answer.status().is_success() {
        return Err(invalid(format!("{path}: status {}", answer.status())));
    }
    Model::from_bytes(answer.body()).map_err(|error| invalid(error.to_string()))
}
