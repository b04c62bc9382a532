//! The work folder of a run: made for it and removed after it, or kept for the next one.

use super::digest::digest;
use super::exchange::{Handover, Leavings, Owner};
use super::work_folder::{KnownWorkspace, WorkFolder};
use platform::ports::{Changes, ProgramSpec};
use sandbox::folder::WorkRoot;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

static COUNTER: AtomicU64 = AtomicU64::new(1);
/// Removals at once. An agent may leave millions of files, and the threads of the runtime's pool
/// are few.
static REMOVALS: Semaphore = Semaphore::const_new(2);
/// Begins the names of folders that outlast a run.
const KEPT: &str = "kept-";
/// A kept folder that no run has used for this long is removed at the next start.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

/// Whether this is a kept folder that no run has used for long.
pub(super) fn is_out_of_use(root: &Path, name: &OsStr) -> bool {
    let used = std::fs::symlink_metadata(root.join(name)).and_then(|found| found.modified());
    let age = used.ok().and_then(|used| used.elapsed().ok()).unwrap_or_default();
    name.to_string_lossy().starts_with(KEPT) && age > KEPT_FOR
}

/// A work folder of one run.
pub(super) struct Made {
    pub(super) root: WorkRoot,
    pub(super) name: OsString,
    pub(super) path: PathBuf,
    /// Where a relay of this run listens: beside the folder, out of the program's reach.
    pub(super) relay: PathBuf,
    /// The same for the relay that puts keys into requests.
    pub(super) secrets: PathBuf,
    pub(super) identity: sandbox::Identity,
    /// The folder of the program's own state, which lies elsewhere and stays.
    pub(super) state: Option<PathBuf>,
    /// It stays for the next run.
    kept: bool,
    /// The workspace, in place of the folder.
    pub(super) workspace: Option<WorkFolder>,
    /// Files of the run, in and out.
    handover: Option<Handover>,
}

/// The work of a run that has ended.
#[derive(Default)]
pub(super) struct Ended {
    /// In a git repository.
    pub(super) changes: Option<Changes>,
    /// For the chat.
    pub(super) left: Leavings,
}

impl Made {
    /// The folder that the program is to work in: one that is kept, else a new one for this task,
    /// for its owner alone. The name of a new one is made of the task's harmless characters, the
    /// process and a number.
    ///
    /// `known` is what the specification's workspace was when the server started.
    pub(super) fn new(
        root: &WorkRoot,
        spec: &ProgramSpec,
        known: Option<&KnownWorkspace>,
    ) -> std::io::Result<Self> {
        let harmless = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let counts = OsString::from(format!("counts.{process}.{number}"));
        let workspace = match known {
            Some(known) => WorkFolder::of(root, spec, known, &counts)?,
            None => None,
        };
        let kept = spec.kept_folder.is_some() && workspace.is_none();
        let (name, identity) = if let Some(folder) = spec.kept_folder.as_ref().filter(|_| kept) {
            let name: String = folder.chars().map(harmless).take(100).collect();
            let name = OsString::from(format!("{KEPT}{name}-{}", digest(&[folder.as_bytes()])));
            let identity = root.keep(&name)?;
            (name, identity)
        } else {
            let name: String = spec.task.chars().map(harmless).take(80).collect();
            let name = OsString::from(format!("{name}.{process}.{number}"));
            let identity = root.make(&name)?;
            (name, identity)
        };
        // Short: the address of a socket has 108 bytes.
        let socket = format!("{process}.{number}.relay");
        let secrets = root.path().join(format!("{process}.{number}.secrets"));
        let (path, relay) = (root.path().join(&name), root.path().join(socket));
        let root = root.share()?;
        let state = None;
        let mut made = Self {
            root,
            path,
            relay,
            secrets,
            name,
            identity,
            state,
            kept,
            workspace,
            handover: None,
        };
        match made.begin_exchange(spec) {
            Ok(()) => Ok(made),
            Err(error) => {
                made.end();
                Err(error)
            }
        }
    }
    fn begin_exchange(&mut self, spec: &ProgramSpec) -> std::io::Result<()> {
        let Some(exchange) = &spec.exchange else { return Ok(()) };
        let workspace = self.workspace.as_ref();
        let owner = match workspace {
            Some(workspace) if workspace.is_owners => Owner::Person,
            Some(_) => Owner::Worktree,
            None if self.kept => Owner::Kept,
            None => Owner::Passing,
        };
        let is_tracked = |name: &str| workspace.is_some_and(|workspace| workspace.tracks(name));
        let begun = Handover::begin(&self.root, self.directory(), owner, exchange, is_tracked)?;
        self.handover = Some(begun);
        Ok(())
    }

    /// The folder that the program starts in.
    pub(super) fn directory(&self) -> &Path {
        self.workspace.as_ref().map_or(&self.path, |workspace| &workspace.directory)
    }
    /// Folders whose size counts for the limit of the run, and whether those of the owner are among
    /// them, which had files before. The program's own state counts too.
    pub(super) fn measured(&self) -> (Vec<PathBuf>, bool) {
        let of_workspace = self.workspace.iter().flat_map(|workspace| &workspace.measured);
        let is_owners = self.workspace.as_ref().is_some_and(|workspace| workspace.is_owners);
        let own = [&self.path].into_iter().chain(&self.state);
        (of_workspace.chain(own).cloned().collect(), is_owners)
    }
    /// Removes everything that ends with the run. Its changes in a git repository, and the files
    /// that it left.
    pub(super) async fn remove(self) -> Ended {
        let _turn = REMOVALS.acquire().await;
        tokio::task::spawn_blocking(move || self.end()).await.unwrap_or_default()
    }
    fn end(mut self) -> Ended {
        // First: these files are no changes in the repository.
        let left = self.handover.take().map(Handover::end).unwrap_or_default();
        let changes = self.workspace.take().and_then(|workspace| workspace.end(&self.root));
        let removed = if self.kept { Ok(()) } else { self.root.remove(&self.name) };
        if let Err(error) = removed {
            tracing::warn!(error = %error, "a work directory could not be removed");
        }
        Ended { changes, left }
    }
}
