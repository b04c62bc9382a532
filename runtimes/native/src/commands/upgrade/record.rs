//! The last upgrade, as the data directory remembers it, and the version of its database.

use crate::data_dir::{DataDir, write_private};
use anyhow::Result;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The file in the data directory.
const FILE: &str = "upgrade.json";

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
    /// The file that remembers it.
    pub(super) fn file(data: &DataDir) -> PathBuf {
        data.join(FILE)
    }
    /// The last upgrade; none: there was none.
    pub(super) fn read(data: &DataDir) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(data.join(FILE)).ok()?).ok()
    }
    /// Remembers this one.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn write(&self, data: &DataDir) -> Result<()> {
        write_private(&Self::file(data), &serde_json::to_vec(self)?)
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
