//! The test bed: the service's router on memory ports, with fake neighbours that record its calls.

use axum::Router;
use contracts::ServiceName;
use contracts::calls::skill_graph_loader::{ListAgents, Search};
use contracts::calls::webhook_aggregator::{Deliver, ListApprovers, ListEvents, WakeEvent};
use contracts::event::{EventList, Woken};
use contracts::graph::{AgentList, SearchAnswer, SearchHit, SkillKind};
use contracts::outbox::{Approvers, Delivery, DeliveryState, DeliveryStatus, OutboxAnswer, Target};
use fakes::Neighbours;
use http_body_util::BodyExt;
use personal_assistant::{Config, Deps, router};
use platform::config::Report;
use platform::edge::{Auth, Principal, Scope};
use platform::memory::{
    ManualClock, MemoryCalls, MemoryKv, MemoryObjects, MemoryOutbound, MemoryPrograms,
    MemorySignal, MemorySql, Switchboard, TokioBackground,
};
use platform::ports::{Row, Sql, Statement};
use platform::secret::Secret;
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

pub const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/0001_personal_assistant.sql"),
    include_str!("../../../migrations/0006_claim_epoch.sql"),
    include_str!("../../../migrations/0007_halt_endpoint.sql"),
    include_str!("../../../migrations/0008_cost_ticks.sql"),
    include_str!("../../../migrations/0010_tool_calls.sql"),
    include_str!("../../../migrations/0011_person.sql"),
    include_str!("../../../migrations/0012_memory.sql"),
    include_str!("../../../migrations/0013_review.sql"),
    include_str!("../../../migrations/0014_audit.sql"),
];
pub const OPERATOR: &str = "token-operator";
pub const VIEWER: &str = "token-viewer";
pub const AGENT: &str = "token-agent";
pub const GATEWAY: &str = "token-gateway";
pub const AGGREGATOR: &str = "token-aggregator";
pub const DASHBOARD: &str = "token-dashboard";
const ASSISTANT: &str = "token-assistant";
pub const EVENT: &str = "telegram.main.01ARZ3NDEKTSV4RRFFQ69G5FAV";

pub struct Bed {
    pub deps: Deps,
    pub router: Router,
    pub clock: Arc<ManualClock>,
    pub sql: Arc<MemorySql>,
    pub calls: Arc<MemoryCalls>,
    pub outbound: Arc<MemoryOutbound>,
    pub programs: Arc<MemoryPrograms>,
    pub neighbours: Neighbours,
}

pub fn auth() -> Auth {
    let scopes = [
        (OPERATOR, Scope::Operator),
        (VIEWER, Scope::Viewer),
        (AGENT, Scope::Agent),
        (GATEWAY, Scope::Gateway),
    ];
    let services = [
        (AGGREGATOR, ServiceName::WebhookAggregator),
        (DASHBOARD, ServiceName::MonitoringDashboard),
    ];
    let scopes = scopes.map(|(token, scope)| (Secret::new(token), Principal::Scope(scope)));
    let services =
        services.map(|(token, service)| (Secret::new(token), Principal::Service(service)));
    Auth::new(scopes.into_iter().chain(services))
}

impl Bed {
    pub fn new() -> Self {
        Self::with(json!({}))
    }
    pub fn with(config: Value) -> Self {
        let sql = Arc::new(MemorySql::with_migrations(MIGRATIONS));
        Self::over(config, sql.clone(), sql)
    }
    pub fn over(config: Value, store: Arc<dyn Sql>, sql: Arc<MemorySql>) -> Self {
        Self::at(config, store, sql, ManualClock::default())
    }
    pub fn at(config: Value, store: Arc<dyn Sql>, sql: Arc<MemorySql>, clock: ManualClock) -> Self {
        let report = Report::default();
        let config = Config::read(&config, &report);
        assert_eq!(report.into_problems(), []);
        let clock = Arc::new(clock);
        let switchboard = Switchboard::default();
        let neighbours = neighbours(&switchboard);
        let calls = Arc::new(MemoryCalls::new(Secret::new(ASSISTANT), switchboard));
        let outbound = Arc::new(MemoryOutbound::new(|_| Ok(MemoryOutbound::json(500, &json!({})))));
        let programs = Arc::new(MemoryPrograms::default());
        let deps = Deps {
            sql: store,
            kv: Arc::new(MemoryKv::new(clock.clone())),
            objects: Arc::new(MemoryObjects::default()),
            calls: calls.clone(),
            outbound: outbound.clone(),
            programs: Some(programs.clone()),
            clock: clock.clone(),
            signal: Arc::new(MemorySignal::new(clock.clone())),
            background: Arc::new(TokioBackground),
            auth: auth(),
            config: Arc::new(config),
            button_key: Secret::new("button-key"),
            emergency: Arc::new(platform::ports::NoEmergency),
            unwritten: personal_assistant::Unwritten::default(),
            open_calls: personal_assistant::OpenCalls::default(),
            next_digest: personal_assistant::NextLook::default(),
        };
        Self {
            router: router(deps.clone()),
            deps,
            clock,
            sql,
            calls,
            outbound,
            programs,
            neighbours,
        }
    }
    pub async fn send(&self, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        send(&self.router, token, method, path, body).await
    }
    pub async fn post(&self, token: &str, path: &str, body: Value) -> (u16, Value) {
        self.send(token, "POST", path, body).await
    }
    pub async fn get(&self, token: &str, path: &str) -> Value {
        let (status, body) = self.send(token, "GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
    /// Requests approval as the operator.
    pub async fn ask(&self, task: &str, dollars: f64) -> Value {
        let (status, body) = self.post(OPERATOR, "/api/approve", request(task, dollars)).await;
        assert_eq!(status, 200, "{body}");
        body
    }
    /// Requests approval as the aggregator, with an address to ask the owner at.
    pub async fn ask_in_chat(&self, task: &str, dollars: f64) -> Value {
        let mut body = request(task, dollars);
        let target = json!({"channel": "telegram", "endpoint": "main", "chat": "700100200"});
        body["channelContext"] = json!({"channel": "telegram", "eventId": EVENT, "ask": [target]});
        let (status, body) = self.post(AGGREGATOR, "/api/approve", body).await;
        assert_eq!(status, 200, "{body}");
        self.background().await;
        body
    }
    /// Who is asked about the work of other programs: this user, in a chat of that id.
    pub fn approver(&self, user: &str) {
        let target =
            json!({"channel": "telegram", "endpoint": "main", "chat": user, "direct": true});
        self.approvers_are(serde_json::from_value(json!([target])).unwrap());
    }
    pub fn approvers_are(&self, targets: Vec<Target>) {
        let approvers = Approvers { targets };
        self.neighbours.on::<ListApprovers>(move |(), ()| Ok(approvers.clone()));
    }
    pub async fn decide(&self, id: &Value, decision: &str) -> (u16, Value) {
        self.post(
            OPERATOR,
            &format!("/api/approvals/{}/decide", id.as_str().unwrap()),
            json!({"decision": decision}),
        )
        .await
    }
    pub async fn claim(&self, approval: &Value) -> (u16, Value) {
        let path = format!("/api/approvals/{}/claim", approval["approvalId"].as_str().unwrap());
        self.post(GATEWAY, &path, json!({"digest": approval["digest"]})).await
    }
    pub async fn settle(
        &self,
        task: &str,
        token: &Value,
        cost: Option<f64>,
        outcome: &str,
    ) -> (u16, Value) {
        let body = json!({"claimToken": token, "actualCost": cost, "outcome": outcome});
        self.post(GATEWAY, &format!("/api/tasks/{task}/settle"), body).await
    }
    /// A renewal of the aggregator, with the cost so far.
    pub async fn renew(&self, task: &str, dollars: f64) -> Value {
        let micros = (dollars * 1e6).round() as i64;
        let body = json!({"taskId": task, "costMicros": micros});
        let (status, answer) = self.post(AGGREGATOR, "/internal/renewed", body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }
    /// Approved by policy and claimed; returns the token.
    pub async fn claimed(&self, task: &str, dollars: f64) -> Value {
        let approval = self.ask(task, dollars).await;
        let (status, body) = self.claim(&approval).await;
        assert_eq!(status, 200, "{body}");
        body["claimToken"].clone()
    }
    /// The amounts of the first scope, which is the day.
    pub async fn day(&self) -> Value {
        self.get(OPERATOR, "/api/budget").await["scopes"][0].clone()
    }
    pub async fn rows(&self, text: &'static str) -> Vec<Row> {
        self.deps.sql.query(Statement::new(text)).await.unwrap()
    }
    /// Runs background work to its end.
    pub async fn background(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
    /// Turns the clock while it waits for something.
    pub async fn turning<T>(&self, waited: impl Future<Output = T>) -> T {
        let turning = async {
            loop {
                self.clock.advance(100);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            done = waited => done,
            () = turning => unreachable!(),
        }
    }
    /// The whole of a streamed answer.
    pub async fn streamed(&self, path: &str, body: Value) -> String {
        let sent = send_text(&self.router, OPERATOR, "POST", path, "text/event-stream", body);
        let (status, text) = sent.await;
        assert_eq!(status, 200, "{text}");
        text
    }
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.neighbours.asked::<Deliver>().into_iter().flat_map(|asked| asked.deliveries).collect()
    }
    /// The state of every later delivery.
    pub fn deliveries_are(&self, state: DeliveryState) {
        answer_deliveries(&self.neighbours, state);
    }
    /// The events that were woken.
    pub fn woken(&self) -> Vec<String> {
        let asked = self.neighbours.asked_with::<WakeEvent>();
        asked.into_iter().map(|(event, ())| event.as_str().to_owned()).collect()
    }
}

pub async fn send(
    router: &Router,
    token: &str,
    method: &str,
    path: &str,
    body: Value,
) -> (u16, Value) {
    let (status, text) = send_text(router, token, method, path, "application/json", body).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

pub async fn send_text(
    router: &Router,
    token: &str,
    method: &str,
    path: &str,
    accept: &str,
    body: Value,
) -> (u16, String) {
    let content = if body.is_null() { Vec::new() } else { serde_json::to_vec(&body).unwrap() };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("accept", accept)
        .body(axum::body::Body::from(content))
        .unwrap();
    answered(router, request).await
}

/// Posts bytes.
pub async fn send_bytes(
    router: &Router,
    token: &str,
    path: &str,
    content: &'static [u8],
) -> (u16, Value) {
    let request = http::Request::post(path)
        .header("authorization", format!("Bearer {token}"))
        .body(axum::body::Body::from(content))
        .unwrap();
    let (status, text) = answered(router, request).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

async fn answered(router: &Router, request: http::Request<axum::body::Body>) -> (u16, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

pub fn request(task: &str, dollars: f64) -> Value {
    json!({"taskId": task, "type": "codegen", "agentType": "codegen", "operation": "run", "description": "Fix the build", "estimatedCost": dollars})
}

/// An aggregator that sends what it is given, and a loader whose graph has one file and no agent.
fn neighbours(switchboard: &Switchboard) -> Neighbours {
    let me = Principal::Service(ServiceName::PersonalAssistant);
    let auth = Auth::new([(Secret::new(ASSISTANT), me)]);
    let services = [ServiceName::WebhookAggregator, ServiceName::SkillGraphLoader];
    let neighbours = Neighbours::on_board(switchboard, auth, services);
    answer_deliveries(&neighbours, DeliveryState::Sent);
    neighbours.on::<WakeEvent>(|_, ()| Ok(Woken {}));
    neighbours.on::<ListEvents>(|(), _| Ok(EventList { events: Vec::new(), cursor: None }));
    neighbours.on::<ListAgents>(|(), _| Ok(AgentList { version: None, agents: Vec::new() }));
    neighbours.on::<Search>(|(), _| {
        Ok(SearchAnswer {
            query: "retries".to_owned(),
            version: Some("v1".into()),
            results: vec![hit()],
        })
    });
    neighbours
}

fn answer_deliveries(neighbours: &Neighbours, state: DeliveryState) {
    neighbours.on::<Deliver>(move |(), request| {
        let status = |delivery: Delivery| DeliveryStatus { id: delivery.id, state, error: None };
        Ok(OutboxAnswer { states: request.deliveries.into_iter().map(status).collect() })
    });
}

fn hit() -> SearchHit {
    SearchHit {
        id: "error-handling".to_owned(),
        path: "skills/error-handling.md".to_owned(),
        kind: SkillKind::Skill,
        title: "Error handling".to_owned(),
        description: "How failures are met".to_owned(),
        heading: Some("Retries".to_owned()),
        snippet: "Retry with backoff and jitter.".to_owned(),
        highlights: vec![[0, 5]],
        score: 3.5,
    }
}
