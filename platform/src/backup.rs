//! Copies a service's tables to objects and restores them, for when the shared database is lost.
//!
//! A copy is a folder of pages, `<folder>/<time>/<table>-<page>.json` (a JSON list of rows each),
//! and a `manifest.json` that is written last: a copy without it is incomplete and ignored. The
//! service keeps running while pages are read, so a copy is not a snapshot: list tables in an order
//! that errs on the safe side (posted costs last).
//!
//! Restoring merges. Missing rows return; existing rows stay unchanged unless the table defines how
//! to merge them. It never deletes, so it can be repeated, and an old copy never lowers costs
//! posted since.

use crate::ports::{Objects, PortError, PortErrorKind, PortResult, Row, Sql, SqlValue, Statement};
use crate::time::rfc3339;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Rows per read.
const PAGE_ROWS: i64 = 500;
/// Maximum bytes of JSON bound to one statement; D1 allows 2 MB per text.
const CHUNK_BYTES_MAX: usize = 512 * 1024;
const MANIFEST: &str = "manifest.json";

/// A table to copy.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    pub name: &'static str,
    /// The columns of its primary key, which orders the pages.
    pub key: &'static [&'static str],
    /// The action for a row whose key exists: the end of `ON CONFLICT …`.
    pub on_conflict: &'static str,
    /// Columns restored with a changed value: the expression, in which `value` is the copied row.
    pub changed: &'static [(&'static str, &'static str)],
}

impl Table {
    /// A table whose existing rows stay unchanged.
    pub const fn keeping(name: &'static str, key: &'static [&'static str]) -> Self {
        Self { name, key, on_conflict: "DO NOTHING", changed: &[] }
    }
}

/// A finished copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The last part of the folder's name, for `restore`.
    pub name: String,
    /// Start time, RFC 3339.
    pub at: String,
    /// Pages per table.
    pub pages: BTreeMap<String, usize>,
    /// Rows per table.
    pub rows: BTreeMap<String, usize>,
}

/// Copies the tables into the folder.
///
/// # Errors
/// When the database or the object store fails; an incomplete copy has no manifest and is never
/// restored.
pub async fn copy(
    sql: &dyn Sql,
    objects: &dyn Objects,
    folder: &str,
    tables: &[Table],
    now_ms: i64,
) -> PortResult<Manifest> {
    let at = rfc3339(now_ms);
    // Object names contain no colons; the time stays sortable.
    let name = at.replace(':', "-");
    let mut manifest =
        Manifest { name: name.clone(), at, pages: BTreeMap::new(), rows: BTreeMap::new() };
    for table in tables {
        let (mut after, mut pages, mut count) = (None, 0, 0);
        loop {
            let rows = sql.query(page(table, after.as_deref())).await?;
            let Some(last) = rows.last() else { break };
            after = Some(key_of(table, last)?);
            count += rows.len();
            pages += 1;
            put(objects, &format!("{folder}/{name}/{}-{pages:06}.json", table.name), &rows).await?;
            if i64::try_from(rows.len()).is_ok_and(|rows| rows < PAGE_ROWS) {
                break;
            }
        }
        manifest.pages.insert(table.name.to_owned(), pages);
        manifest.rows.insert(table.name.to_owned(), count);
    }
    put(objects, &format!("{folder}/{name}/{MANIFEST}"), &manifest).await?;
    Ok(manifest)
}

fn page(table: &Table, after: Option<&[SqlValue]>) -> Statement {
    let keys = table.key.join(", ");
    let marks: Vec<String> = (1..=table.key.len()).map(|place| format!("?{place}")).collect();
    let place = if after.is_some() {
        format!(" WHERE ({keys}) > ({})", marks.join(", "))
    } else {
        String::new()
    };
    let statement = Statement::new(format!(
        "SELECT * FROM {}{place} ORDER BY {keys} LIMIT {PAGE_ROWS}",
        table.name
    ));
    after.into_iter().flatten().cloned().fold(statement, Statement::bind)
}

fn key_of(table: &Table, row: &Row) -> PortResult<Vec<SqlValue>> {
    let value = |column: &&str| match row.get(*column) {
        Some(Value::String(text)) => Ok(SqlValue::Text(text.clone())),
        Some(Value::Number(number)) if number.is_i64() => {
            Ok(SqlValue::Int(number.as_i64().unwrap_or_default()))
        }
        _ => Err(invalid(format!("{}.{column} is no key", table.name))),
    };
    table.key.iter().map(value).collect()
}

async fn put(objects: &dyn Objects, name: &str, value: &impl Serialize) -> PortResult<()> {
    objects
        .put(
            name,
            Bytes::from(serde_json::to_vec(value).map_err(|error| invalid(error.to_string()))?),
        )
        .await
}

fn invalid(detail: String) -> PortError {
    PortError::clean(PortErrorKind::Invalid, detail)
}

/// The finished copies of a folder, newest first.
///
/// # Errors
/// When the object store fails.
pub async fn list(objects: &dyn Objects, folder: &str) -> PortResult<Vec<Manifest>> {
    let mut found = Vec::new();
    for name in objects
        .list(&format!("{folder}/"))
        .await?
        .iter()
        .rev()
        .filter(|name| name.ends_with(&format!("/{MANIFEST}")))
    {
        if let Some(bytes) = objects.get(name).await?
            && let Ok(manifest) = serde_json::from_slice(&bytes)
        {
            found.push(manifest);
        }
    }
    Ok(found)
}

/// Deletes all copies but the newest `keep`, and incomplete ones older than those.
///
/// # Errors
/// When the object store fails; the next call deletes the rest.
pub async fn prune(objects: &dyn Objects, folder: &str, keep: usize) -> PortResult<()> {
    let copies = list(objects, folder).await?;
    let Some(oldest) = keep.checked_sub(1).and_then(|last| copies.get(last)) else { return Ok(()) };
    let oldest = format!("{folder}/{}/", oldest.name);
    for name in objects.list(&format!("{folder}/")).await?.iter().filter(|name| ***name < *oldest) {
        objects.delete(name).await?;
    }
    Ok(())
}

/// Merges a copy into the tables; returns the restored rows per table. `None` when the copy does
/// not exist.
///
/// # Errors
/// When a page is missing or invalid, or the database fails; merged rows stay, and the call can be
/// repeated.
pub async fn restore(
    sql: &dyn Sql,
    objects: &dyn Objects,
    folder: &str,
    name: &str,
    tables: &[Table],
) -> PortResult<Option<BTreeMap<String, usize>>> {
    let Some(manifest) =
        list(objects, folder).await?.into_iter().find(|manifest| manifest.name == name)
    else {
        return Ok(None);
    };
    let mut restored = BTreeMap::new();
    for table in tables {
        let mut count = 0;
        for page in 1..=manifest.pages.get(table.name).copied().unwrap_or(0) {
            let object = format!("{folder}/{name}/{}-{page:06}.json", table.name);
            let bytes =
                objects.get(&object).await?.ok_or_else(|| invalid(format!("{object} is gone")))?;
            let rows: Vec<Row> = serde_json::from_slice(&bytes)
                .map_err(|error| invalid(format!("{object}: {error}")))?;
            count += merge(sql, table, rows).await?;
        }
        restored.insert(table.name.to_owned(), count);
    }
    Ok(Some(restored))
}

/// Writes rows into a table, applying its rule to existing ones; returns the number written.
///
/// # Errors
/// When a row has an unknown column, or the database fails.
pub async fn merge(sql: &dyn Sql, table: &Table, rows: Vec<Row>) -> PortResult<usize> {
    let Some(columns) = rows.first().map(|row| row.keys().cloned().collect::<Vec<_>>()) else {
        return Ok(0);
    };
    // Column names become part of the statement, so only valid names are allowed.
    if let Some(bad) = columns.iter().find(|column| {
        column.is_empty() || !column.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    }) {
        return Err(invalid(format!("{bad:?} is no column of {}", table.name)));
    }
    let changed = |column: &str| {
        table
            .changed
            .iter()
            .find(|(name, _)| *name == column)
            .map(|(_, expression)| (*expression).to_owned())
    };
    let picks: Vec<String> = columns
        .iter()
        .map(|column| changed(column).unwrap_or_else(|| format!("value->>'$.{column}'")))
        .collect();
    let text = format!(
        "INSERT INTO {} ({}) SELECT {} FROM json_each(?1) WHERE true ON CONFLICT {} RETURNING 1 AS \
         one",
        table.name,
        columns.join(", "),
        picks.join(", "),
        table.on_conflict,
    );
    let mut count = 0;
    for chunk in chunks(rows)? {
        count += sql.query(Statement::new(text.clone()).bind(chunk)).await?.len();
    }
    Ok(count)
}

/// The rows as JSON lists, each small enough for one parameter.
fn chunks(rows: Vec<Row>) -> PortResult<Vec<String>> {
    let mut chunks: Vec<String> = Vec::new();
    for row in rows {
        let text = serde_json::to_string(&row).map_err(|error| invalid(error.to_string()))?;
        match chunks.last_mut().filter(|chunk| chunk.len() + text.len() < CHUNK_BYTES_MAX) {
            Some(chunk) => {
                chunk.push(',');
                chunk.push_str(&text);
            }
            None => chunks.push(format!("[{text}")),
        }
    }
    chunks.iter_mut().for_each(|chunk| chunk.push(']'));
    Ok(chunks)
}

#[cfg(all(test, feature = "memory"))]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]
mod tests {
    use super::*;
    use crate::memory::{MemoryObjects, MemorySql};
    use crate::sql;

    const TABLES: &[Table] = &[
        Table::keeping("note", &["who", "n"]),
        Table {
            name: "spent",
            key: &["scope"],
            on_conflict: "(scope) DO UPDATE SET amount_u = MAX(amount_u, excluded.amount_u)",
            changed: &[],
        },
    ];
    const SCHEMA: &str = "CREATE TABLE note (who TEXT NOT NULL, n INTEGER NOT NULL, text TEXT, \
        PRIMARY KEY (who, n)) WITHOUT ROWID;
                          CREATE TABLE spent (scope TEXT PRIMARY KEY, amount_u INTEGER NOT NULL) \
                          WITHOUT ROWID;";

    async fn filled(rows: i64) -> MemorySql {
        let db = MemorySql::with_migrations(&[SCHEMA]);
        for n in 0..rows {
            let text = (n % 2 == 0).then(|| format!("it's \"{n}\" ✓"));
            db.query(sql!("INSERT INTO note VALUES (?1, ?2, ?3)", format!("w{}", n % 3), n, text))
                .await
                .unwrap();
        }
        db.query(sql!("INSERT INTO spent VALUES ('day', 70)")).await.unwrap();
        db
    }

    async fn all(db: &MemorySql) -> Vec<Row> {
        db.query(sql!("SELECT * FROM note ORDER BY who, n")).await.unwrap()
    }

    #[tokio::test]
    async fn backup_restores_a_lost_database_row_by_row() {
        let (db, objects) = (filled(1234).await, MemoryObjects::default());
        let manifest = copy(&db, &objects, "copies", TABLES, 1_790_000_000_000).await.unwrap();
        assert_eq!(
            (manifest.rows["note"], manifest.pages["note"], manifest.rows["spent"]),
            (1234, 3, 1)
        );
        let empty = MemorySql::with_migrations(&[SCHEMA]);
        let restored =
            restore(&empty, &objects, "copies", &manifest.name, TABLES).await.unwrap().unwrap();
        assert_eq!((restored["note"], restored["spent"]), (1234, 1));
        assert_eq!(all(&empty).await, all(&db).await);
        assert_eq!(
            restore(&empty, &objects, "copies", &manifest.name, TABLES).await.unwrap().unwrap()["note"],
            0,
            "again changes nothing"
        );
    }

    #[tokio::test]
    async fn backup_restore_of_an_old_copy_lowers_and_removes_nothing() {
        let (db, objects) = (filled(2).await, MemoryObjects::default());
        let manifest = copy(&db, &objects, "copies", TABLES, 0).await.unwrap();
        db.query(sql!("UPDATE spent SET amount_u = 90")).await.unwrap();
        db.query(sql!("UPDATE note SET text = 'newer'")).await.unwrap();
        restore(&db, &objects, "copies", &manifest.name, TABLES).await.unwrap().unwrap();
        assert!(all(&db).await.iter().all(|row| row["text"] == "newer"));
        assert_eq!(db.query(sql!("SELECT amount_u FROM spent")).await.unwrap()[0]["amount_u"], 90);
    }

    #[tokio::test]
    async fn backup_ignores_an_incomplete_copy() {
        let (db, objects) = (filled(2).await, MemoryObjects::default());
        let manifest = copy(&db, &objects, "copies", TABLES, 0).await.unwrap();
        objects.delete(&format!("copies/{}/{MANIFEST}", manifest.name)).await.unwrap();
        assert_eq!(list(&objects, "copies").await.unwrap(), []);
        assert_eq!(restore(&db, &objects, "copies", &manifest.name, TABLES).await.unwrap(), None);
    }

    #[tokio::test]
    async fn backup_prune_keeps_only_the_newest() {
        let (db, objects) = (filled(2).await, MemoryObjects::default());
        for day in 0..4 {
            copy(&db, &objects, "copies", TABLES, day * 86_400_000).await.unwrap();
        }
        prune(&objects, "copies", 2).await.unwrap();
        let left: Vec<String> =
            list(&objects, "copies").await.unwrap().into_iter().map(|copy| copy.at).collect();
        assert_eq!(left, ["1970-01-04T00:00:00.000Z", "1970-01-03T00:00:00.000Z"]);
        assert_eq!(objects.list("copies/").await.unwrap().len(), 6);
    }

    #[tokio::test]
    async fn backup_restore_refuses_an_invalid_column_name() {
        let db = filled(0).await;
        let row = Row::from_iter([("who) SELECT 1 --".to_owned(), "x".into())]);
        assert!(merge(&db, &TABLES[0], vec![row]).await.is_err());
    }
}
