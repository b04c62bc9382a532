//! The endpoints of a running server: their configuration is read again when a command asks, and
//! takes effect without a restart. Requests and runs that have begun end with the old one.

use crate::config_file;
use crate::data_dir::DataDir;
use crate::exit::Wrong;
use crate::identity;
use crate::{local_endpoints, workspaces};
use anyhow::Result;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use contracts::event::{Stage, UNKNOWN_SENDER};
use contracts::{ChannelKind, ErrorCode, Problem, Shard};
use inbox::{InboxExt, ListEvents, StoredEvent};
use platform::edge::{ApiError, Auth};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::watch;
use tower::ServiceExt;
use webhook_aggregator::Deps;

/// Where the commands ask: GET says which file is read, POST reads it again.
pub const PATH: &str = "/local/config";
/// Maximum events among which unknown senders are looked for.
const STRANGERS_MAX: u32 = 50;
/// Tables that the aggregator reads again; the others take a restart.
const READ_AGAIN: [&str; 3] = ["endpoints", "limits", "schedules"];

/// The configuration in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InForce {
    /// The file that is read, or would be.
    pub file: PathBuf,
    /// The server's process.
    #[serde(default)]
    pub pid: u32,
    /// `<channel>.<name>`, without those of this machine.
    pub endpoints: Vec<String>,
    /// Tables of the file that differ from those in force, which a restart takes up.
    pub needs_restart: Vec<String>,
    /// Tables of the file that differ from those in force, which reading it again takes up.
    #[serde(default)]
    pub needs_reload: Vec<String>,
    /// Why the file cannot be taken up as it is now.
    #[serde(default)]
    pub mistakes: Option<String>,
}

impl InForce {
    /// The changes of the file that the server has not taken up, and how it does.
    pub fn pending(&self) -> Option<(String, String)> {
        let file = self.file.display();
        if let Some(mistakes) = &self.mistakes {
            let what = format!("the server goes on with an older configuration: {mistakes}");
            return Some((what, format!("correct {file}")));
        }
        let listed = |tables: &[String]| {
            let names: Vec<String> = tables.iter().map(|table| format!("[{table}]")).collect();
            names.join(", ")
        };
        let (reload, restart) = (listed(&self.needs_reload), listed(&self.needs_restart));
        match (self.needs_reload.is_empty(), self.needs_restart.is_empty()) {
            (true, true) => None,
            (false, true) => Some((
                format!("{reload} of {file} changed, and the server has not read it again"),
                format!("run `kill -HUP {}`", self.pid),
            )),
            (_, false) => {
                let both = if reload.is_empty() { restart } else { format!("{restart}, {reload}") };
                let what = format!("{both} of {file} changed, and the server has not taken it up");
                Some((what, "restart the server".to_owned()))
            }
        }
    }
}

/// The aggregator's router, which changes with its configuration.
#[derive(Clone)]
pub struct Slot(Arc<RwLock<Router>>);

impl Slot {
    /// Serves this router until another is put in.
    pub fn new(router: Router) -> Self {
        Self(Arc::new(RwLock::new(router)))
    }
    /// The router to mount.
    pub fn router(&self) -> Router {
        let serve = async |State(slot): State<Self>, request: Request| {
            let router = slot.0.read().unwrap_or_else(PoisonError::into_inner).clone();
            router.oneshot(request).await.unwrap_or_else(|never| match never {})
        };
        Router::new().fallback(serve).with_state(self.clone())
    }
    fn put(&self, router: Router) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = router;
    }
}

/// The place a server reads its configuration from.
pub struct Place {
    pub data: DataDir,
    /// The file of `--config`.
    pub config: Option<PathBuf>,
    /// The server's own address.
    pub base: String,
    pub host: monitoring_dashboard::HostSettings,
}

/// The endpoints of this server.
pub struct Live {
    place: Place,
    auth: Auth,
    slot: Slot,
    deps: watch::Sender<Deps>,
    /// The tables in force.
    tree: Mutex<Value>,
}

impl Live {
    /// Takes up what the server started with.
    pub fn new(place: Place, tree: Value, deps: Deps, slot: Slot) -> Self {
        let auth = deps.auth.clone();
        Self { place, auth, slot, deps: watch::Sender::new(deps), tree: Mutex::new(tree) }
    }
    /// The aggregator's ports and settings, now and after each change.
    pub fn deps(&self) -> watch::Receiver<Deps> {
        self.deps.subscribe()
    }
    /// The configuration in force.
    pub fn in_force(&self) -> InForce {
        let file = self.place.config.clone();
        let endpoints = self
            .deps
            .borrow()
            .config
            .endpoints
            .iter()
            .filter_map(|endpoint| {
                let is_shown = endpoint.channel != ChannelKind::Web && !endpoint.local;
                is_shown.then(|| format!("{}.{}", endpoint.channel, endpoint.name))
            })
            .collect();
        InForce {
            file: file.unwrap_or_else(|| self.place.data.join("quintet.toml")),
            pid: std::process::id(),
            endpoints,
            needs_restart: Vec::new(),
            needs_reload: Vec::new(),
            mistakes: None,
        }
    }
    /// The same, and how the file differs from it now.
    pub fn compared(&self) -> InForce {
        let here = self.in_force();
        let (tree, _) = match self.read() {
            Ok(read) => read,
            Err(error) => return InForce { mistakes: Some(told(&error)), ..here },
        };
        let in_force = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        let (needs_reload, needs_restart) = differing(&in_force, &tree.value);
        InForce { needs_restart, needs_reload, ..here }
    }
    /// The unknown senders who wrote to an endpoint since this time, the first one first.
    ///
    /// # Errors
    /// Those of the inbox.
    pub async fn strangers(
        &self,
        channel: ChannelKind,
        name: &str,
        since_ms: i64,
    ) -> Result<Vec<String>> {
        let inbox = self.deps.borrow().inbox.clone();
        let list = ListEvents {
            state: Some(Stage::Ignored),
            channel: None,
            conversation: None,
            before: None,
            limit: STRANGERS_MAX,
        };
        let list = inbox.ask(&Shard::of(channel.as_str(), name), list).await?;
        let is_new = |event: &StoredEvent| {
            event.reason.as_deref() == Some(UNKNOWN_SENDER) && event.received_ms >= since_ms
        };
        let new = list.into_iter().filter(is_new).filter_map(|event| event.sender);
        Ok(new.collect::<Vec<_>>().into_iter().rev().collect())
    }
    /// Reads the file again. With any mistake in it, everything stays.
    ///
    /// # Errors
    /// [`Wrong`] with all problems; when the file cannot be read.
    pub fn reload(&self) -> Result<InForce> {
        let (tree, local) = self.read()?;
        tree.close()?;
        let host = self.place.host.clone();
        let mut in_force = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        let next = tree.with_value(taken_up(&in_force, &tree.value));
        let read = config_file::read(&next, &local, host, |_| Vec::new())?;
        let (_, needs_restart) = differing(&in_force, &tree.value);
        *in_force = next.value;
        let deps = Deps { config: Arc::new(read.aggregator), ..self.deps.borrow().clone() };
        self.slot.put(webhook_aggregator::router(deps.clone()));
        self.deps.send_replace(deps);
        // Until here, so that two reloads do not leave requests and loops with different ones.
        drop(in_force);
        Ok(InForce { needs_restart, ..self.in_force() })
    }
    /// The file as it is now, checked, with the endpoints of this machine.
    fn read(&self) -> Result<(config_file::Tree, Value)> {
        let place = &self.place;
        let file = config_file::path(place.config.as_deref(), &place.data);
        let tree = config_file::read_tree(file.as_deref())?;
        let local = local_endpoints::configuration(&place.data, &place.base)?;
        let machine = |gateway: &_| workspaces::of_machine(gateway, &place.data, file.as_deref());
        config_file::read(&tree, &local, place.host.clone(), machine)?;
        Ok((tree, local))
    }
}

/// The tables that differ: those that are read again, and those that take a restart.
fn differing(in_force: &Value, new: &Value) -> (Vec<String>, Vec<String>) {
    let changed =
        config_file::TABLES.into_iter().filter(|table| in_force.get(table) != new.get(table));
    let (again, restart): (Vec<&str>, Vec<&str>) =
        changed.partition(|table| READ_AGAIN.contains(table));
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    (owned(again), owned(restart))
}

/// Why a configuration was not taken up, for people.
pub fn told(error: &anyhow::Error) -> String {
    let list = error.downcast_ref::<Wrong>().map(ToString::to_string);
    list.unwrap_or_else(|| format!("{error:#}"))
}

/// The tables in force with those that are read again: what a restart takes up stays as it was.
fn taken_up(in_force: &Value, new: &Value) -> Value {
    let mut next = in_force.as_object().cloned().unwrap_or_default();
    for table in READ_AGAIN {
        match new.get(table) {
            Some(now) => next.insert(table.to_owned(), now.clone()),
            None => next.remove(table),
        };
    }
    Value::Object(next)
}

/// The path for the commands; it is the operator's alone.
pub fn router(live: Arc<Live>) -> Router {
    let show = async |State(live): State<Arc<Live>>, headers: HeaderMap| {
        answer(&live, &headers, || Ok(live.compared()))
    };
    let reload = async |State(live): State<Arc<Live>>, headers: HeaderMap| {
        answer(&live, &headers, || live.reload())
    };
    Router::new().route(PATH, get(show).post(reload)).with_state(live)
}

fn answer(live: &Live, headers: &HeaderMap, act: impl FnOnce() -> Result<InForce>) -> Response {
    if let Err(refusal) = identity::require_operator(&live.auth, headers) {
        return refusal.into_response();
    }
    match act() {
        Ok(in_force) => axum::Json(in_force).into_response(),
        Err(error) => {
            let detail = told(&error);
            tracing::warn!(error = detail, "the configuration was not read again");
            let problem = Problem::new(ErrorCode::InvalidField, detail)
                .with_fix("Correct the file. The server goes on with the configuration it has.");
            ApiError::from(problem).into_response()
        }
    }
}
