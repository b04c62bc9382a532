//! A control plane that records calls and answers as a test orders, with a gateway.

use agency_gateway::{Board, Config, Deps, router, serve};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use contracts::task::{LeasedTask, TaskContext};
use contracts::{AgentId, ApprovalId, ErrorCode, GatewayId, Micros, Problem, ServiceName, TaskId};
use http_body_util::BodyExt;
use platform::config::Report;
use platform::edge::{ApiError, Auth, Principal, Scope};
use platform::memory::{
    ManualClock, MemoryCalls, MemoryPrograms, MemorySignal, ScriptedProgram, Switchboard,
    TokioBackground,
};
use platform::ports::{Clock, Signal};
use platform::secret::Secret;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, oneshot};
use tower::ServiceExt;

/// The three services that a gateway calls.
#[derive(Default)]
pub struct Plane {
    queue: Mutex<VecDeque<LeasedTask>>,
    arrived: Notify,
    /// Calls as `POST /path body`, without leases and reads.
    log: Mutex<Vec<String>>,
    leases: Mutex<Vec<Value>>,
    /// Refusals ordered by a test, by the last part of the path; afterwards the usual answer.
    ordered: Mutex<HashMap<String, VecDeque<ErrorCode>>>,
    /// The approval state in a refusal, beside its code.
    pub approval_state: Mutex<Option<String>>,
    pub cancel: Mutex<bool>,
    pub silent: Mutex<bool>,
    pub approval: Mutex<Option<Value>>,
    pub graph: Mutex<Graph>,
}

#[derive(Default, Clone)]
pub struct Graph {
    pub agents: Vec<Value>,
    pub files: Vec<Value>,
    pub hits: Vec<Value>,
}

impl Plane {
    pub fn push(&self, task: LeasedTask) {
        self.queue.lock().unwrap().push_back(task);
        self.arrived.notify_one();
    }
    /// Refuses the next calls whose path has this end with these codes.
    pub fn refuse(&self, end: &str, codes: &[ErrorCode]) {
        self.ordered.lock().unwrap().entry(end.to_owned()).or_default().extend(codes);
    }
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
    pub fn leases(&self) -> Vec<Value> {
        self.leases.lock().unwrap().clone()
    }
    /// The bodies of calls whose path has this end.
    pub fn bodies(&self, end: &str) -> Vec<Value> {
        let log = self.log();
        let lines = log
            .iter()
            .filter_map(|line| line.split_once(' '))
            .filter(|(path, _)| path.ends_with(end));
        lines.map(|(_, body)| serde_json::from_str(body).unwrap()).collect()
    }
    pub fn count(&self, end: &str) -> usize {
        self.bodies(end).len()
    }
    fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }
    async fn lease(&self, body: Value) -> Value {
        let capacity = usize::try_from(body["capacity"].as_u64().unwrap()).unwrap();
        self.leases.lock().unwrap().push(body);
        loop {
            let tasks: Vec<_> = {
                let mut queue = self.queue.lock().unwrap();
                let n = capacity.min(queue.len());
                queue.drain(..n).collect()
            };
            if !tasks.is_empty() {
                return json!(tasks);
            }
            self.arrived.notified().await;
        }
    }
    fn read(&self, path: &str) -> Option<Value> {
        let graph = self.graph.lock().unwrap().clone();
        match path {
            "/api/agents" => Some(json!({"version": "v1", "agents": graph.agents})),
            "/api/search" => Some(json!({"query": "q", "version": "v1", "results": graph.hits})),
            "/api/halts" => Some(json!({"all": *self.cancel.lock().unwrap(), "halts": []})),
            _ => match path.strip_prefix("/api/skills/") {
                Some(id) => {
                    graph.files.into_iter().find(|file| file["id"] == id).map(|mut file| {
                        (file["links"], file["linkedFrom"]) = (json!([]), json!([]));
                        file
                    })
                }
                None => self.approval.lock().unwrap().clone(),
            },
        }
    }
}

async fn answer(State(plane): State<Arc<Plane>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let bytes = request.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let end = path.rsplit('/').next().unwrap().to_owned();
    if *plane.silent.lock().unwrap() && end != "lease" {
        std::future::pending::<()>().await;
    }
    if !bytes.is_empty() && end != "lease" {
        plane.log.lock().unwrap().push(format!("{path} {body}"));
    }
    let code = plane.ordered.lock().unwrap().get_mut(&end).and_then(VecDeque::pop_front);
    if let Some(code) = code {
        let state = plane.approval_state.lock().unwrap().clone();
        let problem = Problem::new(code, "ordered by the test");
        return ApiError(Box::new(
            state.into_iter().fold(problem, |problem, state| problem.with("state", state)),
        ))
        .into_response();
    }
    let task = path.split('/').rev().nth(1).unwrap_or_default().to_owned();
    let value = match end.as_str() {
        "lease" => plane.lease(body).await,
        "claim" => json!({"claimToken": "token", "costLimit": 1.0}),
        "renew" => json!({"cancel": *plane.cancel.lock().unwrap(), "leaseMs": 30_000}),
        "settle" => json!({"taskId": task, "posted": 0.0, "unpriced": false, "overrun": 0.0}),
        "result" => json!({"taskId": task, "accepted": true}),
        _ => match plane.read(&path) {
            Some(value) => value,
            None => return ApiError::not_found("such thing").into_response(),
        },
    };
    axum::Json(value).into_response()
}

/// A running gateway.
pub struct Bed {
    pub plane: Arc<Plane>,
    pub clock: Arc<ManualClock>,
    pub signal: Arc<MemorySignal>,
    pub programs: Arc<MemoryPrograms>,
    pub deps: Deps,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<tokio::task::JoinHandle<()>>,
}

impl Bed {
    /// With this configuration, not yet serving.
    pub fn idle(config: &Value) -> Self {
        let report = Report::default();
        let config = Config::read(config, &report);
        assert_eq!(report.into_problems(), []);
        let plane = Arc::new(Plane::default());
        let clock = Arc::new(ManualClock::default());
        let signal = Arc::new(MemorySignal::new(clock.clone()));
        let programs = Arc::new(MemoryPrograms::default());
        let services = [
            ServiceName::WebhookAggregator,
            ServiceName::PersonalAssistant,
            ServiceName::SkillGraphLoader,
        ];
        let board: Switchboard = Arc::new(Mutex::new(
            services.into_iter().map(|service| (service, plane.router())).collect(),
        ));
        let tokens = Scope::ALL.map(|scope| (Secret::new(scope.as_str()), Principal::Scope(scope)));
        let deps = Deps {
            calls: Arc::new(MemoryCalls::new(Secret::new("gateway"), board)),
            clock: clock.clone(),
            signal: signal.clone(),
            background: Arc::new(TokioBackground),
            programs: programs.clone(),
            auth: Auth::new(tokens),
            config: Arc::new(config),
            gateway_id: GatewayId::from("gw"),
            board: Board::default(),
        };
        Self { plane, clock, signal, programs, deps, stop: None, serving: None }
    }
    /// Serving.
    pub fn start(config: &Value) -> Self {
        let mut bed = Self::idle(config);
        let (stop, stopped) = oneshot::channel();
        bed.stop = Some(stop);
        bed.serving =
            Some(tokio::spawn(serve(bed.deps.clone(), async move { drop(stopped.await) })));
        bed
    }
    pub fn halts(&self) {
        *self.plane.cancel.lock().unwrap() = true;
        self.signal.notify("halts");
    }
    pub fn now(&self) -> i64 {
        self.clock.now_ms()
    }
    /// Requests a stop.
    pub fn stop(&mut self) {
        drop(self.stop.take());
    }
    pub fn is_serving(&self) -> bool {
        self.serving.as_ref().is_some_and(|serving| !serving.is_finished())
    }
    /// A request to the gateway's own API, with this scope.
    pub async fn call(&self, method: &str, path: &str, who: &str, body: Value) -> (u16, Value) {
        let (status, text) = self.raw(method, path, who, body).await;
        (status, serde_json::from_str(&text).unwrap_or_default())
    }
    pub async fn raw(&self, method: &str, path: &str, who: &str, body: Value) -> (u16, String) {
        let request = axum::http::Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {who}"));
        let response = router(self.deps.clone())
            .oneshot(request.body(Body::from(body.to_string())).unwrap())
            .await
            .unwrap();
        let status = response.status().as_u16();
        (
            status,
            String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec())
                .unwrap(),
        )
    }
}

/// Runs everything that is ready.
pub async fn breathe() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Waits until the condition holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("never came true: {what}");
}

pub fn task(id: &str, epoch: u32, agent: &str, message: &str) -> LeasedTask {
    LeasedTask {
        task_id: TaskId::from(id),
        epoch,
        lease_ms: 30_000,
        agent: AgentId::from(agent),
        message: message.to_owned(),
        context: TaskContext::default(),
        approval_id: ApprovalId::new(format!("apr_{id}")),
        digest: "digest".to_owned(),
        cost_limit: Micros(1_000_000),
    }
}

/// One agent `worker` with the program `tool`.
pub fn tool() -> Value {
    json!({"agents": {"worker": {"runner": "command", "command": ["tool", "--json"], "env": ["API_KEY"], "timeout_s": 60}}})
}

pub fn hanging() -> ScriptedProgram {
    ScriptedProgram {
        lines: vec![r#"{"type":"progress","text":"thinking"}"#.to_owned()],
        hangs: true,
        ..ScriptedProgram::default()
    }
}

pub fn saying(lines: &[&str]) -> ScriptedProgram {
    ScriptedProgram {
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        ..ScriptedProgram::default()
    }
}
