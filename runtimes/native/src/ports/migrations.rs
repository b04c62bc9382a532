//! Databases of earlier versions, with rows in every table, migrate to the newest one. The inbox
//! has no versions: its tables only ever become more.

use super::inbox::SqliteInbox;
use super::sql::{MIGRATIONS, SqliteSql, open};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::collections::{BTreeMap, BTreeSet};

/// Rows written to each table.
const ROWS: i64 = 3;

/// A row: the values by the names of their columns.
type Row = BTreeMap<String, String>;

struct Column {
    name: String,
    kind: String,
    may_be_null: bool,
}

/// Our tables, in order.
fn tables(database: &Connection) -> Vec<String> {
    let mut asked = database
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
        )
        .unwrap();
    asked.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn columns(database: &Connection, table: &str) -> Vec<Column> {
    let mut asked = database.prepare(&format!("PRAGMA table_info({table})")).unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        let may_be_null = !row.get::<_, bool>(3)? && row.get::<_, u32>(5)? == 0;
        Ok(Column { name: row.get(1)?, kind: row.get(2)?, may_be_null })
    };
    asked.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The words that a column may have, where a check lists them.
fn allowed(table: &str, column: &str) -> &'static [&'static str] {
    match (table, column) {
        ("approvals", "state") => &["pending", "approved", "claimed"],
        ("button", "decision") => &["approve", "reject"],
        ("halt", "level") => &["accepted", "stopped"],
        ("chat_message", "role") => &["user", "assistant"],
        ("memory_fact", "made_by") => &["owner", "words", "model"],
        ("approval_review", "verdict") => &["approve", "pass"],
        ("memory_term", "kind") => &["fact", "message"],
        ("skill_graph", "state") => &["ready", "withdrawn"],
        _ => &[],
    }
}

/// A value that differs in each row, so that no unique index is violated.
fn value(table: &str, column: &Column, row: i64) -> Value {
    if column.may_be_null && row == ROWS - 1 {
        return Value::Null;
    }
    let words = allowed(table, &column.name);
    if let Some(word) = words.get(usize::try_from(row).unwrap() % words.len().max(1)) {
        return Value::Text((*word).to_owned());
    }
    match (column.kind.as_str(), column.name.as_str()) {
        // A migration ends leases that are long over. These are not.
        ("INTEGER", "lease_until") => Value::Integer(4_102_444_800_000 + row),
        ("INTEGER", "confidence") => Value::Integer(50 + row),
        ("INTEGER", _) => Value::Integer(1_000 + row),
        ("REAL", _) => Value::Real(0.25 * f64::from(i32::try_from(row).unwrap() + 1)),
        _ => Value::Text(format!("{table}.{} {row} “ü” 🎛", column.name)),
    }
}

fn fill(database: &Connection) {
    for table in tables(database) {
        // One row with a fixed id, which its migration wrote.
        let set = match table.as_str() {
            "skill_graph_current" => {
                Some("UPDATE skill_graph_current SET version = 'skill_graph.version 1 “ü” 🎛'")
            }
            "audit_seal" => Some("UPDATE audit_seal SET seq = 1000, hash = 'hash 1 “ü” 🎛'"),
            _ => None,
        };
        if let Some(set) = set {
            database.execute(set, []).unwrap();
            continue;
        }
        let columns = columns(database, &table);
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let marks = vec!["?"; names.len()].join(", ");
        let statement = format!("INSERT INTO {table} ({}) VALUES ({marks})", names.join(", "));
        for row in 0..ROWS {
            let values = columns.iter().map(|column| value(&table, column, row));
            database.execute(&statement, params_from_iter(values)).unwrap();
        }
    }
}

/// All rows of a table; of `only` these columns.
fn rows(database: &Connection, table: &str, only: &[String]) -> BTreeSet<Row> {
    let mut asked = database.prepare(&format!("SELECT {} FROM {table}", only.join(", "))).unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        let value = |at| row.get::<_, Value>(at).map(|value| format!("{value:?}"));
        only.iter().enumerate().map(|(at, name)| Ok((name.clone(), value(at)?))).collect()
    };
    asked.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The tables of a database with their columns and rows.
fn content(database: &Connection) -> BTreeMap<String, (Vec<String>, BTreeSet<Row>)> {
    let read = |table: String| {
        let names: Vec<String> =
            columns(database, &table).into_iter().map(|column| column.name).collect();
        let found = rows(database, &table, &names);
        (table, (names, found))
    };
    tables(database).into_iter().map(read).collect()
}

/// Tables and indices as SQL, which tells a migrated database from a new one.
fn schema(database: &Connection) -> BTreeMap<String, Vec<String>> {
    let of_table = |table: String| {
        let mut names: Vec<String> = columns(database, &table)
            .into_iter()
            .map(|column| format!("{} {}", column.name, column.kind))
            .collect();
        names.sort();
        let mut indices = database
            .prepare("SELECT sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL ORDER BY name")
            .unwrap();
        let found = indices.query_map([&table], |row| row.get(0)).unwrap();
        names.extend(found.map(|index: Result<String, _>| index.unwrap()));
        (table, names)
    };
    tables(database).into_iter().map(of_table).collect()
}

/// A database as the program with these migrations left it, full.
fn earlier(path: &std::path::Path, migrations: &[(u32, &str)]) {
    let database = open(path).unwrap();
    for (number, text) in migrations {
        database.execute_batch(text).unwrap();
        database.pragma_update(None, "user_version", number).unwrap();
    }
    fill(&database);
}

#[test]
fn every_earlier_database_migrates_without_loss() {
    let folder = tempfile::tempdir().unwrap();
    let newest = folder.path().join("newest.db");
    drop(SqliteSql::open(&newest).unwrap());
    let new = schema(&open(&newest).unwrap());
    for count in 1..=MIGRATIONS.len() {
        let path = folder.path().join(format!("{count}.db"));
        earlier(&path, &MIGRATIONS[..count]);
        let before = content(&open(&path).unwrap());
        drop(SqliteSql::open(&path).unwrap_or_else(|error| panic!("from {count}: {error:#}")));
        let after = open(&path).unwrap();
        for (table, (names, rows_before)) in &before {
            assert!(!rows_before.is_empty(), "{table} of {count} was not filled");
            assert_eq!(&rows(&after, table, names), rows_before, "{table} from version {count}");
        }
        assert_eq!(schema(&after), new, "from version {count}");
        let version: u32 =
            after.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(Some(version), MIGRATIONS.last().map(|(number, _)| *number));
        let verdict: String =
            after.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok", "from version {count}");
    }
}

#[test]
fn migrations_are_numbered_as_their_files() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
    let mut files: Vec<(u32, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name[..4].parse().unwrap(), std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    let known: Vec<(u32, String)> =
        MIGRATIONS.iter().map(|(number, text)| (*number, (*text).to_owned())).collect();
    assert_eq!(known, files);
    let numbers: Vec<u32> = known.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=u32::try_from(known.len()).unwrap()).collect::<Vec<_>>());
}

#[test]
fn migration_that_fails_leaves_the_database_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quintet.db");
    let before_person: Vec<(u32, &str)> =
        MIGRATIONS.iter().copied().filter(|(number, _)| *number < 11).collect();
    earlier(&path, &before_person);
    // The table that migration 11 makes is in the way.
    open(&path).unwrap().execute_batch("CREATE TABLE person (other TEXT)").unwrap();
    let before = content(&open(&path).unwrap());
    assert!(SqliteSql::open(&path).is_err());
    let database = open(&path).unwrap();
    assert_eq!(content(&database), before);
    let version: u32 = database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 10);
}

/// The columns of the inbox. An inbox that exists gets new tables and indices, never new columns:
/// add a line for a new table, and change none.
const INBOX: &str = include_str!("inbox-tables.txt");

#[test]
fn inbox_tables_are_added_and_never_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inbox.db");
    drop(SqliteInbox::open(&path).unwrap());
    let database = open(&path).unwrap();
    let line = |table: String| {
        let names: Vec<String> = columns(&database, &table)
            .into_iter()
            .map(|column| format!("{} {}", column.name, column.kind))
            .collect();
        format!("{table}: {}\n", names.join(", "))
    };
    let found: String = tables(&database).into_iter().map(line).collect();
    assert_eq!(found, INBOX, "a changed table needs a way for the inboxes that exist");
}

#[tokio::test(flavor = "multi_thread")]
async fn inbox_of_an_earlier_version_gets_its_missing_tables_and_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let newest = folder.path().join("newest.db");
    drop(SqliteInbox::open(&newest).unwrap());
    let new = schema(&open(&newest).unwrap());
    for missing in new.keys() {
        let path = folder.path().join(format!("{missing}.db"));
        drop(SqliteInbox::open(&path).unwrap());
        let database = open(&path).unwrap();
        fill(&database);
        database.execute_batch(&format!("DROP TABLE {missing}")).unwrap();
        let before = content(&database);
        drop(database);
        drop(SqliteInbox::open(&path).unwrap());
        let after = open(&path).unwrap();
        for (table, (names, rows_before)) in &before {
            assert_eq!(&rows(&after, table, names), rows_before, "{table} without {missing}");
        }
        assert_eq!(schema(&after), new, "without {missing}");
    }
}
