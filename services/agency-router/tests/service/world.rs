//! A router on memory ports, with a loader that serves one graph.
#![allow(clippy::unwrap_used, reason = "test equipment: what breaks here must stop the test")]

use agency_router::{Config, Deps, Shared, router, stopwatch_of};
use axum::Router;
use axum::body::{Body, to_bytes};
use contracts::ServiceName;
use contracts::calls::skill_graph_loader::{ReadCurrent, ReadGraph, ReadModel};
use contracts::graph::{CurrentVersion, Graph};
use fakes::Neighbours;
use platform::edge::{Auth, Principal, Scope};
use platform::memory::{ManualClock, MemoryCalls, MemoryCell, MemoryKv, MemorySql, Switchboard};
use platform::secret::Secret;
use serde_json::{Value, json};
use std::sync::Arc;
use text_model::{Model, TrainingSet};
use tower::ServiceExt;

const MIGRATION: &str = include_str!("../../../../migrations/0002_agency_router.sql");

pub struct World {
    pub clock: Arc<ManualClock>,
    pub sql: Arc<MemorySql>,
    deps: Deps,
    pub neighbours: Neighbours,
    router: Router,
}

impl World {
    /// Without a published graph.
    pub fn empty() -> Self {
        let clock = Arc::new(ManualClock::default());
        let sql = Arc::new(MemorySql::with_migrations(&[MIGRATION]));
        let switchboard = Switchboard::default();
        let neighbours = neighbours(&switchboard);
        let scope = |name: &str, scope: Scope| (Secret::new(name), Principal::Scope(scope));
        let service =
            |service: ServiceName| (Secret::new(service.as_str()), Principal::Service(service));
        let auth = Auth::new([
            scope("operator", Scope::Operator),
            scope("viewer", Scope::Viewer),
            scope("agent", Scope::Agent),
            service(ServiceName::WebhookAggregator),
            service(ServiceName::SkillGraphLoader),
        ]);
        let config = Config::read(
            &json!({"agents": {"security": {"runner": "command", "estimated_cost": 0.5}, "codegen": {"runner": "command", "input_price": 3, "output_price": 15}}}),
        );
        let kv = Arc::new(MemoryKv::new(clock.clone()));
        let deps = Deps {
            sql: sql.clone(),
            kv,
            calls: Arc::new(MemoryCalls::new(Secret::new("agency-router"), switchboard)),
            cell: Arc::new(MemoryCell::default()),
            clock: clock.clone(),
            stopwatch: stopwatch_of(clock.clone()),
            auth,
            config: Arc::new(config),
            shared: Shared::default(),
        };
        Self { clock, sql, neighbours, router: router(deps.clone()), deps }
    }

    /// The same storage after a restart.
    pub fn restarted(&mut self) {
        self.deps.shared = Shared::default();
        self.router = router(self.deps.clone());
    }

    /// The small graph as version `v1`.
    pub fn with_graph() -> Self {
        let world = Self::empty();
        world.publish("v1");
        world
    }

    /// As on Workers: a confirmation is valid for a while.
    pub fn on_workers(&mut self) {
        self.deps.shared = Shared::for_workers();
        self.router = router(self.deps.clone());
    }

    /// Publishes the small graph under this version.
    pub fn publish(&self, version: &str) {
        let graph = graph(version);
        let model = Model::train(&TrainingSet::from_graph(&graph)).unwrap().to_bytes();
        let current = CurrentVersion { version: graph.version.clone() };
        self.neighbours.on::<ReadCurrent>(move |(), ()| Ok(current.clone()));
        self.neighbours.on::<ReadGraph>(move |(), _| Ok(graph.clone()));
        self.neighbours.on_bytes::<ReadModel>(move |_, ()| Ok(model.clone().into()));
    }

    /// Status and JSON of a call with this token.
    pub async fn call_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> (u16, Value) {
        let mut request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 1 << 24).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
    pub async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.call_as("operator", method, path, body).await
    }
    pub async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, value) = self.call(method, path, body).await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }
    /// As webhook-aggregator.
    pub async fn internal(&self, path: &str, body: Value) -> Value {
        let (status, value) = self.call_as("webhook-aggregator", "POST", path, body).await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }
    /// The status of a call by skill-graph-loader.
    pub async fn told(&self, path: &str) -> u16 {
        self.call_as("skill-graph-loader", "POST", path, json!({})).await.0
    }
    /// As skill-graph-loader.
    pub async fn as_loader(&self, path: &str, body: Value) -> Value {
        let (status, value) = self.call_as("skill-graph-loader", "POST", path, body).await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }
}

/// A loader with nothing published.
fn neighbours(switchboard: &Switchboard) -> Neighbours {
    let me = (Secret::new("agency-router"), Principal::Service(ServiceName::AgencyRouter));
    let loader = [ServiceName::SkillGraphLoader];
    let neighbours = Neighbours::on_board(switchboard, Auth::new([me]), loader);
    neighbours.on::<ReadCurrent>(|(), ()| Ok(CurrentVersion::default()));
    neighbours
}

/// Agents assistant (fallback, public), codegen (related: security), security, pm.
pub fn graph(version: &str) -> Graph {
    let agent = |id: &str, related: &[&str], examples: &[&str]| {
        json!({
            "id": id, "skill": format!("agent-{id}"), "title": id, "description": "", "keywords": [], "aliases": [], "bullets": [],
            "examples": examples, "negatives": [], "complexity": [], "relatedAgents": related, "relatedChannels": [], "model": null,
            "fallback": id == "assistant", "public": id == "assistant",
        })
    };
    let graph = json!({
        "version": version, "channels": [], "skills": [], "links": [],
        "agents": [
            agent("assistant", &[], &["hello there", "good morning", "thanks a lot", "what can you do", "how are you", "tell me a joke", "who are you", "what did we spend"]),
            agent("codegen", &["security"], &["fix the failing build", "write a function that parses dates", "refactor the login module", "the unit test is broken", "add a command line flag", "implement retries in the client", "fix the parser", "why does the build fail"]),
            agent("security", &["codegen"], &["scan the server for vulnerabilities", "rotate the leaked api key", "is this dependency vulnerable", "audit who has access", "check for exposed secrets", "report the cve to the team", "scan for leaked keys", "is the server hardened"]),
            agent("pm", &[], &["plan the next sprint", "write a ticket for the login bug", "what is the status of the project", "who is assigned to the release", "move the deadline to friday", "summarise the meeting", "plan the roadmap", "who is on the team"]),
        ],
    });
    serde_json::from_value(graph).unwrap()
}
