//! Runs programs through the supervisor (`supervise.rs`). Each gets its own work directory, an
//! environment of named variables, no view of the data directory, and its limits; it stops with its
//! whole process tree.

mod lines;
mod lookup;
mod session;

use async_trait::async_trait;
use platform::ports::{
    PortError, PortErrorKind, PortResult, ProgramEvent, ProgramSpec, Programs, Running,
};
use session::{Session, Start};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// Variables that every program gets, if the gateway has them.
const ALWAYS: [&str; 4] = ["PATH", "HOME", "LANG", "TERM"];
/// Prefix of Quintet's own variables, which contain tokens.
const OWN_PREFIX: &str = "QUINTET_";
/// Maximum output lines buffered for the gateway.
const WAITING_LINES: usize = 64;

static COUNTER: AtomicU64 = AtomicU64::new(1);

/// Starts programs on this machine.
pub struct NativePrograms {
    /// This binary, which becomes the supervisor.
    binary: PathBuf,
    work: PathBuf,
    /// The data directory with the tokens, hidden unless the agent may see it.
    data: PathBuf,
    environment: BTreeMap<OsString, OsString>,
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
        Self {
            binary: binary.into(),
            work: work.into(),
            data: data.into(),
            environment: environment.into_iter().collect(),
        }
    }
    /// The program's variables: the four, and the named ones that are not Quintet's.
    fn environment_for(&self, named: &[String]) -> Vec<(OsString, OsString)> {
        let names = ALWAYS.into_iter().chain(named.iter().map(String::as_str));
        let allowed = names.filter(|name| !name.to_ascii_uppercase().starts_with(OWN_PREFIX));
        allowed
            .filter_map(|name| self.environment.get_key_value(std::ffi::OsStr::new(name)))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    }
    fn find(&self, program: &str) -> Option<PathBuf> {
        lookup::find(
            program,
            self.environment.get(std::ffi::OsStr::new("PATH")).map(OsString::as_os_str),
        )
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
        let directory = work_directory(&self.work, &spec.task).map_err(|error| {
            PortError::clean(
                PortErrorKind::Unavailable,
                format!("cannot create the work directory: {error}"),
            )
        })?;
        let environment = self.environment_for(&spec.env);
        let (events, receiver) = mpsc::channel(WAITING_LINES);
        let (stop, stopped) = oneshot::channel();
        let hidden = (!spec.data_visible).then(|| self.data.clone());
        let session = Session::start(
            Start { binary: &self.binary, program: &program, environment, hidden, directory },
            spec,
        )
        .await?;
        tokio::spawn(session.drive(events, stopped));
        Ok(Box::new(NativeRun { events: receiver, stop: Some(stop), end: None }))
    }
    fn exists(&self, program: &str) -> bool {
        self.find(program).is_some()
    }
}

/// A running program. Its session runs in its own task; dropping this drops `stop`, which stops it.
struct NativeRun {
    events: mpsc::Receiver<ProgramEvent>,
    stop: Option<oneshot::Sender<()>>,
    end: Option<ProgramEvent>,
}

#[async_trait]
impl Running for NativeRun {
    async fn next(&mut self) -> ProgramEvent {
        if let Some(end) = &self.end {
            return end.clone();
        }
        match self.events.recv().await {
            Some(line @ ProgramEvent::Line(_)) => line,
            Some(end) => self.end.insert(end).clone(),
            // The session's task ended with its runtime.
            None => {
                self.end.insert(ProgramEvent::Exited { code: None, stderr: String::new() }).clone()
            }
        }
    }
    async fn stop(&mut self) -> PortResult<()> {
        drop(self.stop.take());
        // The session sends the end after the whole tree is gone.
        while let Some(event) = self.events.recv().await {
            if !matches!(event, ProgramEvent::Line(_)) {
                self.end = Some(event);
            }
        }
        self.end.get_or_insert(ProgramEvent::Exited { code: None, stderr: String::new() });
        Ok(())
    }
}

/// Creates a directory for one task, accessible to its owner only. The name is the task's safe
/// characters plus a number.
fn work_directory(work: &Path, task: &str) -> std::io::Result<PathBuf> {
    let mut builder = std::fs::DirBuilder::new();
    builder.mode(0o700).recursive(true).create(work)?;
    let name: String = task
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .take(80)
        .collect();
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let directory =
        std::path::absolute(work)?.join(format!("{name}.{}.{number}", std::process::id()));
    builder.recursive(false).create(&directory)?;
    Ok(directory)
}
