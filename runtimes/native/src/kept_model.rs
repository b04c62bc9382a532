//! Where `quintet route` keeps what it learnt from a folder: a published graph per content, in the
//! cache of the user. Losing it costs time alone.

use crate::data_dir::cache_dir;
use crate::ports::clock::SystemClock;
use contracts::graph::SourceFile;
use platform::ports::ClockExt;
use sha2::{Digest, Sha256};
use skill_graph_loader::Reading;
use std::fs::{DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Maximum contents that are kept; the one that was used longest ago goes.
const KEPT_MAX: usize = 8;
const FOLDER: &str = "quintet/route";

/// A folder with a database and objects.
pub struct Place {
    folder: PathBuf,
    is_kept: bool,
}

impl Place {
    /// The place of this content; a temporary one if the user has no cache.
    pub fn of(files: &[SourceFile], reading: Reading) -> Self {
        let kept = cache_dir().and_then(|cache| {
            let cache = cache.join(FOLDER);
            let folder = cache.join(key(files, reading));
            DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
            let about = folder.symlink_metadata().ok()?;
            is_own(&about).then_some((cache, folder))
        });
        let Some((cache, folder)) = kept else { return Self::temporary() };
        drop_old(&cache, &folder);
        Self { folder, is_kept: true }
    }
    /// A place that is removed on drop.
    pub fn temporary() -> Self {
        let name = format!("quintet-route-{}", SystemClock.random_hex(8));
        let folder = std::env::temp_dir().join(name);
        let _ = DirBuilder::new().mode(0o700).create(&folder);
        Self { folder, is_kept: false }
    }
    /// Whether a later call finds it again.
    pub const fn is_kept(&self) -> bool {
        self.is_kept
    }
    pub fn database(&self) -> PathBuf {
        self.folder.join("graph.db")
    }
    pub fn objects(&self) -> PathBuf {
        self.folder.join("objects")
    }
    /// Removes it, since it could not be used.
    pub fn discard(mut self) {
        self.is_kept = false;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Nobody else may have written there.
fn is_own(about: &Metadata) -> bool {
    about.is_dir() && about.uid() == nix::unistd::geteuid().as_raw() && about.mode() & 0o022 == 0
}

/// The name of a content, as read by this build: another may learn in another way.
fn key(files: &[SourceFile], reading: Reading) -> String {
    let mut digest = Sha256::new();
    let program = std::env::current_exe().and_then(|path| path.metadata());
    let build = program.map(|about| (about.len(), about.mtime(), about.mtime_nsec()));
    digest.update(format!("{:?} {build:?} {reading:?}", env!("CARGO_PKG_VERSION")));
    for file in files {
        for text in [&file.path, &file.text] {
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text.as_bytes());
        }
    }
    hex::encode(digest.finalize()).chars().take(32).collect()
}

/// Keeps the newest ones.
fn drop_old(cache: &Path, own: &Path) {
    let used = |path: &PathBuf| path.metadata().and_then(|about| about.modified()).ok();
    let mut others: Vec<PathBuf> = std::fs::read_dir(cache)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path != own)
        .collect();
    others.sort_by_key(used);
    let surplus = others.len().saturating_sub(KEPT_MAX - 1);
    for old in others.into_iter().take(surplus) {
        let _ = std::fs::remove_dir_all(old);
    }
}
