//! The work folder of a run: made for it and removed after it, or kept for the next one.

use super::place::Place;
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
    /// It stays for the next run.
    kept: bool,
    /// The workspace, in place of the folder.
    pub(super) place: Option<Place>,
}

impl Made {
    /// The folder that the program is to work in: one that is kept, else a new one for this task,
    /// for its owner alone. The name of a new one is made of the task's harmless characters, the
    /// process and a number.
    ///
    /// `workspace` is where the specification's workspace led at its first use.
    pub(super) fn new(
        root: &WorkRoot,
        spec: &ProgramSpec,
        workspace: Option<&Path>,
    ) -> std::io::Result<Self> {
        let harmless = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let counts = OsString::from(format!("counts.{process}.{number}"));
        let place = match workspace {
            Some(folder) => Place::of(root, spec, folder, &counts)?,
            None => None,
        };
        let kept = spec.kept_folder.is_some() && place.is_none();
        let (name, identity) = if let Some(folder) = spec.kept_folder.as_ref().filter(|_| kept) {
            let name: String = folder.chars().map(harmless).take(120).collect();
            let name = OsString::from(format!("{KEPT}{name}"));
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
        Ok(Self { root: root.share()?, path, relay, secrets, name, identity, kept, place })
    }

    /// The folder that the program starts in.
    pub(super) fn directory(&self) -> &Path {
        self.place.as_ref().map_or(&self.path, |place| &place.directory)
    }
    /// Removes everything that ends with the run. Its changes in a git repository.
    pub(super) async fn remove(mut self) -> Option<Changes> {
        let _turn = REMOVALS.acquire().await;
        let removed = tokio::task::spawn_blocking(move || {
            let changes = self.place.take().and_then(|place| place.end(&self.root));
            let removed = if self.kept { Ok(()) } else { self.root.remove(&self.name) };
            (changes, removed)
        });
        let (changes, removed) = removed.await.ok()?;
        if let Err(error) = removed {
            tracing::warn!(error = %error, "a work directory could not be removed");
        }
        changes
    }
}
