//! The other services as fakes with a believable day, behind the same table of who may call what.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use contracts::approval::{Approval, ApprovalList, ApprovalState, DecideRequest, Decision, MonitoringLevel};
use contracts::budget::{BudgetAnswer, BudgetScope};
use contracts::event::{AttemptEntry, EventDetail, EventList, EventRow, MessageAccepted, MessageRequest, Reply, Said, SaidList, Speaker, Stage, StageEntry};
use contracts::halt::{HaltAnswer, HaltLevel, HaltList, HaltRequest, HaltRow};
use contracts::monitoring::{Health, InboxStats, LedgerStats};
use contracts::routing::{Breaker, PoolInstance, PoolMember, RoutingStats};
use contracts::task::{GatewayList, GatewayRow};
use contracts::{ErrorCode, Micros, ServiceName};
use platform::edge::{ApiError, ApiResult, Auth, JsonBody, Routes, Scope};
use platform::ports::Clock;
use platform::time::rfc3339;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// What the fakes hold, and what was changed through them.
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub approvals: Mutex<Vec<Approval>>,
    pub events: Mutex<Vec<EventDetail>>,
    pub said: Mutex<Vec<Said>>,
    pub halts: Mutex<HaltList>,
    pub gateway_age_ms: Mutex<i64>,
    /// A second gateway, which offers codegen alone.
    pub office: Mutex<bool>,
    /// Every change: path and body.
    pub changes: Mutex<Vec<(String, Value)>>,
}

type Shared = State<Arc<World>>;
type Parameters = Query<HashMap<String, String>>;

impl World {
    pub fn at(clock: Arc<dyn Clock>) -> Arc<Self> {
        let now = clock.now_ms();
        Arc::new(Self {
            clock,
            approvals: Mutex::new(approvals(now)),
            events: Mutex::new(events(now)),
            said: Mutex::default(),
            halts: Mutex::default(),
            gateway_age_ms: Mutex::new(4_000),
            office: Mutex::default(),
            changes: Mutex::default(),
        })
    }
    pub fn changed(&self) -> Vec<(String, Value)> {
        self.changes.lock().unwrap().clone()
    }
    fn note(&self, path: &str, body: &impl serde::Serialize) {
        self.changes.lock().unwrap().push((path.to_owned(), serde_json::to_value(body).unwrap()));
    }
    pub fn say(&self, speaker: Speaker, agent: Option<&str>, text: &str, event: Option<&str>) {
        let mut said = self.said.lock().unwrap();
        let seq = said.len() as i64 + 1;
        let at = rfc3339(self.clock.now_ms());
        said.push(Said {
            seq,
            id: format!("s{seq}"),
            speaker,
            agent: agent.map(Into::into),
            text: text.into(),
            event_id: event.map(Into::into),
            settled: true,
            at,
        });
    }
    /// Says a line again with another text: it gets a later number and keeps its time.
    pub fn edit(&self, id: &str, text: &str) {
        let mut said = self.said.lock().unwrap();
        let mut line = said.iter().find(|line| line.id == id).cloned().unwrap();
        (line.seq, line.text) = (said.len() as i64 + 1, text.to_owned());
        said.push(line);
    }
    /// All four fakes by name.
    pub fn services(self: &Arc<Self>, auth: &Auth) -> Vec<(ServiceName, Router)> {
        vec![
            (ServiceName::PersonalAssistant, assistant(self, auth)),
            (ServiceName::AgencyRouter, agency_router(self, auth)),
            (ServiceName::SkillGraphLoader, with_health(ServiceName::SkillGraphLoader, auth).finish(self.clone())),
            (ServiceName::WebhookAggregator, aggregator(self, auth)),
        ]
    }
}

const OPERATOR: &[Scope] = &[Scope::Operator];

fn with_health(service: ServiceName, auth: &Auth) -> Routes<Arc<World>> {
    let health = move || async move { axum::Json(Health { service, status: "ok".into(), version: "0.1.0".into(), problems: vec![] }) };
    Routes::new(service, auth.clone()).open("/health", get(health))
}

fn assistant(world: &Arc<World>, auth: &Auth) -> Router {
    with_health(ServiceName::PersonalAssistant, auth)
        .internal("/internal/ledger-stats", get(|State(w): Shared| async move { axum::Json(ledger(&w)) }))
        .scoped(OPERATOR, "/api/halts", get(|State(w): Shared| async move { axum::Json(w.halts.lock().unwrap().clone()) }))
        .scoped(OPERATOR, "/api/halt", post(halt))
        .scoped(OPERATOR, "/api/resume", post(resume))
        .scoped(OPERATOR, "/api/budget", get(|| async { axum::Json(budget()) }))
        .scoped(OPERATOR, "/api/approvals", get(list_approvals))
        .scoped(OPERATOR, "/api/approvals/{id}", get(one_approval))
        .scoped(OPERATOR, "/api/approvals/{id}/decide", post(decide))
        .finish(world.clone())
}

fn agency_router(world: &Arc<World>, auth: &Auth) -> Router {
    with_health(ServiceName::AgencyRouter, auth)
        .scoped(OPERATOR, "/api/routing-stats", get(|| async { axum::Json(routing()) }))
        .scoped(OPERATOR, "/api/agents", get(|State(w): Shared| async move { axum::Json(json!({ "agents": pool(w.clock.now_ms()) })) }))
        .finish(world.clone())
}

fn aggregator(world: &Arc<World>, auth: &Auth) -> Router {
    with_health(ServiceName::WebhookAggregator, auth)
        .internal("/internal/inbox-stats", get(|| async { axum::Json(inbox()) }))
        .scoped(OPERATOR, "/api/gateways", get(gateways))
        .scoped(OPERATOR, "/api/gateways/{id}/drain", post(drain))
        .scoped(OPERATOR, "/api/events", get(list_events))
        .scoped(OPERATOR, "/api/events/{id}", get(one_event))
        .scoped(OPERATOR, "/api/events/{id}/replay", post(replay))
        .scoped(OPERATOR, "/api/messages", post(message))
        .scoped(OPERATOR, "/api/conversations/{id}/messages", get(conversation))
        .finish(world.clone())
}

async fn halt(State(w): Shared, JsonBody(request): JsonBody<HaltRequest>) -> axum::Json<HaltAnswer> {
    w.note("/api/halt", &request);
    let row = HaltRow {
        target: "all".into(),
        reason: request.reason.unwrap_or_default(),
        by: request.actor.unwrap_or_default(),
        at: rfc3339(w.clock.now_ms()),
        level: HaltLevel::Accepted,
        resumed_at: None,
    };
    *w.halts.lock().unwrap() = HaltList { all: true, halts: vec![row] };
    axum::Json(HaltAnswer { success: true, task_id: None, message: "Halted.".into(), level: HaltLevel::Accepted })
}

async fn resume(State(w): Shared, JsonBody(request): JsonBody<Value>) -> axum::Json<Value> {
    w.note("/api/resume", &request);
    *w.halts.lock().unwrap() = HaltList::default();
    axum::Json(json!({ "success": true }))
}

async fn list_approvals(State(w): Shared, Query(query): Parameters) -> axum::Json<ApprovalList> {
    let wanted = query.get("state").and_then(|state| ApprovalState::parse(state));
    let approvals = w.approvals.lock().unwrap().iter().filter(|a| wanted.is_none_or(|state| a.state == state)).cloned().collect();
    axum::Json(ApprovalList { approvals })
}

async fn one_approval(State(w): Shared, Path(id): Path<String>) -> ApiResult<axum::Json<Approval>> {
    w.approvals.lock().unwrap().iter().find(|a| a.id.as_str() == id).cloned().map(axum::Json).ok_or_else(|| ApiError::not_found("such approval"))
}

async fn decide(State(w): Shared, Path(id): Path<String>, JsonBody(request): JsonBody<DecideRequest>) -> ApiResult<axum::Json<Approval>> {
    w.note(&format!("/api/approvals/{id}/decide"), &request);
    let mut approvals = w.approvals.lock().unwrap();
    let approval = approvals.iter_mut().find(|a| a.id.as_str() == id).ok_or_else(|| ApiError::not_found("such approval"))?;
    if approval.state != ApprovalState::Pending {
        return Err(ApiError::new(ErrorCode::AlreadyDecided, "Decided by telegram:main:700100200."));
    }
    approval.state = if request.decision == Decision::Approve { ApprovalState::Approved } else { ApprovalState::Rejected };
    approval.decided_by = request.actor;
    approval.decided_at = Some(rfc3339(w.clock.now_ms()));
    Ok(axum::Json(approval.clone()))
}

async fn gateways(State(w): Shared) -> axum::Json<GatewayList> {
    let age_ms = *w.gateway_age_ms.lock().unwrap();
    let last_seen = rfc3339(w.clock.now_ms() - age_ms);
    let row = |id: &str, agents: &[&str], age_ms| GatewayRow {
        gateway_id: id.into(),
        agents: agents.iter().map(|agent| (*agent).to_owned()).collect(),
        last_seen: last_seen.clone(),
        age_ms,
        running: u32::from(id == "gw-home"),
        drained: false,
    };
    axum::Json(GatewayList {
        gateways: [row("gw-home", &["*"], age_ms)].into_iter().chain(w.office.lock().unwrap().then(|| row("gw-office", &["codegen"], 4_000))).collect(),
    })
}

async fn drain(State(w): Shared, Path(id): Path<String>, JsonBody(request): JsonBody<Value>) -> axum::Json<GatewayRow> {
    w.note(&format!("/api/gateways/{id}/drain"), &request);
    axum::Json(GatewayRow { gateway_id: id.into(), agents: vec![], last_seen: String::new(), age_ms: 0, running: 1, drained: request["drained"] == true })
}

async fn list_events(State(w): Shared, Query(query): Parameters) -> axum::Json<EventList> {
    let fits = |row: &EventRow| query.get("state").is_none_or(|s| row.state.as_str() == s) && query.get("channel").is_none_or(|c| &row.channel == c);
    let limit = query.get("limit").and_then(|l| l.parse().ok()).unwrap_or(50);
    let events: Vec<_> = w.events.lock().unwrap().iter().map(|e| e.row.clone()).filter(fits).take(limit).collect();
    let cursor = (events.len() > 8).then(|| "next page&1".to_owned());
    axum::Json(EventList { events, cursor })
}

async fn one_event(State(w): Shared, Path(id): Path<String>) -> ApiResult<axum::Json<EventDetail>> {
    w.events.lock().unwrap().iter().find(|e| e.row.id.as_str() == id).cloned().map(axum::Json).ok_or_else(|| ApiError::not_found("such event"))
}

async fn replay(State(w): Shared, Path(id): Path<String>) -> axum::Json<Value> {
    w.note(&format!("/api/events/{id}/replay"), &json!({}));
    axum::Json(json!({ "dryRun": false, "matched": [id], "replayed": [id] }))
}

async fn message(State(w): Shared, JsonBody(request): JsonBody<MessageRequest>) -> (http::StatusCode, axum::Json<MessageAccepted>) {
    w.note("/api/messages", &request);
    let now = w.clock.now_ms();
    let id = format!("web.console.01J8A{:021}", now);
    w.events.lock().unwrap().insert(0, event(&id, now, "web", &request.text, &[(Stage::Received, 0), (Stage::Routed, 12)], Some("codegen")));
    w.say(Speaker::User, None, &request.text, Some(&id));
    (http::StatusCode::ACCEPTED, axum::Json(MessageAccepted { event_id: id.into(), conversation: request.conversation.unwrap_or_default() }))
}

async fn conversation(State(w): Shared, Query(query): Parameters) -> axum::Json<SaidList> {
    let after = query.get("after").and_then(|a| a.parse().ok()).unwrap_or(0);
    let wait: i64 = query.get("wait").and_then(|a| a.parse().ok()).unwrap_or(0);
    let until = w.clock.now_ms() + wait * 1000;
    loop {
        let (messages, last) = {
            let said = w.said.lock().unwrap();
            (said.iter().filter(|line| line.seq > after).cloned().collect::<Vec<_>>(), said.len() as i64)
        };
        let now = w.clock.now_ms();
        if !messages.is_empty() || now >= until {
            return axum::Json(SaidList { messages, last });
        }
        w.clock.sleep_until(now + 200).await;
    }
}

fn ledger(w: &World) -> LedgerStats {
    let pending = w.approvals.lock().unwrap().iter().filter(|a| a.state == ApprovalState::Pending).count() as u64;
    let days = [9.1, 11.4, 7.25, 12.8, 10.2, 3.1, 2.4, 11.9, 14.6, 9.8, 13.3, 12.1, 4.4, 3.0];
    LedgerStats {
        time_zone: "Europe/Berlin".into(),
        today: "2026-09-21".into(),
        day_start_ms: w.clock.now_ms() - 14 * 3_600_000,
        approved: 46,
        rejected: 3,
        expired: 1,
        by_human: 7,
        pending,
        median_decision_ms: Some(184_000.0),
        cost_today: Micros(12_500_000),
        held: Micros(6_750_000),
        limit: Micros(50_000_000),
        unpriced_count: 1,
        overrun: Micros(0),
        daily_costs: days.iter().filter_map(|d| Micros::from_dollars(*d)).collect(),
        halted: w.halts.lock().unwrap().all,
    }
}

fn routing() -> RoutingStats {
    let by_agent = [("codegen", 31), ("pm", 14), ("security", 9), ("assistant", 22)].map(|(agent, n)| (agent.to_owned(), n)).into();
    RoutingStats {
        direct: 0,
        decisions: 76,
        avg_latency_ms: Some(2.3),
        p50_latency_ms: Some(1.8),
        p95_latency_ms: Some(5.9),
        p99_latency_ms: Some(11.0),
        out_of_scope: 4,
        fallbacks: 1,
        by_agent,
        accuracy: Some(0.918),
        labelled: 61,
    }
}

fn inbox() -> InboxStats {
    InboxStats {
        requests: 76,
        open: 2,
        dead: 1,
        avg_latency_ms: Some(3_420.0),
        p50_latency_ms: Some(1_900.0),
        p90_latency_ms: Some(8_300.0),
        p99_latency_ms: Some(31_000.0),
        answered: 71,
        ..InboxStats::default()
    }
}

fn pool(now: i64) -> Vec<PoolMember> {
    let member = |agent: &str, title: &str, ms: f64, in_flight| PoolMember {
        agent: agent.into(),
        title: title.into(),
        available: true,
        breaker: Breaker::Closed,
        in_flight,
        latency_ms: Some(ms),
        failures: 0,
        retry_at: None,
        instances: Vec::new(),
    };
    let mut list = vec![
        member("codegen", "Code generation", 14_200.0, 1),
        member("pm", "Project management", 2_100.0, 0),
        member("security", "Security review", 6_900.0, 0),
        member("assistant", "Assistant", 900.0, 0),
    ];
    list[2] = PoolMember { available: false, breaker: Breaker::Open, failures: 5, retry_at: Some(rfc3339(now + 40_000)), ..list[2].clone() };
    let instance = |gateway: &str, in_flight| PoolInstance {
        gateway: gateway.into(),
        available: true,
        breaker: Breaker::Closed,
        in_flight,
        latency_ms: Some(14_200.0),
        failures: 0,
        retry_at: None,
    };
    list[0].instances = vec![instance("gw-home", 1), instance("gw-office", 0)];
    list
}

fn budget() -> BudgetAnswer {
    let scope = |scope: &str, window: &str, label: &str, limit, spent, held, source: &str| BudgetScope {
        scope: scope.into(),
        window: window.into(),
        label: label.into(),
        limit: Micros(limit),
        source: source.into(),
        spent: Micros(spent),
        held: Micros(held),
        remaining: Micros(limit - spent - held),
        resets_at: "2026-09-21T22:00:00.000Z".into(),
    };
    BudgetAnswer {
        time_zone: "Europe/Berlin".into(),
        scopes: vec![
            scope("all", "day", "2026-09-21", 50_000_000, 12_500_000, 6_750_000, "file"),
            scope("all", "month", "2026-09", 500_000_000, 198_400_000, 6_750_000, "default"),
            scope("agent:codegen", "day", "2026-09-21", 20_000_000, 11_200_000, 4_500_000, "api"),
        ],
    }
}

fn approvals(now: i64) -> Vec<Approval> {
    let base = |id: &str, state, description: &str| Approval {
        id: id.into(),
        version: 3,
        state,
        task_id: format!("telegram.main.{id}").as_str().into(),
        kind: "codegen".into(),
        agent_type: "codegen".into(),
        operation: Some("run".into()),
        description: description.into(),
        arguments: Some(json!({ "message": description, "branch": "release/2.4", "dryRun": false, "paths": ["services/billing", "migrations"] })),
        estimated_cost: Some(Micros(4_500_000)),
        cost_limit: Micros(6_000_000),
        digest: "9f2c4e0b7a1d4c55b0d1e6f3a2978cbb41f0c6d2e8a94b7753d0aa11bc90ef42".into(),
        reason: "$4.50 is more than a quarter of your threshold of $10.00.".into(),
        code: None,
        policies: vec!["cost_threshold".into()],
        monitoring_level: MonitoringLevel::Basic,
        requested_at: rfc3339(now - 200_000),
        expires_at: rfc3339(now + 700_000),
        decided_at: None,
        decided_by: None,
        channel: Some("telegram".into()),
        event_id: Some("telegram.main.01J8AAAAAAAAAAAAAAAAAAAAA2".into()),
        actual_cost: None,
    };
    let decided = |id: &str, state, description: &str, by: &str, minutes: i64| Approval {
        decided_by: Some(by.into()),
        decided_at: Some(rfc3339(now - minutes * 60_000)),
        reason: "Within your rules.".into(),
        ..base(id, state, description)
    };
    vec![
        base("apr_01J8B1", ApprovalState::Pending, "Apply the pending billing migration to the release branch and open a pull request"),
        Approval {
            estimated_cost: None,
            reason: "The price of this run is not known.".into(),
            policies: vec!["unknown_price".into(), "requires_human_approval".into()],
            arguments: Some(json!({ "message": "<script>alert(1)</script> rotate the signing keys", "scope": "all" })),
            expires_at: rfc3339(now + 95_000),
            agent_type: "security".into(),
            channel: Some("slack".into()),
            ..base("apr_01J8B2", ApprovalState::Pending, "<b>Rotate</b> every signing key & tell the team")
        },
        Approval { actual_cost: Some(Micros(380_000)), ..decided("apr_01J8A9", ApprovalState::Consumed, "Summarise yesterday's incidents", "policy", 24) },
        decided("apr_01J8A8", ApprovalState::Rejected, "Delete the staging database", "telegram:main:700100200", 51),
        decided("apr_01J8A7", ApprovalState::Expired, "Upgrade all dependencies", "clock", 190),
    ]
}

/// An event that has come this far.
pub fn event(id: &str, at: i64, channel: &str, text: &str, stages: &[(Stage, i64)], agent: Option<&str>) -> EventDetail {
    let state = stages.last().map_or(Stage::Received, |(stage, _)| *stage);
    let row = EventRow {
        id: id.into(),
        endpoint: if channel == "web" { "console" } else { "main" }.into(),
        channel: channel.into(),
        dedupe_key: "k".into(),
        conversation: format!("{channel}:main:700100200").as_str().into(),
        sender: Some(format!("{channel}:main:700100200")),
        text: text.into(),
        state,
        reason: None,
        attempts: 0,
        received_at: rfc3339(at),
        updated_at: rfc3339(at),
        agent: agent.map(Into::into),
        decision_id: Some("dec_01J8A".into()),
        task_id: None,
        approval_id: None,
        cost_micros: None,
    };
    let stages = stages.iter().map(|(stage, after)| StageEntry { stage: *stage, at: rfc3339(at + after), after_ms: *after, note: None }).collect();
    EventDetail { row, stages, attempts_log: vec![], replies: vec![], replays: 0 }
}

fn events(now: i64) -> Vec<EventDetail> {
    use Stage::{Answered, Approved, Dead, Done, Ignored, Parked, Received, Refused, Routed, Running};
    let id = |n: u32, channel: &str| format!("{channel}.main.01J8AAAAAAAAAAAAAAAAAAAAA{n}");
    let whole = [(Received, 0), (Routed, 9), (Approved, 21), (Running, 340), (Answered, 2_410), (Done, 2_690)];
    let mut list = vec![
        event(
            &id(1, "slack"),
            now - 40_000,
            "slack",
            "Can you review the retry logic in the payment worker?",
            &[(Received, 0), (Routed, 11), (Approved, 30), (Running, 420)],
            Some("codegen"),
        ),
        event(
            &id(2, "telegram"),
            now - 200_000,
            "telegram",
            "Apply the pending billing migration to the release branch and open a pull request",
            &[(Received, 0), (Routed, 8), (Parked, 25)],
            Some("codegen"),
        ),
        event(&id(3, "discord"), now - 900_000, "discord", "What is our policy for rotating credentials?", &whole, Some("security")),
        event(
            &id(4, "telegram"),
            now - 1_900_000,
            "telegram",
            "Plan the next sprint around the importer rewrite and leave two days for the audit findings",
            &whole,
            Some("pm"),
        ),
        event(
            &id(5, "slack"),
            now - 4_000_000,
            "slack",
            "<script>alert('x')</script> **bold** & more",
            &[(Received, 0), (Routed, 7), (Refused, 19)],
            Some("codegen"),
        ),
        event(
            &id(6, "telegram"),
            now - 9_000_000,
            "telegram",
            "Summarise the incident channel",
            &[(Received, 0), (Routed, 12), (Dead, 61_000)],
            Some("assistant"),
        ),
        event(&id(7, "discord"), now - 90_000_000, "discord", "hello?", &[(Received, 0), (Ignored, 1)], None),
        event(&id(8, "web"), now - 91_000_000, "web", "How do I write a good ticket?", &whole, Some("pm")),
        event(&id(9, "slack"), now - 92_000_000, "slack", "Status of the release?", &whole, Some("pm")),
    ];
    list[1].row.approval_id = Some("apr_01J8B1".into());
    list[3].row.cost_micros = Some(380_000);
    list[4].row.reason = Some("The operation is among your blocked ones.".into());
    list[5].row.reason = Some("The gateway did not answer in time.".into());
    list[5].attempts_log =
        vec![AttemptEntry { stage: Running, at: rfc3339(now - 8_960_000), error: "no lease within 30 s".into(), retry_at: Some(rfc3339(now - 8_930_000)) }];
    list[6].row.reason = Some("unknown_sender".into());
    let text =
        "Here is a plan for **two weeks**:\n\n- importer: split parsing from storing\n- audit: close F-12 and F-15\n\nRun `quintet events` to follow it.";
    list[3].replies = vec![Reply {
        id: "r1".into(),
        state: "sent".into(),
        text: text.into(),
        attempts: 1,
        error: None,
        message_ids: vec!["77".into()],
        updated_at: rfc3339(now - 1_897_000),
    }];
    list
}
