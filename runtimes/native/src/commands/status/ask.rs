//! Learning the state: from the data directory, and from every service that answers.

use super::state::{Configuration, Halt, Halted, Running, Server, Service, Status, Waiting};
use crate::client::Client;
use crate::config_file;
use crate::data_dir::DataDir;
use crate::live::{InForce, PATH, told};
use contracts::ServiceName;
use contracts::calls::Call;
use contracts::calls::personal_assistant::{ListHalts, ReadStatus};
use contracts::calls::skill_graph_loader::ListAgents;
use contracts::calls::webhook_aggregator::{ListEndpoints, ListEvents, ListGateways};
use contracts::event::{EventsQuery, Stage};
use contracts::graph::VersionQuery;
use contracts::halt::{HaltLevel, HaltList, HaltRow};
use contracts::monitoring::Health;
use futures_util::future::join_all;
use futures_util::join;
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;

/// Maximum wait for each answer. A health check itself waits up to 5 s for an inbox.
const PATIENCE: Duration = Duration::from_secs(8);
/// Maximum dead letters that are counted.
const DEAD_MAX: u32 = 500;

/// Asks for everything; a thing that does not answer stays unknown.
pub(super) async fn everything(data: &DataDir, named: Option<&str>) -> Status {
    let client = Client::new(named, data);
    let (server, client) = server(data, named, client).await;
    let mut status = Status {
        version: env!("CARGO_PKG_VERSION"),
        data_directory: named.is_none().then(|| data.path().display().to_string()),
        configuration: Configuration::default(),
        server,
        services: unknown_services(),
        agents: None,
        gateways: None,
        endpoints: None,
        budget: None,
        waiting: Waiting::default(),
        halt: None,
        needs: Vec::new(),
    };
    match &client {
        Some(client) => {
            if named.is_none() {
                status.configuration = in_force(client).await;
            }
            ask_services(client, &mut status).await;
        }
        None if named.is_none() => status.configuration = on_disk(data),
        None => {}
    }
    status
}

/// The server, and the client to ask it where it answers.
async fn server(
    data: &DataDir,
    named: Option<&str>,
    client: anyhow::Result<Client>,
) -> (Server, Option<Client>) {
    let file = data.server();
    let reached = match client {
        Ok(client) => match within(client.address(ServiceName::WebhookAggregator, "")).await {
            Ok(_) => Ok(client),
            Err(why) => Err(why),
        },
        Err(error) => Err(format!("{error:#}")),
    };
    if let Some(named) = named {
        let (running, why) = match &reached {
            Ok(_) => (Running::Yes, None),
            Err(why) => (Running::Unreachable, Some(why.clone())),
        };
        let address = Some(named.to_owned());
        return (Server { running, address, pid: None, since: None, why }, reached.ok());
    }
    let running = match &reached {
        Ok(_) => Running::Yes,
        Err(_) if data.is_in_use() => Running::Silent,
        Err(_) => Running::No,
    };
    // The file of a server that was killed says nothing of now.
    let file = file.filter(|_| running != Running::No);
    let server = Server {
        running,
        address: file.as_ref().map(|file| file.address.clone()),
        pid: file.as_ref().map(|file| file.pid),
        since: file.and_then(|file| file.started_at),
        why: reached.as_ref().err().filter(|_| running == Running::Silent).cloned(),
    };
    (server, reached.ok())
}

/// The configuration of the running server, and how its file differs.
async fn in_force(client: &Client) -> Configuration {
    let asked = client.ask_server::<InForce>(Method::GET, PATH);
    let Ok(in_force) = within(asked).await else { return Configuration::default() };
    let (pending, fix) = in_force.pending().unzip();
    Configuration {
        exists: Some(in_force.file.exists()),
        file: Some(in_force.file.display().to_string()),
        pending,
        fix: fix.unwrap_or_default(),
    }
}

/// The configuration that the next start reads.
fn on_disk(data: &DataDir) -> Configuration {
    let file = data.join("quintet.toml");
    let place = monitoring_dashboard::HostSettings::default();
    let read = config_file::read_tree(config_file::path(None, data).as_deref()).and_then(|tree| {
        config_file::read(&tree, &Value::Null, place, |_| Vec::new()).map_err(Into::into)
    });
    Configuration {
        exists: Some(file.exists()),
        pending: read.err().map(|error| told(&error)),
        fix: format!("correct {}", file.display()),
        file: Some(file.display().to_string()),
    }
}

async fn ask_services(client: &Client, status: &mut Status) {
    let dead = EventsQuery {
        state: Some(Stage::Dead.as_str().to_owned()),
        limit: Some(DEAD_MAX),
        ..EventsQuery::default()
    };
    let version = VersionQuery { version: None };
    let (services, assistant, halts, agents, gateways, endpoints, dead) = join!(
        join_all(five().map(|name| health(client, name))),
        asked::<ReadStatus>(client, &()),
        asked::<ListHalts>(client, &()),
        asked::<ListAgents>(client, &version),
        asked::<ListGateways>(client, &()),
        asked::<ListEndpoints>(client, &()),
        asked::<ListEvents>(client, &dead),
    );
    status.services = services;
    status.agents = agents.map(|list| list.agents.len());
    status.gateways = gateways.map(|list| list.gateways);
    status.endpoints =
        endpoints.map(|list| list.endpoints.into_iter().filter(|view| !view.local).collect());
    status.halt = halts.map(halt);
    status.waiting = Waiting {
        approvals: assistant.as_ref().map(|known| known.pending),
        undelivered: assistant.as_ref().map(|known| known.undelivered),
        running: assistant.as_ref().map(|known| known.running),
        dead_letters: dead.map(|list| list.events.len()),
    };
    status.budget = assistant.and_then(|known| {
        known.budget.into_iter().find(|row| row.scope == "all" && row.window == "day")
    });
}

fn halt(list: HaltList) -> Halt {
    let HaltList { all, halts } = list;
    let tasks = halts.iter().filter_map(halted_task).collect();
    let active = halts.into_iter().filter(|halt| halt.resumed_at.is_none());
    let mut in_force: Vec<Halted> = active.map(halted).collect();
    // The list has an end, and everything may be halted beyond it.
    if all && !in_force.iter().any(|halt| halt.target == "all") {
        in_force.insert(0, Halted { target: "all".to_owned(), level: HaltLevel::Accepted });
    }
    Halt { all, tasks, in_force }
}

fn halted(halt: HaltRow) -> Halted {
    Halted { target: halt.target, level: halt.level }
}

/// The task of a halt in force that is not of everything.
fn halted_task(halt: &HaltRow) -> Option<String> {
    let is_in_force = halt.resumed_at.is_none();
    halt.target.strip_prefix("task:").filter(|_| is_in_force).map(str::to_owned)
}

/// All services but the gateway, of which there may be several.
fn five() -> impl Iterator<Item = ServiceName> {
    ServiceName::ALL.into_iter().filter(|name| *name != ServiceName::AgencyGateway)
}

fn unknown_services() -> Vec<Service> {
    five().map(unknown).collect()
}

fn unknown(name: ServiceName) -> Service {
    Service { name: name.to_string(), health: "unknown".to_owned(), problems: Vec::new() }
}

async fn health(client: &Client, name: ServiceName) -> Service {
    let answer = async {
        let url = client.address(name, "/health").await?;
        // A degraded service answers 503, with the same body.
        let bytes = client.http().get(url).send().await?.bytes().await?;
        Ok(serde_json::from_slice::<Health>(&bytes)?)
    };
    match within(answer).await {
        Ok(health) => {
            Service { name: name.to_string(), health: health.status, problems: health.problems }
        }
        Err(_) => unknown(name),
    }
}

async fn asked<C>(client: &Client, request: &C::Request) -> Option<C::Reply>
where
    C: Call<Params = (), Request: Serialize, Reply: DeserializeOwned>,
{
    within(client.ask::<C>(&(), request)).await.ok()
}

async fn within<T>(work: impl Future<Output = anyhow::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
