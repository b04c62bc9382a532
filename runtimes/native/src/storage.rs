//! The databases of a data directory as files: which there must be, how a failure of one is told,
//! and how they are left at a stop.

use crate::data_dir::{DataDir, write_private};
use anyhow::{Context, Result, anyhow, bail};
use platform::ports::{PortError, PortErrorKind};
use rusqlite::{Connection, ErrorCode};
use std::path::Path;
use std::time::Duration;

/// The databases. The inbox comes first in a backup, so that every approval it refers to is in the
/// other one.
pub const DATABASES: [&str; 2] = ["inbox.db", "quintet.db"];
/// Lists the databases that the directory has had. Without one of them halts and spending would be
/// forgotten in silence.
const MARK: &str = "databases";
/// Minimum free bytes for a start.
const SPACE_MIN: u64 = 8 << 20;

/// Refuses a directory that has lost a database, and a full disk.
///
/// # Errors
/// With the file's name and the fix.
pub fn check(data: &DataDir) -> Result<()> {
    let known = std::fs::read_to_string(data.join(MARK)).unwrap_or_default();
    let has = |name: &str| std::fs::metadata(data.join(name)).is_ok_and(|about| about.len() > 0);
    if let Some(lost) = known.lines().find(|name| DATABASES.contains(name) && !has(name)) {
        bail!(
            "{} is missing or empty, and with it halts, messages or the budget, so nothing was \
             started. Put it back with its -wal file, or move the directory away and restore a \
             backup with `quintet restore FILE`.",
            data.join(lost).display()
        );
    }
    if free_bytes(&data.join(MARK)).is_some_and(|free| free < SPACE_MIN) {
        return Err(full(data.path()));
    }
    Ok(())
}

/// Free bytes of the disk that holds this file, or would.
pub fn free_bytes(file: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(file.parent()?).ok()?;
    Some(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

fn full(folder: &Path) -> anyhow::Error {
    anyhow!(
        "the disk of {} is full, so the server cannot start. Free at least {} MB there, then \
         start again.",
        folder.display(),
        SPACE_MIN >> 20
    )
}

/// Records that the directory has its databases.
///
/// # Errors
/// Those of the file system.
pub fn mark(data: &DataDir) -> Result<()> {
    let list = DATABASES.map(|name| format!("{name}\n")).concat();
    if std::fs::read_to_string(data.join(MARK)).is_ok_and(|known| known == list) {
        return Ok(());
    }
    write_private(&data.join(MARK), list.as_bytes())
}

/// Says which file failed, why, and the fix.
pub fn explain(path: &Path, error: anyhow::Error) -> anyhow::Error {
    let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    let port = error.downcast_ref::<PortError>();
    let damaged = matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || port.is_some_and(|error| error.detail.contains("malformed"));
    let folder = path.parent().unwrap_or(path);
    if damaged {
        return anyhow!(
            "{} is damaged ({error}), so nothing was started. Move {} away and restore a backup \
             with `quintet restore FILE`.",
            path.display(),
            folder.display()
        );
    }
    if code == Some(ErrorCode::DiskFull)
        || port.is_some_and(|error| error.kind == PortErrorKind::Full)
    {
        return full(folder);
    }
    error.context(format!("cannot use {}", path.display()))
}

/// Moves all that is written into the database files themselves, so that each is whole without its
/// `-wal` file.
///
/// # Errors
/// Those of SQLite.
pub fn checkpoint(data: &DataDir) -> Result<()> {
    for name in DATABASES {
        let connection = Connection::open(data.join(name)).with_context(|| name)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}
