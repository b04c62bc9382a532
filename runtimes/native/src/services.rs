//! Opens the ports, builds the six services and connects them.

use crate::address::Addresses;
use crate::chats::NativeChats;
use crate::config_file::Configuration;
use crate::data_dir::DataDir;
use crate::live::Slot;
use crate::ports::background::TokioBackground;
use crate::ports::calls::{LocalCalls, Switchboard};
use crate::ports::cell::ProcessCell;
use crate::ports::clock::SystemClock;
use crate::ports::dial::TungsteniteDial;
use crate::ports::emergency::HostEmergency;
use crate::ports::inbox::SqliteInbox;
use crate::ports::kv::ProcessKv;
use crate::ports::mail::TlsMail;
use crate::ports::objects::FolderObjects;
use crate::ports::outbound::ReqwestOutbound;
use crate::ports::signal::ProcessSignal;
use crate::ports::sql::SqliteSql;
use crate::programs::{NativePrograms, ToolServer};
use crate::storage;
use crate::tokens::Keeper;
use anyhow::Result;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use contracts::{GatewayId, ServiceName};
use platform::edge::{Principal, Scope};
use platform::ports::{
    Background, Calls, Cell, Clock, ClockExt, Dial, Objects, Outbound, Programs, Signal, Sql,
};
use platform::secret::Secret;
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::sync::watch;

/// The six services, ready to serve and pump.
pub struct Services {
    pub routers: HashMap<ServiceName, Router>,
    pub aggregator: webhook_aggregator::Deps,
    /// For the platforms that the aggregator connects to.
    pub dial: Arc<dyn Dial>,
    pub assistant: personal_assistant::Deps,
    pub loader: skill_graph_loader::Deps,
    pub dashboard: monitoring_dashboard::Deps,
    pub gateway: agency_gateway::Deps,
    pub tokens: Arc<Keeper>,
    /// The aggregator's router, which a change of its configuration replaces.
    pub slot: Slot,
    pub chats: Arc<NativeChats>,
}

/// Secrets between services: generated at each start, never written to disk.
struct Secrets(HashMap<ServiceName, Secret>);

impl Secrets {
    fn new() -> Self {
        Self(
            ServiceName::ALL
                .into_iter()
                .map(|service| (service, Secret::new(SystemClock.random_hex(32))))
                .collect(),
        )
    }
    fn of(&self, service: ServiceName) -> Secret {
        self.0.get(&service).cloned().unwrap_or_else(|| Secret::new(String::new()))
    }
    fn principals(&self) -> impl Iterator<Item = (Secret, Principal)> {
        self.0.iter().map(|(service, secret)| (secret.clone(), Principal::Service(*service)))
    }
}

/// Opens everything below the data directory and builds the services.
///
/// # Errors
/// When a file cannot be opened, or a database is newer than this program.
#[expect(clippy::too_many_lines, reason = "one block for each service")]
pub fn build(
    data: &DataDir,
    configuration: Configuration,
    published: &watch::Receiver<bool>,
    address: SocketAddr,
) -> Result<Services> {
    let switchboard = Switchboard::default();
    let secrets = Secrets::new();
    // The gateway of this process needs no token of the data directory, which may be replaced.
    let gateway_secret = Secret::new(SystemClock.random_hex(32));
    let own = (gateway_secret.clone(), Principal::Scope(Scope::Gateway));
    // Nor do its agents, whose questions carry this one.
    let agent_secret = Secret::new(SystemClock.random_hex(32));
    let asking = (agent_secret.clone(), Principal::Scope(Scope::Agent));
    let fixed = secrets.principals().chain([own, asking]);
    let tokens = Arc::new(Keeper::open(data, fixed)?);
    let auth = tokens.auth().clone();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let signal: Arc<dyn Signal> = Arc::new(ProcessSignal::default());
    let background: Arc<dyn Background> = Arc::new(TokioBackground);
    let cell: Arc<dyn Cell> = Arc::new(ProcessCell::default());
    let sql: Arc<dyn Sql> = Arc::new({
        let path = data.join("quintet.db");
        SqliteSql::open(&path).map_err(|error| storage::explain(&path, error))?
    });
    let calls = |service| -> Arc<dyn Calls> {
        Arc::new(LocalCalls::new(switchboard.clone(), secrets.of(service)))
    };

    let outbound: Arc<dyn Outbound> = Arc::new(ReqwestOutbound::new()?);
    let objects: Arc<dyn Objects> = Arc::new(FolderObjects::new(data.join("objects")));
    let aggregator = webhook_aggregator::Deps {
        inbox: Arc::new({
            let path = data.join("inbox.db");
            SqliteInbox::open(&path).map_err(|error| storage::explain(&path, error))?
        }),
        calls: calls(ServiceName::WebhookAggregator),
        outbound: outbound.clone(),
        mail: Some(Arc::new(TlsMail::new()?)),
        objects: objects.clone(),
        clock: clock.clone(),
        signal: signal.clone(),
        background: background.clone(),
        auth: auth.clone(),
        config: Arc::new(configuration.aggregator),
        links: webhook_aggregator::Links::default(),
    };
    let board = agency_gateway::Board::default();
    let programs: Arc<dyn Programs> = Arc::new(
        NativePrograms::of(data, configuration.file, &configuration.gateway)
            .asking(Some(ToolServer { url: own_mcp(address), token: agent_secret })),
    );
    let assistant = personal_assistant::Deps {
        sql: sql.clone(),
        kv: Arc::new(ProcessKv::default()),
        objects: objects.clone(),
        calls: calls(ServiceName::PersonalAssistant),
        outbound: outbound.clone(),
        programs: Some(programs.clone()),
        clock: clock.clone(),
        signal: signal.clone(),
        background: background.clone(),
        auth: auth.clone(),
        config: Arc::new(configuration.assistant),
        button_key: data.secret("button-key")?,
        emergency: Arc::new(HostEmergency::new(data.join("reserve"), board.clone())),
        unwritten: personal_assistant::Unwritten::default(),
        open_calls: personal_assistant::OpenCalls::default(),
        next_digest: personal_assistant::NextLook::default(),
    };
    let router = agency_router::Deps {
        sql: sql.clone(),
        kv: Arc::new(ProcessKv::default()),
        calls: calls(ServiceName::AgencyRouter),
        cell: cell.clone(),
        clock: clock.clone(),
        stopwatch: stopwatch(),
        auth: auth.clone(),
        config: Arc::new(configuration.router),
        shared: agency_router::Shared::default(),
    };
    let loader = skill_graph_loader::Deps {
        sql: sql.clone(),
        kv: Arc::new(ProcessKv::default()),
        objects: objects.clone(),
        calls: calls(ServiceName::SkillGraphLoader),
        clock: clock.clone(),
        auth: auth.clone(),
        limits: skill_graph_loader::Limits::NATIVE,
        cache: skill_graph_loader::Cache::default(),
    };
    let chats = Arc::new(NativeChats::new(outbound.clone()));
    let dashboard = monitoring_dashboard::Deps {
        sql,
        kv: Arc::new(ProcessKv::default()),
        objects,
        calls: calls(ServiceName::MonitoringDashboard),
        clock: clock.clone(),
        cell,
        signal: signal.clone(),
        background: background.clone(),
        auth: auth.clone(),
        config: Arc::new(configuration.dashboard),
        chats: Some(chats.clone()),
    };
    let gateway = agency_gateway::Deps {
        calls: Arc::new(LocalCalls::new(switchboard.clone(), gateway_secret)),
        clock,
        signal,
        background,
        programs,
        outbound,
        auth,
        config: Arc::new(configuration.gateway),
        gateway_id: GatewayId::new("local"),
        board,
    };
    let slot = Slot::new(webhook_aggregator::router(aggregator.clone()));
    let routers = HashMap::from([
        (ServiceName::PersonalAssistant, personal_assistant::router(assistant.clone())),
        (ServiceName::AgencyRouter, held(agency_router::router(router), published)),
        (
            ServiceName::SkillGraphLoader,
            held(skill_graph_loader::router(loader.clone()), published),
        ),
        (ServiceName::MonitoringDashboard, monitoring_dashboard::router(dashboard.clone())),
        (ServiceName::WebhookAggregator, slot.router()),
        (ServiceName::AgencyGateway, agency_gateway::router(gateway.clone())),
    ]);
    switchboard.connect(routers.clone());
    let dial = Arc::new(TungsteniteDial::new()?);
    Ok(Services {
        routers,
        aggregator,
        dial,
        assistant,
        loader,
        dashboard,
        gateway,
        tokens,
        slot,
        chats,
    })
}

/// Our own MCP server, as this machine reaches it.
fn own_mcp(address: SocketAddr) -> String {
    let address = on_this_machine(address);
    Addresses::under(&format!("http://{address}")).url(ServiceName::PersonalAssistant, "/mcp")
}

/// The address by which this machine reaches a server that listens on all of its addresses.
pub fn on_this_machine(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback =
            if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        address.set_ip(loopback);
    }
    address
}

/// At the very first start the server publishes the default graph while it already runs. Requests
/// for a route or the graph wait for that; training and health do not.
fn held(router: Router, published: &watch::Receiver<bool>) -> Router {
    router.layer(from_fn_with_state(published.clone(), hold))
}

async fn hold(
    State(mut published): State<watch::Receiver<bool>>,
    request: Request,
    next: Next,
) -> Response {
    if !matches!(request.uri().path(), "/health" | "/internal/train" | "/internal/published") {
        let _ = published.wait_for(|done| *done).await;
    }
    next.run(request).await
}

/// Finer than the clock, because a route takes about 20 µs.
#[expect(clippy::disallowed_methods, reason = "a stopwatch of the native runtime")]
pub fn stopwatch() -> agency_router::Stopwatch {
    let start = std::time::Instant::now();
    Arc::new(move || start.elapsed().as_secs_f64() * 1000.0)
}
