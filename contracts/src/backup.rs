//! Backups of a service's own tables.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A finished backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// The value for `POST /api/restore`.
    pub name: String,
    pub at: String,
    /// Rows per table.
    pub rows: BTreeMap<String, usize>,
}

/// Response of `GET /api/backups`, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BackupList {
    pub backups: Vec<Backup>,
}

/// `POST /api/restore` of the assistant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreRequest {
    /// The name of a backup.
    pub backup: String,
}

/// The result of a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// Rows written per table. Existing rows count only if two were merged.
    pub rows: BTreeMap<String, usize>,
}
