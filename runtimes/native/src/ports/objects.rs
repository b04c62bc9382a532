//! Objects as files in a folder. A put writes a temporary file, syncs and renames it, so it is
//! atomic.

use async_trait::async_trait;
use bytes::Bytes;
use platform::ports::{Objects, PortError, PortErrorKind, PortResult, objects::is_valid_name};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Objects in a folder.
pub struct FolderObjects {
    root: PathBuf,
    unique: AtomicU64,
}

impl FolderObjects {
    /// Objects in this folder; the first put creates it.
    pub fn new(root: PathBuf) -> Self {
        Self { root, unique: AtomicU64::new(0) }
    }
    fn path(&self, name: &str) -> PortResult<PathBuf> {
        if is_valid_name(name) {
            Ok(self.root.join(name))
        } else {
            Err(PortError::clean(PortErrorKind::Invalid, format!("invalid object name {name}")))
        }
    }
}

fn failed(error: &std::io::Error) -> PortError {
    let kind = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => PortErrorKind::Full,
        _ => PortErrorKind::Unavailable,
    };
    PortError::clean(kind, error.to_string())
}

fn write_whole(path: &Path, bytes: &[u8], unique: u64) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let beside = folder.join(format!(".new-{}-{unique}", std::process::id()));
    let written = std::fs::File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| std::fs::rename(&beside, path)) {
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    std::fs::File::open(folder)?.sync_all()
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let full = format!("{prefix}{name}");
        if entry.path().is_dir() {
            walk(&entry.path(), &format!("{full}/"), found);
        } else if !name.starts_with(".new-") {
            found.push(full);
        }
    }
}

#[async_trait]
impl Objects for FolderObjects {
    async fn get(&self, name: &str) -> PortResult<Option<Bytes>> {
        let path = self.path(name)?;
        blocking(move || match std::fs::read(path) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&error)),
        })
        .await
    }
    async fn put(&self, name: &str, bytes: Bytes) -> PortResult<()> {
        let (path, unique) = (self.path(name)?, self.unique.fetch_add(1, Ordering::Relaxed));
        blocking(move || write_whole(&path, &bytes, unique).map_err(|e| failed(&e))).await
    }
    async fn delete(&self, name: &str) -> PortResult<()> {
        let path = self.path(name)?;
        blocking(move || match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&error)),
            _ => Ok(()),
        })
        .await
    }
    async fn list(&self, prefix: &str) -> PortResult<Vec<String>> {
        let (root, prefix) = (self.root.clone(), prefix.to_owned());
        blocking(move || {
            let mut found = Vec::new();
            walk(&root, "", &mut found);
            found.retain(|name| name.starts_with(&prefix));
            found.sort();
            Ok(found)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> PortResult<T> + Send + 'static,
) -> PortResult<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|e| Err(PortError::unknown(PortErrorKind::Unavailable, e.to_string())))
}
