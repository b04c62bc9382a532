//! A bed for the aggregator: memory ports, the other services as fakes.
#![allow(dead_code, reason = "each test file uses its own part")]

use axum::Router;
use bytes::Bytes;
use contracts::approval::{
    Approval, ApprovalState, ApprovalsText, ApproveAnswer, GivenUp, GivenUpAnswer, PressAnswer,
};
use contracts::budget::BudgetText;
use contracts::calls::agency_router::{
    ChooseInstance, GiveFeedback, ReadPool, ReportOutcome, RouteEvent,
};
use contracts::calls::personal_assistant::{
    Approve, BreakTie, CheckHalts, Decide, Halt, Press, ReadApproval, ReportGivenUp, ReportRenewed,
    ReportStopped, Resume, TellApprovals, TellBudget,
};
use contracts::graph::Complexity;
use contracts::halt::{HaltAnswer, HaltCheckAnswer, HaltLevel, ResumeAnswer};
use contracts::routing::{
    Alternative, Breaker, DecisionRow, Feedback, InstanceAnswer, OutcomeRecorded, PoolList,
    PoolMember, RouteAnswer, TieAnswer, UnknownAgent,
};
use contracts::task::{LEASE_MS, RenewAnswer};
use contracts::{ChannelKind, ErrorCode, Micros, ServiceName};
use fakes::Neighbours;
use http_body_util::BodyExt;
use inbox::memory::MemoryInbox;
use platform::edge::{ApiError, Auth, FromLoopback, Principal, Scope};
use platform::memory::{
    ManualClock, MemoryCalls, MemoryMail, MemoryObjects, MemoryOutbound, MemorySignal, Switchboard,
    TokioBackground,
};
use platform::ports::Clock;
use platform::secret::Secret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use tower::ServiceExt;
use webhook_aggregator::{Config, Deps, channels};

pub struct Bed {
    pub clock: Arc<ManualClock>,
    pub inbox: Arc<MemoryInbox>,
    pub outbound: Arc<MemoryOutbound>,
    pub mail: Arc<MemoryMail>,
    pub objects: Arc<MemoryObjects>,
    pub deps: Deps,
    pub app: Router,
    pub world: World,
    pub fakes: Neighbours,
}

/// The answers of the fakes as far as tests change them.
#[derive(Clone, Default)]
pub struct World(Arc<Mutex<Answers>>);

#[derive(Default)]
pub struct Answers {
    pub agent: Option<String>,
    /// The answer to approve (approved, rejected or pending), and to a later look at the approval.
    pub approve: Option<ApproveAnswer>,
    pub approval: Option<Approval>,
    pub halted: bool,
    pub router_down: bool,
    /// No agent is open to the sender.
    pub closed: bool,
    /// The router is not sure: the other agent.
    pub unsure_with: Option<String>,
    pub takes_back: bool,
    pub follows_up: bool,
    pub unknown_agent: Option<UnknownAgent>,
    /// Whom a model chooses where the router is not sure.
    pub tie_breaker: Option<String>,
    /// The gateway that the pool chooses.
    pub instance: Option<String>,
}

impl World {
    pub fn set(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.0.lock().unwrap());
    }
}

const SECRET: &str = "secret-webhook-aggregator";
pub const OPERATOR: &str = "operator-token";
pub const GATEWAY: &str = "gateway-token";
pub const VIEWER: &str = "viewer-token";
/// Opens the mailbox of the bed.
pub const MAIL_PASSWORD: &str = "mailbox-password";

/// `vectors/<channel>.json` of every channel: an endpoint, its webhooks with their verdicts, and an
/// answer of its API.
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
        let mut named = file["others"].as_object().cloned().unwrap_or_default();
        named.insert(endpoint["name"].as_str().unwrap().to_owned(), endpoint["keys"].clone());
        (kind.to_string(), Value::Object(named))
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
    let fakes = neighbours(&switchboard, &world);
    let service = |service| (Secret::new(format!("secret-{service}")), Principal::Service(service));
    let auth = Auth::new([
        (Secret::new(OPERATOR), Principal::Scope(Scope::Operator)),
        (Secret::new(GATEWAY), Principal::Scope(Scope::Gateway)),
        (Secret::new(VIEWER), Principal::Scope(Scope::Viewer)),
        service(ServiceName::PersonalAssistant),
        service(ServiceName::MonitoringDashboard),
    ]);
    let report = platform::config::Report::default();
    let config = Config::read(&config, &report);
    assert_eq!(report.into_problems(), []);
    let inbox = Arc::new(MemoryInbox::new(clock.clone()));
    let outbound = Arc::new(MemoryOutbound::new(|sent| Ok(platform_says(sent))));
    let mail = Arc::new(MemoryMail::new(MAIL_PASSWORD));
    let objects = Arc::new(MemoryObjects::default());
    let deps = Deps {
        inbox: inbox.clone(),
        calls: Arc::new(MemoryCalls::new(Secret::new(SECRET), switchboard)),
        outbound: outbound.clone(),
        mail: Some(mail.clone()),
        objects: objects.clone(),
        clock: clock.clone(),
        signal: Arc::new(MemorySignal::new(clock.clone())),
        background: Arc::new(TokioBackground),
        auth,
        config: Arc::new(config),
        links: webhook_aggregator::Links::default(),
    };
    let app = webhook_aggregator::router(deps.clone());
    let bed = Bed { clock, inbox, outbound, mail, objects, deps, app, world, fakes };
    // Unless a test says otherwise, the gateway that leased the task has claimed its approval.
    bed.given_up(GivenUp::Begun);
    bed
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
        let api_base = file["endpoint"]["keys"]["api_base"].as_str()?;
        sent.url.starts_with(api_base).then(|| file["api_answer"].clone())
    });
    MemoryOutbound::json(200, &answer.unwrap_or_else(|| panic!("no platform has {}", sent.url)))
}

/// A router that is sure of its agent, and an assistant that approves, unless a test says
/// otherwise.
fn neighbours(switchboard: &Switchboard, world: &World) -> Neighbours {
    let me = Principal::Service(ServiceName::WebhookAggregator);
    let auth = Auth::new([(Secret::new(SECRET), me)]);
    let services = [ServiceName::AgencyRouter, ServiceName::PersonalAssistant];
    let fakes = Neighbours::on_board(switchboard, auth, services);
    router_fake(&fakes, world);
    approvals_fake(&fakes, world);
    halts_fake(&fakes, world);
    fakes
}

fn router_fake(fakes: &Neighbours, world: &World) {
    let answers = world.clone();
    fakes.on::<RouteEvent>(move |(), _| {
        let answers = answers.0.lock().unwrap();
        if answers.router_down {
            return Err(ApiError::new(ErrorCode::Unavailable, "down"));
        }
        Ok(route_answer(&answers))
    });
    fakes.on::<GiveFeedback>(|(), request| Ok(decision(request)));
    fakes.on::<ReportOutcome>(|(), _| Ok(OutcomeRecorded { recorded: true }));
    fakes.on::<ReadPool>(|(), ()| Ok(pool()));
    let answers = world.clone();
    fakes.on::<ChooseInstance>(move |(), _| {
        let instance = answers.0.lock().unwrap().instance.clone();
        Ok(InstanceAnswer { gateway: instance.map(Into::into) })
    });
}

fn route_answer(answers: &Answers) -> RouteAnswer {
    let other = answers.unsure_with.iter().map(|agent| agent.as_str().into());
    RouteAnswer {
        agent: answers.agent.as_deref().unwrap_or("codegen").into(),
        confidence: 0.9,
        skill_files_used: vec!["agent-codegen".to_owned()],
        routing_latency: 0.1,
        complexity: Complexity::Simple,
        reason: "words".to_owned(),
        matched_keywords: Vec::new(),
        alternatives: other.map(|agent| Alternative { agent, confidence: 0.4 }).collect(),
        fallback: false,
        out_of_scope: false,
        needs_choice: answers.unsure_with.is_some(),
        estimated_cost: None,
        decision_id: "dec_1".into(),
        graph_version: Some("v".into()),
        cached: false,
        timestamp: "2026-09-21T14:13:22Z".to_owned(),
        closed: answers.closed,
        takes_back: answers.takes_back,
        follows_up: answers.follows_up,
        unknown_agent: answers.unknown_agent.clone(),
    }
}

fn pool() -> PoolList {
    let member = |agent: &str, title: &str, available| PoolMember {
        agent: agent.into(),
        title: title.to_owned(),
        available,
        breaker: Breaker::Closed,
        in_flight: 0,
        latency_ms: None,
        failures: 0,
        retry_at: None,
        instances: Vec::new(),
    };
    let agents = vec![member("codegen", "Writes code", true), member("pm", "PM", false)];
    PoolList { agents }
}

/// The decision that this feedback is about.
fn decision(feedback: Feedback) -> DecisionRow {
    DecisionRow {
        id: feedback.decision_id,
        at: "2026-09-21T14:13:22Z".to_owned(),
        agent: "codegen".into(),
        confidence: 0.9,
        channel: None,
        user_id: None,
        event_id: None,
        message: String::new(),
        reason: "words".to_owned(),
        complexity: Complexity::Simple,
        fallback: false,
        out_of_scope: false,
        graph_version: Some("v".into()),
        latency_ms: 0.1,
        correct: Some(feedback.correct),
        correct_agent: feedback.agent,
    }
}

fn approvals_fake(fakes: &Neighbours, world: &World) {
    let answers = world.clone();
    fakes.on::<Approve>(move |(), _| {
        let approve = answers.0.lock().unwrap().approve.clone();
        Ok(approve.unwrap_or_else(|| fakes::approve_answer(ApprovalState::Approved)))
    });
    let answers = world.clone();
    fakes.on::<ReadApproval>(move |_, _| {
        let approval = answers.0.lock().unwrap().approval.clone();
        approval.ok_or_else(|| ApiError::new(ErrorCode::Unavailable, "no approval is set"))
    });
    fakes.on::<Decide>(|id, _| Ok(Approval { id, ..approval(ApprovalState::Approved) }));
    fakes.on::<Press>(|(), _| {
        Ok(PressAnswer {
            outcome: "decided".to_owned(),
            message: "Approved".to_owned(),
            approval_id: Some("apr_1".into()),
        })
    });
    let answers = world.clone();
    fakes.on::<BreakTie>(move |(), _| {
        let agent = answers.0.lock().unwrap().tie_breaker.clone();
        Ok(TieAnswer { agent: agent.map(Into::into) })
    });
}

fn halts_fake(fakes: &Neighbours, world: &World) {
    let answers = world.clone();
    fakes.on::<CheckHalts>(move |(), _| {
        Ok(HaltCheckAnswer { all: answers.0.lock().unwrap().halted, ..HaltCheckAnswer::default() })
    });
    let halt = |task_id, message: &str, level| HaltAnswer {
        success: true,
        task_id,
        message: message.to_owned(),
        level,
        unwritten: false,
    };
    fakes.on::<Halt>(move |(), _| Ok(halt(None, "Everything is halted.", HaltLevel::Accepted)));
    fakes.on::<ReportStopped>(move |(), request| {
        Ok(halt(Some(request.task_id), "Stopped.", HaltLevel::Stopped))
    });
    fakes.on::<Resume>(|(), request| {
        let message = "Resumed.".to_owned();
        Ok(ResumeAnswer { success: true, task_id: request.task_id, message })
    });
    fakes.on::<TellBudget>(|(), request| {
        Ok(BudgetText { message: format!("The budget of {}.", request.actor) })
    });
    fakes.on::<TellApprovals>(|(), request| {
        let message = format!("The requests for {}.", request.actor);
        Ok(ApprovalsText { message, pending: 2, halted: false })
    });
    fakes.on::<ReportRenewed>(|(), _| {
        let cost_limit = Micros(500_000);
        Ok(RenewAnswer { lease_ms: LEASE_MS, cost_limit, ..RenewAnswer::default() })
    });
}

/// The approval that the fake assistant has decided, in this state.
pub fn approval(state: ApprovalState) -> Approval {
    Approval {
        version: 2,
        decided_by: Some("telegram:main:700100200".to_owned()),
        channel: Some("telegram".to_owned()),
        ..fakes::approval(state)
    }
}

impl Bed {
    /// How far a run had come whose lease ended without a report.
    pub fn given_up(&self, was: GivenUp) {
        self.fakes.on::<ReportGivenUp>(move |(), _| {
            Ok(GivenUpAnswer { was, cost: (was == GivenUp::Begun).then_some(Micros(500_000)) })
        });
    }
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
        let body = json!({ "update_id": id, "message": { "message_id": id, "from": { "id": user }, "chat": { "id": user, "type": "private" }, "date": self.clock.now_ms() / 1000, "text": text } });
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
