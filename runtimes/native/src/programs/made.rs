//! The work folder of one run: made for it, removed after it.

use sandbox::folder::WorkRoot;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

static COUNTER: AtomicU64 = AtomicU64::new(1);

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
}

impl Made {
    /// A new folder for one task, for its owner alone. The name is made of the task's harmless
    /// characters, the process and a number.
    pub(super) fn new(root: &WorkRoot, task: &str) -> std::io::Result<Self> {
        let harmless = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let name: String = task.chars().map(harmless).take(80).collect();
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = OsString::from(format!("{name}.{}.{number}", std::process::id()));
        let identity = root.make(&name)?;
        // Short: the address of a socket has 108 bytes.
        let socket = format!("{}.{number}.relay", std::process::id());
        let secrets = root.path().join(format!("{}.{number}.secrets", std::process::id()));
        let (path, relay) = (root.path().join(&name), root.path().join(socket));
        Ok(Self { root: root.share()?, path, relay, secrets, name, identity })
    }

    pub(super) async fn remove(self) {
        let removed = tokio::task::spawn_blocking(move || self.root.remove(&self.name)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(error = %error, "a work directory could not be removed");
        }
    }
}
