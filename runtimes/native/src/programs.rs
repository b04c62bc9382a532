//! Runs programs through the supervisor (`supervise.rs`). Each gets its own work directory, an
//! environment of named variables, no view of the data directory, and its limits; it stops with its
//! whole process tree.

mod addresses;
mod agent_git;
mod asking;
pub mod comparison;
mod confine;
mod digest;
mod errors;
mod exchange;
mod forward;
pub mod git;
mod git_entries;
mod installed;
mod lines;
mod lookup;
mod made;
pub mod named;
mod order;
mod relay;
mod running;
mod secrets;
mod session;
pub mod tree_lock;
mod usage;
mod work_folder;
pub mod worktree;

use super::supervise::orders::Orders;
use asking::Asker;
pub use asking::ToolServer;
use async_trait::async_trait;
use contracts::task::WorkOrder;
use git::Repository;
use made::{Ended, Made};
use named::{Named, in_home};
use platform::ports::{
    Confinement, PortError, PortErrorKind, PortResult, ProgramNetwork, ProgramSpec, Programs,
    Running, Surroundings,
};
use relay::{Dialer, Relay};
use running::NativeRun;
use sandbox::{Protected, folder::WorkRoot};
use secrets::{ListenAt, SecretsRelay};
use session::{Pauses, Session, Start};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio::sync::{mpsc, oneshot, watch};
use work_folder::{KnownWorkspace, WorkFolder};

/// Variables that every program gets, if the gateway has them.
const ALWAYS: [&str; 4] = ["PATH", "HOME", "LANG", "TERM"];
/// Prefix of Quintet's own variables, which contain tokens.
const OWN_PREFIX: &str = "QUINTET_";
/// Maximum output lines buffered for the gateway.
const WAITING_LINES: usize = 64;

/// Starts programs on this machine.
pub struct NativePrograms {
    /// This binary, which becomes the supervisor.
    binary: PathBuf,
    work: PathBuf,
    /// Opened at the first start, and held.
    root: OnceLock<WorkRoot>,
    /// The data directory with the tokens: hidden from every program that is not trusted with it.
    data: PathBuf,
    /// The data directory as it was when the server started; none if it was not there.
    protected: Option<Protected>,
    /// Other files with secrets.
    files: Vec<PathBuf>,
    /// The paths by which the server finds its files, perhaps through links.
    given: Vec<PathBuf>,
    named: Named,
    /// The workspaces of agents by their names in the configuration, as they were at the start.
    workspaces: BTreeMap<String, Result<KnownWorkspace, String>>,
    environment: BTreeMap<OsString, OsString>,
    /// Where agents ask their owner.
    tools: Option<ToolServer>,
}

impl NativePrograms {
    /// Creates work directories below `work`, which must be outside the data directory `data`;
    /// created on demand.
    pub fn new(work: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        // On Linux by a name that survives an upgrade of the file.
        let binary = if cfg!(target_os = "linux") {
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe().unwrap_or_default()
        };
        Self::with(binary, work, data, std::env::vars_os())
    }
    /// With the binary and the environment of a test.
    pub fn with(
        binary: impl Into<PathBuf>,
        work: impl Into<PathBuf>,
        data: impl Into<PathBuf>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let data = data.into();
        Self {
            binary: binary.into(),
            work: work.into(),
            root: OnceLock::new(),
            protected: Protected::at(&data).ok(),
            files: Vec::new(),
            named: Named::default(),
            workspaces: BTreeMap::new(),
            given: vec![data.clone()],
            data: data.canonicalize().unwrap_or(data),
            environment: environment.into_iter().collect(),
            tools: None,
        }
    }
    /// Also keeps these files with secrets from every program, such as a configuration outside the
    /// data directory. They are looked up at each start, because an editor replaces a file.
    #[must_use]
    pub fn protecting(mut self, files: impl IntoIterator<Item = PathBuf>) -> Self {
        let outside =
            |file: &PathBuf| !file.canonicalize().is_ok_and(|file| file.starts_with(&self.data));
        let files: Vec<PathBuf> = files.into_iter().collect();
        self.files = files.iter().filter(|file| outside(file)).cloned().collect();
        self.given.extend(files);
        self
    }
    /// For a program in the sandbox: also the work folders and sockets of other runs.
    fn protected_from(&self, root: &WorkRoot) -> Vec<Protected> {
        self.protected().into_iter().chain([root.protected()]).collect()
    }
    /// With this server for the agents that may ask their owner.
    #[must_use]
    pub fn asking(mut self, tools: Option<ToolServer>) -> Self {
        self.tools = tools;
        self
    }
    /// The data directory as it was at the start, and the files as they are.
    fn protected(&self) -> Vec<Protected> {
        let files = self.files.iter().filter_map(|file| Protected::at(file).ok());
        self.protected.iter().cloned().chain(files).collect()
    }
    /// The links on the way to what the server reads at its next start, and its own program.
    fn guarded(&self) -> Vec<PathBuf> {
        let given = self.given.iter().chain([&self.work]);
        let links =
            given.filter_map(|path| sandbox::follow(path).ok()).flat_map(|followed| followed.links);
        links.chain(std::env::current_exe().ok().filter(|path| path.exists())).collect()
    }
    /// Also remembers the folders that any agent may write: no link in them is followed to a path
    /// that the owner named.
    #[must_use]
    pub fn agents_writing(self, folders: impl IntoIterator<Item = String>) -> Self {
        Self { named: Named::with(folders), ..self }
    }
    /// Also finds these workspaces and their git repositories, once and for all: an agent may put
    /// links and a `.git` of its own into its workspace later. After [`Self::agents_writing`].
    #[must_use]
    pub fn agents_working(mut self, folders: impl IntoIterator<Item = String>) -> Self {
        let home = self.environment.get(OsStr::new("HOME")).map(Path::new);
        let known = |folder: &String| {
            let folder = self.named.folder(folder, home)?;
            let repository = Repository::of(&folder);
            Ok(KnownWorkspace { folder, repository })
        };
        let known = folders.into_iter().map(|folder| (folder.clone(), known(&folder)));
        self.workspaces = known.collect();
        self
    }
    fn root(&self) -> std::io::Result<&WorkRoot> {
        if let Some(root) = self.root.get() {
            return Ok(root);
        }
        let root = WorkRoot::open(&self.work)?;
        let path = root.path().to_path_buf();
        root.sweep(|name| was_left(name) || made::is_out_of_use(&path, name))?;
        Ok(self.root.get_or_init(|| root))
    }
    /// The place of a run.
    async fn make(&self, spec: &ProgramSpec) -> PortResult<Made> {
        let failed = |error: std::io::Error| {
            PortError::clean(PortErrorKind::Unavailable, format!("no work directory: {error}"))
        };
        let workspace = spec.workspace.as_ref().map(|workspace| self.workspace(&workspace.folder));
        let workspace = workspace.transpose()?;
        let root = self.root().and_then(WorkRoot::share).map_err(failed)?;
        let spec = spec.clone();
        // Git may take a while.
        let made = move || Made::new(&root, &spec, workspace.as_ref());
        let made = tokio::task::spawn_blocking(made).await;
        made.map_err(std::io::Error::other).flatten().map_err(failed)
    }
    /// The workspace as it was when the server started.
    fn workspace(&self, folder: &str) -> PortResult<KnownWorkspace> {
        let invalid = |reason| PortError::clean(PortErrorKind::Invalid, reason);
        let known = self.workspaces.get(folder).cloned().unwrap_or_else(|| {
            Err(format!("the workspace {folder} was not configured when the server started"))
        });
        let known = known.map_err(invalid)?;
        if known.folder.is_dir() {
            return Ok(known);
        }
        let text = format!("the workspace {folder} does not exist");
        Err(PortError::clean(PortErrorKind::Unavailable, text))
    }
    fn orders(&self, spec: &ProgramSpec, program: &Path, made: &Made) -> PortResult<Orders> {
        if self.protected.is_none() && !spec.data_visible {
            return Err(PortError::clean(
                PortErrorKind::Invalid,
                "the data directory was not there when the server started, so it cannot be hidden; restart the server",
            ));
        }
        let (protected, inside) = (self.protected(), self.protected_from(&made.root));
        let variable = |name: &str| self.environment.get(OsStr::new(name)).map(OsString::as_os_str);
        let home = variable("HOME").map(Path::new);
        let invalid = |reason| PortError::clean(PortErrorKind::Invalid, reason);
        let resolved = self.named.of(spec, home).map_err(invalid)?;
        let plan = (spec.reach.confinement == Confinement::Strict).then(|| {
            confine::plan(
                spec,
                &confine::Location {
                    program,
                    folder: &made.path,
                    directory: made.directory(),
                    workspace: made.workspace.as_ref().map_or(&[], |workspace| &workspace.binds),
                    identity: made.identity,
                    relay: relayed(spec).then_some(made.relay.as_path()),
                    secrets: (has_own_network(spec) && needs_keys(spec))
                        .then_some(made.secrets.as_path()),
                    path: variable("PATH"),
                    home,
                    protected: &inside,
                    data: &self.data,
                    guarded: self.guarded(),
                    resolved: &resolved,
                    covered: made.workspace.as_ref().map_or_else(Vec::new, WorkFolder::covered),
                    memory_bytes: spec.bounds.memory_bytes,
                },
            )
        });
        let hidden =
            protected.iter().filter(|secret| !spec.data_visible || secret.path != self.data);
        let input_stays_open = spec.input_stays_open;
        Ok(Orders { plan, hidden: hidden.cloned().collect(), input_stays_open })
    }
    /// The variables a program may see: the four, and the named ones that are not Quintet's.
    fn environment_for(&self, named: &[String]) -> Vec<(OsString, OsString)> {
        let names = ALWAYS.into_iter().chain(named.iter().map(String::as_str));
        let allowed = names.filter(|name| !name.to_ascii_uppercase().starts_with(OWN_PREFIX));
        allowed
            .filter_map(|name| self.environment.get_key_value(OsStr::new(name)))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    }
    /// Makes the folder of the program's own state, for its owner alone. Returns its variable.
    fn make_state(&self, spec: &ProgramSpec) -> PortResult<Option<(OsString, OsString)>> {
        let Some(state) = &spec.reach.state else { return Ok(None) };
        let home = self.environment.get(OsStr::new("HOME")).map(Path::new);
        let folder = in_home(&state.folder, home);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| {
            let text = format!("{} cannot be made: {error}", folder.display());
            PortError::clean(PortErrorKind::Unavailable, text)
        })?;
        Ok(Some((state.variable.clone().into(), folder.into_os_string())))
    }
    /// Everything of a run but the program: the supervisor's orders, its environment, its relays.
    fn prepare(&self, spec: &ProgramSpec, program: &Path, made: &mut Made) -> PortResult<Prepared> {
        let state = self.make_state(spec)?;
        made.state = state.as_ref().map(|(_, folder)| PathBuf::from(folder));
        let orders = self.orders(spec, program, made)?;
        let mut environment = self.environment_for(&spec.env);
        environment.extend(state);
        let of_workspace =
            made.workspace.iter().flat_map(|workspace| workspace.variables.iter().cloned());
        environment.extend(of_workspace);
        let relay = begin_relay(spec, made).map_err(|error| {
            PortError::clean(PortErrorKind::Unavailable, format!("no relay: {error}"))
        })?;
        if relay.is_some() {
            environment.extend(proxy_variables());
        }
        let keys = self.begin_secrets(spec, made)?;
        if let Some(keys) = &keys {
            self.hide(spec, keys);
            // The last of two counts.
            environment.extend(keys.variables.iter().cloned());
        }
        Ok(Prepared { orders, environment, relays: (relay, keys) })
    }
    /// Nothing that a relay holds for the run shows in its log.
    fn hide(&self, spec: &ProgramSpec, keys: &SecretsRelay) {
        let Some(log) = &spec.log else { return };
        let server = self.tools.iter().map(|server| &server.token);
        keys.known.iter().chain(&spec.asks_as).chain(server).for_each(|secret| log.hide(secret));
    }
    fn begin_secrets(&self, spec: &ProgramSpec, made: &Made) -> PortResult<Option<SecretsRelay>> {
        if !needs_keys(spec) {
            return Ok(None);
        }
        let invalid = |reason| PortError::clean(PortErrorKind::Invalid, reason);
        let asks = spec.asks_as.as_ref().map(|claim| {
            let server = self.tools.as_ref().ok_or("there is no server to ask the owner at")?;
            Asker::new(server, claim).map(Arc::new)
        });
        let asks = asks.transpose().map_err(invalid)?;
        let at = if has_own_network(spec) {
            ListenAt::Socket(&made.secrets)
        } else {
            ListenAt::Loopback
        };
        let value = |name: &str| self.environment.get(OsStr::new(name)).map(OsString::as_os_str);
        SecretsRelay::listen(&at, &spec.secrets, asks, value).map(Some).map_err(invalid)
    }
    fn find(&self, program: &str) -> Option<PathBuf> {
        lookup::find(program, self.environment.get(OsStr::new("PATH")).map(OsString::as_os_str))
    }
}

#[async_trait]
impl Programs for NativePrograms {
    async fn start(&self, spec: ProgramSpec) -> PortResult<Box<dyn Running>> {
        let not_found = || {
            PortError::clean(
                PortErrorKind::Invalid,
                format!("{} was not found, or is not executable", spec.program),
            )
        };
        let program = self.find(&spec.program).ok_or_else(not_found)?;
        let mut made = self.make(&spec).await?;
        let prepared = self.prepare(&spec, &program, &mut made);
        let Prepared { orders, environment, relays } = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                made.remove().await;
                return Err(error);
            }
        };
        let (events, receiver) = mpsc::channel(WAITING_LINES);
        let (stop, stopped) = oneshot::channel();
        let (rest, rests) = watch::channel(false);
        let (counted, ended) = oneshot::channel();
        let (writes, input) = mpsc::unbounded_channel();
        let asks = relays.1.as_ref().and_then(|keys| keys.asks.clone());
        let open_questions = relays.1.as_ref().and_then(SecretsRelay::open_questions);
        let (asker, tool_server) = asks.unzip();
        let directory = made.directory().to_string_lossy().into_owned();
        let session = Session::start(
            Start { binary: &self.binary, program: &program, environment, orders, made },
            spec,
            Pauses { rests, asks: open_questions },
            input,
        )
        .await?;
        tokio::spawn(async move {
            session.drive(events, stopped, relays, counted).await;
        });
        Ok(Box::new(NativeRun {
            events: receiver,
            stop: Some(stop),
            rest,
            end: None,
            ended: Some(ended),
            work: Ended::default(),
            writes,
            asker,
            surroundings: Surroundings { directory, tool_server },
        }))
    }
    async fn work(&self, order: WorkOrder) -> PortResult<String> {
        let failed =
            |error: std::io::Error| PortError::clean(PortErrorKind::Unavailable, error.to_string());
        let root = self.root().and_then(WorkRoot::share).map_err(failed)?;
        let done = tokio::task::spawn_blocking(move || order::carry_out(&root, &order)).await;
        done.map_err(std::io::Error::other).flatten().map_err(failed)
    }
    fn exists(&self, program: &str) -> bool {
        self.find(program).is_some()
    }
    fn sign_of(&self, folder: &str, files: &[&str], variables: &[&str]) -> Option<String> {
        named::sign_of(folder, files, variables)
    }
}

/// Everything of a run but its program.
struct Prepared {
    orders: Orders,
    environment: Vec<(OsString, OsString)>,
    relays: (Option<Relay>, Option<SecretsRelay>),
}

/// Whether the machine's loopback is another one than the program's.
fn has_own_network(spec: &ProgramSpec) -> bool {
    spec.reach.confinement == Confinement::Strict && spec.reach.network != ProgramNetwork::All
}

/// Whether it has a relay that puts keys into its requests.
fn needs_keys(spec: &ProgramSpec) -> bool {
    !spec.secrets.is_empty() || spec.asks_as.is_some()
}

fn relayed(spec: &ProgramSpec) -> bool {
    spec.reach.confinement == Confinement::Strict && spec.reach.network == ProgramNetwork::Internet
}

fn begin_relay(spec: &ProgramSpec, made: &Made) -> std::io::Result<Option<Relay>> {
    relayed(spec).then(|| Relay::listen(&made.relay, Dialer::to_the_internet())).transpose()
}

/// In both spellings, since programs differ in which they read.
fn proxy_variables() -> Vec<(OsString, OsString)> {
    let proxy = format!("http://127.0.0.1:{}", sandbox::RELAY_PORT);
    let named = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]
        .map(|name| (name, proxy.as_str()));
    let others = [
        ("NO_PROXY", "localhost,127.0.0.1,::1"),
        ("no_proxy", "localhost,127.0.0.1,::1"),
        ("NODE_USE_ENV_PROXY", "1"),
    ];
    named.into_iter().chain(others).map(|(name, value)| (name.into(), value.into())).collect()
}

/// Whether the process in a work folder's name is gone, so that nobody removes the folder any more.
fn was_left(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let sockets = [".relay", ".secrets"];
    let name = sockets.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    let process = name.rsplit('.').nth(1).and_then(|pid| pid.parse::<i32>().ok());
    let signal = None::<nix::sys::signal::Signal>;
    process.is_some_and(|pid| {
        let found = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
        pid > 0 && found == Err(nix::errno::Errno::ESRCH)
    })
}
