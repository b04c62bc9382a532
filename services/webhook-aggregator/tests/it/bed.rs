//! A bed for the aggregator: memory ports, the other services as small fakes on the switchboard.
#![allow(dead_code, reason = "each test file uses its own part")]

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use contracts::ServiceName;
use http_body_util::BodyExt;
use inbox::memory::MemoryInbox;
use platform::edge::{Auth, FromLoopback, Principal, Scope};
use platform::memory::{
    ManualClock, MemoryCalls, MemoryOutbound, MemorySignal, Switchboard, TokioBackground,
};
use platform::secret::Secret;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tower::ServiceExt;
use webhook_aggregator::{Config, Deps};

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

pub fn config() -> Value {
    let telegram: Value = serde_json::from_str(include_str!("../vectors/telegram.json")).unwrap();
    let slack: Value = serde_json::from_str(include_str!("../vectors/slack.json")).unwrap();
    let discord: Value = serde_json::from_str(include_str!("../vectors/discord.json")).unwrap();
    json!({ "endpoints": {
        "telegram": { "main": { "secret_token": telegram["secret"], "bot_token": "5550001:TEST", "api_base": "http://127.0.0.1:1/tg", "approvers": ["700100200"] } },
        "slack": { "T0AAAA111": { "signing_secret": slack["secret"], "bot_token": "xoxb-test", "api_base": "http://127.0.0.1:1/slack", "approvers": ["U0HUMAN01"] } },
        "discord": { "820000000000000001": {
            "public_key": discord["public_key_hex"], "application_id": "910000000000000001", "bot_token": "bot-token",
            "api_base": "http://127.0.0.1:1/dc/v10", "approvers": ["810000000000000001"] } },
    }})
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

/// A platform that takes everything.
pub fn platform_says(sent: &platform::memory::Sent) -> platform::ports::OutboundResponse {
    let body = if sent.url.contains("/tg/") {
        json!({ "ok": true, "result": { "message_id": 43, "chat": { "id": 700_100_200 } } })
    } else if sent.url.contains("/slack/") {
        json!({ "ok": true, "channel": "D0IM00001", "ts": "1.2" })
    } else {
        json!({ "id": "950000000000000002", "channel_id": "830000000000000001" })
    };
    MemoryOutbound::json(200, &body)
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
