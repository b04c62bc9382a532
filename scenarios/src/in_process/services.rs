//! Builds the six services over a [`World`], as the native runtime does over a data directory, and
//! runs their timers on the story's clock.

use super::crew::Crew;
use super::world::World;
use axum::Router;
use contracts::graph::SourceFile;
use contracts::{GatewayId, ServiceName};
use platform::config::Report;
use platform::edge::{Auth, Principal, Scope};
use platform::memory::{MemoryCalls, MemoryCell, MemoryKv, MemorySignal, Switchboard};
use platform::ports::{Background, Calls, Clock, Signal};
use platform::secret::Secret;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The timers of `runtimes/native/src/up.rs`.
const IDLE_MS: i64 = 1_000;
const FLOOR_MS: i64 = 20;
const PROBE_MS: i64 = 15_000;
const SWEEP_MS: i64 = 1_000;

/// One process.
pub struct Services {
    pub app: Router,
    crew: Arc<Crew>,
    switchboard: Switchboard,
}

/// The six services' dependencies.
struct Parts {
    aggregator: webhook_aggregator::Deps,
    router: agency_router::Deps,
    assistant: personal_assistant::Deps,
    loader: skill_graph_loader::Deps,
    dashboard: monitoring_dashboard::Deps,
    gateway: agency_gateway::Deps,
}

/// The token of a scope.
pub fn token(scope: &str) -> String {
    format!("{scope}-token-of-the-stories")
}

fn secret(service: ServiceName) -> Secret {
    Secret::new(format!("secret-of-{service}"))
}

fn auth() -> Auth {
    let scopes = Scope::ALL
        .into_iter()
        .map(|scope| (Secret::new(token(scope.as_str())), Principal::Scope(scope)));
    Auth::new(scopes.chain(
        ServiceName::ALL.into_iter().map(|service| (secret(service), Principal::Service(service))),
    ))
}

impl Services {
    /// Builds everything, recovers the previous process's state, and starts the timers and the
    /// gateway.
    pub async fn start(world: &World, tree: &Value) -> Self {
        let (crew, switchboard) = (Arc::new(Crew::default()), Switchboard::default());
        let parts = parts(world, tree, &crew, &switchboard);
        let routers = routers(&parts);
        switchboard.lock().unwrap().clone_from(&routers);
        webhook_aggregator::recover(&parts.aggregator, &parts.gateway.gateway_id).await.unwrap();
        if !skill_graph_loader::has_graph(&parts.loader).await.unwrap() {
            skill_graph_loader::publish_files(
                &parts.loader,
                default_graph(),
                skill_graph_loader::Reading::default(),
                None,
                skill_graph_loader::Permits::default(),
            )
            .await
            .unwrap();
        }
        let app = app(&routers);
        start_loops(&crew, &world.clock, parts);
        Self { app, crew, switchboard }
    }
    /// Ends the process. Its routers refer to each other, so they are dropped explicitly.
    pub async fn crash(&mut self) {
        self.crew.crash().await;
        self.switchboard.lock().unwrap().clear();
        self.app = Router::new();
    }
}

/// State shared by the services of one process.
struct Shared<'a> {
    world: &'a World,
    tree: &'a Value,
    report: Report,
    switchboard: &'a Switchboard,
    clock: Arc<dyn Clock>,
    signal: Arc<dyn Signal>,
    background: Arc<dyn Background>,
    cell: Arc<MemoryCell>,
    auth: Auth,
}

fn parts(world: &World, tree: &Value, crew: &Arc<Crew>, switchboard: &Switchboard) -> Parts {
    let clock: Arc<dyn Clock> = world.clock.clone();
    let shared = Shared {
        signal: Arc::new(MemorySignal::new(clock.clone())),
        background: crew.clone(),
        cell: Arc::default(),
        auth: auth(),
        report: Report::default(),
        world,
        tree,
        switchboard,
        clock,
    };
    let parts = Parts {
        aggregator: shared.aggregator(),
        assistant: shared.assistant(),
        router: shared.router(),
        loader: shared.loader(),
        dashboard: shared.dashboard(),
        gateway: shared.gateway(),
    };
    assert_eq!(shared.report.into_problems(), []);
    parts
}

impl Shared<'_> {
    /// Calls signed with this secret: a service's own, or a token.
    fn calls(&self, secret: Secret) -> Arc<dyn Calls> {
        Arc::new(MemoryCalls::new(secret, self.switchboard.clone()))
    }
    fn aggregator(&self) -> webhook_aggregator::Deps {
        webhook_aggregator::Deps {
            inbox: self.world.inbox.clone(),
            calls: self.calls(secret(ServiceName::WebhookAggregator)),
            outbound: self.world.outbound.clone(),
            mail: None,
            objects: self.world.objects.clone(),
            clock: self.clock.clone(),
            signal: self.signal.clone(),
            background: self.background.clone(),
            auth: self.auth.clone(),
            config: Arc::new(webhook_aggregator::Config::read(self.tree, &self.report)),
            links: webhook_aggregator::Links::default(),
        }
    }
    fn assistant(&self) -> personal_assistant::Deps {
        personal_assistant::Deps {
            sql: self.world.sql.clone(),
            kv: Arc::new(MemoryKv::new(self.clock.clone())),
            objects: self.world.objects.clone(),
            calls: self.calls(secret(ServiceName::PersonalAssistant)),
            outbound: self.world.outbound.clone(),
            programs: None,
            clock: self.clock.clone(),
            signal: self.signal.clone(),
            background: self.background.clone(),
            auth: self.auth.clone(),
            config: Arc::new(personal_assistant::Config::read(self.tree, &self.report)),
            button_key: Secret::new("the button key of the stories"),
            emergency: Arc::new(platform::ports::NoEmergency),
            unwritten: personal_assistant::Unwritten::default(),
            open_calls: personal_assistant::OpenCalls::default(),
            next_digest: personal_assistant::NextLook::default(),
        }
    }
    fn router(&self) -> agency_router::Deps {
        agency_router::Deps {
            sql: self.world.sql.clone(),
            kv: Arc::new(MemoryKv::new(self.clock.clone())),
            calls: self.calls(secret(ServiceName::AgencyRouter)),
            cell: self.cell.clone(),
            clock: self.clock.clone(),
            stopwatch: agency_router::stopwatch_of(self.clock.clone()),
            auth: self.auth.clone(),
            config: Arc::new(agency_router::Config::read(self.tree)),
            shared: agency_router::Shared::default(),
        }
    }
    fn loader(&self) -> skill_graph_loader::Deps {
        skill_graph_loader::Deps {
            sql: self.world.sql.clone(),
            kv: Arc::new(MemoryKv::new(self.clock.clone())),
            objects: self.world.objects.clone(),
            calls: self.calls(secret(ServiceName::SkillGraphLoader)),
            clock: self.clock.clone(),
            auth: self.auth.clone(),
            limits: skill_graph_loader::Limits::NATIVE,
            cache: skill_graph_loader::Cache::default(),
        }
    }
    fn dashboard(&self) -> monitoring_dashboard::Deps {
        let place = monitoring_dashboard::HostSettings {
            base_path: "/monitoring-dashboard".to_owned(),
            ..monitoring_dashboard::HostSettings::default()
        };
        monitoring_dashboard::Deps {
            sql: self.world.sql.clone(),
            kv: Arc::new(MemoryKv::new(self.clock.clone())),
            objects: self.world.objects.clone(),
            calls: self.calls(secret(ServiceName::MonitoringDashboard)),
            clock: self.clock.clone(),
            cell: self.cell.clone(),
            signal: self.signal.clone(),
            background: self.background.clone(),
            auth: self.auth.clone(),
            config: Arc::new(monitoring_dashboard::Config::read(self.tree, place, &self.report)),
            chats: None,
        }
    }
    fn gateway(&self) -> agency_gateway::Deps {
        agency_gateway::Deps {
            calls: self.calls(Secret::new(token("gateway"))),
            clock: self.clock.clone(),
            signal: self.signal.clone(),
            background: self.background.clone(),
            programs: self.world.programs.clone(),
            outbound: self.world.outbound.clone(),
            auth: self.auth.clone(),
            config: Arc::new(agency_gateway::Config::read(self.tree, &self.report)),
            gateway_id: GatewayId::new("local"),
            board: agency_gateway::Board::default(),
        }
    }
}

fn routers(parts: &Parts) -> HashMap<ServiceName, Router> {
    HashMap::from([
        (ServiceName::PersonalAssistant, personal_assistant::router(parts.assistant.clone())),
        (ServiceName::AgencyRouter, agency_router::router(parts.router.clone())),
        (ServiceName::SkillGraphLoader, skill_graph_loader::router(parts.loader.clone())),
        (ServiceName::MonitoringDashboard, monitoring_dashboard::router(parts.dashboard.clone())),
        (ServiceName::WebhookAggregator, webhook_aggregator::router(parts.aggregator.clone())),
        (ServiceName::AgencyGateway, agency_gateway::router(parts.gateway.clone())),
    ])
}

/// Each service below its name, webhooks also at the root, as natively.
fn app(routers: &HashMap<ServiceName, Router>) -> Router {
    let mut app = Router::new();
    for (service, router) in routers {
        app = app.nest(&format!("/{service}"), router.clone());
    }
    // A path without a service is a webhook, or unknown there too.
    app.fallback_service(routers[&ServiceName::WebhookAggregator].clone())
}

fn start_loops(crew: &Arc<Crew>, clock: &Arc<platform::memory::ManualClock>, parts: Parts) {
    let (pump_clock, sweep_clock, probe_clock) = (clock.clone(), clock.clone(), clock.clone());
    let Parts { aggregator, assistant, dashboard, gateway, .. } = parts;
    crew.spawn(Box::pin(async move {
        loop {
            let mut next = pump_clock.now_ms() + IDLE_MS;
            for shard in aggregator.config.shards() {
                let due = webhook_aggregator::next_due(&aggregator, &shard).await.unwrap();
                if due.is_some_and(|due| due <= pump_clock.now_ms()) {
                    webhook_aggregator::pump(&aggregator, &shard).await.unwrap();
                }
                next = next.min(
                    webhook_aggregator::next_due(&aggregator, &shard)
                        .await
                        .unwrap()
                        .unwrap_or(i64::MAX),
                );
            }
            pump_clock.sleep_until(next.max(pump_clock.now_ms() + FLOOR_MS)).await;
        }
    }));
    crew.spawn(Box::pin(async move {
        loop {
            personal_assistant::tick(&assistant).await;
            sweep_clock.sleep_until(sweep_clock.now_ms() + SWEEP_MS).await;
        }
    }));
    crew.spawn(Box::pin(async move {
        loop {
            monitoring_dashboard::tick(&dashboard).await;
            probe_clock.sleep_until(probe_clock.now_ms() + PROBE_MS).await;
        }
    }));
    crew.spawn(Box::pin(agency_gateway::serve(gateway, std::future::pending())));
}

/// The product's default graph.
fn default_graph() -> Vec<SourceFile> {
    let root = crate::folder().join("../routing-knowledge");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|end| end == "md") {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            files.push(SourceFile { path: name, text: std::fs::read_to_string(&path).unwrap() });
        }
    }
}
