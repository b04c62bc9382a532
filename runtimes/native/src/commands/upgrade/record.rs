//! The last upgrade, as the data directory remembers it, and the version of its database.

use crate::data_dir::{DataDir, write_private};
use crate::exit::No;
use anyhow::Result;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The file in the data directory.
const FILE: &str = "upgrade.json";
/// Folder of the backups, in the data directory.
pub(super) const BACKUPS: &str = "backups";

/// An upgrade.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) from: String,
    pub(super) to: String,
    /// RFC 3339.
    pub(super) at: String,
    /// The backup from before.
    pub(super) backup: PathBuf,
    /// The database's version before.
    pub(super) schema: u32,
}

impl Record {
    /// The last upgrade; none: there was none.
    ///
    /// # Errors
    /// [`No`] for one that names no backup of this directory: its path is part of a command that
    /// the owner, perhaps root, is told to run.
    pub(super) fn read(data: &DataDir) -> Result<Option<Self>> {
        let file = data.join(FILE);
        let Ok(bytes) = std::fs::read(&file) else { return Ok(None) };
        let record = serde_json::from_slice(&bytes).ok().filter(|record: &Self| {
            let is_plain = !record.backup.to_string_lossy().contains(char::is_control);
            is_plain && record.backup.parent() == Some(&data.join(BACKUPS))
        });
        let refused = || {
            No(format!(
                "{} names no backup in {}, so nothing was changed. To go back without a backup, \
                 move that file away.",
                file.display(),
                data.join(BACKUPS).display()
            ))
        };
        Ok(Some(record.ok_or_else(refused)?))
    }
    /// Remembers this one.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn write(&self, data: &DataDir) -> Result<()> {
        write_private(&data.join(FILE), &serde_json::to_vec(self)?)
    }
    /// Forgets it.
    pub(super) fn forget(data: &DataDir) {
        let _ = std::fs::remove_file(data.join(FILE));
    }
}

/// The version of the database; zero without one.
///
/// # Errors
/// Those of SQLite.
pub(super) fn schema(data: &DataDir) -> Result<u32> {
    let path = data.join("quintet.db");
    if !path.exists() {
        return Ok(0);
    }
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    Ok(database.pragma_query_value(None, "user_version", |row| row.get(0))?)
}
