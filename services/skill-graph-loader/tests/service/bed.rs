//! A loader on memory ports, with a fake router that trains a fake model.

use axum::Router;
use axum::body::Body;
use base64::Engine;
use contracts::ServiceName;
use contracts::calls::agency_router::{ReportPublished, Train};
use contracts::graph::SourceFile;
use contracts::routing::TrainAnswer;
use fakes::Neighbours;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use platform::edge::{Auth, Principal, Scope};
use platform::memory::{ManualClock, MemoryCalls, MemoryKv, MemoryObjects, MemorySql, Switchboard};
use platform::secret::Secret;
use serde_json::{Value, json};
use skill_graph_loader::{Deps, Limits, cache::Cache, router};
use std::sync::Arc;
use tower::ServiceExt;

const MIGRATIONS: [&str; 2] = [
    include_str!("../../../../migrations/0003_skill_graph_loader.sql"),
    include_str!("../../../../migrations/0005_skill_graph_parent.sql"),
];

const SECRET: &str = "loader-secret";

/// Everything for one test.
pub struct Bed {
    pub deps: Deps,
    pub clock: Arc<ManualClock>,
    pub sql: Arc<MemorySql>,
    pub kv: Arc<MemoryKv>,
    pub objects: Arc<MemoryObjects>,
    pub calls: Arc<MemoryCalls>,
    pub neighbours: Neighbours,
    pub router: Router,
}

/// A response.
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: bytes::Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Bed {
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let sql = Arc::new(MemorySql::with_migrations(&MIGRATIONS));
        let kv = Arc::new(MemoryKv::new(clock.clone()));
        let objects = Arc::new(MemoryObjects::default());
        let switchboard = Switchboard::default();
        let neighbours = neighbours(&switchboard);
        let calls = Arc::new(MemoryCalls::new(Secret::new(SECRET), switchboard));
        let scopes = Scope::ALL.map(|scope| (Secret::new(scope.as_str()), Principal::Scope(scope)));
        let services = ServiceName::ALL
            .map(|service| (Secret::new(service.as_str()), Principal::Service(service)));
        let auth = Auth::new(scopes.into_iter().chain(services));
        let deps = Deps {
            sql: sql.clone(),
            kv: kv.clone(),
            objects: objects.clone(),
            calls: calls.clone(),
            clock: clock.clone(),
            auth,
            limits: Limits::NATIVE,
            cache: Cache::default(),
        };
        Self { router: router(deps.clone()), deps, clock, sql, kv, objects, calls, neighbours }
    }

    /// The same storage after a restart.
    pub fn restarted(&mut self) {
        self.deps.cache = Cache::default();
        self.router = router(self.deps.clone());
    }

    pub fn trainings(&self) -> usize {
        self.neighbours.count::<Train>()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }
    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(request("GET", token, path).body(Body::empty()).unwrap()).await
    }
    pub async fn get_if_none_match(&self, path: &str, tag: &str) -> Answer {
        self.send(
            request("GET", "viewer", path)
                .header("if-none-match", tag)
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }
    pub async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.send(request("POST", token, path).body(Body::from(body.to_string())).unwrap()).await
    }
    pub async fn publish(&self, files: &[SourceFile]) -> Answer {
        self.post("operator", "/api/publish", &json!({ "files": files, "message": "from a test" }))
            .await
    }
    /// Publishes and returns the version.
    pub async fn published(&self, files: &[SourceFile]) -> String {
        let answer = self.publish(files).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()["version"].as_str().unwrap().to_owned()
    }
}

pub fn request(method: &str, token: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"))
}

/// A router that trains a model of the number of agents.
fn neighbours(switchboard: &Switchboard) -> Neighbours {
    let me = (Secret::new(SECRET), Principal::Service(ServiceName::SkillGraphLoader));
    let router = [ServiceName::AgencyRouter];
    let neighbours = Neighbours::on_board(switchboard, Auth::new([me]), router);
    neighbours.on::<ReportPublished>(|(), ()| Ok(()));
    neighbours.on::<Train>(|(), request| {
        let model = format!("model of {} agents", request.graph.agents.len());
        Ok(TrainAnswer {
            model_base64: base64::engine::general_purpose::STANDARD.encode(model),
            train_ms: 1.0,
            findings: Vec::new(),
        })
    });
    neighbours
}

pub fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

/// An agent file.
pub fn agent(id: &str) -> SourceFile {
    file(
        &format!("agents/agent-{id}.md"),
        &format!(
            "---\nagentId: {id}\ndescription: Does {id}.\nkeywords: [{id}]\n---\n# {id} agent\n## Examples\n- please do {id}\n"
        ),
    )
}
