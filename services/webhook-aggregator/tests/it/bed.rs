//! A bed for the aggregator: memory ports, the other services as small fakes on the switchboard.
#![allow(dead_code, reason = "each test file uses its own part")]

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use contracts::{ChannelKind, ServiceName};
use http_body_util::BodyExt;
use inbox::memory::MemoryInbox;
use platform::edge::{Auth, FromLoopback, Principal, Scope};
use platform::memory::{
    ManualClock, MemoryCalls, MemoryOutbound, MemorySignal, Switchboard, TokioBackground,
};
use platform::secret::Secret;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex};
use tower::ServiceExt;
use webhook_aggregator::{Config, Deps, channels};

pub struct Bed {
    pub clock: Arc<ManualClock>,
    pub inbox: Arc<MemoryInbox>,
    pub outbound: Arc<MemoryOutbound>,
    pub deps: Deps,
    pub app: Router,
    pub world: World,
}

/// What the faked services answer, and what they were asked.
#[derive(Clone, Default)]
pub struct World(pub Arc<Mutex<Answers>>);

#[derive(Default)]
pub struct Answers {
    pub agent: Option<String>,
    /// What approve says: approved, rejected or pending; and what a later look at the approval says.
    pub approve: Option<Value>,
    pub approval: Option<Value>,
    pub press: Option<Value>,
    /// What was begun when a lease ended without a word.
    pub given_up: Option<String>,
    pub halted: bool,
    pub router_down: bool,
    /// No agent is open to the sender.
    pub closed: bool,
    /// The router is not sure: the other agent.
    pub unsure_with: Option<String>,
    pub takes_back: bool,
    pub follows_up: bool,
    /// Whom a model chooses where the router is not sure.
    pub tie_breaker: Option<String>,
    /// The gateway that the pool chooses.
    pub instance: Option<String>,
    pub asked: Vec<(String, Value)>,
}

impl World {
    pub fn set(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.0.lock().unwrap());
    }
    pub fn asked(&self, path: &str) -> Vec<Value> {
        self.0
            .lock()
            .unwrap()
            .asked
            .iter()
            .filter(|(asked, _)| asked.starts_with(path))
            .map(|(_, body)| body.clone())
            .collect()
    }
}

pub const OPERATOR: &str = "operator-token";
pub const GATEWAY: &str = "gateway-token";

/// `vectors/<channel>.json` of every channel: an endpoint, its webhooks with their verdicts, and an answer of its API.
pub fn vectors() -> &'static BTreeMap<ChannelKind, Value> {
    static VECTORS: LazyLock<BTreeMap<ChannelKind, Value>> =
        LazyLock::new(|| channels::all().map(|(kind, _)| (kind, vectors_of(kind))).collect());
    &VECTORS
}

fn vectors_of(channel: ChannelKind) -> Value {
    let path = format!("{}/tests/vectors/{channel}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn config() -> Value {
    let endpoints = vectors().iter().map(|(kind, file)| {
        let endpoint = &file["endpoint"];
        let named = json!({ endpoint["name"].as_str().unwrap(): endpoint["keys"] });
        (kind.to_string(), named)
    });
    json!({ "endpoints": endpoints.collect::<serde_json::Map<_, _>>() })
}

pub fn bed() -> Bed {
    bed_with(config())
}

pub fn bed_with(config: Value) -> Bed {
    let clock = Arc::new(ManualClock::default());
    let switchboard = Switchboard::default();
    let world = World::default();
    let service = |service| (Secret::new(format!("secret-{service}")), Principal::Service(service));
    let auth = Auth::new([
        (Secret::new(OPERATOR), Principal::Scope(Scope::Operator)),
        (Secret::new(GATEWAY), Principal::Scope(Scope::Gateway)),
        service(ServiceName::PersonalAssistant),
        service(ServiceName::MonitoringDashboard),
    ]);
    let report = platform::config::Report::default();
    let config = Config::read(&config, &report);
    assert_eq!(report.into_problems(), []);
    let inbox = Arc::new(MemoryInbox::new(clock.clone()));
    let outbound = Arc::new(MemoryOutbound::new(|sent| Ok(platform_says(sent))));
    let deps = Deps {
        inbox: inbox.clone(),
        calls: Arc::new(MemoryCalls::new(
            Secret::new("secret-webhook-aggregator"),
            switchboard.clone(),
        )),
        outbound: outbound.clone(),
        clock: clock.clone(),
        signal: Arc::new(MemorySignal::new(clock.clone())),
        background: Arc::new(TokioBackground),
        auth,
        config: Arc::new(config),
    };
    *switchboard.lock().unwrap() = HashMap::from([
        (ServiceName::AgencyRouter, router_fake(&world)),
        (ServiceName::PersonalAssistant, assistant_fake(&world)),
    ]);
    Bed { app: webhook_aggregator::router(deps.clone()), clock, inbox, outbound, deps, world }
}

/// Address of a channel's stand-in API, as the native runtime has it.
pub fn local_api(channel: ChannelKind) -> String {
    format!("http://127.0.0.1:1/local/{channel}")
}

/// A platform that takes everything.
pub fn platform_says(sent: &platform::memory::Sent) -> platform::ports::OutboundResponse {
    let answer = vectors().iter().find_map(|(kind, file)| {
        if let Some(path) = sent.url.strip_prefix(&format!("{}/", local_api(*kind))) {
            return Some(channels::local_platform(*kind)?.answer(path, &sent.body, 43));
        }
        let api_base = file["endpoint"]["keys"]["api_base"].as_str().unwrap();
        sent.url.starts_with(api_base).then(|| file["api_answer"].clone())
    });
    MemoryOutbound::json(200, &answer.unwrap_or_else(|| panic!("no platform has {}", sent.url)))
}

fn router_fake(world: &World) -> Router {
    async fn route(
        State(world): State<World>,
        Json(body): Json<Value>,
    ) -> (http::StatusCode, Json<Value>) {
        let mut answers = world.0.lock().unwrap();
        answers.asked.push(("/internal/route".into(), body));
        if answers.router_down {
            return (
                http::StatusCode::SERVICE_UNAVAILABLE,
                Json(
                    serde_json::to_value(contracts::Problem::new(
                        contracts::ErrorCode::Unavailable,
                        "down",
                    ))
                    .unwrap(),
                ),
            );
        }
        let agent = answers.agent.clone().unwrap_or_else(|| "codegen".into());
        (
            http::StatusCode::OK,
            Json(json!({
                "agent": agent, "confidence": 0.9, "skillFilesUsed": ["agent-codegen"], "routingLatency": 0.1, "complexity": "simple", "reason": "words",
                "matchedKeywords": [], "alternatives": answers.unsure_with.iter().map(|agent| json!({"agent": agent, "confidence": 0.4})).collect::<Vec<_>>(),
                "fallback": false, "outOfScope": false, "needsChoice": answers.unsure_with.is_some(), "takesBack": answers.takes_back, "followsUp": answers.follows_up, "estimatedCost": null,
                "decisionId": "dec_1", "graphVersion": "v", "cached": false, "timestamp": "2026-09-21T14:13:22Z", "closed": answers.closed
            })),
        )
    }
    async fn feedback(State(world): State<World>, Json(body): Json<Value>) -> Json<Value> {
        world.0.lock().unwrap().asked.push(("/api/feedback".into(), body));
        Json(json!({}))
    }
    async fn outcomes(State(world): State<World>, Json(body): Json<Value>) -> Json<Value> {
        world.0.lock().unwrap().asked.push(("/internal/outcomes".into(), body));
        Json(json!({}))
    }
    async fn choose(State(world): State<World>, Json(body): Json<Value>) -> Json<Value> {
        let mut answers = world.0.lock().unwrap();
        answers.asked.push(("/internal/instances/choose".into(), body));
        Json(json!({ "gateway": answers.instance }))
    }
    Router::new()
        .route("/internal/route", post(route))
        .route("/internal/outcomes", post(outcomes))
        .route("/internal/instances/choose", post(choose))
        .route("/api/feedback", post(feedback))
        .with_state(world.clone())
}

fn assistant_fake(world: &World) -> Router {
    async fn approve(State(world): State<World>, Json(body): Json<Value>) -> Json<Value> {
        let mut answers = world.0.lock().unwrap();
        answers.asked.push(("/api/approve".into(), body));
        Json(answers.approve.clone().unwrap_or_else(|| approved("approved")))
    }
    async fn one(State(world): State<World>, Path(_): Path<String>) -> Json<Value> {
        Json(world.0.lock().unwrap().approval.clone().unwrap_or(Value::Null))
    }
    async fn noted(
        State(world): State<World>,
        uri: http::Uri,
        Json(body): Json<Value>,
    ) -> Json<Value> {
        let mut answers = world.0.lock().unwrap();
        answers.asked.push((uri.path().to_owned(), body));
        match uri.path() {
            // Unless a test says otherwise, the gateway that leased the task has claimed its approval.
            "/internal/given-up" => Json(
                json!({ "was": answers.given_up.clone().unwrap_or_else(|| "begun".to_owned()) }),
            ),
            "/internal/tie-break" => Json(json!({ "agent": answers.tie_breaker })),
            "/internal/halts/check" => Json(json!({ "all": answers.halted, "halted": [] })),
            "/internal/press" => Json(answers.press.clone().unwrap_or_else(
                || json!({ "outcome": "decided", "message": "Approved", "approvalId": "apr_1" }),
            )),
            "/api/halt" => Json(
                json!({ "success": true, "taskId": null, "message": "Everything is halted.", "level": "accepted" }),
            ),
            path if path.ends_with("/decide") => Json(approval("approved")),
            _ => Json(json!({})),
        }
    }
    Router::new()
        .route("/api/approve", post(approve))
        .route("/api/approvals/{id}", get(one))
        .fallback(noted)
        .with_state(world.clone())
}

/// An answer of approve in this state.
pub fn approved(state: &str) -> Value {
    json!({ "approved": state == "approved", "reason": "the rules say so.", "monitoringLevel": "none", "costLimit": 0.0, "state": state,
        "approvalId": "apr_1", "digest": "d1", "policies": [] })
}

/// An approval in full, in this state.
pub fn approval(state: &str) -> Value {
    json!({ "id": "apr_1", "version": 2, "state": state, "taskId": "t", "type": "codegen", "agentType": "codegen", "operation": "run", "description": "x",
        "arguments": null, "estimatedCost": 1.0, "costLimit": 1.0, "digest": "d2", "reason": "", "code": null, "policies": [], "monitoringLevel": "basic",
        "requestedAt": "2026-09-21T14:13:22Z", "expiresAt": "2026-09-21T14:13:22Z", "decidedAt": null, "decidedBy": "telegram:main:700100200",
        "channel": "telegram", "eventId": null, "actualCost": null })
}

impl Bed {
    /// A request; status and body.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> (u16, Bytes) {
        let (head, body) = self.answer(method, path, token, headers, body).await;
        (head.status.as_u16(), body)
    }
    /// The same with the answer's headers.
    pub async fn answer(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> (http::response::Parts, Bytes) {
        let mut request = http::Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(axum::body::Body::from(body.into())).unwrap();
        request.extensions_mut().insert(FromLoopback);
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        (head, body.collect().await.unwrap().to_bytes())
    }
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, OPERATOR, &[], "").await;
        assert_eq!(status, 200, "{path}: {body:?}");
        serde_json::from_slice(&body).unwrap()
    }
    pub async fn post(&self, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let (status, body) = self
            .ask("POST", path, token, &[("content-type", "application/json")], body.to_string())
            .await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
    /// Lets the background finish: every step on memory ports ends within a few turns.
    pub async fn settle(&self) {
        for _ in 0..400 {
            tokio::task::yield_now().await;
        }
    }
    /// A Telegram message of the approver.
    pub async fn telegram(&self, id: u64, text: &str) -> u16 {
        self.telegram_from(id, 700_100_200, text).await
    }
    pub async fn telegram_from(&self, id: u64, user: u64, text: &str) -> u16 {
        let body = json!({ "update_id": id, "message": { "message_id": id, "from": { "id": user }, "chat": { "id": user, "type": "private" }, "date": 1, "text": text } });
        self.telegram_update(&body).await
    }
    pub async fn telegram_update(&self, body: &Value) -> u16 {
        let secret = [("x-telegram-bot-api-secret-token", "tg_S3cret-Token_0123456789")];
        let status = self.ask("POST", "/telegram/main", "", &secret, body.to_string()).await.0;
        self.settle().await;
        status
    }
    /// The event of a dedup key.
    pub async fn event(&self, key: &str) -> Value {
        let list = self.get("/api/events?limit=500").await;
        let id = list["events"]
            .as_array()
            .unwrap()
            .iter()
            .find(|event| event["dedupeKey"] == key)
            .unwrap_or_else(|| panic!("no event {key}"))["id"]
            .clone();
        self.get(&format!("/api/events/{}", id.as_str().unwrap())).await
    }
    /// Takes everything there is to do.
    pub async fn lease(&self) -> Vec<Value> {
        let (status, leased) = self
            .post(
                "/api/tasks/lease",
                GATEWAY,
                &json!({ "gatewayId": "g1", "agents": ["*"], "capacity": 8 }),
            )
            .await;
        assert_eq!(status, 200, "{leased}");
        leased.as_array().unwrap().clone()
    }
    pub async fn finish(&self, task: &Value, outcome: &str, text: &str) -> u16 {
        let path = format!("/api/tasks/{}/result", task["taskId"].as_str().unwrap());
        let status = self.post(&path, GATEWAY, &json!({ "epoch": task["epoch"], "outcome": outcome, "text": text, "actualCost": 0.0 })).await.0;
        self.settle().await;
        status
    }
    /// Bodies of what was sent to this method of a platform.
    pub fn sent(&self, method: &str) -> Vec<String> {
        self.outbound
            .sent()
            .into_iter()
            .filter(|sent| sent.url.ends_with(method))
            .map(|sent| sent.body)
            .collect()
    }
}
