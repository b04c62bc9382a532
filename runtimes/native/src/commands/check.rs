//! `quintet __check`: the new program of an upgrade tries itself on a copy of the data.

use crate::config_file;
use crate::data_dir::DataDir;
use crate::exit::{No, Usage};
use crate::ports::inbox::SqliteInbox;
use crate::ports::sql::SqliteSql;
use crate::storage::{self, DATABASES};
use crate::terminal::say;
use anyhow::Result;
use rusqlite::Connection;
use serde_json::Value;
use std::path::Path;

/// Beginning of the name of such a copy.
pub const COPY: &str = ".upgrade-";

/// Reads the configuration, opens and migrates both databases, and looks whether they are whole.
///
/// # Errors
/// The first problem; [`Usage`] for a directory that is no copy, because it would be migrated.
pub fn check(data: &DataDir, config: Option<&Path>) -> Result<()> {
    let name = data.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !name.starts_with(COPY) {
        return Err(Usage(format!(
            "{} is not the copy of an upgrade, so nothing was done. `quintet doctor` checks it.",
            data.path().display()
        ))
        .into());
    }
    storage::check(data)?;
    let file = config_file::path(config, data);
    let tree = config_file::read_tree(file.as_deref())?;
    let place = monitoring_dashboard::HostSettings::default();
    config_file::read(&tree, &Value::Null, place, |_| Vec::new())?;
    let explain = |name: &str, error| storage::explain(&data.join(name), error);
    drop(SqliteSql::open(&data.join("quintet.db")).map_err(|e| explain("quintet.db", e))?);
    drop(SqliteInbox::open(&data.join("inbox.db")).map_err(|e| explain("inbox.db", e))?);
    for name in DATABASES {
        let verdict: String = Connection::open(data.join(name))?.pragma_query_value(
            None,
            "integrity_check",
            |row| row.get(0),
        )?;
        if verdict != "ok" {
            return Err(No(format!("{name} is damaged after its migration: {verdict}")).into());
        }
    }
    say("ok");
    Ok(())
}
