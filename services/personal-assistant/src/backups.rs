//! `GET` and `POST /api/backups`, `POST /api/restore`, and the daily backup: this service's tables
//! as objects.
//!
//! Restoring merges (see [`platform::backup`]): missing rows return, existing rows stay, and posted
//! costs never decrease. Approvals that were pending or approved in the copy return as expired,
//! because they may have been decided and run since, and a restore must not run anything twice.

use crate::actor::actor;
use crate::owner::{self, Revision};
use crate::{Deps, audit};
use axum::extract::State;
use axum::{Extension, Json};
use contracts::backup::{Backup, BackupList, RestoreRequest, Restored};
use http::StatusCode;
use platform::backup::{self, Manifest, Table};
use platform::edge::{ApiError, ApiResult, JsonBody, Principal};
use platform::ports::{ClockExt, PortResult};
use platform::time::rfc3339;
use serde_json::json;

/// Folder of the objects.
pub const FOLDER: &str = "personal-assistant-backups";
/// Daily backups kept.
const KEPT: usize = 30;
const DAY_MS: i64 = 24 * 3_600_000;

/// Changes to restored approvals: an open one expires, and its buttons belong to an older version.
const APPROVALS_CHANGED: &[(&str, &str)] = &[
    (
        "state",
        "CASE WHEN value->>'$.state' IN ('pending', 'approved') THEN 'expired' ELSE value->>'$.state' END",
    ),
    (
        "code",
        "CASE WHEN value->>'$.state' IN ('pending', 'approved') THEN 'expired' ELSE value->>'$.code' END",
    ),
    ("version", "value->>'$.version' + (value->>'$.state' IN ('pending', 'approved'))"),
];

/// Every table of the service. Posted costs come last, so that a row written meanwhile is counted
/// rather than lost.
const TABLES: &[Table] = &[
    Table::keeping("personal_context", &["name"]),
    Table::keeping("budget_rule", &["rule"]),
    Table { changed: APPROVALS_CHANGED, ..Table::keeping("approvals", &["id"]) },
    Table::keeping("delivery", &["id"]),
    Table::keeping("button", &["token_hash"]),
    Table::keeping("tool_rule", &["id"]),
    // They join the chain that is there.
    Table { changed: &[("seq", "NULL"), ("hash", "NULL")], ..Table::keeping("audit", &["id"]) },
    Table::keeping("claim", &["token_hash"]),
    Table::keeping("halt", &["id"]),
    Table::keeping("chat_message", &["id"]),
    Table::keeping("chat_summary", &["session"]),
    Table::keeping("approval_review", &["task"]),
    Table::keeping("memory_fact", &["id"]),
    Table::keeping("memory_doc", &["doc"]),
    Table::keeping("memory_term", &["term", "kind", "doc"]),
    Table::keeping("memory_use", &["message", "doc"]),
    Table::keeping("person", &["actor"]),
    Table::keeping("hold", &["task", "scope"]),
    Table::keeping("posted", &["task", "seq"]),
    Table {
        on_conflict: "(scope) DO UPDATE SET spent_u = MAX(spent_u, excluded.spent_u)",
        ..Table::keeping("budget", &["scope"])
    },
];

/// Makes a backup and deletes the oldest. A timer calls it daily; `POST /api/backups` makes an
/// extra one.
///
/// # Errors
/// When the database or the object store fails; earlier backups stay.
pub async fn back_up(deps: &Deps) -> PortResult<Manifest> {
    let made =
        backup::copy(&*deps.sql, &*deps.objects, FOLDER, TABLES, deps.clock.now_ms()).await?;
    backup::prune(&*deps.objects, FOLDER, KEPT).await?;
    Ok(made)
}

/// Makes a backup if the last one is a day old.
///
/// # Errors
/// As [`back_up`].
pub async fn back_up_daily(deps: &Deps) -> PortResult<()> {
    // Names start with the time, so the newest shows its day without being read.
    let newest = deps
        .objects
        .list(&format!("{FOLDER}/"))
        .await?
        .into_iter()
        .rfind(|name| name.ends_with("/manifest.json"));
    let due = rfc3339(deps.clock.now_ms() - DAY_MS).replace(':', "-");
    let fresh =
        newest.is_some_and(|name| name.split('/').nth(1).is_some_and(|made| made > due.as_str()));
    if !fresh {
        back_up(deps).await?;
    }
    Ok(())
}

fn wire(manifest: Manifest) -> Backup {
    Backup { name: manifest.name, at: manifest.at, rows: manifest.rows }
}

/// `GET /api/backups`: newest first.
pub async fn list(State(deps): State<Deps>) -> ApiResult<Json<BackupList>> {
    let backups = backup::list(&*deps.objects, FOLDER).await?.into_iter().map(wire).collect();
    Ok(Json(BackupList { backups }))
}

/// `POST /api/backups`: an extra one, now.
pub async fn make(State(deps): State<Deps>) -> ApiResult<(StatusCode, Json<Backup>)> {
    Ok((StatusCode::CREATED, Json(wire(back_up(&deps).await?))))
}

/// `POST /api/restore`.
pub async fn restore(
    State(deps): State<Deps>,
    Extension(who): Extension<Principal>,
    JsonBody(request): JsonBody<RestoreRequest>,
) -> ApiResult<Json<Restored>> {
    let restored =
        backup::restore(&*deps.sql, &*deps.objects, FOLDER, &request.backup, TABLES).await?;
    let rows = restored
        .ok_or_else(|| ApiError::not_found("backup with this name; GET /api/backups lists them"))?;
    tracing::warn!(backup = request.backup, "restored");
    // Rules may have come back: a change that was made from those before must not be stored.
    let (by, revision) = (actor(who, None), Revision::new(deps.clock.random_hex(8)));
    let entry =
        audit::entry(&deps, &by, "backup.restored", &request.backup, &json!({ "rows": rows }));
    deps.sql.batch(vec![owner::renewed(&deps, &revision, &by), entry]).await?;
    Ok(Json(Restored { rows }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table added by a migration must be backed up too.
    #[test]
    fn backup_covers_every_table_of_the_migration() {
        let migration = concat!(
            include_str!("../../../migrations/0001_personal_assistant.sql"),
            include_str!("../../../migrations/0010_tool_calls.sql"),
            include_str!("../../../migrations/0011_person.sql"),
            include_str!("../../../migrations/0012_memory.sql"),
            include_str!("../../../migrations/0013_review.sql"),
            include_str!("../../../migrations/0014_audit.sql")
        );
        let mut created: Vec<&str> = migration
            .split("CREATE TABLE ")
            .skip(1)
            .filter_map(|rest| rest.split_whitespace().next())
            // The end of the chain that a restored log joins.
            .filter(|name| *name != "audit_seal")
            .collect();
        let mut backed_up: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        created.sort_unstable();
        backed_up.sort_unstable();
        assert_eq!(created, backed_up);
    }
}
