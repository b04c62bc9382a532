//! Backups that a service keeps of its own tables.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A finished backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// What `POST /api/restore` takes.
    pub name: String,
    pub at: String,
    /// Rows of each table.
    pub rows: BTreeMap<String, usize>,
}

/// Answer of `GET /api/backups`, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupList {
    pub backups: Vec<Backup>,
}

/// `POST /api/restore` of the assistant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreRequest {
    /// The name of a backup.
    pub backup: String,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// Rows that were written, by table. Rows that were there count only where two are joined.
    pub rows: BTreeMap<String, usize>,
}
