//! The audit log: who changed or decided what, as a chain of hashes.

use serde::{Deserialize, Serialize};

/// Maximum entries of one answer.
pub const ENTRIES_MAX: u32 = 500;

/// `GET /api/audit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditQuery {
    /// Entries older than the one with this id; default: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// 1 to 500; default 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    pub id: String,
    /// Its place in the chain, 1 for the first, without gaps; none until it is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<i64>,
    /// RFC 3339.
    pub at: String,
    /// Who did it: `policy` for the rules, `api` for a token, `<channel>:<endpoint>:<user>` for a
    /// person in a chat.
    pub actor: String,
    /// Such as `approval.approved`, `policy.changed`, `halt`.
    pub action: String,
    /// The approval, task or setting that it is about.
    pub subject: String,
    /// The facts: what was decided, or the setting after the change.
    pub detail: serde_json::Value,
    /// SHA-256 of the entry and of the hash before it; none until it is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// Response of `GET /api/audit`, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AuditList {
    pub entries: Vec<AuditEntry>,
}

/// Response of `GET /api/audit/verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AuditVerdict {
    /// Every sealed entry is as it was written, and none is missing.
    pub intact: bool,
    /// Entries in the chain.
    pub sealed: i64,
    /// Entries that are not in the chain yet; they join it within a minute.
    pub unsealed: i64,
    /// The hash of the newest sealed entry. An owner who keeps it elsewhere can tell later that
    /// the log was not written anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The place of the first entry that is not what was sealed, or is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_at: Option<i64>,
    /// A sentence for people.
    pub message: String,
}
