//! The last upgrade, as the data directory remembers it, and the version of its database.

use crate::data_dir::{DataDir, write_private};
use anyhow::Result;
use rusqlite::{Connection, OpenFlags};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use std::ffi::OsStr;
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
    /// The name of the backup from before, in [`BACKUPS`]. It is part of a command that the owner,
    /// perhaps root, is told to run.
    #[serde(deserialize_with = "name_in")]
    pub(super) backup: String,
    /// The database's version before.
    pub(super) schema: u32,
}

impl Record {
    /// The last upgrade; none: there was none, or it cannot be read.
    pub(super) fn read(data: &DataDir) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(data.join(FILE)).ok()?).ok()
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

/// The name at the end of a path: an earlier version wrote the whole of it.
fn name_in<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let path = PathBuf::deserialize(from)?;
    let name = path.file_name().and_then(OsStr::to_str);
    let plain = name.filter(|name| !name.contains(char::is_control));
    plain.map(str::to_owned).ok_or_else(|| Error::custom("no name of a file"))
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
