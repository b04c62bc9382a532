//! The other services as fakes with a realistic day, behind the same call table.

use super::day::{approvals, budget, event, events, inbox, ledger, pool, routing};
use axum::Router;
use axum::extract::{Path, Query, State};
use contracts::approval::{Approval, ApprovalList, ApprovalState, DecideRequest, Decision};
use contracts::calls::{
    agency_router, personal_assistant as assistant, webhook_aggregator as aggregator,
};
use contracts::event::{
    EventDetail, EventList, EventRow, MessageAccepted, MessageRequest, SaidList, Speaker, Stage,
    TranscriptLine,
};
use contracts::halt::{HaltAnswer, HaltLevel, HaltList, HaltRequest, HaltRow, ResumeAnswer};
use contracts::monitoring::Health;
use contracts::routing::PoolList;
use contracts::task::{GatewayList, GatewayRow};
use contracts::{ErrorCode, ServiceName};
use platform::edge::{ApiError, ApiResult, Auth, JsonBody, Routes};
use platform::ports::Clock;
use platform::time::rfc3339;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// State of the fakes, and the changes made through them.
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub approvals: Mutex<Vec<Approval>>,
    pub events: Mutex<Vec<EventDetail>>,
    pub said: Mutex<Vec<TranscriptLine>>,
    pub halts: Mutex<HaltList>,
    pub gateway_age_ms: Mutex<i64>,
    /// Whether there is a second gateway, offering codegen only.
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
        said.push(TranscriptLine {
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
    /// Edits a message: it gets a new sequence number and keeps its time.
    pub fn edit(&self, id: &str, text: &str) {
        let mut said = self.said.lock().unwrap();
        let mut line = said.iter().find(|line| line.id == id).cloned().unwrap();
        (line.seq, line.text) = (said.len() as i64 + 1, text.to_owned());
        said.push(line);
    }
    /// All four fakes by name.
    pub fn services(self: &Arc<Self>, auth: &Auth) -> Vec<(ServiceName, Router)> {
        vec![
            (ServiceName::PersonalAssistant, assistant_fake(self, auth)),
            (ServiceName::AgencyRouter, router_fake(self, auth)),
            (
                ServiceName::SkillGraphLoader,
                with_health(ServiceName::SkillGraphLoader, auth).finish(self.clone()),
            ),
            (ServiceName::WebhookAggregator, aggregator_fake(self, auth)),
        ]
    }
}

fn with_health(service: ServiceName, auth: &Auth) -> Routes<Arc<World>> {
    let health = move || async move {
        axum::Json(Health {
            service,
            status: "ok".into(),
            version: "0.1.0".into(),
            problems: vec![],
            depends_on: std::collections::BTreeMap::default(),
        })
    };
    let document = match service {
        ServiceName::PersonalAssistant => {
            include_str!("../../../../docs/api/personal-assistant.json")
        }
        _ => r#"{"paths": {}}"#,
    };
    Routes::new(service, auth.clone()).health(health).document(document)
}

fn assistant_fake(world: &Arc<World>, auth: &Auth) -> Router {
    with_health(ServiceName::PersonalAssistant, auth)
        .call(assistant::ReadLedgerStats, |State(w): Shared| async move { axum::Json(ledger(&w)) })
        .call(assistant::ListHalts, |State(w): Shared| async move {
            axum::Json(w.halts.lock().unwrap().clone())
        })
        .call(assistant::Halt, halt)
        .call(assistant::Resume, resume)
        .call(assistant::ReadBudget, || async { axum::Json(budget()) })
        .call(assistant::ListApprovals, list_approvals)
        .call(assistant::ReadApproval, one_approval)
        .call(assistant::Decide, decide)
        .finish(world.clone())
}

fn router_fake(world: &Arc<World>, auth: &Auth) -> Router {
    with_health(ServiceName::AgencyRouter, auth)
        .call(agency_router::ReadRoutingStats, || async { axum::Json(routing()) })
        .call(agency_router::ReadPool, |State(w): Shared| async move {
            axum::Json(PoolList { agents: pool(w.clock.now_ms()) })
        })
        .finish(world.clone())
}

fn aggregator_fake(world: &Arc<World>, auth: &Auth) -> Router {
    with_health(ServiceName::WebhookAggregator, auth)
        .call(aggregator::ReadInboxStats, || async { axum::Json(inbox()) })
        .call(aggregator::ListGateways, gateways)
        .call(aggregator::DrainGateway, drain)
        .call(aggregator::ListEvents, list_events)
        .call(aggregator::ReadEvent, one_event)
        .call(aggregator::ReplayEvent, replay)
        .call(aggregator::SendMessage, message)
        .call(aggregator::ReadConversation, conversation)
        .finish(world.clone())
}

async fn halt(
    State(w): Shared,
    JsonBody(request): JsonBody<HaltRequest>,
) -> axum::Json<HaltAnswer> {
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
    axum::Json(HaltAnswer {
        success: true,
        task_id: None,
        message: "Halted.".into(),
        level: HaltLevel::Accepted,
    })
}

async fn resume(State(w): Shared, JsonBody(request): JsonBody<Value>) -> axum::Json<ResumeAnswer> {
    w.note("/api/resume", &request);
    *w.halts.lock().unwrap() = HaltList::default();
    axum::Json(ResumeAnswer { success: true, task_id: None, message: "Resumed.".into() })
}

async fn list_approvals(State(w): Shared, Query(query): Parameters) -> axum::Json<ApprovalList> {
    let wanted = query.get("state").and_then(|state| ApprovalState::parse(state));
    let approvals = w
        .approvals
        .lock()
        .unwrap()
        .iter()
        .filter(|a| wanted.is_none_or(|state| a.state == state))
        .cloned()
        .collect();
    axum::Json(ApprovalList { approvals })
}

async fn one_approval(State(w): Shared, Path(id): Path<String>) -> ApiResult<axum::Json<Approval>> {
    w.approvals
        .lock()
        .unwrap()
        .iter()
        .find(|a| a.id.as_str() == id)
        .cloned()
        .map(axum::Json)
        .ok_or_else(|| ApiError::not_found("such approval"))
}

async fn decide(
    State(w): Shared,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<DecideRequest>,
) -> ApiResult<axum::Json<Approval>> {
    w.note(&format!("/api/approvals/{id}/decide"), &request);
    let mut approvals = w.approvals.lock().unwrap();
    let approval = approvals
        .iter_mut()
        .find(|a| a.id.as_str() == id)
        .ok_or_else(|| ApiError::not_found("such approval"))?;
    if approval.state != ApprovalState::Pending {
        return Err(ApiError::new(
            ErrorCode::AlreadyDecided,
            "Decided by telegram:main:700100200.",
        ));
    }
    approval.state = if request.decision == Decision::Approve {
        ApprovalState::Approved
    } else {
        ApprovalState::Rejected
    };
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
        gateways: [row("gw-home", &["*"], age_ms)]
            .into_iter()
            .chain(w.office.lock().unwrap().then(|| row("gw-office", &["codegen"], 4_000)))
            .collect(),
    })
}

async fn drain(
    State(w): Shared,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<Value>,
) -> axum::Json<GatewayRow> {
    w.note(&format!("/api/gateways/{id}/drain"), &request);
    axum::Json(GatewayRow {
        gateway_id: id.into(),
        agents: vec![],
        last_seen: String::new(),
        age_ms: 0,
        running: 1,
        drained: request["drained"] == true,
    })
}

async fn list_events(State(w): Shared, Query(query): Parameters) -> axum::Json<EventList> {
    let fits = |row: &EventRow| {
        query.get("state").is_none_or(|s| row.state.as_str() == s)
            && query.get("channel").is_none_or(|c| &row.channel == c)
    };
    let limit = query.get("limit").and_then(|l| l.parse().ok()).unwrap_or(50);
    let events: Vec<_> =
        w.events.lock().unwrap().iter().map(|e| e.row.clone()).filter(fits).take(limit).collect();
    let cursor = (events.len() > 8).then(|| "next page&1".to_owned());
    axum::Json(EventList { events, cursor })
}

async fn one_event(State(w): Shared, Path(id): Path<String>) -> ApiResult<axum::Json<EventDetail>> {
    w.events
        .lock()
        .unwrap()
        .iter()
        .find(|e| e.row.id.as_str() == id)
        .cloned()
        .map(axum::Json)
        .ok_or_else(|| ApiError::not_found("such event"))
}

async fn replay(State(w): Shared, Path(id): Path<String>) -> axum::Json<Value> {
    w.note(&format!("/api/events/{id}/replay"), &json!({}));
    axum::Json(json!({ "dryRun": false, "matched": [id], "replayed": [id] }))
}

async fn message(
    State(w): Shared,
    JsonBody(request): JsonBody<MessageRequest>,
) -> (http::StatusCode, axum::Json<MessageAccepted>) {
    w.note("/api/messages", &request);
    let now = w.clock.now_ms();
    let id = format!("web.console.01J8A{now:021}");
    w.events.lock().unwrap().insert(
        0,
        event(
            &id,
            now,
            "web",
            &request.text,
            &[(Stage::Received, 0), (Stage::Routed, 12)],
            Some("codegen"),
        ),
    );
    w.say(Speaker::User, None, &request.text, Some(&id));
    (
        http::StatusCode::ACCEPTED,
        axum::Json(MessageAccepted {
            event_id: id.into(),
            conversation: request.conversation.unwrap_or_default(),
        }),
    )
}

async fn conversation(State(w): Shared, Query(query): Parameters) -> axum::Json<SaidList> {
    let after = query.get("after").and_then(|a| a.parse().ok()).unwrap_or(0);
    let wait: i64 = query.get("wait").and_then(|a| a.parse().ok()).unwrap_or(0);
    let until = w.clock.now_ms() + wait * 1000;
    loop {
        let (messages, last) = {
            let said = w.said.lock().unwrap();
            (
                said.iter().filter(|line| line.seq > after).cloned().collect::<Vec<_>>(),
                said.len() as i64,
            )
        };
        let now = w.clock.now_ms();
        if !messages.is_empty() || now >= until {
            return axum::Json(SaidList { messages, last });
        }
        w.clock.sleep_until(now + 200).await;
    }
}
