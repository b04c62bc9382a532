//! A control plane that records calls and answers as a test orders, with a gateway.

use agency_gateway::runner::Tools;
use agency_gateway::{Board, Config, Deps, router, serve};
use axum::body::Body;
use contracts::approval::{Approval, ClaimAnswer, SettleAnswer};
use contracts::calls::Call;
use contracts::calls::personal_assistant::{Claim, ReadApproval, RenewClaim, Settle};
use contracts::calls::skill_graph_loader::{ListAgents, ReadSkill, Search};
use contracts::calls::webhook_aggregator::{FinishTask, LeaseTasks, RenewTask};
use contracts::graph::{Agent, AgentList, LinkedSkill, SearchAnswer, SearchHit, Skill};
use contracts::task::{LeaseRequest, LeasedTask, RenewAnswer, ResultAnswer, TaskContext};
use contracts::{AgentId, ApprovalId, ErrorCode, GatewayId, Micros, Problem, ServiceName, TaskId};
use fakes::Neighbours;
use http_body_util::BodyExt;
use platform::config::Report;
use platform::edge::{ApiError, Auth, Principal, Scope};
use platform::memory::{
    ManualClock, MemoryCalls, MemoryOutbound, MemoryPrograms, MemorySignal, ScriptedProgram,
    Switchboard, TokioBackground,
};
use platform::ports::{Clock, PortError, PortErrorKind, Signal};
use platform::secret::Secret;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, oneshot};
use tower::ServiceExt;

/// The token of the gateway.
const GATEWAY: &str = "gateway";

/// The state behind the fakes.
#[derive(Default)]
pub struct Plane {
    queue: Mutex<VecDeque<LeasedTask>>,
    arrived: Notify,
    pub cancel: Mutex<bool>,
    /// The word on money in every answer to a renewal.
    pub money: Mutex<RenewAnswer>,
}

impl Plane {
    fn answer(&self) -> RenewAnswer {
        let money = self.money.lock().unwrap().clone();
        let cancel = money.cancel || *self.cancel.lock().unwrap();
        RenewAnswer { cancel, lease_ms: 30_000, ..money }
    }
    pub fn push(&self, task: LeasedTask) {
        self.queue.lock().unwrap().push_back(task);
        self.arrived.notify_one();
    }
    async fn lease(&self, request: LeaseRequest) -> Vec<LeasedTask> {
        loop {
            let tasks = self.take(&request);
            if !tasks.is_empty() {
                return tasks;
            }
            self.arrived.notified().await;
        }
    }
    /// The oldest tasks that there is room for.
    fn take(&self, request: &LeaseRequest) -> Vec<LeasedTask> {
        let (mut programs, mut light) = (request.capacity, request.light_capacity);
        let mut queue = self.queue.lock().unwrap();
        let (leased, left): (VecDeque<_>, _) = queue.drain(..).partition(|task| {
            let starts = light.is_none() || request.runs.contains_key(task.agent.as_str());
            let room = if starts { Some(&mut programs) } else { light.as_mut() };
            room.filter(|room| **room > 0).map(|room| *room -= 1).is_some()
        });
        *queue = left;
        leased.into()
    }
}

/// A control plane that takes everything, over an empty graph and without an approval.
fn neighbours(switchboard: &Switchboard, plane: &Arc<Plane>) -> Neighbours {
    let me = (Secret::new(GATEWAY), Principal::Scope(Scope::Gateway));
    let services = [
        ServiceName::WebhookAggregator,
        ServiceName::PersonalAssistant,
        ServiceName::SkillGraphLoader,
    ];
    let neighbours = Neighbours::on_board(switchboard, Auth::new([me]), services);
    let at = plane.clone();
    neighbours.later::<LeaseTasks>(move |(), request| {
        let plane = at.clone();
        Box::pin(async move { Ok(plane.lease(request).await) })
    });
    let at = plane.clone();
    neighbours.on::<RenewTask>(move |_, _| Ok(at.answer()));
    let at = plane.clone();
    neighbours.on::<RenewClaim>(move |_, _| Ok(at.answer()));
    neighbours.on::<FinishTask>(|task_id, _| Ok(ResultAnswer { task_id, accepted: true }));
    neighbours.on::<Settle>(|task_id, request| {
        let unpriced = request.actual_cost.is_none();
        let posted = request.actual_cost.unwrap_or(Micros(500_000));
        Ok(SettleAnswer { task_id, posted, unpriced, unknown: false, overrun: Micros(0) })
    });
    neighbours
}

/// A graph as far as a gateway reads it.
#[derive(Default)]
pub struct Knowledge {
    pub agents: Vec<Agent>,
    pub files: Vec<Skill>,
    pub hits: Vec<SearchHit>,
}

/// A running gateway.
pub struct Bed {
    pub plane: Arc<Plane>,
    pub fakes: Neighbours,
    pub clock: Arc<ManualClock>,
    pub signal: Arc<MemorySignal>,
    pub programs: Arc<MemoryPrograms>,
    /// The server of every model.
    pub outbound: Arc<MemoryOutbound>,
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
        let outbound = Arc::new(MemoryOutbound::new(|_| {
            Err(PortError::clean(PortErrorKind::Unavailable, "nobody listens"))
        }));
        let switchboard = Switchboard::default();
        let fakes = neighbours(&switchboard, &plane);
        let tokens = Scope::ALL.map(|scope| (Secret::new(scope.as_str()), Principal::Scope(scope)));
        let deps = Deps {
            calls: Arc::new(MemoryCalls::new(Secret::new(GATEWAY), switchboard)),
            clock: clock.clone(),
            signal: signal.clone(),
            background: Arc::new(TokioBackground),
            programs: programs.clone(),
            outbound: outbound.clone(),
            auth: Auth::new(tokens),
            config: Arc::new(config),
            gateway_id: GatewayId::from("gw"),
            board: Board::default(),
        };
        let bed = Self {
            plane,
            fakes,
            clock,
            signal,
            programs,
            outbound,
            deps,
            stop: None,
            serving: None,
        };
        bed.claims();
        bed.approval(None);
        bed.knows(Knowledge::default());
        bed
    }
    /// Every claim succeeds.
    pub fn claims(&self) {
        self.fakes.on::<Claim>(|_, _| {
            Ok(ClaimAnswer { claim_token: "token".to_owned(), cost_limit: Micros(1_000_000) })
        });
    }
    /// The only approval there is.
    pub fn approval(&self, approval: Option<Approval>) {
        self.fakes.on::<ReadApproval>(move |_, _| {
            approval.clone().ok_or_else(|| ApiError::not_found("such approval"))
        });
    }
    /// The published graph.
    pub fn knows(&self, Knowledge { agents, files, hits }: Knowledge) {
        let version = || Some("v1".into());
        self.fakes.on::<ListAgents>(move |(), _| {
            Ok(AgentList { version: version(), agents: agents.clone() })
        });
        self.fakes.on::<Search>(move |(), _| {
            Ok(SearchAnswer { query: "q".to_owned(), version: version(), results: hits.clone() })
        });
        self.fakes.on::<ReadSkill>(move |id, _| {
            let file = files.iter().find(|file| file.id == id).cloned();
            let skill = file.ok_or_else(|| ApiError::not_found("such file"))?;
            Ok(LinkedSkill { skill, links: Vec::new(), linked_from: Vec::new() })
        });
    }
    /// Refuses the next calls with these codes; afterwards the usual answer.
    pub fn refuse<C: Call>(&self, codes: &[ErrorCode]) {
        let problem = |code: &ErrorCode| Problem::new(*code, "ordered by the test");
        self.fakes.refuse::<C>(codes.iter().map(problem));
    }
    /// No call is answered any more, except leases.
    pub fn silence(&self) {
        self.fakes.hang::<RenewTask>();
        self.fakes.hang::<FinishTask>();
        self.fakes.hang::<Claim>();
        self.fakes.hang::<Settle>();
        self.fakes.hang::<RenewClaim>();
        self.fakes.hang::<ReadApproval>();
        self.fakes.hang::<ListAgents>();
        self.fakes.hang::<Search>();
        self.fakes.hang::<ReadSkill>();
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
    pub fn tools(&self) -> Tools {
        Tools {
            calls: self.deps.calls.clone(),
            programs: self.deps.programs.clone(),
            clock: self.deps.clock.clone(),
            outbound: self.deps.outbound.clone(),
        }
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
        session: None,
    }
}

/// One agent `worker` with the program `tool`.
pub fn tool() -> Value {
    json!({"agents": {"worker": {"runner": "command", "command": ["tool", "--json"], "output": "json-lines", "env": ["API_KEY"], "timeout_s": 60}}})
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
